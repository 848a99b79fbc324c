//! Everything about time that scheduling needs: wall-clock times, recurrence, queue slots, blackouts, embargoes, working hours and
//! on-call rotas, and iCalendar text in both directions.
//!
//! Nothing here reads a clock, a file or a socket: what is "now" is an argument. Every input is bounded ([`limits`]) and every error
//! says what to write instead. The time-zone database is compiled in ([`Zone`]), so that two machines never disagree about a time.
//!
//! - [`WallTime`] is a local time with a zone; [`WallTime::single`] and [`WallTime::recurring`] turn it into an instant.
//! - [`Rule`] is an RFC 5545 recurrence rule, [`Series`] a rule with its start, its zone, `RDATE` and `EXDATE`.
//! - [`Slots`] are the weekly times of an account's queue.
//! - [`Blackouts`] and [`Embargoes`] say when nothing may be published; both come from [`ics::read`].
//! - [`ics::write`] makes a calendar of posts.
//! - [`WorkingHours`] and [`Rota`] say who is there.
//!
//! Two rules for local times that a change of the clocks touches, for all that recurs: a time in the gap is moved forward by the gap,
//! of a time that comes twice the first is meant. A single time there is an error, unless a [`Disambiguation`] is given.

pub mod limits;
pub mod ics;

mod zone;
mod windows;
mod wall;
mod rule;
mod series;
mod week;
mod slots;
mod blackout;
mod embargo;
mod hours;
mod rota;

#[cfg(test)]
mod tests;

pub use blackout::{Blackouts, Block, Calendar};
pub use embargo::{Embargo, EmbargoError, Embargoes};
pub use hours::WorkingHours;
pub use rota::{OnCall, Period, Rota, RotaError};
pub use rule::{Day, End, Frequency, Rule, RuleError, Until};
pub use series::{Dates, Occurrence, Occurrences, Series, SeriesError};
pub use slots::Slots;
pub use wall::{Disambiguation, TimeError, WallTime, check_due, parse_instant};
pub use week::WeekError;
pub use zone::{UnknownZone, Zone};
