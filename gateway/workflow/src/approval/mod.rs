//! Who must agree: rules, who counts, what was given, and what is missing.

mod counting;
mod explain;
mod hours;
mod rules;
mod standing;
mod unsatisfiable;

pub use counting::{Counted, RuleCount, StageCount, Tally, Voter, tally};
pub(crate) use counting::{NoCount, would_count};
pub use explain::{ExplainedRule, ExplainedStage, Explanation, Upcoming, UpcomingWhat, explain, wanted};
pub use hours::{Hours, Rotation};
pub use rules::{During, Escalation, ExternalParty, HOLD_RULE, Rule, Rules, Stage, Substitute, When, Who};
pub use standing::{Part, part_in};
pub use unsatisfiable::{Fault, Proposer, Reason, unsatisfiable};
