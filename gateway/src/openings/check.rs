//! Whether every value beside the log is still what a leaf commits to: each opening is opened with its subject's key and compared
//! with its leaf. Nothing is changed, and no value leaves this module.
//!
//! A value may be gone by right: its subject was erased, which the log itself states. It may be there without a leaf: of a post that
//! was not sent, or of a leaf whose entries went by retention; then it must open with its subject's key. Anything else is a fault.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use pressgate_audit::{
    ReadError,
    leaf::{Changed, Commitment, Event, Leaf, LifecycleEvent, Refused},
};

pub use super::found::{CheckError, FAULTS_MAX, Fault, Found, Why};
use super::{FIELDS, Openings, OpeningsError, ring::SubjectKey};
use crate::records::{Opening, RecordsError};

/// Leaves whose values are asked for at once.
const LEAVES_AT_ONCE: usize = 256;
/// Openings that are read at once.
const OPENINGS_AT_ONCE: u32 = 1_024;
/// Keys held in memory.
const KEYS_MAX: usize = 4_096;
/// A refusal's leaf and its openings are written at once. Where the gateway was killed meanwhile, the leaf may be there without
/// them, if it is no older than this at the end of the run.
const CUT_OFF_MS: i64 = 10_000;

/// The leaves of a log, in order.
pub type Leaves<'a> = dyn FnMut() -> Result<Option<(u64, Leaf)>, ReadError> + 'a;

impl Openings {
    /// Compares every opening with the leaf that commits to it. The leaves are taken for what they are: that they are those that were
    /// logged is for `pressgate_audit::verify` to show.
    ///
    /// # Errors
    /// The log can't be read, or the machine can't do it. What is wrong with openings is in the answer.
    pub async fn check(&self, leaves: &mut Leaves<'_>) -> Result<Found, CheckError> {
        let mut check = Check::new(self);
        loop {
            let mut some = Vec::with_capacity(LEAVES_AT_ONCE);
            while some.len() < LEAVES_AT_ONCE
                && let Some(leaf) = leaves()?
            {
                some.push(leaf);
            }
            if some.is_empty() {
                break;
            }
            check.leaves(some).await?;
        }
        check.end_of_run();
        check.strays().await?;
        Ok(check.told())
    }
}

/// A key that an opening names.
#[derive(Clone)]
enum Key {
    Good(Arc<SubjectKey>),
    Missing,
    Damaged,
}

/// A value that is gone. It is a fault unless an erasure or a crash explains it.
struct Gone {
    /// Whose it is, or may be.
    subjects: Vec<String>,
    at_ms: i64,
    /// A crash may have cut it off.
    beside: bool,
    fault: Fault,
}

struct Check<'a> {
    openings: &'a Openings,
    found: Found,
    /// Commitments that were looked at.
    seen: HashSet<[u8; 32]>,
    keys: HashMap<String, Key>,
    gone: Vec<Gone>,
    /// Subjects that were erased at any time.
    erased: HashSet<String>,
    /// The gateway stopped in order, and did not start since.
    stopped: bool,
    /// When it was seen last before it ended.
    alive_ms: i64,
}

impl<'a> Check<'a> {
    fn new(openings: &'a Openings) -> Self {
        Self {
            openings,
            found: Found::default(),
            seen: HashSet::new(),
            keys: HashMap::new(),
            gone: Vec::new(),
            erased: HashSet::new(),
            stopped: true,
            alive_ms: i64::MIN,
        }
    }

    async fn leaves(&mut self, leaves: Vec<(u64, Leaf)>) -> Result<(), CheckError> {
        let names = leaves.iter().flat_map(|(_, leaf)| leaf.event.commitments());
        let names: Vec<_> = names.filter_map(Commitment::bytes).filter(|name| !self.seen.contains(name)).collect();
        let kept = self.kept(names).await;
        for (index, leaf) in leaves {
            if self.found.until == 0 {
                self.found.from = index;
            }
            self.found.until = index + 1;
            for commitment in leaf.event.commitments() {
                self.commitment(index, &leaf, commitment, &kept).await?;
            }
            self.passed(&leaf);
        }
        Ok(())
    }

    /// The openings of some commitments; where one can't be read, an error in its place.
    async fn kept(&self, names: Vec<[u8; 32]>) -> HashMap<[u8; 32], Result<Opening, RecordsError>> {
        if names.is_empty() {
            return HashMap::new();
        }
        if let Ok(all) = self.openings.kept(names.clone()).await {
            return all.into_iter().map(|opening| (opening.commitment, Ok(opening))).collect();
        }
        let mut kept = HashMap::new();
        for name in names {
            match self.openings.kept(vec![name]).await {
                Ok(one) => kept.extend(one.into_iter().map(|opening| (name, Ok(opening)))),
                Err(error) => drop(kept.insert(name, Err(error))),
            }
        }
        kept
    }

    async fn commitment(
        &mut self,
        index: u64,
        leaf: &Leaf,
        commitment: &Commitment,
        kept: &HashMap<[u8; 32], Result<Opening, RecordsError>>,
    ) -> Result<(), CheckError> {
        let fault = |why| Fault { leaf: Some(index), field: Some(commitment.field.clone()), why };
        let Some(name) = commitment.bytes() else {
            self.fault(fault(Why::Changed));
            return Ok(());
        };
        if !self.seen.insert(name) {
            return Ok(());
        }
        let subjects = subjects(&leaf.event);
        let beside = matches!(leaf.event, Event::Refused(_));
        let gone = |subjects, beside, why| Gone { subjects, at_ms: leaf.at_ms, beside, fault: fault(why) };
        let opening = match kept.get(&name) {
            None => {
                self.gone.push(gone(subjects, beside, Why::Missing));
                return Ok(());
            }
            Some(Err(_)) => {
                self.fault(fault(Why::Unreadable));
                return Ok(());
            }
            Some(Ok(opening)) => opening,
        };
        let known = subjects.contains(&opening.subject);
        match self.key(&opening.key).await {
            Key::Missing => self.gone.push(gone(subjects, false, Why::KeyMissing)),
            Key::Damaged => self.fault(fault(Why::KeyDamaged)),
            Key::Good(key) if !known || key.subject != opening.subject => self.fault(fault(Why::Subject)),
            Key::Good(key) => match self.openings.unseal_with(&key, leaf.event.call(), commitment, opening) {
                Ok(_) => self.found.values += 1,
                Err(OpeningsError::Changed(_)) => self.fault(fault(Why::Changed)),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }

    /// A key, read once.
    async fn key(&mut self, id: &str) -> Key {
        if let Some(key) = self.keys.get(id) {
            return key.clone();
        }
        let key = match self.openings.ring.named(id).await {
            Ok(Some(key)) => Key::Good(key),
            Ok(None) => Key::Missing,
            Err(_) => Key::Damaged,
        };
        if self.keys.len() >= KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(id.to_owned(), key.clone());
        key
    }

    /// What a leaf says of values that are gone.
    fn passed(&mut self, leaf: &Leaf) {
        match &leaf.event {
            Event::Erasure(erasure) => self.erased(&erasure.subject),
            // From the confirmation on it happens, whatever else does.
            Event::Change(change) if change.what == Changed::Log && change.action == "erasure-confirm" => {
                if let Some((_, subject)) = change.subject.split_once(' ') {
                    self.erased(subject);
                }
            }
            Event::Lifecycle(life) if life.event == LifecycleEvent::Start => {
                self.end_of_run();
                self.stopped = false;
            }
            Event::Lifecycle(life) if life.event == LifecycleEvent::Stop => self.stopped = true,
            Event::Intent(_) | Event::Refused(_) | Event::Heartbeat(_) => self.alive_ms = leaf.at_ms,
            _ => {}
        }
    }

    /// What is gone of a subject went by right.
    fn erased(&mut self, subject: &str) {
        let before = self.gone.len();
        self.gone.retain(|gone| !gone.subjects.iter().any(|known| known == subject));
        self.found.erased += (before - self.gone.len()) as u64;
        self.erased.insert(subject.to_owned());
    }

    /// The gateway ended here, in order or not. In either case nothing later can cut off what was written before.
    fn end_of_run(&mut self) {
        let (killed, since_ms) = (!self.stopped, self.alive_ms.saturating_sub(CUT_OFF_MS));
        let before = self.gone.len();
        self.gone.retain(|gone| !(killed && gone.beside && gone.at_ms >= since_ms));
        self.found.cut_off += (before - self.gone.len()) as u64;
        self.gone.iter_mut().for_each(|gone| gone.beside = false);
    }

    /// Openings that no leaf commits to.
    async fn strays(&mut self) -> Result<(), CheckError> {
        let mut after = None;
        loop {
            let Ok(page) = self.openings.records.openings_after(after, OPENINGS_AT_ONCE).await else {
                self.fault(Fault { leaf: None, field: None, why: Why::Unreadable });
                return Ok(());
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.commitment);
            for opening in page {
                if !self.seen.contains(&opening.commitment) {
                    self.stray(&opening).await;
                }
            }
        }
    }

    async fn stray(&mut self, opening: &Opening) {
        let fault = |why| Fault { leaf: None, field: None, why };
        match self.key(&opening.key).await {
            Key::Missing if self.erased.contains(&opening.subject) => self.found.erased += 1,
            Key::Missing => self.fault(fault(Why::Stray)),
            Key::Damaged => self.fault(fault(Why::KeyDamaged)),
            Key::Good(key) if key.subject != opening.subject => self.fault(fault(Why::Subject)),
            Key::Good(key) => {
                let opens = FIELDS.iter().any(|field| self.openings.decrypt(&key, field, opening).is_ok());
                if opens { self.found.unsent += 1 } else { self.fault(fault(Why::Stray)) }
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.found.faults_total += 1;
        if self.found.faults.len() < FAULTS_MAX {
            self.found.faults.push(fault);
        }
    }

    fn told(mut self) -> Found {
        for gone in std::mem::take(&mut self.gone) {
            self.fault(gone.fault);
        }
        self.found.faults.sort_by_key(|fault| (fault.leaf.is_none(), fault.leaf));
        self.found
    }
}

/// Whose values a leaf commits to. The refusal of somebody who acted for a person whom nobody knows is kept for whoever acted.
fn subjects(event: &Event) -> Vec<String> {
    let mut subjects: Vec<String> = event.subject().into_iter().collect();
    if let Event::Refused(refused) = event
        && refused.on_behalf_of.is_some()
    {
        let alone = Refused { on_behalf_of: None, ..(**refused).clone() };
        subjects.extend(Event::from(alone).subject());
    }
    subjects
}
