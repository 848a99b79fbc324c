//! How the log is: normal, slow, low on disk or blocked; what makes it so, and what of that has to be told.
//!
//! [`States`] is fed with what the threads see and with the time; it decides, and remembers each change until somebody has written
//! it into the log. Where several things are wrong the worst counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::leaf;

/// Commits are judged over so many seconds, and a log that was slow stays so for as long after the last slow commit.
const WINDOW_S: u64 = 10;
/// A single slow commit is no slow disk.
const SLOW_COMMITS_LEAST: u64 = 2;
/// Changes that are remembered until they are in the log; of more the oldest go.
const CHANGES_MAX: usize = 256;

/// Can the log be written? From good to bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditHealth {
    /// Yes.
    Normal,
    /// Yes, with a wait: what can wait should not ask for it.
    Slow {
        /// Since when, in milliseconds since 1970-01-01 UTC.
        since_ms: i64,
        /// The cause, for operators.
        reason: String,
    },
    /// Yes, but the room is kept for refusals, votes and what operators do: nothing may be sent.
    LowDisk {
        /// Since when, in milliseconds since 1970-01-01 UTC.
        since_ms: i64,
        /// The cause, for operators.
        reason: String,
    },
    /// No; every append is refused until the disk recovers.
    Blocked {
        /// Since when, in milliseconds since 1970-01-01 UTC.
        since_ms: i64,
        /// The cause, for operators.
        reason: String,
    },
}

/// The words for the states, in metrics and leaves, from good to bad.
pub const STATE_WORDS: [&str; 4] = ["normal", "slow", "low-disk", "blocked"];

impl AuditHealth {
    /// `normal`, `slow`, `low-disk` or `blocked`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Slow { .. } => "slow",
            Self::LowDisk { .. } => "low-disk",
            Self::Blocked { .. } => "blocked",
        }
    }

    /// Why it is not normal, for operators.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Normal => None,
            Self::Slow { reason, .. } | Self::LowDisk { reason, .. } | Self::Blocked { reason, .. } => Some(reason),
        }
    }

    /// Whether leaves are taken at all.
    pub fn takes_leaves(&self) -> bool {
        !matches!(self, Self::Blocked { .. })
    }

    /// Whether something may be sent: its intent and its outcome find room.
    pub fn takes_effects(&self) -> bool {
        matches!(self, Self::Normal | Self::Slow { .. })
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cause {
    since_ms: i64,
    code: &'static str,
    reason: String,
}

/// The states of a log.
#[derive(Debug)]
pub(super) struct States {
    blocked: Option<Cause>,
    low: Option<Cause>,
    slow: Option<Cause>,
    told: &'static str,
    changes: VecDeque<leaf::State>,
}

impl Default for States {
    fn default() -> Self {
        Self { blocked: None, low: None, slow: None, told: "normal", changes: VecDeque::new() }
    }
}

impl States {
    /// The state of this moment.
    pub(super) fn health(&self) -> AuditHealth {
        let parts = |cause: &Cause| (cause.since_ms, cause.reason.clone());
        if let Some((since_ms, reason)) = self.blocked.as_ref().map(parts) {
            AuditHealth::Blocked { since_ms, reason }
        } else if let Some((since_ms, reason)) = self.low.as_ref().map(parts) {
            AuditHealth::LowDisk { since_ms, reason }
        } else if let Some((since_ms, reason)) = self.slow.as_ref().map(parts) {
            AuditHealth::Slow { since_ms, reason }
        } else {
            AuditHealth::Normal
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Why nothing is taken, where that is so.
    pub(super) fn blocked(&self) -> Option<&str> {
        self.blocked.as_ref().map(|cause| cause.reason.as_str())
    }

    /// The disk fails; the first cause stands.
    pub(super) fn block(&mut self, now_ms: i64, code: &'static str, reason: &str) {
        if self.blocked.is_none() {
            self.blocked = Some(Cause { since_ms: now_ms, code, reason: reason.to_owned() });
            self.note(now_ms);
        }
    }

    /// The disk works.
    pub(super) fn unblock(&mut self, now_ms: i64) {
        if self.blocked.take().is_some() {
            self.note(now_ms);
        }
    }

    /// The room is low for this reason, or is not.
    pub(super) fn low(&mut self, now_ms: i64, why: Option<(&'static str, String)>) {
        set(&mut self.low, now_ms, why);
        self.note(now_ms);
    }

    /// Commits are slow for this reason, or are not.
    pub(super) fn slow(&mut self, now_ms: i64, why: Option<(&'static str, String)>) {
        set(&mut self.slow, now_ms, why);
        self.note(now_ms);
    }

    pub(super) fn is_low(&self) -> bool {
        self.low.is_some()
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// The changes that nobody took yet, oldest first.
    pub(super) fn take_changes(&mut self) -> Vec<leaf::State> {
        self.changes.drain(..).collect()
    }

    /// Puts changes back that could not be written.
    pub(super) fn untake_changes(&mut self, changes: Vec<leaf::State>) {
        for change in changes.into_iter().rev() {
            self.changes.push_front(change);
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
    }

    /// Remembers and tells a change, where there is one.
    fn note(&mut self, now_ms: i64) {
        let state = self.health().word();
        if state == self.told {
            return;
        }
        let cause = [&self.blocked, &self.low, &self.slow].into_iter().flatten().next();
        let code = cause.map_or("recovered", |cause| cause.code);
        let reason = cause.map_or("", |cause| cause.reason.as_str());
        let before = self.told;
        match state {
            "normal" => tracing::info!(before, "the audit log is in order again"),
            "slow" => tracing::warn!(before, reason, "ALARM: the audit log is slow; reads of low priority are put off"),
            "low-disk" => {
                tracing::error!(
                    before,
                    reason,
                    "ALARM: the audit log's disk is nearly full; nothing is sent until there is room"
                )
            }
            _ => tracing::error!(
                before,
                reason,
                "ALARM: the audit log is blocked: nothing is recorded, so nothing may leave"
            ),
        }
        let change = leaf::State { state: state.into(), before: before.into(), since_ms: now_ms, code: code.into() };
        self.changes.push_back(change);
        self.bound();
        self.told = state;
    }
}

fn set(place: &mut Option<Cause>, now_ms: i64, why: Option<(&'static str, String)>) {
    let since_ms = place.as_ref().map_or(now_ms, |cause| cause.since_ms);
    *place = why.map(|(code, reason)| Cause { since_ms, code, reason });
}

/// How long commits took lately, in whole seconds of a ring: a fast disk's commits take no more room than a slow one's.
#[derive(Debug)]
pub(super) struct Window {
    from: Instant,
    slow_after: Duration,
    seconds: VecDeque<Second>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    second: u64,
    commits: u64,
    slow: u64,
}

impl Window {
    /// A window that calls commits slow that take longer than `slow_after`.
    pub(super) fn new(from: Instant, slow_after: Duration) -> Self {
        Self { from, slow_after, seconds: VecDeque::new() }
    }

    /// A commit took so long.
    pub(super) fn add(&mut self, now: Instant, took: Duration) {
        let second = self.prune(now);
        if self.seconds.back().is_none_or(|last| last.second != second) {
            self.seconds.push_back(Second { second, ..Second::default() });
        }
        if let Some(last) = self.seconds.back_mut() {
            last.commits += 1;
            last.slow += u64::from(took > self.slow_after);
        }
    }

    /// Is the 99th percentile (nearest rank) of the window above the bound? One slow commit alone is no judgement.
    pub(super) fn is_slow(&mut self, now: Instant) -> bool {
        self.prune(now);
        let commits: u64 = self.seconds.iter().map(|second| second.commits).sum();
        let slow: u64 = self.seconds.iter().map(|second| second.slow).sum();
        slow >= SLOW_COMMITS_LEAST && slow * 100 > commits
    }

    /// The second of now; what is too old is gone.
    fn prune(&mut self, now: Instant) -> u64 {
        let second = now.saturating_duration_since(self.from).as_secs();
        while self.seconds.front().is_some_and(|first| first.second + WINDOW_S <= second) {
            self.seconds.pop_front();
        }
        second
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(on: bool, code: &'static str) -> Option<(&'static str, String)> {
        on.then(|| (code, code.to_owned()))
    }

    #[test]
    fn the_worst_counts_and_each_change_is_told_once() {
        let mut states = States::default();
        states.slow(1, why(true, "commit-slow"));
        states.low(2, why(true, "space-low"));
        states.block(3, "no-space", "ENOSPC");
        states.block(4, "disk-error", "EIO");
        assert_eq!(states.health(), AuditHealth::Blocked { since_ms: 3, reason: "ENOSPC".into() });
        states.unblock(5);
        assert!(!states.health().takes_effects() && states.health().takes_leaves());
        states.low(6, why(false, ""));
        states.slow(7, why(false, ""));
        let told: Vec<_> = states.take_changes().into_iter().map(|c| (c.before, c.state, c.since_ms, c.code)).collect();
        let told: Vec<_> = told.iter().map(|c| (c.0.as_str(), c.1.as_str(), c.2, c.3.as_str())).collect();
        let expected = [
            ("normal", "slow", 1, "commit-slow"),
            ("slow", "low-disk", 2, "space-low"),
            ("low-disk", "blocked", 3, "no-space"),
            ("blocked", "low-disk", 5, "space-low"),
            ("low-disk", "slow", 6, "commit-slow"),
            ("slow", "normal", 7, "recovered"),
        ];
        assert_eq!(told, expected);
        assert!(states.take_changes().is_empty());
    }

    #[test]
    fn a_slow_disk_is_one_whose_99th_percentile_is_slow() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut window = Window::new(start, Duration::from_millis(50));
        window.add(at(0), Duration::from_millis(900));
        assert!(!window.is_slow(at(1)), "one alone");
        window.add(at(2), Duration::from_millis(51));
        assert!(window.is_slow(at(3)));
        for step in 0..198 {
            window.add(at(10 + step), Duration::from_millis(50));
        }
        assert!(!window.is_slow(at(300)), "2 of 200 are 1 %");
        window.add(at(301), Duration::from_millis(51));
        assert!(window.is_slow(at(302)), "3 of 201 are more");
        assert!(!window.is_slow(at(11_000)), "they are too old");
    }

    proptest! {
        #[test]
        fn changes_are_a_chain_from_the_first_state_to_the_last(steps in prop::collection::vec((0_u8..6, any::<bool>()), 0..200)) {
            let mut states = States::default();
            let mut told = Vec::new();
            for (now, (step, take)) in steps.into_iter().enumerate() {
                let now = now as i64;
                match step {
                    0 => states.block(now, "disk-error", "x"),
                    1 => states.unblock(now),
                    2 | 3 => states.low(now, why(step == 2, "space-low")),
                    _ => states.slow(now, why(step == 4, "commit-slow")),
                }
                if take {
                    let changes = states.take_changes();
                    if now % 3 == 0 { states.untake_changes(changes) } else { told.extend(changes) }
                }
            }
            told.extend(states.take_changes());
            let mut state = "normal".to_owned();
            let mut since = 0;
            for change in told {
                prop_assert_eq!(&change.before, &state);
                prop_assert_ne!(&change.before, &change.state);
                prop_assert!(STATE_WORDS.contains(&change.state.as_str()));
                prop_assert!(change.since_ms >= 0);
                since = change.since_ms.max(since);
                state = change.state;
            }
            prop_assert_eq!(state, states.health().word());
        }
    }
}
