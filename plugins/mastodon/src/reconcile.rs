//! Did an unanswered step happen? Asked once the server no longer knows the `Idempotency-Key`.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::text::{EntityKind, entities};
use pressgate_sdk::{Call, Reconciliation, clock};
use serde_json::Value;

use crate::options::Options;
use crate::{TOKEN, perform};

/// Statuses of one page, the most that servers give.
const PAGE_STATUSES: usize = 40;
/// Pages that are searched.
const PAGES_MAX: u32 = 5;
/// How far the server's clock may be behind the gateway's.
const CLOCK_SKEW_MS: u64 = 60_000;

/// Looks at the network.
pub fn reconcile(call: &Call, step: &str) -> Reconciliation {
    if let Some(index) = step_index(step, "delete-") {
        return deleted(call, index);
    }
    match step_index(step, "part-") {
        Some(index) => published(call, index).unwrap_or_else(Reconciliation::CannotKnow),
        // An upload that no status shows is seen by nobody, and servers drop it after a day.
        None if step.starts_with("part-") && step.contains("-media-") => Reconciliation::DidNot,
        None => Reconciliation::CannotKnow(format!("There is no step `{step}`.")),
    }
}

fn step_index(step: &str, prefix: &str) -> Option<usize> {
    step.strip_prefix(prefix)?.parse().ok()
}

fn get(step: &str, url: &str) -> Result<Response, String> {
    http::send(step, Kind::Read, &Request::get(url).credential(TOKEN))
        .map_err(|error| format!("The server could not be asked: {error:?}."))
}

/// The JSON of a 200.
fn get_json(step: &str, url: &str) -> Result<(Response, Value), String> {
    let response = get(step, url)?;
    if response.status != 200 {
        return Err(format!("The server answered {} when it was asked.", response.status));
    }
    let json = serde_json::from_slice(&response.body).map_err(|_| "The server's answer is not JSON.".to_owned())?;
    Ok((response, json))
}

fn deleted(call: &Call, index: usize) -> Reconciliation {
    let target = call.draft.target.as_deref().unwrap_or_default();
    let Some(id) = perform::ids(target).nth(index).filter(|id| perform::is_id(id)) else {
        return Reconciliation::CannotKnow("The call has no such status.".to_owned());
    };
    match get("reconcile-status", &format!("/api/v1/statuses/{id}")) {
        Ok(response) if response.status == 404 => Reconciliation::Happened(Response::json(200, "{}")),
        Ok(response) if response.status == 200 => Reconciliation::DidNot,
        Ok(response) => Reconciliation::CannotKnow(format!("The server answered {}.", response.status)),
        Err(why) => Reconciliation::CannotKnow(why),
    }
}

/// Searches the account's latest statuses for the entry.
fn published(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let wanted = Wanted::new(call, index)?;
    let (_, me) = get_json("reconcile-account", "/api/v1/accounts/verify_credentials")?;
    let me = me["id"].as_str().filter(|id| perform::is_id(id)).ok_or("The server did not say who we are.")?.to_owned();
    let since_ms = call.created_at_ms.saturating_sub(CLOCK_SKEW_MS);
    let (mut found, mut max_id): (Vec<Value>, Option<String>) = (Vec::new(), None);
    for page in 0..PAGES_MAX {
        let mut url = format!("/api/v1/accounts/{me}/statuses?limit={PAGE_STATUSES}&exclude_reblogs=true");
        if let Some(max_id) = &max_id {
            url = format!("{url}&max_id={max_id}");
        }
        let (_, statuses) = get_json(&format!("reconcile-statuses-{page}"), &url)?;
        let Value::Array(statuses) = statuses else { return Err("The server gave no list of statuses.".to_owned()) };
        let mut reaches_back = statuses.is_empty();
        max_id =
            statuses.last().and_then(|last| last["id"].as_str()).filter(|id| perform::is_id(id)).map(str::to_owned);
        for status in statuses {
            let created_ms = status["created_at"].as_str().and_then(clock::parse_rfc3339);
            let created_ms = created_ms.ok_or("A status has no readable time.")?;
            if created_ms < since_ms {
                reaches_back = true;
            } else if wanted.is(&status, &me) {
                found.push(status);
            }
        }
        if reaches_back {
            return decide(found);
        }
        if max_id.is_none() {
            break;
        }
    }
    if found.len() == 1 { decide(found) } else { Err("The account published too much since to be sure.".to_owned()) }
}

fn decide(mut found: Vec<Value>) -> Result<Reconciliation, String> {
    match (found.pop(), found.len()) {
        (None, _) => Ok(Reconciliation::DidNot),
        (Some(status), 0) => Ok(Reconciliation::Happened(Response::json(200, status.to_string()))),
        _ => Err("Several statuses look like this one.".to_owned()),
    }
}

/// What the status must look like.
struct Wanted {
    text: String,
    warning: String,
    media: usize,
    answers: Answers,
}

/// What an entry answers: the first what the draft names, the others the account itself.
enum Answers {
    Target(Option<String>),
    Ourselves,
}

impl Wanted {
    fn new(call: &Call, index: usize) -> Result<Self, String> {
        let part = call.draft.parts.get(index).ok_or("The call has no such entry.")?;
        let warning = Options::parse(&call.draft.options)?.content_warning.unwrap_or_default();
        let answers = if index == 0 { Answers::Target(call.draft.target.clone()) } else { Answers::Ourselves };
        Ok(Self { text: comparable(&part.text), warning: squeezed(&warning), media: part.media.len(), answers })
    }

    fn is(&self, status: &Value, me: &str) -> bool {
        let content = status["content"].as_str().unwrap_or_default();
        let warning = status["spoiler_text"].as_str().unwrap_or_default();
        let answers = match &self.answers {
            Answers::Target(target) => status["in_reply_to_id"].as_str() == target.as_deref(),
            Answers::Ourselves => status["in_reply_to_account_id"].as_str() == Some(me),
        };
        answers
            && comparable(&plain_text(content)) == self.text
            && squeezed(warning) == self.warning
            && status["media_attachments"].as_array().map_or(0, Vec::len) == self.media
    }
}

/// A text without white space and without the servers of mentions, which the server's HTML does not show.
fn comparable(text: &str) -> String {
    let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
    for entity in entities(text).iter().filter(|entity| entity.kind == EntityKind::Mention) {
        let end = entity.range.start + '@'.len_utf8() + entity.name_and_server().0.len();
        kept.push_str(text.get(from..end).unwrap_or_default());
        from = entity.range.end;
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    squeezed(&kept)
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// The text of the server's HTML: tags away (breaks and paragraphs leave a space), entities decoded.
fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, marked) = rest.split_at(at);
        text.push_str(before);
        let end = if marked.starts_with('<') { marked.find('>') } else { marked.find(';').filter(|end| *end <= 10) };
        let Some(mark) = end.and_then(|end| marked.get(..=end)) else {
            text.push_str(marked.get(..1).unwrap_or_default());
            rest = marked.get(1..).unwrap_or_default();
            continue;
        };
        match decode_entity(mark) {
            Some(letter) => text.push(letter),
            None if mark.starts_with("<br") || mark.starts_with("</p") => text.push('\n'),
            None if mark.starts_with('<') => {}
            None => text.push_str(mark),
        }
        rest = marked.get(mark.len()..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

fn decode_entity(mark: &str) -> Option<char> {
    let name = mark.strip_prefix('&')?.strip_suffix(';')?;
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_the_text_that_was_sent() {
        let html = "<p>Ahoj <span class=\"h-card\"><a href=\"https://s.example/@eva\" class=\"u-url mention\">@<span>eva\
            </span></a></span> &amp; &#39;vy&#x27; &lt;3<br />viz <a href=\"https://acme.example/a\"><span class=\"\
            invisible\">https://</span><span class=\"ellipsis\">acme.exa</span><span class=\"invisible\">mple/a</span>\
            </a></p><p>#<span>kůň</span></p>";
        let sent = "Ahoj @eva@s.example & 'vy' <3\nviz https://acme.example/a\n\n#kůň";
        assert_eq!(comparable(&plain_text(html)), comparable(sent));
    }

    #[test]
    fn broken_html_is_text() {
        for (html, text) in [("a < b", "a < b"), ("a & b", "a & b"), ("&nope;", "&nope;"), ("&#xd800;", "&#xd800;")] {
            assert_eq!(plain_text(html), text);
        }
    }
}
