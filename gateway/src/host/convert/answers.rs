//! What plugins answer, checked: lists are short, names are known, numbers point at something.
//!
//! The error of each function is a sentence that says what makes no sense; the caller names the plugin.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::adapter::{
    Budget, Classification, Classified, Description, Facts, Failure, Login, Performed, RateClass, Reconciliation,
    Rejection, TokenPlace,
};
use super::super::bindings::{adapter_api, http, policy_api, types};
use super::super::exchange::PluginResponse;
use super::super::options::OptionSchema;
use crate::model::{Action, Draft, Finding, Outcome, Part, Severity, headers::is_gateways};
use crate::records::types::PublishedPart;

const FINDINGS_MAX: usize = 256;
const LIST_MAX: usize = 64;
const HEADERS_MAX: usize = 128;
const CODE_BYTES_MAX: usize = 64;
const MESSAGE_BYTES_MAX: usize = 2048;
const ID_BYTES_MAX: usize = 1024;
const URL_BYTES_MAX: usize = 4096;
const PATH_BYTES_MAX: usize = 256;
const FACTS_BYTES_MAX: usize = 64 << 10;
const SCHEMA_BYTES_MAX: usize = 256 << 10;
const WAIT_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// An adapter that says "not yet" is not asked again at once.
const NOT_YET_MS_MIN: u64 = 100;
const FRESH_S_MAX: u32 = 7 * 24 * 3_600;

type Checked<T> = Result<T, String>;

fn short<T>(what: &str, list: &[T], max: usize) -> Checked<()> {
    if list.len() > max { Err(format!("{} {what}; at most {max} are taken", list.len())) } else { Ok(()) }
}

/// A stable identifier: lower-case letters, digits, dashes, dots and underscores.
fn code(what: &str, text: String) -> Checked<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if text.is_empty() || text.len() > CODE_BYTES_MAX || !text.bytes().all(fits) {
        return Err(format!("{what} is not lower-case letters, digits and dashes, at most {CODE_BYTES_MAX}"));
    }
    Ok(text)
}

fn sentence(what: &str, text: String) -> Checked<String> {
    if text.trim().is_empty() || text.len() > MESSAGE_BYTES_MAX {
        return Err(format!("{what} has {} bytes; 1 to {MESSAGE_BYTES_MAX} are taken", text.len()));
    }
    Ok(text)
}

/// Something of the network's that is written down and shown: an id, a reference.
fn reference(what: &str, text: String) -> Checked<String> {
    if text.trim().is_empty() || text.len() > ID_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("{what} is empty, longer than {ID_BYTES_MAX} bytes or has control characters"));
    }
    Ok(text)
}

fn action(name: &str) -> Checked<Action> {
    Action::parse(name).ok_or_else(|| {
        let name: String = name.chars().take(CODE_BYTES_MAX).flat_map(char::escape_debug).collect();
        format!("the action `{name}` is not in the gateway's list")
    })
}

/// Findings about `draft`.
pub(crate) fn findings(findings: Vec<types::Finding>, draft: &Draft) -> Checked<Vec<Finding>> {
    short("findings", &findings, FINDINGS_MAX)?;
    findings.into_iter().map(|found| finding(found, draft)).collect()
}

fn finding(found: types::Finding, draft: &Draft) -> Checked<Finding> {
    let part = match found.part {
        None => None,
        Some(index) => {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            Some(draft.parts.get(at).ok_or("a finding points at an entry that the draft does not have")?)
        }
    };
    if let Some((start, end)) = found.range {
        let text = &part.ok_or("a finding has a range and no entry")?.text;
        let (start, end) = (usize::try_from(start), usize::try_from(end));
        let within = matches!((start, end), (Ok(start), Ok(end)) if text.get(start..end).is_some());
        if !within {
            return Err("a finding's range does not cut the entry's text".into());
        }
    }
    if !found.place.as_deref().is_none_or(|place| is_place(place, part, draft)) {
        return Err("a finding's `place` is nothing that the draft has".into());
    }
    Ok(Finding {
        place: found.place,
        code: code("a finding's code", found.code)?,
        severity: match found.severity {
            types::Severity::Info => Severity::Info,
            types::Severity::Warning => Severity::Warning,
            types::Severity::Error => Severity::Error,
        },
        message: sentence("a finding's message", found.message)?,
        part: found.part,
        range: found.range,
        measure: found.measure,
    })
}

/// Does the draft have what a finding means?
fn is_place(place: &str, part: Option<&Part>, draft: &Draft) -> bool {
    let has_medium = |index: &str| {
        part.zip(index.parse::<usize>().ok()).is_some_and(|(part, index)| part.media.get(index).is_some())
    };
    match place.split('/').collect::<Vec<_>>().as_slice() {
        ["media"] => part.is_some(),
        ["media", index] | ["media", index, "alt"] => has_medium(index),
        ["options", name] => draft.options.contains_key(&name.replace("~1", "/").replace("~0", "~")),
        _ => false,
    }
}

/// A policy's decision.
pub(crate) fn verdict(verdict: policy_api::Verdict, draft: &Draft) -> Checked<(Outcome, Vec<Finding>)> {
    let outcome = match verdict.outcome {
        policy_api::Outcome::Allow => Outcome::Allow,
        policy_api::Outcome::Hold => Outcome::Hold,
        policy_api::Outcome::Deny => Outcome::Deny,
    };
    let findings = findings(verdict.findings, draft)?;
    if outcome != Outcome::Allow && findings.is_empty() {
        return Err("a deny or hold gives no reason".into());
    }
    Ok((outcome, findings))
}

/// Facts that never change.
pub(crate) fn description(description: adapter_api::Description) -> Checked<Description> {
    short("actions", &description.actions, LIST_MAX)?;
    short("rate classes", &description.rate_classes, LIST_MAX)?;
    short("token places", &description.client_token, LIST_MAX)?;
    if description.option_schema.len() > SCHEMA_BYTES_MAX {
        return Err(format!("the option schema is longer than {SCHEMA_BYTES_MAX} bytes"));
    }
    let option_schema: serde_json::Value =
        serde_json::from_str(&description.option_schema).map_err(|_| "the option schema is not JSON")?;
    Ok(Description {
        actions: actions(&description.actions)?,
        rate_classes: description.rate_classes.into_iter().map(rate_class).collect::<Checked<_>>()?,
        client_token: description.client_token.into_iter().map(token_place).collect(),
        client_headers: client_headers(description.client_headers)?,
        client_media: client_media(description.client_media)?,
        limit_headers: limit_headers(description.limit_headers)?,
        client_paths: client_paths(description.client_paths)?,
        option_schema: OptionSchema::new(option_schema)?,
    })
}

/// Names of headers. What is the gateway's own is no client's.
fn client_headers(names: Vec<String>) -> Checked<Vec<String>> {
    let names = header_names("headers of clients", names)?;
    match names.iter().find(|name| is_gateways(name)) {
        Some(name) => Err(format!("the header `{name}` is the gateway's own")),
        None => Ok(names),
    }
}

/// Names of headers in lower case.
fn header_names(what: &str, names: Vec<String>) -> Checked<Vec<String>> {
    short(what, &names, LIST_MAX)?;
    let name = |name: String| match ::http::HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => {
            let name: String = name.chars().take(CODE_BYTES_MAX).flat_map(char::escape_debug).collect();
            Err(format!("`{name}` is no name of a header"))
        }
    };
    names.into_iter().map(name).collect()
}

/// JSON pointers.
fn client_media(pointers: Vec<String>) -> Checked<Vec<String>> {
    short("places of media", &pointers, LIST_MAX)?;
    match pointers.iter().find(|pointer| !pointer.starts_with('/')) {
        Some(pointer) => Err(format!("`{pointer}` is no JSON pointer")),
        None => Ok(pointers),
    }
}

/// Names of headers; none where the adapter does not say which.
fn limit_headers(names: Option<Vec<String>>) -> Checked<Option<Vec<String>>> {
    names.map(|names| header_names("headers of limits", names)).transpose()
}

/// Beginnings of paths.
fn client_paths(paths: Vec<String>) -> Checked<Vec<String>> {
    short("paths of clients", &paths, LIST_MAX)?;
    let fits =
        |path: &&String| path.starts_with('/') && path.len() <= PATH_BYTES_MAX && !path.contains(['?', '#', '%']);
    match paths.iter().find(|path| !fits(path)) {
        Some(path) => {
            let path: String = path.chars().take(CODE_BYTES_MAX).flat_map(char::escape_debug).collect();
            Err(format!("`{path}` is no path of at most {PATH_BYTES_MAX} bytes as it stands in a request"))
        }
        None => Ok(paths),
    }
}

fn actions(names: &[String]) -> Checked<Vec<Action>> {
    short("actions", names, LIST_MAX)?;
    names.iter().map(|name| action(name)).collect()
}

fn rate_class(class: adapter_api::RateClass) -> Checked<RateClass> {
    if class.window_s == 0 {
        return Err("a rate class has a window of 0 seconds".into());
    }
    Ok(RateClass {
        name: code("a rate class's name", class.name)?,
        actions: actions(&class.actions)?,
        limit: class.limit,
        window_s: class.window_s,
    })
}

fn token_place(place: adapter_api::TokenPlace) -> TokenPlace {
    match place {
        adapter_api::TokenPlace::Bearer => TokenPlace::Bearer,
        adapter_api::TokenPlace::Header(name) => TokenPlace::Header(name),
        adapter_api::TokenPlace::Query(name) => TokenPlace::Query(name),
        adapter_api::TokenPlace::Form(name) => TokenPlace::Form(name),
        adapter_api::TokenPlace::Json(pointer) => TokenPlace::Json(pointer),
        adapter_api::TokenPlace::Path(prefix) => TokenPlace::Path(prefix),
    }
}

/// Facts asked of the network, or the sentence that says why there are none.
pub(crate) fn facts(facts: Result<adapter_api::Facts, String>) -> Checked<Result<Facts, String>> {
    let facts = match facts {
        Err(reason) => return Ok(Err(sentence("the reason", reason)?)),
        Ok(facts) => facts,
    };
    let object = facts.json.len() <= FACTS_BYTES_MAX
        && serde_json::from_str::<serde_json::Value>(&facts.json).is_ok_and(|json| json.is_object());
    if !object {
        return Err(format!("the facts are not a JSON object of at most {FACTS_BYTES_MAX} bytes"));
    }
    let budgets = budgets(facts.budgets)?;
    Ok(Ok(Facts { json: facts.json, fresh_s: facts.fresh_s.min(FRESH_S_MAX), budgets }))
}

/// What a request would do.
pub(crate) fn classification(answer: adapter_api::Classification) -> Checked<Classification> {
    let act = match answer {
        adapter_api::Classification::Login(wanted) => return Ok(Classification::Login(login(wanted))),
        adapter_api::Classification::Refuse(reason) => {
            return Ok(Classification::Refuse(sentence("the reason", reason)?));
        }
        adapter_api::Classification::Act(act) => act,
    };
    short("texts", &act.texts, LIST_MAX)?;
    short("media", &act.media, LIST_MAX)?;
    Ok(Classification::Act(Classified {
        action: action(&act.action)?,
        target: act.target.map(|target| reference("the target", target)).transpose()?,
        text: act.text,
        texts: act.texts,
        media: act.media,
        options: act.options.as_deref().map(options).transpose()?,
        language: act.language,
        prepares: act.prepares,
        commits: act.commits.map(|id| reference("what it commits", id)).transpose()?,
    }))
}

fn options(json: &str) -> Checked<Map<String, Value>> {
    serde_json::from_str(json).map_err(|_| "the options of a request are not a JSON object".to_owned())
}

fn login(wanted: adapter_api::Login) -> Login {
    match wanted {
        adapter_api::Login::Open => Login::Open,
        adapter_api::Login::OpenLasting => Login::OpenLasting,
        adapter_api::Login::Renew => Login::Renew,
        adapter_api::Login::Look => Login::Look,
        adapter_api::Login::End => Login::End,
    }
}

/// What a call did to `draft`, or why it did not finish. `sent` are the steps of this call.
pub(crate) fn performed(
    answer: Result<adapter_api::Performed, adapter_api::Failure>,
    draft: &Draft,
    sent: &HashSet<String>,
) -> Checked<Result<Performed, Failure>> {
    let performed = match answer {
        Err(failed) => return Ok(Err(failure(failed, sent)?)),
        Ok(performed) => performed,
    };
    let deletes = draft.action.as_str().ends_with(".delete");
    // A deletion names what is gone line by line, and reports each line.
    let gone = draft.target.as_deref().map_or(0, |target| target.lines().count());
    let wanted = if deletes { gone } else { draft.parts.len() };
    if performed.parts.len() != wanted {
        return Err(format!("it reports {} published entries where {wanted} were to be", performed.parts.len()));
    }
    let parts = performed.parts.into_iter().map(published).collect::<Checked<_>>()?;
    Ok(Ok(Performed { parts }))
}

/// Something for people to open.
pub(crate) fn address(url: &str) -> Checked<()> {
    let fits =
        url.len() <= URL_BYTES_MAX && url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    if fits { Ok(()) } else { Err("an address for people is not an http address".into()) }
}

pub(crate) fn published(part: adapter_api::Published) -> Checked<PublishedPart> {
    if let Some(url) = &part.url {
        address(url)?;
    }
    Ok(PublishedPart { platform_id: reference("the network's id", part.platform_id)?, url: part.url })
}

pub(crate) fn failure(failure: adapter_api::Failure, sent: &HashSet<String>) -> Checked<Failure> {
    Ok(match failure {
        adapter_api::Failure::Rejected(why) => Failure::Rejected(rejection(why)?),
        adapter_api::Failure::Unauthorized(why) => Failure::Unauthorized(rejection(why)?),
        adapter_api::Failure::RateLimited((why, wait_ms)) => {
            Failure::RateLimited(rejection(why)?, wait_ms.map(|wait_ms| wait_ms.min(WAIT_MS_MAX)))
        }
        adapter_api::Failure::Temporary(why) => Failure::Temporary(rejection(why)?),
        adapter_api::Failure::NotYet((why, wait_ms)) => {
            Failure::NotYet(rejection(why)?, wait_ms.clamp(NOT_YET_MS_MIN, WAIT_MS_MAX))
        }
        adapter_api::Failure::Unknown(step) => {
            if !sent.contains(&step) {
                return Err("it calls a step unknown that it did not send".into());
            }
            Failure::Unknown(step)
        }
    })
}

fn rejection(why: adapter_api::Rejection) -> Checked<Rejection> {
    if why.status.is_some_and(|status| !(100..600).contains(&status)) {
        return Err("a status is not one of HTTP".into());
    }
    Ok(Rejection {
        status: why.status,
        code: code("a rejection's code", why.code)?,
        message: sentence("a rejection's message", why.message)?,
    })
}

/// What became of a step.
pub(crate) fn reconciliation(answer: adapter_api::Reconciliation) -> Checked<Reconciliation> {
    Ok(match answer {
        adapter_api::Reconciliation::Happened(answer) => Reconciliation::Happened(response(answer)?),
        adapter_api::Reconciliation::DidNot => Reconciliation::DidNot,
        adapter_api::Reconciliation::CannotKnow(reason) => Reconciliation::CannotKnow(sentence("the reason", reason)?),
    })
}

pub(crate) fn response(response: http::Response) -> Checked<PluginResponse> {
    short("headers", &response.headers, HEADERS_MAX)?;
    if !(100..600).contains(&response.status) {
        return Err("a status is not one of HTTP".into());
    }
    let malformed = response.headers.iter().any(|(name, value)| {
        ::http::HeaderName::from_bytes(name.as_bytes()).is_err() || ::http::HeaderValue::from_str(value).is_err()
    });
    if malformed {
        return Err("a header has letters that no header may have".into());
    }
    Ok(PluginResponse { status: response.status, headers: response.headers, body: response.body })
}

/// A refusal in the network's own shape: always an error status.
pub(crate) fn refusal(answer: http::Response) -> Checked<PluginResponse> {
    let response = response(answer)?;
    if response.status < 400 {
        return Err("a refusal is rendered with a status that is no error".into());
    }
    Ok(response)
}

/// What headers say about limits.
pub(crate) fn budgets(budgets: Vec<adapter_api::Budget>) -> Checked<Vec<Budget>> {
    short("budgets", &budgets, LIST_MAX)?;
    budgets
        .into_iter()
        .map(|budget| {
            let reset_at = match budget.reset_at_ms {
                None => None,
                Some(millis) => Some(
                    i64::try_from(millis)
                        .ok()
                        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
                        .ok_or("a budget ends at a time that does not exist")?,
                ),
            };
            Ok(Budget {
                class: code("a budget's class", budget.class)?,
                limit: budget.limit,
                remaining: budget.remaining,
                reset_at,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
