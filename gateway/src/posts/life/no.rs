//! What the rules of a life refuse, as a caller hears it.

use pressgate_workflow::Refused;

use crate::refusal::{Refusal, Stage, problem};

/// The refusal of a command.
pub fn refusal(refused: &Refused) -> Refusal {
    let (kind, stage) = match refused {
        Refused::Stale { .. } | Refused::SameDigest => (problem::CONTENT_CHANGED, Stage::Approve),
        Refused::NotAPerson | Refused::NotWanted | Refused::NotStandingIn => (problem::NO_GRANT, Stage::Approve),
        Refused::Own(_) => (problem::OWN_POST, Stage::Approve),
        Refused::NotYourTurn { .. } => (problem::NOT_YOUR_TURN, Stage::Approve),
        Refused::AlreadyVoted => (problem::ALREADY_VOTED, Stage::Approve),
        Refused::NoLink | Refused::LinkUsed | Refused::LinkExpired(_) => (problem::NOT_FOUND, Stage::Approve),
        Refused::Frozen(_) => (problem::FROZEN, Stage::Clear),
        Refused::NoTarget(_) => (problem::NOT_FOUND, Stage::Door),
        Refused::AccountGone(_) => (problem::UNKNOWN_ACCOUNT, Stage::Classify),
        Refused::ReasonNeeded
        | Refused::ReasonTooLong
        | Refused::TooMany(_)
        | Refused::Invalid(_)
        | Refused::NoId
        | Refused::OutsideWindow(_)
        | Refused::AlreadyFired(_)
        | Refused::WindowOver(_) => (problem::INVALID, Stage::Door),
        Refused::WrongState(_)
        | Refused::NotApproved
        | Refused::Overdue { .. }
        | Refused::NotBefore(_)
        | Refused::Sibling(_)
        | Refused::Leased { .. }
        | Refused::LeaseLost
        | Refused::EffectOpen(_) => (problem::WRONG_STATE, Stage::Approve),
    };
    Refusal::new(kind, stage, refused.to_string())
}
