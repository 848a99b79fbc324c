//! What a leaf of the log may have changed. Every kind of leaf is named here, so that a new one must be decided on.

use crate::{
    audit::{Leaf, leaf},
    connections::RECONNECT_NEEDED,
    model::{AccountId, PostId, TargetState},
    posts::unattempted::DUE_UNATTEMPTED,
};

/// Decisions after which somebody may be to be told.
const DECISIONS: [&str; 7] = ["held", "voted", "reviewed", "escalated", "rejected", "denied", "resolved"];
/// Doors whose calls are no posts.
const NO_POSTS: [&str; 2] = ["native", "forward"];

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    /// A post.
    Post(PostId),
    /// A connection of an account: `acme-main/token`.
    Connection(String),
    /// Posts of an account were due and not attempted then, in milliseconds since 1970-01-01 UTC.
    Unattempted(AccountId, i64),
}

/// What the leaf gives occasion to look at.
pub(super) fn of(leaf: &Leaf) -> Option<Sight> {
    use leaf::Event as Leaves;
    match &leaf.event {
        Leaves::Held(held) => post(&held.post),
        Leaves::Vote(vote) => post(&vote.post),
        Leaves::Transition(decided) if DECISIONS.contains(&decided.transition.as_str()) => post(&decided.post),
        Leaves::Finished(finished) if ends_badly(&finished.target_state) => post(&finished.post),
        Leaves::Outcome(outcome) if outcome.target_state.as_deref().is_some_and(ends_badly) => post(&outcome.post),
        // An attempt that was stopped before it sent anything.
        Leaves::Refused(refused) => {
            let of_post = refused.door.as_deref().is_none_or(|door| !NO_POSTS.contains(&door));
            refused.post.as_deref().filter(|_| of_post).and_then(post)
        }
        Leaves::Alarm(alarm) if alarm.raised && alarm.code == RECONNECT_NEEDED => {
            Some(Sight::Connection(alarm.subject.clone()))
        }
        Leaves::Alarm(alarm) if alarm.raised && alarm.code == DUE_UNATTEMPTED => {
            Some(Sight::Unattempted(AccountId::new(alarm.subject.clone()), leaf.at_ms))
        }
        Leaves::Transition(_)
        | Leaves::Finished(_)
        | Leaves::Outcome(_)
        | Leaves::Alarm(_)
        | Leaves::Intent(_)
        | Leaves::Withdrawal(_)
        | Leaves::Change(_)
        | Leaves::Unauthenticated(_)
        | Leaves::Lifecycle(_)
        | Leaves::Recovery(_)
        | Leaves::Read(_)
        | Leaves::Heartbeat(_)
        | Leaves::State(_)
        | Leaves::Delivery(_)
        | Leaves::Erasure(_)
        | Leaves::Retention(_)
        | Leaves::KeyChange(_)
        | Leaves::KeyHandover(_)
        | Leaves::Unknown => None,
    }
}

fn post(id: &str) -> Option<Sight> {
    PostId::parse(id.to_owned()).map(Sight::Post)
}

fn ends_badly(state: &str) -> bool {
    [TargetState::Failed.as_str(), TargetState::Unknown.as_str()].contains(&state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_make_somebody_wait_is_looked_at_and_nothing_else() {
        let id = "post_00000000000000000000000000000001";
        let seen = Some(Sight::Post(PostId::new(id)));
        let finished = |state: &str| leaf::Finished {
            post: id.into(),
            account: "a".into(),
            brand: None,
            target_state: state.into(),
            platform_ids: Vec::new(),
            code: None,
        };
        let refused =
            |door: &str| leaf::Refused { post: Some(id.into()), door: Some(door.into()), ..leaf::Refused::default() };
        let alarm = |code: &str, raised| leaf::Alarm { code: code.into(), subject: "a/token".into(), raised };
        let connection = Some(Sight::Connection("a/token".to_owned()));
        let late = Some(Sight::Unattempted(AccountId::new("a/token"), 0));
        let table: [(leaf::Event, Option<Sight>); 10] = [
            (alarm(DUE_UNATTEMPTED, true).into(), late),
            (alarm(DUE_UNATTEMPTED, false).into(), None),
            (finished("failed").into(), seen.clone()),
            (finished("unknown").into(), seen.clone()),
            (finished("published").into(), None),
            (refused("schedule").into(), seen),
            (refused("native").into(), None),
            (alarm(RECONNECT_NEEDED, true).into(), connection),
            (alarm(RECONNECT_NEEDED, false).into(), None),
            (alarm("tree-stuck", true).into(), None),
        ];
        for (event, expected) in table {
            assert_eq!(of(&Leaf::new(0, event.clone())), expected, "{event:?}");
        }
        assert_eq!(post("post_1/../2"), None, "an id that is none");
    }
}
