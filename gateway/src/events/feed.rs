//! Reads events from the log, some at once.

use super::{Event, table};
use crate::audit::{LogReader, ReadError};

/// Leaves that are read at once.
const LEAVES_MAX: usize = 1_024;

/// What was read at once.
pub struct Block {
    /// Goes on behind it.
    pub reader: LogReader,
    /// In the order of the log.
    pub events: Vec<Event>,
    /// The next index to look at.
    pub next: u64,
}

/// Reads from `next` on, and not beyond `until`. Blocks while it reads.
///
/// # Errors
/// The log's.
pub fn block(
    mut reader: LogReader,
    mut next: u64,
    until: u64,
    fits: &(dyn Fn(&Event) -> bool + Sync),
) -> Result<Block, ReadError> {
    reader.follow(until)?;
    let mut events = Vec::new();
    for _ in 0..LEAVES_MAX {
        let Some((index, leaf)) = reader.next_leaf()? else { break };
        next = index.saturating_add(1);
        events.extend(table::of(index, &leaf).filter(fits));
    }
    Ok(Block { reader, events, next })
}
