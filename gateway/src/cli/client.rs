//! A small HTTP client for the gateway's own listeners.
//!
//! It speaks HTTP, with TLS where the listener does, to one address that comes from `pressgate.toml` or from the running gateway, or to
//! the gate that a person named at `pressgate login`, and follows nothing. So it needs none of what egress is for, and egress would
//! refuse it: that never connects to the loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

use super::{outcome::Failure, pinned, reach::public_address};
use crate::{config::Config, refusal::problem};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; an apply may compile plugins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a stream may be silent; the gateway says more often that it is alive.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Media types of what is sent.
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A body with its media type.
type Sent = (&'static str, Zeroizing<Vec<u8>>);

/// Speaks to one listener.
pub struct Client {
    place: Place,
    key: Option<Zeroizing<String>>,
}

/// Where a client speaks to.
enum Place {
    /// A listener of the gateway on this machine; where it speaks TLS, with the certificate that it serves with.
    Here(SocketAddr, Option<PathBuf>),
    /// A gate by its name, with the settings of its TLS.
    Gate { host: String, port: u16, tls: Option<Arc<rustls::ClientConfig>> },
}

impl Place {
    /// As `Host` names it.
    fn authority(&self) -> String {
        match self {
            Self::Here(address, _) => address.to_string(),
            Self::Gate { host, port, tls } => match (tls.is_some(), port) {
                (true, 443) | (false, 80) => host.clone(),
                _ => format!("{host}:{port}"),
            },
        }
    }
}

/// A connection to a listener.
trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// An answer.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// For the listener at the address, with a key where one is needed.
    pub fn new(address: SocketAddr, key: Option<Zeroizing<String>>) -> Self {
        Self { place: Place::Here(address, None), key }
    }

    /// For the listener for apps of the gateway on this machine.
    pub fn of_apps(config: &Config, key: Option<Zeroizing<String>>) -> Self {
        let certificate = config.listen.tls.as_ref().map(|tls| tls.certificate.clone());
        Self { place: Place::Here(public_address(config), certificate), key }
    }

    /// For a gate elsewhere, as a browser reaches it: by name, with a certificate of a public authority or of the house's own.
    ///
    /// # Errors
    /// The house's authority can't be read.
    pub fn of_gate(url: &Url, ca: Option<&Path>, key: Option<Zeroizing<String>>) -> Result<Self, Failure> {
        let missing = || Failure::refused("the gate's address has no host");
        let host = url.host_str().ok_or_else(missing)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(missing)?;
        let tls = (url.scheme() == "https").then(|| pinned::trusting(ca)).transpose().map_err(Failure::refused)?;
        Ok(Self { place: Place::Gate { host, port, tls: tls.map(Arc::new) }, key })
    }

    /// The listener's address, as this machine reaches it.
    pub fn base(&self) -> String {
        let secure = matches!(&self.place, Place::Here(_, Some(_)) | Place::Gate { tls: Some(_), .. });
        format!("{}://{}", if secure { "https" } else { "http" }, self.place.authority())
    }

    /// Sends a request without a body and reads the JSON of a good answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, None).await?.good()
    }

    /// Sends JSON and reads the JSON of a good answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::refused(error.to_string()))?;
        self.send(Method::POST, path, Some(Zeroizing::new(body))).await?.good()
    }

    /// Sends a body and gives whatever comes back. The body is wiped when it has been sent.
    pub async fn send(&self, method: Method, path: &str, body: Option<Zeroizing<Vec<u8>>>) -> Result<Reply, Failure> {
        self.sent(method, path, body.map(|body| (JSON, body))).await
    }

    /// Posts a form and gives whatever comes back. The form is wiped when it has been sent.
    pub async fn send_form(&self, path: &str, form: Zeroizing<Vec<u8>>) -> Result<Reply, Failure> {
        self.sent(Method::POST, path, Some((FORM, form))).await
    }

    async fn sent(&self, method: Method, path: &str, body: Option<Sent>) -> Result<Reply, Failure> {
        let address = self.place.authority();
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await {
            Ok(reply) => reply,
            Err(_) => Err(Failure::Unreachable(format!(
                "the gateway at {address} did not answer within {} s; look at what became of it before you try again",
                ANSWER_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Sent>) -> Result<Reply, Failure> {
        let (head, body) = self.request(method, path, body).await?.into_parts();
        let body =
            Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| self.broken(&error))?.to_bytes();
        Ok(Reply { status: head.status.as_u16(), body })
    }

    async fn request(&self, method: Method, path: &str, body: Option<Sent>) -> Result<Response<Incoming>, Failure> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.place.authority());
        if let Some(key) = &self.key {
            let mut value = header::HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", key.as_str())))
                .map_err(|_| Failure::refused("the key holds characters that no key has"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some((kind, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        let body = Full::new(body.map(|(_, body)| Bytes::from_owner(body)).unwrap_or_default());
        let request = request.body(body).map_err(|error| Failure::refused(error.to_string()))?;
        sender.send_request(request).await.map_err(|error| self.broken(&error))
    }

    /// Sends a request without a body, and gives the lines of its answer as they come.
    pub async fn stream(&self, path: &str) -> Result<Lines, Failure> {
        let address = self.place.authority();
        let (head, body) = match tokio::time::timeout(ANSWER_TIMEOUT, self.request(Method::GET, path, None)).await {
            Ok(answer) => answer?.into_parts(),
            Err(_) => return Err(Failure::Unreachable(format!("the gateway at {address} did not answer"))),
        };
        if !head.status.is_success() {
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| self.broken(&error))?;
            return Err(Reply { status: head.status.as_u16(), body: body.to_bytes() }.problem());
        }
        Ok(Lines { address, body, held: Vec::new() })
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Unreachable(format!("the gateway at {}: {error}", self.place.authority()))
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the gateway's own listener, by an address from its own configuration; or the gate that a person named"
    )]
    async fn connect(&self) -> Result<Box<dyn Line>, Failure> {
        let open = async {
            match &self.place {
                Place::Here(address, None) => Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Line>),
                Place::Here(address, Some(certificate)) => {
                    let stream = TcpStream::connect(address).await?;
                    let settings = pinned::settings(certificate).map_err(std::io::Error::other)?;
                    secured(stream, Arc::new(settings), ServerName::IpAddress(address.ip().into())).await
                }
                Place::Gate { host, port, tls } => {
                    let bare = host.trim_start_matches('[').trim_end_matches(']');
                    let stream = TcpStream::connect((bare, *port)).await?;
                    let Some(tls) = tls else { return Ok(Box::new(stream) as Box<dyn Line>) };
                    let name = ServerName::try_from(bare.to_owned()).map_err(std::io::Error::other)?;
                    secured(stream, Arc::clone(tls), name).await
                }
            }
        };
        let opened: Result<std::io::Result<Box<dyn Line>>, _> = tokio::time::timeout(CONNECT_TIMEOUT, open).await;
        let why = match opened {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        };
        let address = self.place.authority();
        Err(Failure::Unreachable(format!("no gateway answers at {address}: {why}. Does `pressgate serve` run?")))
    }
}

/// TLS on a connection.
async fn secured(
    stream: TcpStream,
    settings: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
) -> std::io::Result<Box<dyn Line>> {
    Ok(Box::new(TlsConnector::from(settings).connect(name, stream).await?))
}

/// An answer that comes line by line.
pub struct Lines {
    address: String,
    body: Incoming,
    held: Vec<u8>,
}

impl Lines {
    /// The next line, without its end; none at the end of the answer. Fails where nothing comes for too long.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.held.drain(..=end).collect();
                line.pop();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.held.len() > ANSWER_BYTES_MAX {
                return Err(self.broken(&"a line is too long"));
            }
            match tokio::time::timeout(SILENCE_MAX, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => self.held.extend(frame.into_data().unwrap_or_default()),
                Ok(Some(Err(error))) => return Err(self.broken(&error)),
                Err(_) => return Err(self.broken(&"nothing came for too long")),
            }
        }
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Unreachable(format!("the gateway at {}: {error}", self.address))
    }
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

    /// A problem as a failure.
    pub fn problem(&self) -> Failure {
        let told: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let field = |name: &str| told.get(name).and_then(Value::as_str);
        // What the gateway refuses to do is told by its detail; that title is for programs.
        let title = field("title").filter(|_| field("type") != Some(&problem::INVALID.address()));
        let mut text = match (title, field("detail")) {
            (Some(title), Some(detail)) if title != detail => format!("{}: {detail}", title.trim_end_matches('.')),
            (Some(text), _) | (None, Some(text)) => text.to_owned(),
            (None, None) => format!("the gateway answered with status {}", self.status),
        };
        let errors = told.get("errors").and_then(Value::as_array);
        for message in errors.into_iter().flatten().filter_map(|error| error.get("message")?.as_str()) {
            // Where there is one fault only, the detail often is its message.
            if !text.contains(message) {
                text.push('\n');
                text.push_str(message);
            }
        }
        if self.status == 503 { Failure::Unreachable(text) } else { Failure::Refused { text, details: told } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_whole() {
        let body = br#"{"title":"T","detail":"d","errors":[{"message":"a.toml:1: x"},{"message":"b.toml:2: y"}]}"#;
        let failure = Reply { status: 422, body: Bytes::from_static(body) }.problem();
        assert_eq!((failure.code(), failure.to_string().as_str()), (1, "T: d\na.toml:1: x\nb.toml:2: y"));
        let twice = br#"{"title":"T","detail":"`kind` is none.","errors":[{"message":"`kind` is none."}]}"#;
        let failure = Reply { status: 422, body: Bytes::from_static(twice) }.problem();
        assert_eq!(failure.to_string(), "T: `kind` is none.", "nothing is said twice");
        let refused = br#"{"type":"/problems/invalid-request","title":"The request does not fit the schema","detail":"there is one already"}"#;
        let failure = Reply { status: 422, body: Bytes::from_static(refused) }.problem();
        assert_eq!(failure.to_string(), "there is one already");
        let failure = Reply { status: 503, body: Bytes::from_static(body) }.problem();
        assert_eq!(failure.code(), 3);
        let failure = Reply { status: 200, body: Bytes::from_static(b"<html>") }.good::<Value>().unwrap_err();
        assert_eq!(failure.code(), 3);
        let failure = Reply { status: 404, body: Bytes::new() }.good::<Value>().unwrap_err();
        assert!(failure.to_string().contains("404"), "{failure}");
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable() {
        let client = Client::new("127.0.0.1:1".parse().unwrap(), None);
        assert_eq!(client.get::<Value>("/readyz").await.unwrap_err().code(), 3);
    }
}
