//! The life follows delivery: what attempts did to the targets, as events.

use jiff::Timestamp;
use pressgate_workflow::{
    Life, TargetState as T,
    ids::Actor,
    life::{Change, Event, Failure, Found, PublishedPart, Target},
};

use crate::records::{PostRecord, TargetRecord};

/// Steps that one target takes at most to where it stands: unknown, again, claimed, published, recalling, recalled, and some to spare.
const STEPS_MAX: usize = 12;

/// Brings a life to where delivery stands, and gives the events.
pub(super) fn follow(life: &mut Life, post: &PostRecord) -> Vec<Event> {
    let mut events = Vec::new();
    for target in &post.targets {
        for _ in 0..STEPS_MAX {
            let Some(known) = life.target(&target.account.as_str().into()) else { break };
            let at = target.attempts.last().map_or(post.updated_at, |attempt| attempt.at);
            let Some(change) = next(known, target, at) else { break };
            let event = Event { seq: life.seq() + 1, at, by: Actor::Gate, why: None, change };
            if life.apply(&event).is_err() {
                break;
            }
            events.push(event);
        }
    }
    events
}

/// What happened next to a target, on its way from where the life thinks that it is to where it stands. None where it is there, and
/// where the life leads.
fn next(known: &Target, target: &TargetRecord, at: Timestamp) -> Option<Change> {
    let account = known.account().clone();
    let waits = target.retry_at.filter(|_| matches!(target.state, T::Publishing | T::Accepted));
    Some(match (known.state(), target.state) {
        (T::Publishing, T::Publishing) => Change::Again { account, not_before: waits? },
        // It waits for its next attempt; those before are told first, so that it is known that there were some.
        (T::Accepted, T::Publishing) if waits.is_some() && !was_tried_since(known, target) => return None,
        (T::Accepted, T::Publishing | T::Published | T::Failed | T::Unknown | T::Recalling | T::Recalled) => {
            claimed(known)
        }
        (T::Publishing, T::Published | T::Recalling | T::Recalled) => published(known, target, Found::Answered),
        (T::Publishing, T::Failed) => failed(known, target),
        (T::Publishing, T::Accepted | T::Frozen | T::Held) => {
            Change::Again { account, not_before: waits.unwrap_or(at) }
        }
        (T::Publishing, T::Unknown) if known.effect().is_none() => began(known, target),
        (T::Publishing, T::Unknown) => Change::Lost { account },
        (T::Accepted, T::Frozen) => Change::Frozen { accounts: vec![account], freeze: "freeze".into() },
        (T::Unknown, T::Published | T::Recalling | T::Recalled) => published(known, target, Found::LookedUp),
        (T::Unknown, T::Failed) => failed(known, target),
        (T::Unknown, T::Accepted | T::Publishing) => Change::Again { account, not_before: waits.unwrap_or(at) },
        (T::Failed, T::Publishing | T::Published | T::Unknown | T::Recalling | T::Recalled) => {
            Change::Again { account, not_before: waits.unwrap_or(at) }
        }
        (T::Published, T::Recalling | T::Recalled) => Change::Recalling { account },
        (T::Recalling, T::Recalled) => Change::Recalled { account },
        (T::Recalling, T::Published) => Change::Kept { account },
        _ => return None,
    })
}

/// Attempts were made that the life has not heard of.
fn was_tried_since(known: &Target, target: &TargetRecord) -> bool {
    target.attempts.last().is_some_and(|attempt| attempt.number > known.attempt())
}

fn claimed(known: &Target) -> Change {
    Change::Claimed {
        account: known.account().clone(),
        node: "delivery".into(),
        attempt: known.attempt().saturating_add(1),
        until: Timestamp::MAX,
    }
}

fn began(known: &Target, target: &TargetRecord) -> Change {
    let step = target.unknown_step.as_ref().map(|unknown| unknown.step.clone()).unwrap_or_default();
    Change::Began { account: known.account().clone(), attempt: known.attempt(), step }
}

fn published(known: &Target, target: &TargetRecord, found: Found) -> Change {
    let part =
        |part: &crate::records::PublishedPart| PublishedPart { id: part.platform_id.clone(), url: part.url.clone() };
    Change::Published { account: known.account().clone(), parts: target.published.iter().map(part).collect(), found }
}

fn failed(known: &Target, target: &TargetRecord) -> Change {
    let code = target.attempts.last().and_then(|attempt| attempt.code.clone()).unwrap_or_default();
    Change::Failed { account: known.account().clone(), failure: Failure::Refused { code } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AccountId, Action, AppId, Draft, GrantId, KeyId, Part, PostId, PostState, Principal},
        posts::life::made::current,
        records::{Author, UnknownStep},
    };

    fn target(state: T) -> TargetRecord {
        TargetRecord {
            account: AccountId::new("a"),
            state,
            draft: Draft {
                action: Action::POST_CREATE,
                parts: vec![Part { text: "x".into(), media: Vec::new() }],
                language: None,
                target: None,
                options: Default::default(),
                labels: Vec::new(),
                campaign: None,
            },
            digest: String::new(),
            call_key: String::new(),
            grant: GrantId::new("g"),
            published: vec![crate::records::PublishedPart { platform_id: "1".into(), url: None }],
            attempts: Vec::new(),
            retry_at: None,
            unknown_step: (state == T::Unknown).then(|| UnknownStep {
                step: "create".into(),
                safety: "none".into(),
                sent_at: Timestamp::UNIX_EPOCH,
                intent: 1,
            }),
            commitments: Vec::new(),
            release: None,
        }
    }

    fn post(state: T) -> PostRecord {
        PostRecord {
            id: PostId::new("p"),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            author: Author { principal: Principal::App(AppId::new("n")), key: KeyId::new("k"), on_behalf_of: None },
            digest: "d".into(),
            salt: "s".into(),
            request: "{}".into(),
            state: PostState::of([state]),
            targets: vec![target(state)],
            verdicts: Vec::new(),
            votes: Vec::new(),
            life: None,
        }
    }

    /// Wherever delivery takes a target, from anywhere that it was before, the life gets there too.
    #[test]
    fn a_life_gets_to_wherever_delivery_is() {
        const DELIVERED: [T; 7] =
            [T::Accepted, T::Publishing, T::Published, T::Failed, T::Unknown, T::Recalling, T::Recalled];
        // What never follows: what was taken back is not published again, and what is out does not fail.
        let never = |from: T, to: T| match from {
            T::Recalled => to != T::Recalled,
            T::Published | T::Recalling => !matches!(to, T::Published | T::Recalling | T::Recalled),
            _ => false,
        };
        for from in DELIVERED {
            for to in DELIVERED {
                let (mut life, _, _) = current(&post(from));
                assert_eq!(life.target(&"a".into()).unwrap().state(), from);
                follow(&mut life, &post(to));
                let state = life.target(&"a".into()).unwrap().state();
                if never(from, to) {
                    assert_eq!(state, if from == T::Recalled { T::Recalled } else { state });
                } else if (from, to) == (T::Publishing, T::Publishing) || to != T::Accepted || from == T::Accepted {
                    assert_eq!(state, to, "{from:?} to {to:?}");
                }
            }
        }
    }

    #[test]
    fn an_attempt_that_is_put_off_is_no_claim() {
        let (mut life, _, _) = current(&post(T::Publishing));
        let mut later = post(T::Publishing);
        later.targets[0].retry_at = Some(Timestamp::from_second(9).unwrap());
        let events = follow(&mut life, &later);
        assert_eq!(events.len(), 1);
        let known = life.target(&"a".into()).unwrap();
        assert_eq!((known.state(), known.not_before()), (T::Accepted, later.targets[0].retry_at));
        assert!(follow(&mut life, &later).is_empty(), "once");
    }
}
