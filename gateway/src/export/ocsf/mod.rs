//! Leaves as events of OCSF 1.8.0 (Open Cybersecurity Schema Framework): what a security team's tools read without a parser of ours.
//!
//! [`event`] is a pure function of the log's name, the index and the leaf's bytes, so that a repetition is the same event. Every leaf
//! has one, of a kind that this version does not know too. What the schema has a place for goes there; all else stands in `unmapped`
//! under the leaf's own names, so that nothing of a leaf is lost on the way. Classes and places are listed in
//! `docs/audit/export.md`.

mod call;
mod draft;
mod system;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};

use self::draft::Draft;
pub use self::draft::VERSION;
use crate::{
    audit::{Event, Leaf},
    model::hex::hex,
};

/// The event of a leaf. `origin` is the log's name, `leaf` the bytes at `index`.
pub fn event(origin: &str, index: u64, leaf: &[u8]) -> Value {
    let read = Leaf::from_bytes(leaf).ok().zip(serde_json::from_slice::<Map<String, Value>>(leaf).ok());
    let Some((read, fields)) = read else {
        let mut draft = Draft::new(origin, index, 0, Map::new());
        system::unreadable(&mut draft, leaf);
        return draft.finish(&leaf_hash(leaf));
    };
    let mut draft = Draft::new(origin, index, read.at_ms, fields);
    // Without a wildcard: who adds a kind of leaf is asked here for its event.
    match read.event {
        Event::Intent(_) => call::intent(&mut draft),
        Event::Outcome(outcome) => call::outcome(&mut draft, outcome.result),
        Event::Refused(_) => call::refused(&mut draft),
        Event::Finished(_) => call::finished(&mut draft),
        Event::Held(_) => call::held(&mut draft),
        Event::Vote(_) => call::vote(&mut draft),
        Event::Withdrawal(_) => call::withdrawal(&mut draft),
        Event::Transition(_) => call::transition(&mut draft),
        Event::Read(_) => call::read(&mut draft),
        Event::Change(change) => system::change(&mut draft, &change),
        Event::Unauthenticated(summed) => system::unauthenticated(&mut draft, summed.second_ms, summed.count),
        Event::Lifecycle(lifecycle) => system::lifecycle(&mut draft, lifecycle.event),
        Event::Recovery(_) => system::recovery(&mut draft),
        Event::Heartbeat(_) => system::heartbeat(&mut draft),
        Event::State(state) => system::state(&mut draft, &state),
        Event::Alarm(alarm) => system::alarm(&mut draft, &alarm),
        Event::Delivery(delivery) => system::delivery(&mut draft, &delivery),
        Event::Erasure(erasure) => system::erasure(&mut draft, &erasure.by),
        Event::Retention(_) => system::retention(&mut draft),
        Event::KeyChange(_) => system::key_change(&mut draft),
        Event::KeyHandover(handover) => system::key_handover(&mut draft, handover.change),
        Event::Unknown => system::unknown(&mut draft),
    }
    draft.finish(&leaf_hash(leaf))
}

/// The leaf's hash in the log's tree (RFC 6962 section 2.1): with it, and a proof, an event leads back to a signed checkpoint.
fn leaf_hash(leaf: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(&[0]);
    hash.update(leaf);
    hex(hash.finish().as_ref())
}
