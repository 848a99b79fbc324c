//! What goes into egress and what comes out.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::Method;
use rustls_pki_types::CertificateDer;
use url::Url;

use crate::model::AccountId;

/// Settings of the whole gateway for outbound HTTP.
#[derive(Debug, Clone)]
pub struct EgressOptions {
    /// Certificates trusted besides the public roots (a company's own authority).
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Longest time to resolve, connect and agree on TLS.
    pub connect_timeout: Duration,
    /// Longest time for one request with its whole answer, the connection included.
    pub request_timeout: Duration,
    /// Sent as `User-Agent` where the plugin names none.
    pub user_agent: String,
}

impl Default for EgressOptions {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            user_agent: concat!("pressgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What a plugin may reach for one account: its manifest ∩ what the operator granted.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The account that speaks.
    pub account: AccountId,
    /// The account's endpoint; addresses that start with `/` are taken relative to its origin.
    pub base: Url,
    /// What may be reached.
    pub origins: Vec<AllowedOrigin>,
    /// What may be injected.
    pub credentials: Vec<CredentialRule>,
    /// Largest answer body after decoding.
    pub response_bytes_max: usize,
    /// Longest time for one request; the gateway's own limit holds where it is shorter.
    pub timeout: Duration,
}

/// An origin that may be reached.
#[derive(Debug, Clone)]
pub struct AllowedOrigin {
    /// Scheme, host and port count; the rest is ignored.
    pub origin: Url,
    /// Methods.
    pub methods: Vec<Method>,
    /// Paths: each stands for itself and what lies below it (`/api` allows `/api` and `/api/v1`, not `/apiary`).
    pub path_prefixes: Vec<String>,
    /// Permits plain HTTP and addresses that are not global (`accounts.toml`).
    pub private: bool,
}

/// A credential that may be injected.
#[derive(Debug, Clone)]
pub struct CredentialRule {
    /// Label under which the vault keeps it.
    pub label: String,
    /// How it is applied.
    pub scheme: CredentialScheme,
    /// Names of its secret values in the vault. `Bearer`, `Header` and `Query` inject the first; `Basic` takes the first as
    /// user name and the second as password. They are blanked in every answer (of `Basic` the password and the pair).
    /// Values of the credential that are not named here (a public user name for a login) can be used by templates and are
    /// not blanked.
    pub secrets: Vec<String>,
    /// The label in whose place it is taken, where the account has no such credential and has this one.
    pub instead_of: Option<String>,
}

/// How a credential is applied to a request.
#[allow(clippy::large_enum_variant, reason = "a handful for each plugin, and made only when a plugin is loaded")]
#[derive(Debug, Clone)]
pub enum CredentialScheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …`.
    Basic,
    /// A header of this name.
    Header(String),
    /// A query parameter of this name.
    Query(String),
    /// `Authorization: OAuth …`, a signature by the four secrets (RFC 5849).
    OAuth1,
    /// `webhook-timestamp` and `webhook-signature`, over the request's `webhook-id` and body (Standard Webhooks).
    Webhook,
    /// A login gives tokens; the access token goes as `Authorization: Bearer …`.
    Session(SessionRule),
    /// An authorization server gives tokens after a person's consent; the access token goes as `Authorization: Bearer …`.
    OAuth(OAuthRule),
}

/// How tokens are got from an authorization server, renewed and ended (OAuth 2).
#[derive(Debug, Clone)]
pub struct OAuthRule {
    /// Where a person agrees.
    pub authorization: Url,
    /// Where tokens are got.
    pub token: OAuthEndpoint,
    /// Where they are ended, where the network has that.
    pub revocation: Option<OAuthEndpoint>,
    /// Who the authorization server says that it is (RFC 9207), letter by letter; none where it was not declared.
    pub issuer: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the gateway proves which client it is.
    pub client: ClientAuthentication,
}

/// An address that the gateway itself posts to.
#[derive(Debug, Clone)]
pub struct OAuthEndpoint {
    /// The address.
    pub url: Url,
    /// Permits plain HTTP and addresses that are not global.
    pub private: bool,
}

/// How a client authenticates (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// HTTP Basic.
    Basic,
    /// Parameters of the body.
    Post,
    /// A public client: its name alone.
    None,
}

/// A session scheme of a manifest (design §3): the gateway logs in and refreshes, the plugin never sees a token.
#[derive(Debug, Clone)]
pub struct SessionRule {
    /// Gets the first tokens.
    pub login: Exchange,
    /// Gets the next ones.
    pub refresh: Exchange,
    /// JSON pointer to the access token in the answers of both.
    pub access_pointer: String,
    /// JSON pointer to the refresh token in the answers of both; the one before is kept where an answer has none.
    pub refresh_pointer: String,
    /// How the network says that the access token has run out.
    pub expired: Expired,
}

/// A request of a session scheme, to the account's endpoint. `{name}` in a value stands for the credential's value of that
/// name, `{access}` and `{refresh}` for the session's tokens.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Members of the JSON body; no body where there are none.
    pub body: BTreeMap<String, String>,
    /// `Authorization: Bearer …`.
    pub bearer: Option<String>,
}

/// An answer says that the access token has run out where its status is one of `statuses` and, unless `pointer` is empty,
/// the JSON string there is one of `values`.
#[derive(Debug, Clone)]
pub struct Expired {
    /// Statuses.
    pub statuses: Vec<u16>,
    /// JSON pointer; empty where the status is enough.
    pub pointer: String,
    /// Values at the pointer.
    pub values: Vec<String>,
}

/// A request that a plugin described.
#[derive(Debug, Clone)]
pub struct OutRequest {
    /// Method.
    pub method: String,
    /// Absolute address, or one that starts with `/`.
    pub url: String,
    /// Headers in order. Those that belong to the gateway are dropped.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: OutBody,
    /// Label of the credential to inject.
    pub credential: Option<String>,
}

/// A request body. Files are streamed, never held whole.
#[derive(Debug, Clone)]
pub enum OutBody {
    /// None.
    None,
    /// These bytes.
    Bytes(Bytes),
    /// A file.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Its length; a file of another length is not sent.
        size_bytes: u64,
        /// SHA-256 of its bytes, lower-case hexadecimal; a file of other bytes is not sent.
        digest: String,
        /// Sent as `Content-Type`.
        media_type: String,
    },
    /// `multipart/form-data`.
    Form(Vec<FormField>),
}

/// A network that takes less than this of a file in a second is as good as silent.
const LEAST_BYTES_PER_S: u64 = 256 * 1024;

impl OutBody {
    /// How much longer than usual a request may take, for the size of its files.
    pub(super) fn sending_time(&self) -> Duration {
        let bytes = match self {
            Self::None | Self::Bytes(_) => 0,
            Self::File { size_bytes, .. } => *size_bytes,
            Self::Form(fields) => fields
                .iter()
                .map(|field| match &field.value {
                    FormValue::Text(_) => 0,
                    // The whole file is read before a piece of it leaves.
                    FormValue::File { size_bytes, .. } | FormValue::Piece { size_bytes, .. } => *size_bytes,
                })
                .fold(0, u64::saturating_add),
        };
        Duration::from_secs(bytes / LEAST_BYTES_PER_S)
    }
}

/// A field of a form.
#[derive(Debug, Clone)]
pub struct FormField {
    /// Name.
    pub name: String,
    /// File name, where the receiver expects one.
    pub filename: Option<String>,
    /// Value.
    pub value: FormValue,
}

/// Value of a form field.
#[derive(Debug, Clone)]
pub enum FormValue {
    /// Text.
    Text(String),
    /// A file.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Its length; a file of another length is not sent.
        size_bytes: u64,
        /// SHA-256 of its bytes, lower-case hexadecimal; a file of other bytes is not sent.
        digest: String,
        /// Sent as the part's `Content-Type`.
        media_type: String,
    },
    /// A piece of a file.
    Piece {
        /// Where the file lies.
        path: PathBuf,
        /// The file's length.
        size_bytes: u64,
        /// SHA-256 of all its bytes, as for [`FormValue::File`].
        digest: String,
        /// Sent as the part's `Content-Type`.
        media_type: String,
        /// First byte of the piece.
        offset: u64,
        /// Length of the piece.
        length: u64,
    },
}

/// An answer, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutResponse {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case, secrets blanked; without cookies, hop-by-hop and encoding headers.
    pub headers: Vec<(String, String)>,
    /// Decoded body, secrets blanked.
    pub body: Vec<u8>,
}

/// Why there is no answer. No text holds a secret or a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// The request is not allowed or not valid; nothing was sent. The same request will be refused again.
    #[error("not allowed: {0}")]
    Denied(String),
    /// There is no credential of that label, or the network refused its login. Nothing was accepted; a person must look.
    #[error("no credential: {0}")]
    NoCredential(String),
    /// Certainly nothing was accepted: no connection, no address, no room in the pool. May be repeated.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The request was handed to a connection and no whole, readable answer came. It may have happened.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The answer is larger than allowed. The request may have happened.
    #[error("the answer is larger than allowed")]
    TooLarge,
}

impl SendFailure {
    /// What happened, in a word that holds nothing of the request.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::NoCredential(_) => "no-credential",
            Self::NotSent(_) => "not-sent",
            Self::Unanswered(_) => "unanswered",
            Self::TooLarge => "too-large",
        }
    }
}

/// Why egress can't start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EgressError {
    /// An extra root certificate is not one.
    #[error("extra root certificate {0} can't be used: {1}")]
    Root(usize, String),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The user agent is not a header value.
    #[error("the user agent is not a header value")]
    UserAgent,
}
