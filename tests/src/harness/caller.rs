//! Who calls the gateway: a key and its use.

use bytes::Bytes;
use serde_json::Value;

use crate::http::{Answer, Client, Failure};

/// The holder of a key.
#[derive(Debug, Clone)]
pub struct Caller {
    url: String,
    authorization: String,
    client: Client,
}

impl Caller {
    /// A caller that presents `key` to the gateway at `url` on connections of its own.
    pub fn new(url: &str, key: &str) -> Self {
        Self::with_client(url, key, Client::with_timeout(std::time::Duration::from_secs(75)))
    }

    /// The same over shared connections.
    pub(crate) fn with_client(url: &str, key: &str, client: Client) -> Self {
        Self { url: url.to_owned(), authorization: format!("Bearer {key}"), client }
    }

    /// Sends a request with this caller's key and further headers.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut all = vec![("authorization", self.authorization.as_str())];
        all.extend_from_slice(headers);
        self.client.send(method, &format!("{}{path}", self.url), &all, body).await
    }

    /// Sends a request with this caller's key and further headers.
    ///
    /// # Panics
    /// When no whole answer comes.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[JSON], body.to_string()).await
    }

    /// DELETE, waiting for the outcome.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[WAIT], Bytes::new()).await
    }

    /// POST to `/v1/posts`, waiting for the outcome.
    pub async fn publish(&self, body: &Value) -> Answer {
        self.send("POST", "/v1/posts", &[JSON, WAIT], body.to_string()).await
    }

    /// POST to `/v1/posts` with an `Idempotency-Key`, waiting for the outcome.
    pub async fn publish_once(&self, key: &str, body: &Value) -> Answer {
        self.send("POST", "/v1/posts", &[JSON, WAIT, ("idempotency-key", key)], body.to_string()).await
    }

    /// Stores a medium and gives its id.
    pub async fn upload(&self, media_type: &str, bytes: &'static [u8]) -> String {
        let stored = self.send("POST", "/v1/media", &[("content-type", media_type)], bytes).await.expect(201);
        stored["id"].as_str().expect("an id").to_owned()
    }

    /// Votes on a held post, as it is now.
    pub async fn vote(&self, post: &str, decision: &str) -> Answer {
        let note = (decision == "reject").then_some("not like this");
        let seen = self.get(&format!("/v1/posts/{post}")).await;
        let version = (seen.status == 200).then(|| seen.json::<Value>()["version"].clone());
        let vote = serde_json::json!({"decision": decision, "note": note, "version": version});
        self.post(&format!("/v1/posts/{post}/votes"), &vote).await
    }
}

/// The content type of JSON.
pub const JSON: (&str, &str) = ("content-type", "application/json");
/// Waits for the outcome.
pub const WAIT: (&str, &str) = ("prefer", "wait=60");

/// The answer's problem type: the last part of its address.
///
/// # Panics
/// When the answer is no problem of RFC 9457, or its fields contradict each other.
pub fn slug(answer: &Answer) -> String {
    let body: Value = answer.json();
    let shown = answer.text();
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
    assert_eq!(body["status"], answer.status, "{shown}");
    for text in ["title", "detail", "stage", "blame"] {
        assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "no `{text}` in {shown}");
    }
    assert!(body["retry"].is_boolean(), "{shown}");
    let known = body["type"].as_str().and_then(|kind| kind.rsplit_once("/problems/"));
    known.unwrap_or_else(|| panic!("no type in {shown}")).1.to_owned()
}

/// The JSON of a problem, after a check of its type.
///
/// # Panics
/// When it is another.
pub fn problem(answer: &Answer, expected: &str) -> Value {
    assert_eq!(slug(answer), expected, "{}", answer.text());
    answer.json()
}
