//! What the log says of a life: a leaf for each thing that was decided. What delivery does has leaves of its own.

use pressgate_workflow::{
    Life,
    ids::Actor,
    life::{Change, Event, Failure, Found},
};

use super::{By, Extra};
use crate::{
    audit::{Leaf, leaf},
    call::{
        Caller, digest,
        journey::{self, Who},
    },
    gateway::Gateway,
    model::PostId,
    records::{NewPost, PostRecord},
};

/// The leaves of what was decided of a post.
pub(super) fn of(
    gateway: &Gateway,
    post: &PostRecord,
    by: By<'_>,
    events: &[Event],
    life: &Life,
    extra: &Extra,
) -> Vec<Leaf> {
    let brand = journey::brand(gateway, post.targets.iter().map(|target| &target.account));
    // Of the version that is made by this, where one is.
    let (digest, salt) = match &extra.version {
        Some(version) => (version.digest.as_str(), version.salt.as_str()),
        None => (post.digest.as_str(), post.salt.as_str()),
    };
    let about = About { post: &post.id, digest, salt };
    events.iter().filter_map(|event| one(about, by, event, life, brand.clone(), extra.withdrawn)).collect()
}

/// The leaves of a post that is being made.
pub(super) fn of_new(gateway: &Gateway, caller: &Caller, post: &NewPost, events: &[Event], life: &Life) -> Vec<Leaf> {
    let brand = journey::brand(gateway, post.targets.iter().map(|target| &target.account));
    let about = About { post: &post.id, digest: &post.digest, salt: &post.salt };
    events.iter().filter_map(|event| one(about, By::Caller(caller), event, life, brand.clone(), false)).collect()
}

/// The post that leaves are about.
#[derive(Clone, Copy)]
struct About<'a> {
    post: &'a PostId,
    digest: &'a str,
    salt: &'a str,
}

fn one(
    about: About<'_>,
    by: By<'_>,
    event: &Event,
    life: &Life,
    brand: Option<String>,
    withdrawn: bool,
) -> Option<Leaf> {
    let at_ms = event.at.as_millisecond();
    let (who, key) = match by {
        // What time or delivery brought is the gateway's own; what follows from somebody's act is theirs.
        _ if matches!(event.by, Actor::Gate) => (Who::default(), None),
        By::Caller(caller) => (journey::who(caller), Some(caller.key().to_string())),
        By::Link(_) | By::Gate => (Who::default(), None),
    };
    let content_digest = about.digest.to_owned();
    match (&event.change, &event.by) {
        (Change::Voted { approve, .. }, Actor::Person { person }) => {
            let decision = if *approve { "approve" } else { "reject" }.to_owned();
            let (post, person, key) = (about.post.to_string(), person.to_string(), key.unwrap_or_default());
            return Some(Leaf::new(at_ms, leaf::Vote { post, person, key, decision, content_digest, brand }));
        }
        (Change::Cancelled { .. }, _) if withdrawn => {
            let (post, key) = (about.post.to_string(), key.unwrap_or_default());
            let (app, person) = (who.app, who.person);
            return Some(Leaf::new(at_ms, leaf::Withdrawal { post, app, person, key, content_digest, brand }));
        }
        _ => {}
    }
    let name = name(event)?;
    let (accounts, detail, due) = facts(&event.change);
    let transition = leaf::Transition {
        post: about.post.to_string(),
        transition: name.to_owned(),
        seq: event.seq,
        version: life.version().number,
        accounts,
        detail,
        due_ms: due,
        app: who.app,
        person: who.person,
        on_behalf_of: who.on_behalf_of,
        key,
        link: match (&event.change, by) {
            (Change::Invited { link, .. }, _) => Some(link.to_string()),
            (_, By::Link(link)) => Some(link.to_string()),
            (_, By::Caller(_) | By::Gate) => None,
        },
        content_digest,
        reason_digest: event.why.as_ref().map(|why| digest::keyed(about.salt, why)),
        brand,
    };
    Some(Leaf::new(at_ms, transition))
}

/// The name of a transition; none for what delivery tells itself.
fn name(event: &Event) -> Option<&'static str> {
    let by_gate = matches!(event.by, Actor::Gate);
    Some(match &event.change {
        Change::Created { .. } => "created",
        Change::Edited { .. } => "edited",
        Change::Submitted => "submitted",
        Change::Reviewed { .. } => "reviewed",
        Change::Denied { .. } => "denied",
        Change::Held { .. } => "held",
        Change::Voted { .. } => "voted",
        Change::Approved => "approved",
        Change::Rejected => "rejected",
        Change::Escalated { .. } => "escalated",
        Change::Expired { .. } => "expired",
        Change::Invited { .. } => "invited",
        Change::Commented { .. } => "commented",
        Change::CommentClosed { .. } => "comment-closed",
        Change::Scheduled { .. } => "scheduled",
        Change::Rescheduled { .. } => "rescheduled",
        Change::Released { confirmed: true, .. } => "confirmed",
        Change::Released { .. } => "released",
        Change::Frozen { .. } => "frozen",
        Change::Cancelled { .. } => "cancelled",
        Change::Reopened => "reopened",
        Change::Rearmed { .. } => "rearmed",
        Change::Published { found: Found::Told, .. } | Change::Failed { .. } => "resolved",
        Change::Again { .. } if !by_gate => "retried",
        Change::Claimed { .. }
        | Change::Renewed { .. }
        | Change::Began { .. }
        | Change::Answered { .. }
        | Change::Lapsed { .. }
        | Change::Lost { .. }
        | Change::Published { .. }
        | Change::Again { .. }
        | Change::NobodyKnows { .. }
        | Change::Recalling { .. }
        | Change::Recalled { .. }
        | Change::Kept { .. } => return None,
    })
}

/// Accounts, one word more, and a time.
fn facts(change: &Change) -> (Vec<String>, Option<String>, Option<i64>) {
    let names = |accounts: &[pressgate_workflow::ids::AccountId]| accounts.iter().map(ToString::to_string).collect();
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
    match change {
        Change::Created { content, .. } | Change::Edited { content, .. } => (names(&content.targets), None, None),
        Change::Held { accounts, wait } => (names(accounts), serde_json::to_value(wait).ok().and_then(word), None),
        Change::Denied { policy } => (Vec::new(), Some(policy.to_string()), None),
        Change::Escalated { rule } => (Vec::new(), Some(rule.to_string()), None),
        Change::Expired { accounts, .. } | Change::Cancelled { accounts } => (names(accounts), None, None),
        Change::Frozen { accounts, freeze } => (names(accounts), Some(freeze.to_string()), None),
        Change::Invited { external, expires_at, .. } => {
            (Vec::new(), Some(external.to_string()), Some(expires_at.as_millisecond()))
        }
        Change::Voted { approve, .. } => {
            (Vec::new(), Some(if *approve { "approve" } else { "reject" }.to_owned()), None)
        }
        Change::Scheduled { due } | Change::Rescheduled { due } => (Vec::new(), None, Some(due.as_millisecond())),
        Change::Released { accounts, due, .. } => (names(accounts), None, Some(due.as_millisecond())),
        Change::Rearmed { accounts, due, skipped } => {
            let passed_over = skipped.map(|_| "passed-over".to_owned());
            (names(accounts), passed_over, Some(due.as_millisecond()))
        }
        Change::Published { account, .. } => (vec![account.to_string()], Some("published".to_owned()), None),
        Change::Failed { account, failure: Failure::AccountGone } => {
            (vec![account.to_string()], Some("account-gone".to_owned()), None)
        }
        Change::Failed { account, .. } => (vec![account.to_string()], Some("failed".to_owned()), None),
        Change::Again { account, .. } => (vec![account.to_string()], None, None),
        _ => (Vec::new(), None, None),
    }
}
