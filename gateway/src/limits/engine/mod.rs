//! The engine of all limits: what a call draws on, and whether it may, in one decision over everything that it touches.
//!
//! Two kinds of rule. A [`Rate`] (GCRA) protects the gate: so many in the long run, so many at once. A [`Window`] is a network's
//! budget: so many within a time, counted as the network counts. A [`Ledger`] keeps what was drawn; there is one in memory and
//! one in Redis, and both decide alike. Times are microseconds since 1970-01-01 UTC, whole numbers below 2^53.

pub mod memory;
mod rate;
mod window;

pub use memory::Memory;
pub use rate::Rate;
pub use window::{Counts, PENDING_US_MAX, Window, WindowState};

/// Microseconds of a second.
pub const SECOND_US: u64 = 1_000_000;
/// Largest cost, burst and limit: products with times stay below 2^53.
pub const UNITS_MAX: u32 = 60_000_000;
/// Longest interval and window: 31 days.
pub const LENGTH_US_MAX: u64 = 31 * 86_400 * SECOND_US;

/// What is drawn on. Keys with the same tag lie together, so that one decision can be made over them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key `name` of a subject. Neither may hold a brace.
    pub fn new(subject: &str, name: &str) -> Self {
        Self(format!("pressgate:{{{subject}}}:{name}"))
    }

    /// As it is written in a store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// So many in the long run, so many at once.
    Rate(Rate),
    /// So many within a time.
    Window(Window),
}

/// One thing that a decision draws on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// What is drawn on; no key twice in one decision.
    pub key: Key,
    /// Its rule.
    pub rule: Rule,
    /// How much is drawn, at least 1.
    pub cost: u32,
}

/// How a limit stands after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// All of it: the burst of a rate, the limit of a window as the network last gave it.
    pub limit: u32,
    /// What can be drawn now.
    pub remaining: u32,
    /// Until there is more; 0 where nothing is drawn.
    pub more_us: u64,
    /// How long this draw would have to wait; 0 where it could be made.
    pub wait_us: u64,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Everything was drawn, or nothing.
    pub taken: bool,
    /// For each draw, in order.
    pub standings: Vec<Standing>,
    /// What is reserved in windows until it is settled; empty unless taken.
    pub hold: Hold,
}

impl Decision {
    /// The longest wait of any draw, and whose it is; none where it was taken.
    pub fn wait(&self) -> Option<(usize, u64)> {
        if self.taken {
            return None;
        }
        self.standings.iter().map(|standing| standing.wait_us).enumerate().max_by_key(|(_, wait)| *wait)
    }
}

/// What is reserved in windows and neither sent nor given back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hold {
    /// In the order of the draws.
    pub reserved: Vec<Reserved>,
}

/// A reservation in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Which window.
    pub key: Key,
    /// How much.
    pub cost: u32,
    /// Until when it counts where nobody settles it.
    pub until_us: u64,
    /// The window's length.
    pub length_us: u64,
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It reached the network, or may have.
    Sent,
    /// It certainly did not.
    NotSent,
}

/// What a network's answer says of a window. Its word raises what is used and says when it is forgotten; it never lowers what is
/// known to be used, since an answer may be older than what was sent after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which window.
    pub key: Key,
    /// Its rule.
    pub window: Window,
    /// All of it, where the answer says so.
    pub limit: Option<u32>,
    /// What is used of it, by whomever, where the answer says so.
    pub used: Option<u32>,
    /// When the network forgets what is used.
    pub reset_us: Option<u64>,
}

/// Why a ledger can't decide.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the shared limits can't be used: {0}")]
pub struct LedgerGone(pub String);

/// Keeps what was drawn. `now_us` none means the ledger's own time.
pub trait Ledger: Send + Sync {
    /// Draws everything or nothing. All keys have the same tag.
    fn decide(&self, draws: &[Draw], now_us: Option<u64>) -> impl Future<Output = Result<Decision, LedgerGone>> + Send;
    /// Ends reservations: they count from now on for their window, or not at all.
    fn settle(
        &self,
        hold: &Hold,
        outcome: Outcome,
        now_us: Option<u64>,
    ) -> impl Future<Output = Result<(), LedgerGone>> + Send;
    /// Learns what a network says of a window.
    fn observe(&self, seen: &Seen, now_us: Option<u64>) -> impl Future<Output = Result<(), LedgerGone>> + Send;
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
pub(super) mod suite;
