//! A plain HTTP client for tests. It follows no redirects, decodes nothing and adds no headers of its own but `Host`.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long an answer may take, its body included, where a test says nothing else.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came, still encoded where the server encoded it.
    pub body: Bytes,
}

impl Answer {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, with marks in place of what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Panics
    /// When it is not that; the message shows status and body.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {}: {}", self.status, self.text()))
    }

    /// The JSON body, after a check of the status.
    ///
    /// # Panics
    /// When the status is another; the message shows the body.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The time was up.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection could not be made, or broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// A client that keeps connections. Make one for each runtime, which means for each test.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self::with_timeout(TIMEOUT)
    }
}

impl Client {
    /// A client that waits so long for each answer.
    pub fn with_timeout(timeout: Duration) -> Self {
        // Without retries: the tests count requests.
        let inner = legacy::Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Self { inner, timeout }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When no whole answer comes.
    ///
    /// # Panics
    /// When method, address or a header is not valid.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a valid request");
        let broken = |error: &dyn std::error::Error| Failure::Broken(chain(error));
        let exchange = async {
            let (head, body) = self.inner.request(request).await.map_err(|error| broken(&error))?.into_parts();
            let body = body.collect().await.map_err(|error| broken(&error))?.to_bytes();
            let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Ok(Answer { status: head.status.as_u16(), headers, body })
        };
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| Failure::Timeout(self.timeout))?
    }
}

/// Sends one request on a connection of its own.
///
/// # Panics
/// When no whole answer comes within [`TIMEOUT`].
pub async fn call(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    try_call(method, url, headers, body, TIMEOUT).await.unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Sends one request on a connection of its own, where it is not sure that an answer comes.
///
/// # Errors
/// When no whole answer comes within `timeout`.
pub async fn try_call(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
    timeout: Duration,
) -> Result<Answer, Failure> {
    Client::with_timeout(timeout).send(method, url, headers, body).await
}

/// GET with a bearer token (none where it is empty).
pub async fn get(url: &str, token: &str) -> Answer {
    call("GET", url, &bearer(&format!("Bearer {token}"), token), Bytes::new()).await
}

/// POST of JSON with a bearer token (none where it is empty).
pub async fn post(url: &str, token: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let mut headers = bearer(&authorization, token);
    headers.push(("content-type", "application/json"));
    call("POST", url, &headers, body.to_string()).await
}

/// DELETE with a bearer token (none where it is empty).
pub async fn delete(url: &str, token: &str) -> Answer {
    call("DELETE", url, &bearer(&format!("Bearer {token}"), token), Bytes::new()).await
}

/// A part of a form: its name, the name and media type of a file, and the content.
pub type FormPart<'a> = (&'a str, Option<(&'a str, &'a str)>, &'a [u8]);

/// A `multipart/form-data` body and its content type. A file has a name and a media type, a text has neither.
pub fn multipart(parts: &[FormPart<'_>]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "pressgate-test-9f2c41d7";
    let mut body = Vec::new();
    for (name, file, content) in parts {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some((file_name, media_type)) = file {
            body.extend(format!("; filename=\"{file_name}\"\r\nContent-Type: {media_type}").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

fn bearer<'a>(authorization: &'a str, token: &str) -> Vec<(&'static str, &'a str)> {
    if token.is_empty() { Vec::new() } else { vec![("authorization", authorization)] }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
