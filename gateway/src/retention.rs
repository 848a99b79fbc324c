//! Retention: the entries of leaves that are older than the configured time are dropped, their hashes stay.
//!
//! The order: a leaf says what goes; a checkpoint covers that leaf; then the openings of what the entries commit to go, which only
//! they name; then the entries. A crash in between begins anew with the entries that are still there. What an export has not
//! taken yet stays.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use pressgate_audit::{receipt::post_of, tile::TILE_WIDTH};

use crate::{
    audit::{Leaf, LogReader, leaf},
    gateway::Gateway,
    model::PostId,
    records::{Commitment, DropOpenings},
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// After a start, recovery and exports come first.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(60);

/// The leaves of an attempt, which share what they commit to, lie no further apart than this. A post that was changed later than
/// so long after the last leaf that goes keeps its openings until its later leaves go.
const TOGETHER: SignedDuration = SignedDuration::from_mins(15);
/// Leaves of which the openings are dropped in one transaction.
const PART_LEAVES: usize = 500;

/// Drops what is old enough until the gateway stops.
pub async fn run(gateway: Arc<Gateway>) {
    let Some(days) = gateway.config.audit.retention_days else { return };
    let mut pause = FIRST_LOOK_AFTER;
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            () = tokio::time::sleep(pause) => pause = LOOK_EVERY,
        }
        match drop_older(&gateway, days).await {
            Ok(0) => {}
            Ok(below) => tracing::info!(below, "the entries of old leaves were dropped; their hashes stay"),
            Err(error) => tracing::warn!(error, "old leaves can't be dropped"),
        }
    }
}

/// Drops the entries of leaves that are older than so many days. The index below which they went, 0 where none did.
///
/// # Errors
/// A sentence that says what failed.
pub async fn drop_older(gateway: &Arc<Gateway>, days: u64) -> Result<u64, String> {
    let age = SignedDuration::from_hours(24 * i64::try_from(days).unwrap_or(i64::MAX / 24));
    let cutoff = gateway.clock.now().checked_sub(age).map_err(|error| error.to_string())?;
    let audit = gateway.audit.clone();
    let look = move || (audit.older_than(cutoff.as_millisecond()), audit.entries_from());
    let (older, from) = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?;
    let older = older.map_err(|error| error.to_string())?;
    let below =
        gateway.exports.exported_below().map_or(older, |exported| older.min(exported / TILE_WIDTH * TILE_WIDTH));
    if below <= from {
        return Ok(0);
    }
    let event = leaf::Retention { below, bundles: (below - from) / TILE_WIDTH };
    // The write-ahead log may still have them too; its segment goes with the next checkpoint.
    gateway.audit.begin_segment();
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    let said = gateway.audit.append(leaf).await.map_err(|error| error.to_string())?;
    let mut tree = gateway.audit.tree().ok_or("the log has no tree")?;
    let covered =
        tree.wait_for(|status| status.published.as_ref().is_some_and(|published| published.checkpoint.size > said));
    tokio::select! {
        () = gateway.stopping.wait() => return Ok(0),
        covered = covered => drop(covered.map_err(|error| error.to_string())?),
    }
    gateway.openings.settle().await.map_err(|error| error.to_string())?;
    let openings = drop_openings(gateway, from, below).await?;
    tracing::debug!(openings, "openings of leaves that go were dropped");
    let audit = gateway.audit.clone();
    let dropped = tokio::task::spawn_blocking(move || audit.drop_entries(below)).await;
    dropped.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(below)
}

/// Drops what the leaves from an index on, below another, commit to. How many openings went.
async fn drop_openings(gateway: &Arc<Gateway>, from: u64, below: u64) -> Result<u64, String> {
    let (keep, rested_since) = {
        let audit = gateway.audit.clone();
        let look = tokio::task::spawn_blocking(move || kept(audit.reader(below)));
        look.await.map_err(|error| error.to_string())??
    };
    let mut reader = gateway.audit.reader(from);
    let mut dropped = 0;
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let leaves = part(&mut reader, below);
            (reader, leaves)
        });
        let leaves;
        (reader, leaves) = read.await.map_err(|error| error.to_string())?;
        let Some(leaves) = leaves? else { return Ok(dropped) };
        let drop = DropOpenings { leaves, rested_since, keep: Arc::clone(&keep) };
        dropped += gateway.records.drop_openings(drop).await.map_err(|error| error.to_string())?;
    }
}

/// Commitments of leaves that stay.
type Kept = Arc<HashSet<[u8; 32]>>;
/// Leaves that go: the post and what they commit to.
type Leaves = Vec<(Option<PostId>, Vec<[u8; 32]>)>;

/// What the first leaves that stay commit to, and until when they were written.
fn kept(mut reader: LogReader) -> Result<(Kept, Timestamp), String> {
    let mut keep = HashSet::new();
    let mut until: Option<i64> = None;
    while let Some((_, bytes)) = reader.next_bytes().map_err(|error| error.to_string())? {
        let Ok(leaf) = Leaf::from_bytes(&bytes) else { continue };
        let until = *until.get_or_insert(leaf.at_ms.saturating_add(ms(TOGETHER)));
        if leaf.at_ms > until.saturating_add(ms(TOGETHER)) {
            break;
        }
        keep.extend(committed(&leaf));
    }
    let rested = until.and_then(|until| Timestamp::from_millisecond(until).ok()).unwrap_or(Timestamp::MIN);
    Ok((Arc::new(keep), rested))
}

/// The next leaves below an index; none where there are no more.
fn part(reader: &mut LogReader, below: u64) -> Result<Option<Leaves>, String> {
    let (mut leaves, mut read) = (Vec::new(), 0);
    while read < PART_LEAVES {
        let Some((index, bytes)) = reader.next_bytes().map_err(|error| error.to_string())? else { break };
        if index >= below {
            break;
        }
        read += 1;
        let Ok(leaf) = Leaf::from_bytes(&bytes) else { continue };
        let (post, commitments) = (post_of(&leaf.event).map(PostId::new), committed(&leaf));
        if post.is_some() || !commitments.is_empty() {
            leaves.push((post, commitments));
        }
    }
    Ok((read > 0).then_some(leaves))
}

fn committed(leaf: &Leaf) -> Vec<[u8; 32]> {
    leaf.event.commitments().iter().filter_map(Commitment::bytes).collect()
}

fn ms(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
