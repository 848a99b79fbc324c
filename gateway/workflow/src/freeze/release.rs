//! What a freeze stopped comes back one by one: by a person's word, or by a rule with spacing, never all at once.

use jiff::Timestamp;

use crate::{
    ids::PostId,
    time::{after, seconds_between},
};

/// The rule by which posts go without being asked about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Between two posts, in seconds; at least 1.
    pub every_s: u32,
    /// A post that is late by more than this waits for a person all the same, in seconds.
    pub late_max_s: u32,
}

/// What becomes of a post that was thawed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Give it `Command::Release` with this instant.
    At(Timestamp),
    /// A person must confirm it.
    Confirm,
}

/// Spreads thawed posts over time, in the order in which they were due (then by id). Without a rule every post waits for a person.
pub fn release(waiting: &[(PostId, Timestamp)], rule: Option<Spacing>, now: Timestamp) -> Vec<(PostId, Release)> {
    let mut waiting: Vec<_> = waiting.iter().collect();
    waiting.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let mut next = now;
    let mut released = Vec::new();
    for (post, due) in waiting {
        let release = match rule {
            Some(rule) if seconds_between(*due, next) <= u64::from(rule.late_max_s) => {
                let at = next;
                next = after(next, rule.every_s.max(1));
                Release::At(at)
            }
            _ => Release::Confirm,
        };
        released.push((post.clone(), release));
    }
    released
}
