//! Which leaf of the log is which event. Every kind of leaf is named here, told or passed over, so that a new one must be decided on.

use serde_json::{Map, Value, json};

use super::Event;
use crate::{
    audit::{Leaf, leaf},
    model::{AppId, EventType, PersonId, Principal, TargetState},
};

/// Doors whose calls are no posts.
const NO_POSTS: [&str; 2] = ["native", "forward"];

/// The event that a leaf is; none where it tells nothing of a post's life.
pub fn of(index: u64, leaf: &Leaf) -> Option<Event> {
    use leaf::Event as Leaves;
    let draft = match &leaf.event {
        Leaves::Intent(intent) => of_intent(intent),
        Leaves::Outcome(outcome) => of_outcome(outcome),
        Leaves::Finished(finished) => of_finished(finished),
        Leaves::Held(held) => Some(of_held(held)),
        Leaves::Vote(vote) => Some(Draft {
            brand: vote.brand.clone(),
            // Not who voted: the post's page has that for those who may know.
            data: data([("decision", json!(vote.decision)), ("digest", json!(vote.content_digest))]),
            ..Draft::new(EventType::PostVoted, &vote.post)
        }),
        Leaves::Withdrawal(withdrawal) => Some(Draft {
            brand: withdrawal.brand.clone(),
            data: data([("digest", json!(withdrawal.content_digest))]),
            ..Draft::new(EventType::PostWithdrawn, &withdrawal.post)
        }),
        Leaves::Transition(transition) => of_transition(transition),
        Leaves::Refused(refused) => of_refused(refused),
        // Of the gateway, not of a post; an erasure is about a person.
        Leaves::Change(_)
        | Leaves::Unauthenticated(_)
        | Leaves::Lifecycle(_)
        | Leaves::Recovery(_)
        | Leaves::Read(_)
        | Leaves::Heartbeat(_)
        | Leaves::State(_)
        | Leaves::Alarm(_)
        // Of a connector, which would hear of itself.
        | Leaves::Delivery(_)
        | Leaves::Erasure(_)
        | Leaves::Retention(_)
        | Leaves::KeyChange(_)
        | Leaves::KeyHandover(_)
        | Leaves::Unknown => None,
    };
    draft.map(|draft| draft.at(index, leaf.at_ms))
}

/// An event without its place in the log.
struct Draft {
    kind: EventType,
    post: String,
    account: Option<String>,
    accounts: Vec<String>,
    brand: Option<String>,
    author: Option<Principal>,
    data: Map<String, Value>,
}

impl Draft {
    fn new(kind: EventType, post: &str) -> Self {
        let (account, accounts, brand, author) = (None, Vec::new(), None, None);
        Self { kind, post: post.to_owned(), account, accounts, brand, author, data: Map::new() }
    }

    fn at(self, index: u64, at_ms: i64) -> Event {
        let Self { kind, post, account, accounts, brand, author, data } = self;
        Event { index, kind, at_ms, post, account, accounts, brand, campaign: None, author, data }
    }
}

/// Values that are there, by name.
fn data<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let there = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    fields.into_iter().filter(|(_, value)| there(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn principal(app: Option<&String>, person: Option<&String>) -> Option<Principal> {
    let app = app.map(|app| Principal::App(AppId::new(app.clone())));
    app.or_else(|| person.map(|person| Principal::Person(PersonId::new(person.clone()))))
}

fn of_intent(intent: &leaf::Intent) -> Option<Draft> {
    if intent.door.as_deref().is_some_and(|door| NO_POSTS.contains(&door)) {
        return None;
    }
    let recalls = intent.action.ends_with(".delete");
    let kind = if recalls { EventType::TargetRecalling } else { EventType::TargetPublishing };
    Some(Draft {
        account: Some(intent.account.clone()),
        brand: intent.brand.clone(),
        data: data([
            ("action", json!(intent.action)),
            ("step", json!(intent.step)),
            ("attempt", json!(intent.attempt)),
            ("digest", json!(intent.post_digest)),
        ]),
        ..Draft::new(kind, &intent.post)
    })
}

/// The event that a target's state is, where an attempt ends in it.
fn of_state(state: &str) -> Option<EventType> {
    match TargetState::parse(state)? {
        TargetState::Accepted => Some(EventType::TargetRetrying),
        TargetState::Published => Some(EventType::TargetPublished),
        TargetState::Failed => Some(EventType::TargetFailed),
        TargetState::Unknown => Some(EventType::TargetUnknown),
        TargetState::Recalled => Some(EventType::TargetRecalled),
        // No attempt ends so: leaves of their own tell of these.
        TargetState::Draft
        | TargetState::Review
        | TargetState::Held
        | TargetState::Denied
        | TargetState::Approved
        | TargetState::Rejected
        | TargetState::Expired
        | TargetState::Scheduled
        | TargetState::Frozen
        | TargetState::Cancelled
        | TargetState::Publishing
        | TargetState::Recalling => None,
    }
}

/// The event of each transition has its name. One of a later version is none that this version knows.
fn of_transition(transition: &leaf::Transition) -> Option<Draft> {
    let kind = EventType::parse(&format!("post.{}", transition.transition))?;
    Some(Draft {
        accounts: transition.accounts.clone(),
        brand: transition.brand.clone(),
        author: None,
        data: data([
            ("version", json!(transition.version)),
            // A wait, a rule, a policy, a freeze; never a word of a person.
            ("detail", json!(transition.detail)),
            ("due", json!(transition.due_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()))),
            ("digest", json!(transition.content_digest)),
        ]),
        ..Draft::new(kind, &transition.post)
    })
}

fn of_outcome(outcome: &leaf::Outcome) -> Option<Draft> {
    let kind = match &outcome.target_state {
        Some(state) => of_state(state)?,
        // A step within an attempt. Its answer is no news; that nobody knows what became of it is.
        None if outcome.result == leaf::OutcomeResult::Unanswered => EventType::TargetUnknown,
        None => return None,
    };
    Some(Draft {
        account: Some(outcome.account.clone()),
        brand: outcome.brand.clone(),
        data: data([
            ("step", json!(outcome.step)),
            ("status", json!(outcome.status)),
            ("platform_ids", json!(outcome.platform_ids)),
            ("recovered", if outcome.recovered { json!(true) } else { Value::Null }),
        ]),
        ..Draft::new(kind, &outcome.post)
    })
}

fn of_finished(finished: &leaf::Finished) -> Option<Draft> {
    Some(Draft {
        account: Some(finished.account.clone()),
        brand: finished.brand.clone(),
        data: data([("code", json!(finished.code)), ("platform_ids", json!(finished.platform_ids))]),
        ..Draft::new(of_state(&finished.target_state)?, &finished.post)
    })
}

fn of_held(held: &leaf::Held) -> Draft {
    let verdict =
        |note: &leaf::VerdictNote| json!({"policy": note.policy, "outcome": note.outcome, "codes": note.codes});
    Draft {
        accounts: held.accounts.clone(),
        brand: held.brand.clone(),
        author: principal(held.app.as_ref(), held.person.as_ref()),
        data: data([
            ("digest", json!(held.content_digest)),
            ("verdicts", held.verdicts.iter().map(verdict).collect::<Vec<_>>().into()),
        ]),
        ..Draft::new(EventType::PostHeld, &held.post)
    }
}

fn of_refused(refused: &leaf::Refused) -> Option<Draft> {
    if refused.door.as_deref().is_some_and(|door| NO_POSTS.contains(&door)) {
        return None;
    }
    Some(Draft {
        account: refused.account.clone(),
        brand: refused.brand.clone(),
        author: principal(refused.app.as_ref(), refused.person.as_ref()),
        data: data([
            ("action", json!(refused.action)),
            ("stage", json!(refused.stage)),
            ("problem", json!(refused.problem)),
            ("codes", json!(refused.codes)),
        ]),
        ..Draft::new(EventType::PostRefused, refused.post.as_deref()?)
    })
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
