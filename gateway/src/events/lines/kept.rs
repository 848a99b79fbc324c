//! What a receiver's line remembers: how far it has come, what waits for another attempt, what was given up.
//!
//! The order of each post is kept here: while an event of a post waits, the later ones of that post line up behind it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::folders::PRIVATE_FILE_MODE;

/// Events that wait at once, of all posts. With more the line waits as a whole: the log is the buffer.
pub(super) const WAITING_MAX: usize = 2_000;
/// Events that were given up and are listed; of more the oldest are forgotten here, and stay in the log.
const DEAD_MAX: usize = 10_000;
/// How long an event is tried: 72 hours, in milliseconds.
pub(super) const TRIED_MS: i64 = 72 * 3_600_000;
/// The first pause after a failure, and the longest: an hour. In milliseconds, before chance.
const FIRST_MS: i64 = 1_000;
const LONGEST_MS: i64 = 3_600_000;
/// More than such a file can be, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Events that were given up, where none of them may be forgotten: with more the line waits as a whole.
const KEPT_DEAD_MAX: usize = 1_000;

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dead {
    pub(super) leaf: u64,
    pub(super) post: String,
    pub(super) at_ms: i64,
    pub(super) why: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unknown: bool,
}

/// What was done for one event so far, by receivers whose deliveries have several steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// When the first attempt began.
    pub created_ms: i64,
    /// How many there were.
    pub attempts: u32,
    /// In the order in which they were sent.
    pub steps: Vec<KeptStep>,
}

/// A request of a delivery that left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptStep {
    /// The plugin's name for it.
    pub name: String,
    /// It is seen by others.
    pub effect: bool,
    /// How it avoids happening twice.
    pub safety: String,
    /// What was asked for.
    pub digest: String,
    /// When it left.
    pub sent_ms: i64,
    /// The answer; none while there is none that the plugin went on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<KeptAnswer>,
}

/// An answer to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body, as base64.
    pub body: String,
}

/// An event that is not among those that were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled(pub u64);

/// Events of one post, the first of which failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Never empty.
    pub(super) leaves: Vec<u64>,
    /// When the first was tried first.
    pub(super) since_ms: i64,
    pub(super) attempts: u32,
    pub(super) due_ms: i64,
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The log's name: another log has other leaves.
    pub(super) origin: String,
    /// Everything below is delivered, waits or was given up.
    pub(super) next: u64,
    #[serde(default)]
    pub(super) waiting: BTreeMap<String, Waiting>,
    #[serde(default)]
    pub(super) dead: Vec<Dead>,
    /// Since when the receiver can't be reached.
    #[serde(default)]
    pub(super) down_since_ms: Option<i64>,
    /// It said that it is gone for good.
    #[serde(default)]
    pub(super) disabled: bool,
    /// What was done so far for events that are not done with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) journals: BTreeMap<u64, Journal>,
    /// The plugin's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) note: Vec<u8>,
}

impl Kept {
    pub(super) fn new(origin: &str, next: u64) -> Self {
        Self {
            origin: origin.to_owned(),
            next,
            waiting: BTreeMap::new(),
            dead: Vec::new(),
            down_since_ms: None,
            disabled: false,
            journals: BTreeMap::new(),
            note: Vec::new(),
        }
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.values().map(|waiting| waiting.leaves.len()).sum()
    }

    /// The event that is to be tried again now: the one that has been due for longest.
    pub(super) fn due(&self, now_ms: i64) -> Option<(String, u64)> {
        let due = self.waiting.iter().filter(|(_, waiting)| is_due(waiting.due_ms, now_ms));
        let (post, waiting) = due.min_by_key(|(_, waiting)| waiting.due_ms)?;
        Some((post.clone(), *waiting.leaves.first()?))
    }

    /// The receiver did not take an event. `chance` is between 0 and 1.
    pub(super) fn park(&mut self, post: &str, leaf: u64, now_ms: i64, chance: f64) {
        let due_ms = now_ms.saturating_add(pause_ms(0, chance));
        let fresh = Waiting { leaves: vec![leaf], since_ms: now_ms, attempts: 1, due_ms };
        // An earlier one of the post may have been put back meanwhile.
        let waiting = self.waiting.entry(post.to_owned()).or_insert(fresh);
        if !waiting.leaves.contains(&leaf) {
            waiting.leaves.push(leaf);
        }
    }

    /// Lines an event up behind the others of its post; false where none of it waits.
    pub(super) fn line_up(&mut self, post: &str, leaf: u64) -> bool {
        let Some(waiting) = self.waiting.get_mut(post) else { return false };
        waiting.leaves.push(leaf);
        true
    }

    /// The first event of the post is done with; the next one is due.
    pub(super) fn done(&mut self, post: &str, now_ms: i64) {
        let Some(waiting) = self.waiting.get_mut(post) else { return };
        if waiting.leaves.len() <= 1 {
            self.waiting.remove(post);
            return;
        }
        waiting.leaves.remove(0);
        (waiting.since_ms, waiting.attempts, waiting.due_ms) = (now_ms, 0, now_ms);
    }

    /// This event of the post is done with, whether or not it is the first; the next one is due.
    pub(super) fn done_with(&mut self, post: &str, leaf: u64, now_ms: i64) {
        let first = self.waiting.get(post).and_then(|waiting| waiting.leaves.first());
        if first == Some(&leaf) {
            self.done(post, now_ms);
        } else if let Some(waiting) = self.waiting.get_mut(post) {
            waiting.leaves.retain(|known| *known != leaf);
        }
    }

    /// The first event of the post failed again. True where it is given up.
    pub(super) fn again(&mut self, post: &str, now_ms: i64, chance: f64, why: &str) -> bool {
        let Some(waiting) = self.waiting.get_mut(post) else { return false };
        if now_ms.saturating_sub(waiting.since_ms) < TRIED_MS {
            waiting.due_ms = now_ms.saturating_add(pause_ms(waiting.attempts, chance));
            waiting.attempts = waiting.attempts.saturating_add(1);
            return false;
        }
        let leaf = waiting.leaves.first().copied().unwrap_or_default();
        self.give_up(post, leaf, now_ms, why, false);
        self.done(post, now_ms);
        true
    }

    /// Lists an event as given up.
    pub(super) fn give_up(&mut self, post: &str, leaf: u64, now_ms: i64, why: &str, unknown: bool) {
        if self.dead.len() >= DEAD_MAX {
            let forgotten = self.dead.remove(0);
            self.journals.remove(&forgotten.leaf);
        }
        self.dead.push(Dead { leaf, post: post.to_owned(), at_ms: now_ms, why: why.to_owned(), unknown });
    }

    /// So much was given up that a line which forgets nothing waits.
    pub(super) fn is_full_of_dead(&self) -> bool {
        self.dead.len() >= KEPT_DEAD_MAX
    }

    /// Has what was given up tried again: all that was refused, or these, also where something may have happened already.
    pub(super) fn retry(&mut self, leaves: &[u64], now_ms: i64) -> Result<u64, Unsettled> {
        self.all_dead(leaves)?;
        self.down_since_ms = None;
        for waiting in self.waiting.values_mut() {
            (waiting.since_ms, waiting.attempts, waiting.due_ms) = (now_ms, 0, now_ms);
        }
        let wanted = |dead: &Dead| if leaves.is_empty() { !dead.unknown } else { leaves.contains(&dead.leaf) };
        let (again, stay) = std::mem::take(&mut self.dead).into_iter().partition(wanted);
        self.dead = stay;
        let again: Vec<Dead> = again;
        let count = again.len() as u64;
        for dead in again.iter().filter(|dead| dead.unknown) {
            // Whoever names it has looked: what was not answered is sent again.
            if let Some(journal) = self.journals.get_mut(&dead.leaf) {
                journal.steps.retain(|step| step.answer.is_some());
            }
        }
        self.line_up_again(again, now_ms);
        Ok(count)
    }

    /// Takes these off the list.
    pub(super) fn close(&mut self, leaves: &[u64]) -> Result<u64, Unsettled> {
        self.all_dead(leaves)?;
        self.dead.retain(|dead| !leaves.contains(&dead.leaf));
        self.journals.retain(|leaf, _| !leaves.contains(leaf));
        Ok(leaves.len() as u64)
    }

    fn all_dead(&self, leaves: &[u64]) -> Result<(), Unsettled> {
        let is_dead = |leaf: u64| self.dead.iter().any(|dead| dead.leaf == leaf);
        leaves.iter().find(|leaf| !is_dead(**leaf)).map_or(Ok(()), |leaf| Err(Unsettled(*leaf)))
    }

    fn line_up_again(&mut self, dead: Vec<Dead>, now_ms: i64) {
        for Dead { leaf, post, .. } in dead {
            let fresh = || Waiting { leaves: Vec::new(), since_ms: now_ms, attempts: 0, due_ms: now_ms };
            let waiting = self.waiting.entry(post).or_insert_with(fresh);
            waiting.leaves.push(leaf);
            waiting.leaves.sort_unstable();
            waiting.leaves.dedup();
        }
    }

    /// Begins again: with what was given up, before what waits of the same post, or with everything from a leaf on. Answers how
    /// much that is.
    pub(super) fn replay(&mut self, from: Option<u64>, now_ms: i64, log_next: u64) -> u64 {
        (self.disabled, self.down_since_ms) = (false, None);
        for waiting in self.waiting.values_mut() {
            (waiting.since_ms, waiting.attempts, waiting.due_ms) = (now_ms, 0, now_ms);
        }
        let Some(from) = from else {
            let dead = std::mem::take(&mut self.dead);
            let count = dead.len() as u64;
            self.line_up_again(dead, now_ms);
            return count;
        };
        let from = from.min(log_next);
        // What comes by the log again needs no second place.
        self.dead.retain(|dead| dead.leaf < from);
        for waiting in self.waiting.values_mut() {
            waiting.leaves.retain(|leaf| *leaf < from);
        }
        self.waiting.retain(|_, waiting| !waiting.leaves.is_empty());
        self.next = from;
        log_next.saturating_sub(from)
    }
}

/// A time that lies further ahead than any pause is of a clock that was set back.
pub(super) fn is_due(due_ms: i64, now_ms: i64) -> bool {
    due_ms <= now_ms || due_ms.saturating_sub(now_ms) > 2 * LONGEST_MS
}

/// How long to wait after so many failures before this one: twice as long each time, at most an hour, and between a half and the
/// whole of it by chance.
pub(super) fn pause_ms(failures: u32, chance: f64) -> i64 {
    let whole = FIRST_MS.saturating_mul(1_i64 << failures.min(16)).min(LONGEST_MS);
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "at most an hour in milliseconds")]
    let random = (whole as f64 / 2.0 * chance) as i64;
    whole / 2 + random
}

/// The file of one receiver.
pub(super) struct KeptFile {
    path: PathBuf,
    stored: Option<Kept>,
}

impl KeptFile {
    /// Reads it, in the folder of the exports' cursors, which backups copy; a new receiver begins with the present.
    pub(super) fn open(dir: &Path, word: &str, id: &str, origin: &str, log_next: u64) -> Result<(Self, Kept), String> {
        let path = dir.join(format!("{word}.{id}.cursor"));
        let shown = path.display().to_string();
        let told = |error: io::Error| format!("{shown}: {error}");
        let mut kept = match read(&path).map_err(told)? {
            None => Kept::new(origin, log_next),
            // To begin anew without a word would lose what is between.
            Some(text) => serde_json::from_slice(&text).map_err(|_| {
                format!("{shown} can't be read. Restore it, or remove it: then this {word} begins with the present")
            })?,
        };
        if kept.origin != origin {
            tracing::warn!(file = shown, found = kept.origin, "the position is of another log; the {word} begins anew");
            kept = Kept::new(origin, log_next);
        }
        if kept.next > log_next {
            tracing::warn!(file = shown, "the log is shorter than what was delivered: it was restored");
            kept.next = log_next;
            kept.waiting.values_mut().for_each(|waiting| waiting.leaves.retain(|leaf| *leaf < log_next));
            kept.waiting.retain(|_, waiting| !waiting.leaves.is_empty());
        }
        let mut file = Self { path, stored: None };
        file.store(&kept).map_err(told)?;
        Ok((file, kept))
    }

    /// Makes it durable, where it is not. Blocks.
    pub(super) fn store(&mut self, kept: &Kept) -> io::Result<()> {
        if self.stored.as_ref() == Some(kept) {
            return Ok(());
        }
        let unfinished = self.path.with_extension("cursor-new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE_MODE).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.stored = Some(kept.clone());
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Ok(facts) if facts.len() > FILE_BYTES_MAX => Err(io::Error::other("it is too large")),
        Ok(_) => fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_events_of_a_post_wait_behind_the_one_that_failed() {
        let mut kept = Kept::new("o", 0);
        assert!(!kept.line_up("p", 2), "none of it waits");
        kept.park("p", 1, 0, 1.0);
        assert!(kept.line_up("p", 2) && kept.line_up("p", 5));
        kept.park("q", 3, 100, 1.0);
        assert_eq!((kept.waiting(), kept.due(999)), (4, None));
        assert_eq!(kept.due(1_000), Some(("p".into(), 1)));
        assert!(!kept.again("p", 1_000, 1.0, "500"));
        assert_eq!(kept.due(1_100), Some(("q".into(), 3)), "others go on");
        kept.done("q", 1_100);
        assert_eq!((kept.due(2_999), kept.due(3_000)), (None, Some(("p".into(), 1))));
        kept.done("p", 3_000);
        assert_eq!(kept.due(3_000), Some(("p".into(), 2)));
        kept.done("p", 3_000);
        kept.done("p", 3_000);
        assert!(kept.waiting.is_empty());
    }

    #[test]
    fn an_event_is_given_up_after_three_days_and_can_be_replayed_in_order() {
        let mut kept = Kept::new("o", 10);
        kept.park("p", 1, 0, 0.5);
        kept.line_up("p", 4);
        let (mut now, mut attempts) = (0, 0);
        while !kept.again("p", now, 0.5, "the receiver answered 400") {
            now = kept.waiting["p"].due_ms;
            attempts += 1;
        }
        assert!((TRIED_MS..TRIED_MS + LONGEST_MS).contains(&now), "{now}");
        assert!((80..200).contains(&attempts), "{attempts} attempts: many at first, then one an hour");
        assert_eq!((kept.dead[0].leaf, kept.due(now)), (1, Some(("p".into(), 4))));
        assert_eq!(kept.replay(None, now, 10), 1);
        assert_eq!((kept.waiting["p"].leaves.as_slice(), kept.dead.len()), ([1, 4].as_slice(), 0));
        kept.give_up("q", 3, now, "x", false);
        assert_eq!((kept.replay(Some(3), now, 10), kept.next), (7, 3));
        assert_eq!((kept.waiting["p"].leaves.as_slice(), kept.dead.len()), ([1].as_slice(), 0));
    }

    #[test]
    fn pauses_grow_to_an_hour_and_a_clock_set_back_stops_nothing() {
        for (failures, whole) in [(0, 1_000), (1, 2_000), (5, 32_000), (12, 3_600_000), (u32::MAX, 3_600_000)] {
            assert_eq!((pause_ms(failures, 0.0), pause_ms(failures, 1.0)), (whole / 2, whole));
        }
        assert!(is_due(5, 5) && !is_due(6, 5) && is_due(100 * LONGEST_MS, 5));
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let open = |origin: &str, next| KeptFile::open(dir.path(), "webhook", "crm", origin, next);
        let (mut file, mut kept) = open("o", 7).unwrap();
        assert_eq!(kept.next, 7, "a new one begins with the present");
        kept.next = 9;
        kept.park("p", 8, 0, 1.0);
        file.store(&kept).unwrap();
        assert_eq!(open("o", 20).unwrap().1, kept);
        let (_, shorter) = open("o", 8).unwrap();
        assert_eq!((shorter.next, shorter.waiting()), (8, 0), "a log that was restored is shorter");
        assert_eq!(open("other", 5).unwrap().1, Kept::new("other", 5));
        fs::write(dir.path().join("webhook.crm.cursor"), "{").unwrap();
        assert!(open("o", 5).err().unwrap().contains("remove it"));
    }
}
