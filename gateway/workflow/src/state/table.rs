//! The transitions of a target. What is not in this table can't happen: a state is changed nowhere else.

use super::TargetState;

/// What happens to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The author is done.
    Submit,
    /// The content changed.
    Edit,
    /// A policy says no.
    Deny,
    /// People must say something.
    Hold,
    /// Nobody's agreement is missing.
    Approve,
    /// A person says no.
    Reject,
    /// Its time is over.
    Expire,
    /// It waits for its time.
    Schedule,
    /// It is due.
    Release,
    /// It is due and a freeze is on.
    Freeze,
    /// An attempt takes it.
    Claim,
    /// The network has it.
    Publish,
    /// It will not be tried again by itself.
    Fail,
    /// It was sent and nobody knows.
    Lose,
    /// It will be tried again.
    Again,
    /// It is to be deleted.
    Recall,
    /// It was deleted.
    Recalled,
    /// It could not be deleted.
    Keep,
    /// Nobody wants it any more.
    Cancel,
    /// It is written anew.
    Reopen,
    /// Its next occurrence.
    Rearm,
}

/// Where a step leads, or none where it may not be taken.
pub(crate) const fn next(from: TargetState, step: Step) -> Option<TargetState> {
    use TargetState::{
        Accepted, Approved, Cancelled, Denied, Draft, Expired, Failed, Frozen, Held, Published, Publishing, Recalled,
        Recalling, Rejected, Review, Scheduled, Unknown,
    };
    Some(match (step, from) {
        (Step::Submit, Draft) => Review,
        (Step::Edit, Draft) => Draft,
        (Step::Edit, Held | Approved | Scheduled | Frozen) => Review,
        (Step::Deny, Review | Held | Approved | Scheduled | Accepted | Frozen) => Denied,
        (Step::Hold, Review | Held | Approved | Scheduled | Accepted | Frozen) => Held,
        (Step::Approve, Review | Held) => Approved,
        (Step::Reject, Held) => Rejected,
        (Step::Expire, Held | Approved | Scheduled | Accepted | Frozen) => Expired,
        (Step::Schedule, Approved) => Scheduled,
        (Step::Release, Approved | Scheduled | Held) => Accepted,
        (Step::Freeze, Accepted) => Frozen,
        (Step::Claim, Accepted) => Publishing,
        (Step::Publish, Publishing | Unknown) => Published,
        (Step::Fail, Publishing | Accepted | Held | Frozen | Unknown) => Failed,
        (Step::Lose, Publishing) => Unknown,
        (Step::Again, Publishing | Unknown | Failed) => Accepted,
        (Step::Recall, Published) => Recalling,
        (Step::Recalled, Recalling) => Recalled,
        (Step::Keep, Recalling) => Published,
        (Step::Cancel, Draft | Review | Held | Approved | Scheduled | Accepted | Frozen) => Cancelled,
        (Step::Reopen, Denied | Rejected | Expired | Cancelled) => Draft,
        (Step::Rearm, Published | Failed | Held | Scheduled) => Scheduled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetState as T;

    #[test]
    fn sending_begins_at_one_door_only() {
        const STEPS: [Step; 21] = [
            Step::Submit,
            Step::Edit,
            Step::Deny,
            Step::Hold,
            Step::Approve,
            Step::Reject,
            Step::Expire,
            Step::Schedule,
            Step::Release,
            Step::Freeze,
            Step::Claim,
            Step::Publish,
            Step::Fail,
            Step::Lose,
            Step::Again,
            Step::Recall,
            Step::Recalled,
            Step::Keep,
            Step::Cancel,
            Step::Reopen,
            Step::Rearm,
        ];
        for from in T::ALL {
            for step in STEPS {
                let to = next(*from, step);
                if to == Some(T::Publishing) {
                    assert_eq!((*from, step), (T::Accepted, Step::Claim));
                }
                if to == Some(T::Review) || to == Some(T::Draft) {
                    assert!(
                        !matches!(from, T::Accepted | T::Publishing | T::Published | T::Unknown | T::Failed),
                        "{from:?}"
                    );
                }
                if *from == T::Unknown {
                    assert!(matches!(to, None | Some(T::Published | T::Failed | T::Accepted)), "{step:?}");
                }
                if *from == T::Recalled {
                    assert_eq!(to, None);
                }
            }
        }
    }
}
