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
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

use super::{outcome::Failure, pinned, reach::public_address, reply::Reply};
use crate::config::Config;

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
/// Headers beside those that every request has. None of them is a secret.
pub type Headers<'a> = &'a [(&'static str, &'a str)];

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
        self.sent(method, path, &[], body.map(|body| (JSON, body))).await
    }

    /// Sends JSON with headers of its own and gives whatever comes back.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: &impl Serialize,
    ) -> Result<Reply, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::refused(error.to_string()))?;
        self.sent(method, path, headers, Some((JSON, Zeroizing::new(body)))).await
    }

    /// Posts bytes of a kind and gives whatever comes back.
    pub async fn send_bytes(&self, path: &str, kind: &'static str, bytes: Vec<u8>) -> Result<Reply, Failure> {
        self.sent(Method::POST, path, &[], Some((kind, Zeroizing::new(bytes)))).await
    }

    /// Posts a form and gives whatever comes back. The form is wiped when it has been sent.
    pub async fn send_form(&self, path: &str, form: Zeroizing<Vec<u8>>) -> Result<Reply, Failure> {
        self.sent(Method::POST, path, &[], Some((FORM, form))).await
    }

    async fn sent(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Option<Sent>,
    ) -> Result<Reply, Failure> {
        let address = self.place.authority();
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, headers, body)).await {
            Ok(reply) => reply,
            Err(_) => Err(Failure::Unreachable(format!(
                "the gateway at {address} did not answer within {} s; look at what became of it before you try again",
                ANSWER_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Option<Sent>,
    ) -> Result<Reply, Failure> {
        let (head, body) = self.request(method, path, headers, body).await?.into_parts();
        let body =
            Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| self.broken(&error))?.to_bytes();
        let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok(Reply { status: head.status.as_u16(), tag, body })
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Option<Sent>,
    ) -> Result<Response<Incoming>, Failure> {
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
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body.map(|(_, body)| Bytes::from_owner(body)).unwrap_or_default());
        let request = request.body(body).map_err(|error| Failure::refused(error.to_string()))?;
        sender.send_request(request).await.map_err(|error| self.broken(&error))
    }

    /// Sends a request without a body, and gives the lines of its answer as they come.
    pub async fn stream(&self, path: &str) -> Result<Lines, Failure> {
        let address = self.place.authority();
        let (head, body) = match tokio::time::timeout(ANSWER_TIMEOUT, self.request(Method::GET, path, &[], None)).await
        {
            Ok(answer) => answer?.into_parts(),
            Err(_) => return Err(Failure::Unreachable(format!("the gateway at {address} did not answer"))),
        };
        if !head.status.is_success() {
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| self.broken(&error))?;
            return Err(Reply { status: head.status.as_u16(), tag: None, body: body.to_bytes() }.problem());
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn nobody_listening_is_unreachable() {
        let client = Client::new("127.0.0.1:1".parse().unwrap(), None);
        assert_eq!(client.get::<Value>("/readyz").await.unwrap_err().code(), 3);
    }
}
