//! What the log tells of the use of rights: when last, and how often within the time that is asked for.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use pressgate_audit::tile::TILE_WIDTH;

use crate::{
    audit::{Event, Leaf, LogReader, leaf},
    model::{AccountId, Principal},
};

/// The kind of a leaf stands within so many bytes of its start.
const KIND_BYTES_MAX: usize = 64;
/// Kinds that tell of a use.
const KINDS: [&str; 5] = ["intent", "refused", "vote", "change", "read"];

/// The use of one right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// The last time, in milliseconds since 1970-01-01 UTC.
    pub last_ms: Option<i64>,
    /// How often within the time that is asked for.
    pub count: u64,
}

impl Use {
    fn note(&mut self, at_ms: i64, from_ms: i64, times: u64) {
        self.last_ms = self.last_ms.max(Some(at_ms));
        if at_ms >= from_ms {
            self.count = self.count.saturating_add(times);
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { last_ms: self.last_ms.max(other.last_ms), count: self.count.saturating_add(other.count) }
    }

    /// The last time.
    pub fn last(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_ms?).ok()
    }
}

/// The use of all rights.
#[derive(Debug, Default)]
pub struct Usage {
    accounts: BTreeSet<AccountId>,
    from_ms: i64,
    /// Leaves that were read.
    pub leaves: u64,
    /// Leaves that are gone.
    pub missing: u64,
    /// Time of the first leaf that was read.
    pub since: Option<Timestamp>,
    grants: HashMap<(String, String), Use>,
    /// Apps that acted for a person used the person's rights too: person, account, action.
    acted_for: HashMap<(String, String, String), Use>,
    entries: HashMap<String, Use>,
    votes: HashMap<String, Use>,
    changes: HashMap<String, Use>,
    refused: HashMap<(String, String), Use>,
}

impl Usage {
    /// Of these accounts; uses are counted from a time on, in milliseconds since 1970-01-01 UTC.
    pub fn new(accounts: BTreeSet<AccountId>, from_ms: i64) -> Self {
        Self { accounts, from_ms, ..Self::default() }
    }

    /// Reads the log up to an index. Bundles that are gone are passed over and counted.
    ///
    /// # Errors
    /// The newest leaves can't be read.
    pub fn read(&mut self, reader: &dyn Fn(u64) -> LogReader, until: u64) -> Result<(), String> {
        let mut at = 0;
        while at < until {
            let mut leaves = reader(at);
            let failed = loop {
                match leaves.next_bytes() {
                    Ok(Some((index, bytes))) => {
                        at = index + 1;
                        self.note(&bytes);
                    }
                    Ok(None) => return Ok(()),
                    Err(error) => break error,
                }
            };
            let next = (at / TILE_WIDTH + 1) * TILE_WIDTH;
            if next >= until {
                return Err(failed.to_string());
            }
            self.missing += next - at;
            at = next;
        }
        Ok(())
    }

    fn note(&mut self, bytes: &[u8]) {
        self.leaves += 1;
        if self.since.is_some() && kind(bytes).is_some_and(|kind| !KINDS.contains(&kind)) {
            return;
        }
        // A leaf that can't be read, or is of a later version, tells of no use.
        let Ok(leaf) = Leaf::from_bytes(bytes) else { return };
        if self.since.is_none() {
            self.since = Timestamp::from_millisecond(leaf.at_ms).ok();
        }
        self.note_leaf(leaf);
    }

    /// Takes a leaf in.
    pub fn note_leaf(&mut self, leaf: Leaf) {
        let (at, from) = (leaf.at_ms, self.from_ms);
        match leaf.event {
            Event::Intent(intent) => {
                let leaf::Intent { grant, account, action, on_behalf_of, .. } = *intent;
                if let Some(person) = on_behalf_of {
                    self.acted_for.entry((person, account.clone(), action)).or_default().note(at, from, 1);
                }
                self.grants.entry((grant, account)).or_default().note(at, from, 1);
            }
            Event::Refused(refused) => {
                let leaf::Refused { app, person, account, count, .. } = *refused;
                let holder = app.map(|app| format!("app:{app}")).or(person.map(|person| format!("person:{person}")));
                let account = account.filter(|account| self.accounts.contains(account.as_str()));
                if let (Some(holder), Some(account)) = (holder, account) {
                    self.refused.entry((holder, account)).or_default().note(at, from, count.unwrap_or(1));
                }
            }
            Event::Vote(vote) => self.votes.entry(vote.person).or_default().note(at, from, 1),
            Event::Change(change) => self.changes.entry(change.by).or_default().note(at, from, 1),
            Event::Read(read) => {
                // What an auditor used stands here as a list of entries.
                for entry in read.grant.iter().flat_map(|grant| grant.split(',')) {
                    self.entries.entry(entry.to_owned()).or_default().note(at, from, 1);
                }
                // An operator who reads as one works as one.
                if let (None, Some(person)) = (&read.grant, read.person) {
                    self.changes.entry(person).or_default().note(at, from, 1);
                }
            }
            _ => {}
        }
    }

    /// The use of a grant on an account.
    pub fn of_grant(&self, grant: &str, account: &AccountId) -> Use {
        self.grants.get(&(grant.to_owned(), account.as_str().to_owned())).copied().unwrap_or_default()
    }

    /// The use of a grant on every account.
    pub fn of_grant_anywhere(&self, grant: &str) -> Use {
        let of_it = self.grants.iter().filter(|((known, _), _)| known == grant);
        of_it.fold(Use::default(), |all, (_, used)| all.and(*used))
    }

    /// What apps did on an account in a person's name.
    pub fn acted_for(&self, person: &str, account: &AccountId, action: &str) -> Use {
        let key = (person.to_owned(), account.as_str().to_owned(), action.to_owned());
        self.acted_for.get(&key).copied().unwrap_or_default()
    }

    /// The use of an auditor's entry.
    pub fn of_entry(&self, entry: &str) -> Use {
        self.entries.get(entry).copied().unwrap_or_default()
    }

    /// A person's votes.
    pub fn votes(&self, person: &str) -> Use {
        self.votes.get(person).copied().unwrap_or_default()
    }

    /// An operator's work.
    pub fn changes(&self, person: &str) -> Use {
        self.changes.get(person).copied().unwrap_or_default()
    }

    /// Refused calls.
    pub fn refused(&self, holder: &Principal, account: &AccountId) -> u64 {
        self.refused.get(&(holder.to_string(), account.as_str().to_owned())).map_or(0, |used| used.count)
    }
}

/// The kind of a leaf, found without reading the rest.
fn kind(bytes: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(bytes.get(..KIND_BYTES_MAX.min(bytes.len()))?).ok()?;
    let (_, rest) = head.split_once("\"kind\":\"")?;
    rest.split_once('"').map(|(kind, _)| kind)
}
