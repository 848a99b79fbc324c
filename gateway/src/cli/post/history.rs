//! `pressgate post history`: who did what, when and why.

use serde_json::Value;

use super::{
    path,
    told::{several, text},
};
use crate::cli::{
    client::Client,
    outcome::{Failure, Report, safe},
    table::table,
};

/// Shows it.
pub async fn run(client: &Client, id: &str) -> Result<Report, Failure> {
    let history: Value = client.get(&path(id, "history")?).await?;
    let rows: Vec<_> = several(&history, "events").map(row).collect();
    Ok(Report::good(table(&["when", "who", "what", "more", "why"], &rows), history))
}

fn row(event: &Value) -> Vec<String> {
    let by = event.get("by").unwrap_or(&Value::Null);
    vec![
        safe(text(event, "at")),
        who(by),
        safe(text(event, "event")),
        more(event.get("data").unwrap_or(&Value::Null)),
        safe(text(event, "why")),
    ]
}

/// Who did something; the gateway itself is a dash.
pub fn who(by: &Value) -> String {
    let id = safe(text(by, "id"));
    match (text(by, "kind"), text(by, "on_behalf_of")) {
        ("person", _) => id,
        (_, whom) if !whom.is_empty() => format!("{id} for {}", safe(whom)),
        ("link", _) => format!("link {id}"),
        _ if id.is_empty() => "–".to_owned(),
        _ => id,
    }
}

/// What people said of a post, a line each, with the number by which it is resolved.
pub fn comments(history: &Value) -> Vec<String> {
    let number = |event: &Value| event.get("data")?.get("comment")?.as_u64();
    let of = |name: &'static str| several(history, "events").filter(move |event| text(event, "event") == name);
    let resolved: Vec<u64> = of("comment-closed").filter_map(number).collect();
    let line = |event: &Value| {
        let number = number(event)?;
        let end = if resolved.contains(&number) { " (resolved)" } else { "" };
        let by = who(event.get("by").unwrap_or(&Value::Null));
        Some(format!("comment {number} of {by}: {}{end}", safe(text(event, "why"))))
    };
    of("commented").filter_map(line).collect()
}

/// What an event is about: versions, numbers, accounts, times.
fn more(data: &Value) -> String {
    let mut words = Vec::new();
    let number = |name: &str| data.get(name).and_then(Value::as_u64);
    if let Some(approve) = data.get("approve").and_then(Value::as_bool) {
        words.push(if approve { "yes" } else { "no" }.to_owned());
    }
    words.extend(number("version").map(|version| format!("version {version}")));
    words.extend(number("comment").map(|comment| format!("comment {comment}")));
    words.extend(number("attempt").map(|attempt| format!("attempt {attempt}")));
    for (name, before) in
        [("rule", "rule "), ("policy", "policy "), ("freeze", ""), ("external", ""), ("account", ""), ("step", "")]
    {
        let word = text(data, name);
        if !word.is_empty() {
            words.push(format!("{before}{}", safe(word)));
        }
    }
    let accounts: Vec<String> = several(data, "accounts").filter_map(Value::as_str).map(safe).collect();
    words.extend((!accounts.is_empty()).then(|| accounts.join(", ")));
    words.extend(
        Some(text(data, "wait")).filter(|wait| !wait.is_empty()).map(|wait| format!("waits for {}", safe(wait))),
    );
    let (failure, expiry) = (data.get("failure").unwrap_or(&Value::Null), data.get("expiry").unwrap_or(&Value::Null));
    for (of, name) in [(failure, "code"), (failure, "kind"), (expiry, "rule")] {
        words.extend(Some(text(of, name)).filter(|word| !word.is_empty()).map(safe));
    }
    for (name, before) in [("due", "due "), ("not_before", "not before ")] {
        words.extend(
            Some(text(data, name)).filter(|time| !time.is_empty()).map(|time| format!("{before}{}", safe(time))),
        );
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_are_told_with_their_numbers() {
        let said = |number: u64, why: &str| json!({"event": "commented", "by": {"kind": "person", "id": "ada"}, "why": why, "data": {"comment": number}});
        let closed = json!({"event": "comment-closed", "data": {"comment": 1}});
        let told = comments(&json!({ "events": [said(1, "shorter"), closed, said(2, "why\u{7}?")] }));
        assert_eq!(told, ["comment 1 of ada: shorter (resolved)", "comment 2 of ada: why\\u{7}?"]);
    }

    #[test]
    fn a_row_says_who_what_and_why() {
        let vote = json!({"at": "t", "event": "voted", "by": {"kind": "person", "id": "chief-1"}, "why": "fine\u{1b}",
            "data": {"approve": true, "version": 2, "voter": {"kind": "person", "id": "chief-1"}}});
        assert_eq!(row(&vote), ["t", "chief-1", "voted", "yes; version 2", "fine\\u{1b}"]);
        let held = json!({"at": "t", "event": "held", "by": {"kind": "gate", "id": null},
            "data": {"accounts": ["a", "b"], "wait": "votes"}, "why": null});
        assert_eq!(row(&held), ["t", "–", "held", "a, b; waits for votes", ""]);
        let made = json!({"at": "t", "event": "created", "by": {"kind": "app", "id": "newsroom", "on_behalf_of": "ada"},
            "data": {"content": {"targets": ["a"]}}});
        assert_eq!(row(&made)[1], "newsroom for ada");
        let failed =
            json!({"event": "failed", "data": {"account": "a", "failure": {"kind": "refused", "code": "too-long"}}});
        assert_eq!(row(&failed)[3], "a; too-long; refused");
    }
}
