//! Requests to a registry, as the OCI distribution specification 1.1 has them, with the token that it asks for.

use std::{path::Path, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

use super::{
    super::{outcome::Failure, pinned},
    login::{Challenge, Login},
    reference::Reference,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take with its whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer that is no component.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Registries keep blobs elsewhere, and lead there.
const REDIRECTS_MAX: usize = 3;

/// Speaks to one registry about one repository.
pub struct Registry {
    base: Url,
    repository: String,
    tls: Arc<rustls::ClientConfig>,
    login: Option<Login>,
    /// What goes into `Authorization`.
    authorization: Option<Zeroizing<String>>,
}

/// What a registry answered.
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Where it leads, with a `Location`.
    pub location: Option<String>,
    /// The digest of the content by the registry's word.
    pub digest: Option<String>,
    challenge: Option<Challenge>,
    /// Its body.
    pub body: Bytes,
}

/// A request's body with its media type.
pub type Sent<'a> = Option<(&'a str, Bytes)>;

impl Registry {
    /// For the registry of the reference.
    ///
    /// # Errors
    /// The certificates can't be read.
    pub fn new(
        reference: &Reference,
        plain_http: bool,
        ca: Option<&Path>,
        login: Option<Login>,
    ) -> Result<Self, Failure> {
        let scheme = if plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/", reference.registry));
        let base = base.map_err(|error| Failure::Usage(format!("{}: {error}", reference.registry)))?;
        let tls = pinned::trusting(ca).map_err(Failure::refused)?;
        Ok(Self { base, repository: reference.repository.clone(), tls: Arc::new(tls), login, authorization: None })
    }

    /// A request about the repository, with a token where the registry asks for one.
    ///
    /// # Errors
    /// No answer came.
    pub async fn ask(&mut self, method: Method, path: &str, accept: &str, sent: Sent<'_>) -> Result<Answer, Failure> {
        let url = self.base.join(&format!("v2/{}/{path}", self.repository));
        let url = url.map_err(|error| Failure::Usage(format!("{path}: {error}")))?;
        self.ask_at(method, url, accept, sent, TEXT_BYTES_MAX).await
    }

    /// The same at the address that the registry named in an answer.
    ///
    /// # Errors
    /// As [`Self::ask`]; or the address is at another host.
    pub async fn ask_where_led(
        &mut self,
        method: Method,
        location: &str,
        digest: &str,
        sent: Sent<'_>,
    ) -> Result<Answer, Failure> {
        let mut url = self.led(location)?;
        if url.origin() != self.base.origin() {
            return Err(Failure::refused(format!(
                "the registry wants the upload at another place, {}; its own address is what you trust it by",
                url.origin().ascii_serialization()
            )));
        }
        url.query_pairs_mut().append_pair("digest", digest);
        self.ask_at(method, url, "*/*", sent, TEXT_BYTES_MAX).await
    }

    /// A blob of at most this length.
    ///
    /// # Errors
    /// No whole answer came, or a longer one.
    pub async fn blob(&mut self, digest: &str, bytes_max: usize) -> Result<Answer, Failure> {
        let url = self.base.join(&format!("v2/{}/blobs/{digest}", self.repository));
        let mut url = url.map_err(|error| Failure::Usage(format!("{digest}: {error}")))?;
        for _ in 0..=REDIRECTS_MAX {
            let own = url.origin() == self.base.origin();
            let answer = if own {
                self.ask_at(Method::GET, url, "*/*", None, bytes_max).await?
            } else {
                // Who keeps the blobs does not get the registry's token. The content is known by its digest.
                self.exchange(&Method::GET, &url, "*/*", None, None, bytes_max).await?
            };
            match &answer.location {
                Some(location) if answer.status.is_redirection() => url = self.led(location)?,
                _ => return Ok(answer),
            }
        }
        Err(Failure::refused("the registry leads from one place to the next"))
    }

    fn led(&self, location: &str) -> Result<Url, Failure> {
        let url =
            self.base.join(location).map_err(|_| Failure::refused("the registry leads to an address that is none"))?;
        if url.scheme() != self.base.scheme() && url.scheme() != "https" {
            return Err(Failure::refused("the registry leads to an address without TLS"));
        }
        Ok(url)
    }

    async fn ask_at(
        &mut self,
        method: Method,
        url: Url,
        accept: &str,
        sent: Sent<'_>,
        bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let authorization = self.authorization.clone();
        let first = self.exchange(&method, &url, accept, sent.clone(), authorization.as_ref(), bytes_max).await?;
        let (StatusCode::UNAUTHORIZED, Some(challenge)) = (first.status, &first.challenge) else { return Ok(first) };
        self.authorization = self.answer_to(challenge).await?;
        let authorization = self.authorization.clone();
        self.exchange(&method, &url, accept, sent, authorization.as_ref(), bytes_max).await
    }

    /// What goes into `Authorization` after a challenge; none where there is nothing to show.
    async fn answer_to(&self, challenge: &Challenge) -> Result<Option<Zeroizing<String>>, Failure> {
        let basic = self.login.as_ref().map(|Login { user, password }| {
            let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
            Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
        });
        let Challenge::Bearer { realm, service, scope } = challenge else { return Ok(basic) };
        let told = |why: &str| Failure::refused(format!("the registry asks for a token of `{realm}`, {why}"));
        let mut url = Url::parse(realm).map_err(|_| told("which is no address"))?;
        if url.scheme() != "https" && url.scheme() != self.base.scheme() {
            return Err(told("which is an address without TLS"));
        }
        for (name, value) in [("service", service), ("scope", scope)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let answer =
            self.exchange(&Method::GET, &url, "application/json", None, basic.as_ref(), TEXT_BYTES_MAX).await?;
        if !answer.status.is_success() {
            return Err(answer.refused("a token"));
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = text_at(&body, "/token").or(text_at(&body, "/access_token"));
        let token = token.ok_or_else(|| told("which answered without one"))?;
        Ok(Some(Zeroizing::new(format!("Bearer {token}"))))
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        accept: &str,
        sent: Sent<'_>,
        authorization: Option<&Zeroizing<String>>,
        bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let place = url.origin().ascii_serialization();
        let broken = |why: &dyn std::fmt::Display| Failure::Unreachable(format!("the registry at {place}: {why}"));
        let whole = async {
            let stream = self.connect(url).await.map_err(|error| broken(&error))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
            tokio::spawn(connection);
            let host = url.host_str().unwrap_or_default();
            let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
            let mut request = Request::builder()
                .method(method)
                .uri(target)
                .header(header::HOST, host)
                .header(header::ACCEPT, accept)
                .header(header::USER_AGENT, concat!("pressgate/", env!("CARGO_PKG_VERSION")));
            if let Some(value) = authorization {
                let value = header::HeaderValue::from_str(value).map_err(|_| broken(&"its token can't be sent"))?;
                request = request.header(header::AUTHORIZATION, value);
            }
            if let Some((kind, _)) = &sent {
                request = request.header(header::CONTENT_TYPE, *kind);
            }
            let body = Full::new(sent.map(|(_, body)| body).unwrap_or_default());
            let request = request.body(body).map_err(|error| broken(&error))?;
            let (head, body) = sender.send_request(request).await.map_err(|error| broken(&error))?.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Failure::refused(format!("the registry at {place} answers with more than {bytes_max} bytes"))
                } else {
                    broken(&format!("the answer ended before it was whole ({error}); try again"))
                }
            })?;
            let named = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            Ok(Answer {
                status: head.status,
                location: named("location"),
                digest: named("docker-content-digest"),
                challenge: named("www-authenticate").as_deref().and_then(Challenge::parse),
                body: body.to_bytes(),
            })
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(broken(&format!("no whole answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the registry that a person named, or where it leads; no gateway runs here"
    )]
    async fn connect(&self, url: &Url) -> std::io::Result<Box<dyn Line>> {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let open = async {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            if url.scheme() == "http" {
                return Ok(Box::new(stream) as Box<dyn Line>);
            }
            let name = rustls_pki_types::ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
            Ok(Box::new(TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?) as Box<dyn Line>)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, open).await {
            Ok(opened) => opened,
            Err(_) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "it did not answer")),
        }
    }
}

fn text_at<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str)
}

/// A connection.
trait Line: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Line for T {}

impl Answer {
    /// Why it was not done, in the registry's own words.
    pub fn refused(&self, what: &str) -> Failure {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let said = text_at(&body, "/errors/0/message").or(text_at(&body, "/errors/0/code")).unwrap_or_default();
        let said: String = said.chars().take(200).flat_map(char::escape_debug).collect();
        let advice = match self.status.as_u16() {
            401 | 403 => "; log in with `docker login`, or set PRESSGATE_REGISTRY_USER and PRESSGATE_REGISTRY_PASSWORD",
            404 => "; nothing is there under this name",
            _ => "",
        };
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        Failure::refused(format!(
            "the registry answers {} to the request for {what}{said}{advice}",
            self.status.as_u16()
        ))
    }
}
