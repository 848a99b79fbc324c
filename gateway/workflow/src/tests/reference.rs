//! What must be true of every history, said without the code that is tested: who agreed to what, what was frozen, what was sent.

use std::collections::{BTreeMap, BTreeSet};

/// The people who may approve as `approver`.
pub const APPROVERS: [&str; 3] = ["a1", "a2", "a3"];
/// `sub` votes for `a1` until then, in seconds of the history.
pub const SUBSTITUTE_ENDS: i64 = 2 * 3600;
/// Late by more than this waits for a person.
pub const LATE_MAX: i64 = 3600;
/// Can use the key of the app.
pub const OPERATOR: &str = "a3";

/// A vote that was taken.
pub struct Given {
    pub voter: String,
    pub at: i64,
    pub digest: String,
}

/// The plain facts.
#[derive(Default)]
pub struct Reference {
    /// Which rules there are, by number.
    pub rules: u8,
    pub author: String,
    /// Digest to who made it.
    pub editors: BTreeMap<String, String>,
    pub given: Vec<Given>,
    /// Reasons of policies.
    pub held: bool,
    pub is_launch: bool,
    /// Digest to open comments.
    pub comments: BTreeMap<String, i32>,
    /// Accounts of freezes that are on, or all; with the people who want each lifted.
    pub frozen: Vec<(Option<String>, BTreeSet<String>)>,
    pub was_frozen: bool,
    /// What arrived: account and the time for which it was due.
    pub arrived: BTreeMap<(String, i64), u32>,
    pub latest: i64,
}

impl Reference {
    /// Whose word a vote is: substitutes speak for the one they stand in for.
    fn word(&self, given: &Given, for_digest: &str) -> Option<String> {
        let editor = self.editors.get(for_digest).map(String::as_str);
        let has_part = |person: &str| person == self.author || Some(person) == editor || person == OPERATOR;
        if given.digest != for_digest || has_part(&given.voter) {
            return None;
        }
        if given.voter == "sub" {
            let in_time = (0..SUBSTITUTE_ENDS).contains(&given.at);
            return (in_time && !has_part("a1")).then(|| "a1".to_owned());
        }
        Some(given.voter.clone())
    }

    /// Did everybody agree to this content whom the rules ask?
    pub fn is_approved(&self, digest: &str) -> bool {
        let words: BTreeSet<String> = self.given.iter().filter_map(|given| self.word(given, digest)).collect();
        let approvers = APPROVERS.iter().filter(|name| words.contains(**name)).count();
        let has = |name: &str| words.contains(name);
        let commented = self.comments.get(digest).copied().unwrap_or(0) > 0;
        match self.rules {
            0 => !self.held || approvers >= 1,
            1 => approvers >= 1,
            2 => approvers >= 2 && has("legal"),
            3 => {
                let external = words.iter().any(|word| word.starts_with("link"));
                approvers >= 1 && (!self.is_launch || external) && !commented
            }
            _ => ["a1", "a2", "chief"].iter().filter(|name| has(name)).count() >= 2,
        }
    }

    /// Is a freeze on that covers the account?
    pub fn is_frozen(&self, account: &str) -> bool {
        self.frozen.iter().any(|(scope, _)| scope.as_deref().is_none_or(|scope| scope == account))
    }

    /// A first byte leaves.
    pub fn leaves(&self, account: &str, digest: &str) -> Result<(), String> {
        if !self.is_approved(digest) {
            return Err(format!("{account}: {digest} is sent without the approvals that the rules ask for"));
        }
        if self.is_frozen(account) {
            return Err(format!("{account}: sent while frozen"));
        }
        Ok(())
    }

    /// The network has it.
    pub fn arrives(&mut self, account: &str, due: i64) -> Result<(), String> {
        let times = self.arrived.entry((account.to_owned(), due)).or_default();
        *times += 1;
        if *times > 1 { Err(format!("{account}: sent {times} times for {due}")) } else { Ok(()) }
    }
}
