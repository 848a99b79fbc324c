//! The life of a post as pure functions: who must agree, when it leaves, what stops it, and that it is sent once.
//!
//! There is no IO, no clock and no randomness here. [`decide()`] takes a [`Life`], a [`Command`] and the [`Facts`] of this moment
//! and gives the [`Event`]s that follow, or says why not ([`Refused`]). A store appends them where their numbers are the next;
//! then [`Life::apply`] takes them over. An event says who, when and why: it is a line of the post's history, what a leaf of the
//! log is made of, and what the API tells.
//!
//! ```text
//!   Life, Command, Facts ──decide──► events ──store (numbers are the next?)──► Life::apply
//!                               └──► Refused          └──► another was first: read again, decide again
//! ```
//!
//! In reading order: [`state`] has the one table of transitions, [`life`] what a post is, [`approval`] who must agree, [`freeze`]
//! what stops everything, [`decide`](mod@decide) the commands.
//!
//! # What a caller must do
//! - Keep events durable before acting on them; before an effect, the event `began` *is* the permission and must be the last look
//!   (`Command::Begin`). The gateway holds off a new freeze between that decision and the first byte.
//! - Let a request end within its lease by a clock that only goes forward, and name what still works in `Facts::working`: a clock
//!   that is set forward then takes no lease from an attempt that is alive in this process.
//! - Give `Finding::DidNot` only when the effect can't arrive any more.
//! - Derive the key of an attempt's effects from post, account and due time, so that two occurrences are two.
//!
//! # Which rules apply
//! All rules that match apply together: each must be satisfied. So a rule says what it says wherever it stands in the file, and one
//! more rule never asks for less. A person counts in one stage of a rule at most, and may count in several rules.
//!
//! # `approvals.toml`
//! The gateway reads the file into [`approval::Rules`]; `docs/approvals.md` is for those who write it.
//!
//! ```toml
//! [[rule]]
//! name = "snacks-launch"
//! brands = ["acme/snacks"]              # this brand and those below
//! labels = ["launch"]
//! stages = [
//!     { n = 1, role = "approver" },     # for the brand of every target that the rule is for
//!     { n = 2, people = ["chief-1", "legal-1", "legal-2"], on_call = "weekend" },
//!     { n = 1, external = "agency-x" }, # by a single-use link
//! ]
//! escalate = [{ after = "4h", to = { people = ["chief-1"] } }]
//! expires_after = "3d"
//! open_comments_block = true
//!
//! [[rule]]
//! name = "night"
//! outside = { zone = "Europe/Prague", days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", until = "18:00" }
//! stages = [{ n = 1, role = "approver", on_call = "weekend" }]
//!
//! [[substitute]]
//! person = "chief-1"
//! by = "chief-2"
//! from = 2027-07-01T00:00:00Z
//! until = 2027-07-15T00:00:00Z
//!
//! [rotation.weekend]
//! people = ["legal-1", "legal-2"]
//! period = "168h"
//! anchor = 2027-01-01T18:00:00          # on the wall clock of the zone of `hours`
//! hours = { zone = "Europe/Prague", days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", until = "18:00" }
//!
//! [external.agency-x]
//! addresses = ["approvals@agency-x.example"]
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

pub mod approval;
pub mod decide;
pub mod facts;
pub mod freeze;
pub mod ids;
pub mod life;
mod plant;
pub mod refused;
pub mod state;
#[cfg(test)]
mod tests;
mod time;

pub use decide::{Command, create, decide};
pub use facts::{Facts, Governance};
pub use freeze::Freezes;
pub use life::{Change, Event, Life};
pub use refused::Refused;
pub use state::{PostState, TargetState};
