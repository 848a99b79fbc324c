//! A small HTTP client for the demo's own two programs.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::Failed;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An answer.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Sends a request to `http://host:port` and reads the whole answer.
pub(crate) async fn exchange(
    method: &str,
    base: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Answer, Failed> {
    let failed = |error: &dyn std::fmt::Display| format!("{method} {base}{path}: {error}");
    let address = base.strip_prefix("http://").ok_or_else(|| failed(&"the address is not http"))?;
    let stream = connect(address).await.map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| failed(&error))?;
    let (head, body) = sender.send_request(request).await.map_err(|error| failed(&error))?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| failed(&error))?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), text: String::from_utf8_lossy(&body).into_owned() })
}

#[expect(clippy::disallowed_methods, reason = "a client from outside")]
async fn connect(address: &str) -> std::io::Result<tokio::net::TcpStream> {
    tokio::net::TcpStream::connect(address).await
}
