//! An answer of the gateway, and a problem as a person reads it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::outcome::{Failure, safe};
use crate::refusal::problem;

/// An answer.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Its `ETag`.
    pub tag: Option<String>,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The JSON of a good answer; a problem becomes a failure with all that it says.
    pub fn good<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if (200..300).contains(&self.status) {
            return serde_json::from_slice(&self.body)
                .map_err(|_| Failure::Unreachable("what answered is not a Pressgate of this version".into()));
        }
        Err(self.problem())
    }

    /// A problem as a failure: what is wrong, and each fault with its place.
    pub fn problem(&self) -> Failure {
        let told: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let field = |name: &str| told.get(name).and_then(Value::as_str);
        // What the gateway refuses to do is told by its detail; that title is for programs.
        let title = field("title").filter(|_| field("type") != Some(&problem::INVALID.address()));
        let faults: Vec<Fault> =
            told.get("errors").and_then(Value::as_array).into_iter().flatten().filter_map(Fault::read).collect();
        let placed = faults.iter().any(|fault| !fault.place.is_empty());
        // A detail that only strings the faults together says nothing beside them, where each has its place.
        let detail = field("detail").filter(|detail| !(placed && is_of(detail, &faults)));
        let mut lines = Vec::new();
        match (title, detail) {
            (Some(title), Some(detail)) if title != detail => {
                lines.push(format!("{}: {detail}", title.trim_end_matches('.')));
            }
            (Some(text), _) | (None, Some(text)) => lines.push(text.to_owned()),
            (None, None) if placed => {}
            (None, None) => lines.push(format!("the gateway answered with status {}", self.status)),
        }
        for fault in &faults {
            // Where there is one fault only, the detail often is its message.
            if !fault.place.is_empty() || !lines.first().is_some_and(|said| said.contains(fault.message)) {
                lines.push(fault.line());
            }
        }
        let text = lines.join("\n");
        if self.status == 503 { Failure::Unreachable(text) } else { Failure::Refused { text, details: told } }
    }
}

/// One entry of a problem's `errors`.
struct Fault<'a> {
    /// JSON pointer into the request, or the account.
    place: String,
    code: &'a str,
    message: &'a str,
}

impl<'a> Fault<'a> {
    fn read(error: &'a Value) -> Option<Self> {
        let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let place: Vec<String> =
            [field("account"), field("pointer")].into_iter().filter(|part| !part.is_empty()).map(safe).collect();
        let message = error.get("message").and_then(Value::as_str)?;
        Some(Self { place: place.join(" "), code: field("code"), message })
    }

    fn line(&self) -> String {
        let Self { place, code, message } = self;
        // A bare instant says nothing without its name.
        let which = if ["earlier", "later"].contains(code) { format!("the {code} is ") } else { String::new() };
        if place.is_empty() { format!("{which}{message}") } else { format!("{place}: {which}{message}") }
    }
}

/// The text has nothing that the faults do not say.
fn is_of(text: &str, faults: &[Fault<'_>]) -> bool {
    let rest = faults.iter().fold(text.to_owned(), |rest, fault| rest.replace(fault.message, ""));
    !rest.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static [u8]) -> Reply {
        Reply { status, tag: None, body: Bytes::from_static(body) }
    }

    #[test]
    fn a_problem_is_told_whole() {
        let body = br#"{"title":"T","detail":"d","errors":[{"message":"a.toml:1: x"},{"message":"b.toml:2: y"}]}"#;
        let failure = reply(422, body).problem();
        assert_eq!((failure.code(), failure.to_string().as_str()), (1, "T: d\na.toml:1: x\nb.toml:2: y"));
        let twice = br#"{"title":"T","detail":"`kind` is none.","errors":[{"message":"`kind` is none."}]}"#;
        let failure = reply(422, twice).problem();
        assert_eq!(failure.to_string(), "T: `kind` is none.", "nothing is said twice");
        let refused = br#"{"type":"/problems/invalid-request","title":"The request does not fit the schema","detail":"there is one already"}"#;
        let failure = reply(422, refused).problem();
        assert_eq!(failure.to_string(), "there is one already");
        let failure = reply(503, body).problem();
        assert_eq!(failure.code(), 3);
        let failure = reply(200, b"<html>").good::<Value>().unwrap_err();
        assert_eq!(failure.code(), 3);
        let failure = reply(404, b"").good::<Value>().unwrap_err();
        assert!(failure.to_string().contains("404"), "{failure}");
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let gap = br#"{"title":"T","detail":"no such hour.","errors":[
            {"pointer":"/schedule/local","code":"time","message":"no such hour"},
            {"pointer":"/schedule/local","code":"earlier","message":"2027-03-28T00:30:00Z"}]}"#;
        let told = "T\n/schedule/local: no such hour\n/schedule/local: the earlier is 2027-03-28T00:30:00Z";
        assert_eq!(reply(422, gap).problem().to_string(), told);
        let two = br#"{"title":"T","detail":"The post does not fit.","errors":[
            {"account":"acme","pointer":"/parts/0","code":"length","message":"too long"},{"message":"no place"}]}"#;
        let told = "T: The post does not fit.\nacme /parts/0: too long\nno place";
        assert_eq!(reply(422, two).problem().to_string(), told);
        let bare = br#"{"type":"/problems/invalid-request","title":"T","detail":"a. b.","errors":[
            {"pointer":"/a","message":"a."},{"pointer":"/b","message":"b."}]}"#;
        assert_eq!(reply(422, bare).problem().to_string(), "/a: a.\n/b: b.");
    }
}
