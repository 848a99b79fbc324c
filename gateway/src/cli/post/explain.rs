//! `pressgate post explain`: what a post waits for, in plain words.

use serde_json::Value;

use super::{
    path,
    told::{several, text},
};
use crate::cli::{
    client::Client,
    outcome::{Failure, Report, counted, safe},
};

/// Shows it.
pub async fn run(client: &Client, id: &str) -> Result<Report, Failure> {
    let view: Value = client.get(&path(id, "explain")?).await?;
    Ok(Report::good(explained(&view), view))
}

fn number(value: &Value, name: &str) -> usize {
    value.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

fn names(value: &Value, name: &str) -> Vec<String> {
    several(value, name).filter_map(Value::as_str).map(safe).collect()
}

fn explained(view: &Value) -> String {
    let (id, state) = (safe(text(view, "post")), safe(text(view, "state")));
    let mut lines = vec![format!("{id} is {state}, version {}.", number(view, "version"))];
    let waits: Vec<&Value> = several(view, "waits").collect();
    lines.extend(waits.iter().map(|wait| waiting(wait, &id)));
    if waits.iter().any(|wait| wait.get("votes_missing").and_then(Value::as_bool) == Some(true)) {
        lines.push("Votes are missing too: once it is confirmed it waits for them.".to_owned());
    }
    let frozen: Vec<&Value> = several(view, "frozen").collect();
    lines.extend(frozen.iter().map(|stopped| self::frozen(stopped)));
    if waits.is_empty() && frozen.is_empty() {
        lines.extend(standing(&state, &id));
    }
    let failed = |target: &Value| format!("{} failed: {}", safe(text(target, "account")), safe(text(target, "why")));
    lines.extend(several(view, "failed").map(failed));
    // What has ended wants nobody.
    let over = ["rejected", "denied", "cancelled", "expired", "published"].contains(&state.as_str());
    for rule in several(view, "rules").filter(|_| !over) {
        lines.push(format!("Rule `{}` wants:", safe(text(rule, "rule"))));
        lines.extend(several(rule, "stages").enumerate().map(|(index, stage)| self::stage(index + 1, stage)));
    }
    let held_by = names(view, "held_by");
    if !held_by.is_empty() {
        lines.push(format!("Held by: {}.", held_by.join(", ")));
    }
    let (open, blocked) = (number(view, "open_comments"), text(view, "blocked_by_comments"));
    if open > 0 {
        let open = counted(open, "open comment", "open comments");
        lines.push(if blocked.is_empty() {
            format!("{open}; no rule minds.")
        } else {
            let rule = safe(blocked);
            format!(
                "{open}: rule `{rule}` keeps it back until each is resolved (pressgate post comment {id} --resolves N)."
            )
        });
    }
    if view.get("approved").and_then(Value::as_bool) == Some(true) {
        lines.push("Nobody's agreement is missing.".to_owned());
    }
    lines.extend(several(view, "next").map(next));
    lines.join("\n")
}

/// One account that waits for somebody.
fn waiting(wait: &Value, id: &str) -> String {
    let account = safe(text(wait, "account"));
    let why = Some(text(wait, "why")).filter(|why| !why.is_empty()).map(|why| format!(" ({})", safe(why)));
    let why = why.unwrap_or_default();
    let word = format!("pressgate post confirm {id} lets it go, pressgate post cancel {id} ends it");
    match text(wait, "waits_for") {
        "votes" => format!("{account} waits for votes{why}."),
        "overdue" => format!("{account} is later than it may be{why}: {word}."),
        "thawed" => format!("{account} was stopped by a freeze that is over{why}: {word}."),
        "attention" => format!("{account} was stopped{why}: mend that; then {word}."),
        other => format!("{account} waits for {}{why}.", safe(other)),
    }
}

/// One account that a freeze stops.
fn frozen(stopped: &Value) -> String {
    let (account, freeze) = (safe(text(stopped, "account")), safe(text(stopped, "freeze")));
    match freeze.as_str() {
        "" => format!("{account} was stopped by a freeze that has just ended."),
        _ => format!("{account} is stopped by the freeze {freeze}: pressgate freeze list says why, and who ends it."),
    }
}

/// Where nothing waits for anybody.
fn standing(state: &str, id: &str) -> Option<String> {
    Some(match state {
        "draft" => format!("Its author is not done: pressgate post submit {id}."),
        "denied" | "rejected" | "cancelled" | "expired" => {
            format!("It ended. Its author may write it anew: pressgate post reopen {id}.")
        }
        "failed" | "partial" => format!("Not every account took it: pressgate post retry {id} tries those again."),
        "unknown" => {
            format!("A request was sent and not answered; where nobody can look it up: pressgate post resolve {id}.")
        }
        _ => return None,
    })
}

fn stage(number_of: usize, stage: &Value) -> String {
    let of = stage.get("of").unwrap_or(&Value::Null);
    let whom = names(of, "names").join(", ");
    let whom = match text(of, "kind") {
        "role" => format!("with the role `{whom}`"),
        "external" => format!("of `{whom}`, by a link"),
        _ => format!("of {whom}"),
    };
    let agreed: Vec<String> = several(stage, "counted")
        .map(|vote| {
            let place = Some(text(vote, "in_place_of")).filter(|place| !place.is_empty());
            let place = place.map(|place| format!(" for {}", safe(place))).unwrap_or_default();
            format!("{}{place}", safe(text(vote, "voter")))
        })
        .collect();
    let wanted = number(stage, "wanted");
    let has = if agreed.is_empty() { "nobody".to_owned() } else { agreed.join(", ") };
    let (can, lacking) = (names(stage, "can_vote"), names(stage, "lacking"));
    let then = match (agreed.len() >= wanted, stage.get("open").and_then(Value::as_bool) == Some(true)) {
        (true, _) => "That is enough.".to_owned(),
        (false, false) => "Its turn has not come.".to_owned(),
        (false, true) if text(of, "kind") == "external" => {
            "They vote by the link that was sent to them; `pressgate post invite` makes another.".to_owned()
        }
        (false, true) if can.is_empty() && !lacking.is_empty() => {
            format!("Nobody could vote now; a course or guidelines keep back: {}.", lacking.join(", "))
        }
        (false, true) if can.is_empty() => {
            "NOBODY is left who could: change approvals.toml, or ask another author.".to_owned()
        }
        (false, true) if lacking.is_empty() => format!("Could vote now: {}.", can.join(", ")),
        (false, true) => {
            format!("Could vote now: {}; a course or guidelines keep back: {}.", can.join(", "), lacking.join(", "))
        }
    };
    format!("  {number_of}. {} {whom}. Agreed: {has}. {then}", counted(wanted, "person", "people"))
}

fn next(next: &Value) -> String {
    let at = safe(text(next, "at"));
    let rule = Some(text(next, "rule")).filter(|rule| !rule.is_empty()).map(|rule| format!(" (rule `{}`)", safe(rule)));
    let rule = rule.unwrap_or_default();
    match text(next, "what") {
        "escalation" => {
            let to = next.get("to").map(|to| names(to, "names").join(", ")).unwrap_or_default();
            format!("At {at} {to} is asked too{rule}.")
        }
        "expiry" => format!("At {at} it expires{rule}."),
        "due" => format!("At {at} it is due."),
        "retry" => {
            let why = Some(text(next, "why")).filter(|why| !why.is_empty());
            let why = why.map(|why| format!(": {}", safe(why))).unwrap_or_default();
            format!("At {at} {} is tried again{why}", safe(text(next, "account")))
        }
        other => format!("At {at}: {}{rule}.", safe(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_told_in_plain_words() {
        let view = json!({"post": "post_1", "state": "held", "version": 2, "approved": false,
            "rules": [{"rule": "launch", "stages": [
                {"wanted": 2, "of": {"kind": "role", "names": ["approver"]}, "counted": [{"voter": "a", "in_place_of": "b"}], "open": true, "can_vote": ["c"]},
                {"wanted": 1, "of": {"kind": "people", "names": ["d", "e"]}, "counted": [], "open": false, "can_vote": []}]}],
            "held_by": ["house-rules"], "open_comments": 1, "blocked_by_comments": "launch",
            "waits": [{"account": "acme", "waits_for": "votes", "why": null}],
            "next": [{"at": "T1", "what": "escalation", "rule": "launch", "to": {"kind": "people", "names": ["f"]}}, {"at": "T2", "what": "due"}]});
        let told = explained(&view);
        let expected = "post_1 is held, version 2.\n\
            acme waits for votes.\n\
            Rule `launch` wants:\n\
            \x20 1. 2 people with the role `approver`. Agreed: a for b. Could vote now: c.\n\
            \x20 2. 1 person of d, e. Agreed: nobody. Its turn has not come.\n\
            Held by: house-rules.\n\
            1 open comment: rule `launch` keeps it back until each is resolved (pressgate post comment post_1 --resolves N).\n\
            At T1 f is asked too (rule `launch`).\n\
            At T2 it is due.";
        assert_eq!(told, expected);
    }

    #[test]
    fn what_stopped_a_post_is_told_with_what_to_do() {
        let wait = json!({"account": "acme", "waits_for": "attention", "why": "the grant is over\u{7}"});
        let both = json!({"post": "post_1", "state": "held", "version": 1, "approved": false,
            "waits": [{"account": "acme", "waits_for": "thawed", "why": null, "votes_missing": true}]});
        assert!(explained(&both).contains("Votes are missing too"), "{}", explained(&both));
        let stopped = json!({"post": "post_1", "state": "frozen", "version": 1,
            "frozen": [{"account": "acme", "freeze": "freeze_1"}]});
        assert!(explained(&stopped).contains("acme is stopped by the freeze freeze_1"), "{}", explained(&stopped));
        let failed = json!({"post": "post_1", "state": "partial", "version": 1,
            "failed": [{"account": "acme", "why": "There is no such account."}]});
        assert!(explained(&failed).contains("acme failed: There is no such account."), "{}", explained(&failed));
        let told = waiting(&wait, "post_1");
        assert!(told.contains("(the grant is over\\u{7})") && told.contains("post confirm post_1"), "{told}");
        assert!(standing("draft", "p").unwrap().contains("post submit p"));
        let retry = json!({"at": "T", "what": "retry", "account": "acme", "why": "The network answered 503."});
        assert_eq!(next(&retry), "At T acme is tried again: The network answered 503.");
        let stuck =
            json!({"wanted": 1, "of": {"kind": "people", "names": ["a"]}, "counted": [], "open": true, "can_vote": []});
        assert!(stage(1, &stuck).contains("NOBODY"), "{}", stage(1, &stuck));
    }
}
