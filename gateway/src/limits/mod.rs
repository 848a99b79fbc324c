//! Limits: callers' rates, which protect the gate and share it fairly; networks' budgets, which are reserved before anything is sent;
//! the pauses that networks ask for.

mod apps;
mod budgets;
pub mod engine;
mod line;
mod pauses;
mod readings;
mod shared;
pub mod told;

use std::{sync::Arc, time::Duration};

pub use apps::{Counted, READS_PER_CALL};
pub use budgets::{Ask, Busy, Reservation};
pub use pauses::Pauses;
pub use readings::{Reading, Readings};
pub use shared::Place;

use crate::clock::Clock;
use line::Lines;
use shared::Shared;

/// The rule for callers that governance does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultLimit {
    /// Sustained calls in a minute.
    pub calls_per_minute: u32,
    /// Calls that may come at once.
    pub burst: u32,
}

/// What callers and accounts have drawn, in memory or shared with other gateways.
pub struct Limits {
    standard: DefaultLimit,
    ledger: Arc<Shared>,
    lines: Lines,
}

impl Limits {
    /// Limits with the rule for everybody; shared where there is a place for that.
    pub fn new(standard: DefaultLimit, clock: Arc<dyn Clock>, place: Option<Place>) -> Self {
        Self { standard, ledger: Arc::new(Shared::new(clock, place)), lines: Lines::default() }
    }

    /// Connects to what is shared. Without it the gateway starts too, with its share of every limit.
    pub async fn connect(&self) {
        self.ledger.connect().await;
    }

    /// False while limits are shared and what is shared is away: each limit is this gateway's share then.
    pub fn is_whole(&self) -> bool {
        self.ledger.is_whole()
    }
}

/// Microseconds as a duration.
fn duration(micros: u64) -> Duration {
    Duration::from_micros(micros)
}
