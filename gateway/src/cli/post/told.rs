//! A post as a person reads it.

use serde_json::{Value, json};

use crate::cli::{outcome::safe, table::table};

/// Characters of a post that a line of a list has.
const BEGINNING_CHARS: usize = 40;

/// A field's text; empty where there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A field's list.
pub fn several<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A post for people. What came from others is escaped: it must not move the cursor of a terminal.
pub fn told(post: &Value) -> String {
    let version = post.get("version").and_then(Value::as_u64).unwrap_or_default();
    let mut lines = vec![
        format!("post    {}", safe(text(post, "id"))),
        format!("state   {}", safe(text(post, "state"))),
        format!("version {version}"),
        format!("digest  {}", safe(text(post, "digest"))),
        format!("author  {}", by(post)),
    ];
    let due = text(post, "due_at");
    if !due.is_empty() {
        lines.push(format!("due     {}", safe(due)));
    }
    lines.extend(time(post));
    let campaign = text(post, "campaign");
    if !campaign.is_empty() {
        lines.push(format!("for     campaign {}", safe(campaign)));
    }
    let labels: Vec<String> = several(post, "labels").filter_map(Value::as_str).map(safe).collect();
    if !labels.is_empty() {
        lines.push(format!("labels  {}", labels.join(", ")));
    }
    lines.extend(several(post, "warnings").map(|warning| format!("warning {}", safe(text(warning, "message")))));
    for target in several(post, "targets") {
        lines.extend(told_target(target));
    }
    lines.extend(several(post, "verdicts").map(verdict));
    for vote in several(post, "approvals") {
        let (decision, note) = (text(vote, "decision"), text(vote, "note"));
        // Of an earlier version, or of what nobody had seen then.
        let void = vote.get("counts").and_then(Value::as_bool) == Some(false);
        let version = vote.get("version").and_then(Value::as_u64).unwrap_or_default();
        let void = if void { format!(" (void: for version {version})") } else { String::new() };
        let line = format!("vote    {}: {}{void} {}", voter(vote), safe(decision), safe(note));
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// A person, or an outside party with the address that its link went to.
fn voter(vote: &Value) -> String {
    let external = vote.get("external").filter(|external| external.is_object());
    let Some(external) = external else { return safe(text(vote, "person")) };
    let (party, address) = (safe(text(external, "party")), safe(text(external, "address")));
    if address.is_empty() { party } else { format!("{party} <{address}>") }
}

/// How its time was asked for: all that an approval covers beside the content.
fn time(post: &Value) -> Vec<String> {
    let Some(schedule) = post.get("schedule").and_then(Value::as_object) else { return Vec::new() };
    let told = schedule.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("time    {}: {}", safe(name), safe(&value))
    });
    told.collect()
}

/// Who made a post.
pub fn by(post: &Value) -> String {
    let author = post.get("author").unwrap_or(&Value::Null);
    let by = [text(author, "app"), text(author, "person")].into_iter().find(|by| !by.is_empty()).unwrap_or_default();
    let whom = Some(text(author, "on_behalf_of")).filter(|person| !person.is_empty());
    format!("{}{}", safe(by), whom.map(|whom| format!(" for {}", safe(whom))).unwrap_or_default())
}

/// What a policy said.
pub fn verdict(verdict: &Value) -> String {
    let found: Vec<String> = several(verdict, "findings").map(|finding| safe(text(finding, "message"))).collect();
    let line =
        format!("policy  {}: {} {}", safe(text(verdict, "policy")), safe(text(verdict, "outcome")), found.join("; "));
    line.trim_end().to_owned()
}

/// The beginning of what a post says.
pub fn beginning(post: &Value) -> String {
    let content = several(post, "targets").next().and_then(|target| target.get("content")).unwrap_or(&Value::Null);
    let said = several(content, "parts").next().map(|part| text(part, "text")).unwrap_or_default();
    safe(&said.chars().take(BEGINNING_CHARS).collect::<String>())
}

/// One account: where it stands, what is said there, and why it failed.
fn told_target(target: &Value) -> Vec<String> {
    let place = [text(target, "url"), text(target, "platform_id")].into_iter().find(|place| !place.is_empty());
    let (account, state) = (safe(text(target, "account")), safe(text(target, "state")));
    let waits = Some(text(target, "waits_for")).filter(|wait| !wait.is_empty());
    let waits = waits.map(|wait| format!(", waits for {}", safe(wait))).unwrap_or_default();
    let failure = Some(text(target, "failure")).filter(|failure| !failure.is_empty());
    let waits = failure.map_or(waits, |failure| format!(", {}", safe(failure)));
    let place = safe(place.unwrap_or_default());
    let mut lines = vec![format!("target  {account}: {state}{waits} {place}").trim_end().to_owned()];
    let content = target.get("content").unwrap_or(&Value::Null);
    for part in several(content, "parts") {
        lines.push(format!("  text    {}", safe(text(part, "text"))));
        for medium in several(part, "media") {
            let (id, kind, alt) = (text(medium, "id"), text(medium, "media_type"), text(medium, "alt"));
            lines.push(format!("  shows   {} {}: {}", safe(id), safe(kind), safe(alt)));
        }
    }
    if let Some(options) = content.get("options").and_then(Value::as_object).filter(|options| !options.is_empty()) {
        lines.push(format!("  options {}", safe(&json!(options).to_string())));
    }
    let reply_to = text(content, "reply_to");
    if !reply_to.is_empty() {
        lines.push(format!("  answers {}", safe(reply_to)));
    }
    let why = several(target, "attempts").last().map(|attempt| text(attempt, "message")).unwrap_or_default();
    if !why.is_empty() {
        lines.push(format!("  said    {}", safe(why)));
    }
    lines
}

/// A page of posts.
pub fn listed(page: &Value) -> String {
    let row = |post: &Value| {
        let accounts: Vec<String> = several(post, "targets").map(|target| safe(text(target, "account"))).collect();
        vec![safe(text(post, "id")), safe(text(post, "state")), safe(text(post, "created_at")), accounts.join(", ")]
    };
    table(&["id", "state", "made", "accounts"], &several(page, "posts").map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_told_without_control_characters() {
        let post = json!({
            "id": "post_1", "state": "held", "version": 3, "due_at": "T", "digest": "ab", "campaign": "spring", "labels": ["launch"],
            "schedule": { "local": "2027-03-01T09:00", "rule": "FREQ=DAILY;COUNT=9", "late_max_s": 60 },
            "approvals": [{ "person": "p", "decision": "approve", "version": 2, "counts": false, "note": "fine" },
                          { "person": null, "external": { "party": "agency-x", "link": "link_1", "address": "a@x.example" },
                            "decision": "approve", "version": 3, "counts": true, "note": null }],
            "author": { "app": "newsroom", "person": null, "on_behalf_of": "ada" },
            "targets": [
                { "account": "acme", "state": "held\u{1b}[2J", "waits_for": "votes", "content": {
                    "parts": [{ "text": "hello\u{1b}[1m", "media": [{ "id": "media_1", "media_type": "image/png", "alt": "a cat" }] }],
                    "options": { "visibility": "direct" } } },
                { "account": "b", "state": "published", "url": "https://x" },
                { "account": "c", "state": "failed", "attempts": [{ "message": "first" }, { "message": "too long" }] },
            ],
            "verdicts": [{ "policy": "rules", "outcome": "hold", "findings": [{ "message": "names a price" }] }],
        });
        let text = told(&post);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("target  b: published https://x"), "{text}");
        assert!(text.contains("policy  rules: hold names a price"), "{text}");
        assert!(text.contains("author  newsroom for ada"), "{text}");
        assert!(text.contains("  text    hello\\u{1b}[1m\n  shows   media_1 image/png: a cat"), "{text}");
        assert!(text.contains("  options {\"visibility\":\"direct\"}"), "{text}");
        assert!(text.contains("target  c: failed\n  said    too long"), "{text}");
        assert!(
            text.contains("time    rule: FREQ=DAILY;COUNT=9\n") && text.contains("time    late_max_s: 60\n"),
            "{text}"
        );
        assert!(text.contains("for     campaign spring\nlabels  launch\n"), "{text}");
        assert!(text.contains("vote    p: approve (void: for version 2) fine"), "{text}");
        assert!(text.contains("version 3\n") && text.contains("due     T\n"), "{text}");
        assert!(text.contains("[2J, waits for votes\n"), "{text}");
        assert_eq!(beginning(&post), "hello\\u{1b}[1m");
        assert_eq!(listed(&json!({ "posts": [post] })).lines().count(), 2);
    }
}
