//! What happened to a post and what it waits for, in plain words.

use std::fmt::Write as _;

use pressgate_workflow::{
    Life,
    ids::Actor,
    life::{Change, Event, Expiry, Failure, Found, Wait},
};

use super::{content::time, pages::escape};
use crate::{
    doors::publish::{
        standing::{ExplainView, NextView, RuleView, StageView, WhoView},
        view::WaitBody,
    },
    records::{CommentRecord, PostRecord},
};

/// Somebody, as people call them here.
pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Person { person } => person.to_string(),
        Actor::App { app, on_behalf_of: Some(person) } => format!("{person}, through the app {app}"),
        Actor::App { app, on_behalf_of: None } => format!("the app {app}"),
        Actor::Link { .. } => "an outside party, by its link".to_owned(),
        Actor::Gate => "the gateway".to_owned(),
    }
}

/// Who wants the current version: whoever made it.
pub(super) fn asker(life: &Life) -> &Actor {
    &life.version().by
}

/// Campaign and labels, as entries of a list of terms.
pub(super) fn labels(post: &PostRecord) -> String {
    let Some(draft) = post.targets.first().map(|target| &target.draft) else { return String::new() };
    let campaign = draft.campaign.as_deref().map(|name| format!("<dt>Campaign</dt><dd>{}</dd>", escape(name)));
    let labels =
        (!draft.labels.is_empty()).then(|| format!("<dt>Labels</dt><dd>{}</dd>", escape(&draft.labels.join(", "))));
    campaign.into_iter().chain(labels).collect()
}

/// The history as a list.
pub(super) fn history(events: &[Event], comments: &[CommentRecord]) -> String {
    let row = |event: &Event| {
        let why = match &event.change {
            Change::Commented { comment } => {
                comments.iter().find(|said| said.number == *comment).map(|said| &said.text)
            }
            _ => event.why.as_ref(),
        };
        let why = why.map(|why| format!("<div class=\"text\" dir=\"auto\">{}</div>", escape(why))).unwrap_or_default();
        let (at, by) = (time(event.at), escape(&actor(&event.by)));
        format!(
            "<li><time datetime=\"{}\">{at}</time>: {}, by {by}{why}</li>",
            event.at,
            escape(&happened(&event.change))
        )
    };
    format!("<ol>{}</ol>", events.iter().map(row).collect::<String>())
}

fn happened(change: &Change) -> String {
    let list = |accounts: &[pressgate_workflow::ids::AccountId]| {
        accounts.iter().map(|account| account.as_str()).collect::<Vec<_>>().join(", ")
    };
    match change {
        Change::Created { .. } => "written".to_owned(),
        Change::Edited { version, .. } => format!("version {version} written; earlier votes are void"),
        Change::Submitted => "submitted".to_owned(),
        Change::Reviewed { holds, .. } if holds.is_empty() => "policies let it pass".to_owned(),
        Change::Reviewed { holds, fresh } => {
            let names: Vec<&str> = holds.keys().map(|policy| policy.as_str()).collect();
            let fresh = if *fresh { " for new reasons; earlier votes are void" } else { "" };
            format!("held by {}{fresh}", names.join(", "))
        }
        Change::Denied { policy } => format!("denied by {policy}"),
        Change::Held { accounts, wait } => format!("{} waits {}", list(accounts), waits(*wait)),
        Change::Voted { approve: true, version, .. } => format!("version {version} approved"),
        Change::Voted { approve: false, version, .. } => format!("version {version} rejected"),
        Change::Approved => "everybody who was asked has agreed".to_owned(),
        Change::Rejected => "rejected".to_owned(),
        Change::Escalated { rule } => format!("escalated, as rule {rule} says"),
        Change::Expired { expiry: Expiry::Votes(rule), .. } => format!("expired, as rule {rule} says"),
        Change::Expired { expiry: Expiry::Window, .. } => "expired with its window".to_owned(),
        Change::Invited { external, expires_at, .. } => {
            format!("a link for {external} was made, good until {}", time(*expires_at))
        }
        Change::Commented { comment } => format!("comment {comment}"),
        Change::CommentClosed { comment } => format!("comment {comment} resolved"),
        Change::Scheduled { due } => format!("scheduled for {}", time(*due)),
        Change::Rescheduled { due } => format!("moved to {}", time(*due)),
        Change::Released { accounts, confirmed: true, .. } => {
            format!("{} confirmed: it goes after all", list(accounts))
        }
        Change::Released { accounts, .. } => format!("{} due", list(accounts)),
        Change::Frozen { accounts, .. } => format!("{} stopped by a freeze", list(accounts)),
        Change::Claimed { account, attempt, .. } => format!("attempt {attempt} on {account} began"),
        Change::Renewed { account, .. } => format!("the attempt on {account} goes on"),
        Change::Began { account, .. } => format!("something is sent for {account}"),
        Change::Answered { account, .. } => format!("the network answered for {account}"),
        Change::Lapsed { account } => format!("the attempt on {account} broke off"),
        Change::Lost { account } => format!("the network did not answer for {account}"),
        Change::Published { account, found: Found::Told, .. } => format!("{account} published, as somebody found out"),
        Change::Published { account, .. } => format!("{account} published"),
        Change::Again { account, not_before } => format!("{account} is tried again from {}", time(*not_before)),
        Change::Failed { account, failure } => format!("{account} failed: {}", failed(failure)),
        Change::NobodyKnows { account } => format!("nobody knows whether {account} was published; look at the network"),
        Change::Recalling { account } => format!("{account} is to be deleted"),
        Change::Recalled { account } => format!("{account} deleted"),
        Change::Kept { account } => format!("{account} could not be deleted"),
        Change::Cancelled { accounts } => format!("{} cancelled", list(accounts)),
        Change::Reopened => "a draft again".to_owned(),
        Change::Rearmed { due, skipped: Some(missed), .. } => {
            format!("passed over from {} on; next time: {}", time(*missed), time(*due))
        }
        Change::Rearmed { due, .. } => format!("next time: {}", time(*due)),
    }
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Refused { code } => format!("the network refused it ({code})"),
        Failure::AttemptsUsedUp => "every attempt was used".to_owned(),
        Failure::Window => "its window ended".to_owned(),
        Failure::AccountGone => "the account is gone".to_owned(),
        Failure::NotPublished => "somebody found that it is not there".to_owned(),
    }
}

fn waits(wait: Wait) -> &'static str {
    match wait {
        Wait::Votes => "for votes",
        Wait::Overdue => "for somebody's word, because it is late",
        Wait::Thawed => "for somebody's word, because a freeze stopped it",
        Wait::Attention => "for somebody to mend what stopped it",
    }
}

/// What a post waits for.
pub(super) fn explained(told: &ExplainView) -> String {
    let mut html = String::new();
    for wait in &told.waits {
        let text = match wait.waits_for {
            WaitBody::Votes => waits(Wait::Votes),
            WaitBody::Overdue => waits(Wait::Overdue),
            WaitBody::Thawed => waits(Wait::Thawed),
            WaitBody::Attention => waits(Wait::Attention),
        };
        let why = wait.why.as_deref().map(|why| format!(": {}", escape(why))).unwrap_or_default();
        // Writing to a text does not fail.
        let _ = write!(html, "<li>{} waits {text}{why}.</li>", escape(&wait.account));
    }
    for rule in told.rules.iter().filter(|rule| !rule.stages.is_empty()) {
        let _ = write!(html, "<li>{}</li>", ruled(rule));
    }
    if !told.held_by.is_empty() {
        let _ = write!(html, "<li>Held by {}.</li>", escape(&told.held_by.join(", ")));
    }
    if let Some(rule) = &told.blocked_by_comments {
        let rule = escape(rule);
        let _ = write!(html, "<li>Rule {rule} keeps it back while comments are open: {}.</li>", told.open_comments);
    }
    for failed in &told.failed {
        let _ = write!(html, "<li>{} failed: {}</li>", escape(&failed.account), escape(&failed.why));
    }
    for next in &told.next {
        let _ = write!(html, "<li>{}</li>", escape(&comes(next)));
    }
    if html.is_empty() { "<p>Nothing.</p>".to_owned() } else { format!("<ul>{html}</ul>") }
}

fn ruled(rule: &RuleView) -> String {
    let stages: String = rule.stages.iter().map(|stage| format!("<li>{}</li>", escape(&staged(stage)))).collect();
    format!("Rule {} wants, in this order:<ol>{stages}</ol>", escape(&rule.rule))
}

fn staged(stage: &StageView) -> String {
    let mut text = format!("{} of {}", stage.wanted, who(&stage.of));
    if !stage.counted.is_empty() {
        let voices = stage.counted.iter().map(|vote| match &vote.in_place_of {
            Some(seat) if *seat != vote.voter => format!("{} for {seat}", vote.voter),
            _ if vote.voter.starts_with("link_") => "a link".to_owned(),
            _ => vote.voter.clone(),
        });
        let _ = write!(text, "; agreed: {}", voices.collect::<Vec<_>>().join(", "));
    }
    if stage.counted.len() >= stage.wanted as usize {
        text.push_str("; complete");
    } else if stage.open && stage.of.kind == "external" {
        text.push_str("; its turn now, by link");
    } else if stage.open && stage.can_vote.is_empty() {
        text.push_str("; its turn now, and nobody is left who may vote");
    } else if stage.open {
        let _ = write!(text, "; its turn now: {}", stage.can_vote.join(", "));
    }
    text
}

fn who(of: &WhoView) -> String {
    let names = of.names.join(", ");
    match of.kind {
        "role" => format!("the role {names}"),
        "external" => format!("the outside party {names}"),
        _ => names,
    }
}

fn comes(next: &NextView) -> String {
    let (at, rule) = (time(next.at), next.rule.as_deref().unwrap_or_default());
    match (next.what, &next.to) {
        ("escalation", Some(to)) => format!("At {at} rule {rule} asks {} too.", who(to)),
        ("expiry", _) => format!("At {at} it expires, as rule {rule} says."),
        ("retry", _) => {
            let why = next.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("At {at} {} is tried again{why}", next.account.as_deref().unwrap_or("it"))
        }
        _ => format!("At {at} it is due."),
    }
}
