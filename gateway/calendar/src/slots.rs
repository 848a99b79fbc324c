//! The queue of an account: weekly times at which it publishes what waits.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};

use crate::week::{WeekError, entries, first_after, name, time};
use crate::zone::Zone;

/// Weekly times in a zone. Its `Display` is a text that [`Slots::parse`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    zone: Zone,
    /// By day and time, each once.
    times: Vec<(Weekday, Time)>,
}

impl Slots {
    /// `mon 09:00, wed 14:30`; a range is `mon-fri 09:00`, every day is `daily 09:00`.
    ///
    /// # Errors
    /// For other shapes, none at all and more than [`crate::limits::WEEKLY_MAX`].
    pub fn parse(text: &str, zone: Zone) -> Result<Self, WeekError> {
        let mut times = Vec::new();
        for (days, rest) in entries(text, "mon 09:00")? {
            let time = time(rest)?;
            times.extend(days.into_iter().map(|day| (day, time)));
        }
        times.sort_unstable_by_key(|(day, time)| (day.to_monday_zero_offset(), *time));
        times.dedup();
        Ok(Self { zone, times })
    }

    /// Where the clocks hang.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first slot after an instant for which `is_taken` says no. None when all are taken for five years.
    ///
    /// In the gap a slot is moved forward by the gap, in the fold it is the first; two that become one instant are one slot.
    pub fn next_free(&self, after: Timestamp, mut is_taken: impl FnMut(Timestamp) -> bool) -> Option<Timestamp> {
        first_after(&self.zone, &self.times, after, |at| !is_taken(at))
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (day, time)) in self.times.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(to, "{comma}{} {}", name(*day), time.strftime("%H:%M"))?;
        }
        Ok(())
    }
}
