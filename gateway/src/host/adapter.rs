//! What adapters are asked and what they answer, in the gateway's words.

use std::sync::Arc;

use jiff::Timestamp;

use super::exchange::PluginResponse;
use super::options::OptionSchema;
use crate::model::{Account, Action, Draft};
use crate::records::types::PublishedPart;

/// Facts that never change while a release runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// What the adapter can do.
    pub actions: Vec<Action>,
    /// Limits that the network documents.
    pub rate_classes: Vec<RateClass>,
    /// Where clients of the network's own API put their token.
    pub client_token: Vec<TokenPlace>,
    /// Headers of a client that travel on besides the usual ones, in lower case.
    pub client_headers: Vec<String>,
    /// JSON pointers where a client may put a medium as base64.
    pub client_media: Vec<String>,
    /// Headers of an answer that `observe` reads, in lower case: it is not asked about an answer without any of them. None where it
    /// does not say.
    pub limit_headers: Option<Vec<String>>,
    /// How paths of the network's own API begin that the adapter itself does not ask for: those of logins, say.
    pub client_paths: Vec<String>,
    /// What the network's `options` may be.
    pub option_schema: OptionSchema,
}

/// A class of platform limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateClass {
    /// Name that `observe` uses too.
    pub name: String,
    /// Actions that count towards it.
    pub actions: Vec<Action>,
    /// Calls allowed in a window.
    pub limit: u32,
    /// Length of the window in seconds.
    pub window_s: u32,
}

/// Where a client of the network's own API puts its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of this name.
    Header(String),
    /// A query parameter of this name.
    Query(String),
    /// A form field of this name.
    Form(String),
    /// A JSON field at this pointer.
    Json(String),
    /// The first segment of the path, behind this prefix.
    Path(String),
}

/// Facts that were asked of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// A JSON object.
    pub json: String,
    /// Seconds until they should be asked again.
    pub fresh_s: u32,
    /// What the network said of its limits; told once.
    pub budgets: Vec<Budget>,
}

/// What a request of the network's own API would do.
#[allow(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classification {
    /// An action on content.
    Act(Classified),
    /// A login, which the gateway answers itself.
    Login(Login),
    /// Nothing that may pass; the sentence says why.
    Refuse(String),
}

/// An action on content, read from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What it does.
    pub action: Action,
    /// The platform's reference of what is answered, changed or deleted.
    pub target: Option<String>,
    /// Text that others will read.
    pub text: String,
    /// Further texts that others will read, by name.
    pub texts: Vec<(String, String)>,
    /// Media: the platform's reference and the alternative text.
    pub media: Vec<(Option<String>, Option<String>)>,
    /// The network's options as in a draft, where a draft could say all that the request does.
    pub options: Option<serde_json::Map<String, serde_json::Value>>,
    /// The declared language.
    pub language: Option<String>,
    /// Nobody sees it until another request publishes it.
    pub prepares: bool,
    /// The platform's reference of what was prepared and is published now.
    pub commits: Option<String>,
}

/// What a client wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// A session that it will renew.
    Open,
    /// A session that it can't renew.
    OpenLasting,
    /// New tokens.
    Renew,
    /// Who is it?
    Look,
    /// No more of it.
    End,
}

/// A session of the gateway, as its adapter is shown it.
#[derive(Clone)]
pub struct SessionView {
    /// Shown with each request; none where nothing was opened or renewed.
    pub access: Option<String>,
    /// Renews the session.
    pub refresh: Option<String>,
    /// When the tokens were made.
    pub created_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The account's facts as last discovered.
    pub facts: Option<Facts>,
}

/// One attempt on one target.
#[derive(Debug, Clone)]
pub struct PerformCall {
    /// The same for every attempt on this target.
    pub key: [u8; 32],
    /// When the first attempt began; the same for every attempt.
    pub created_at: Timestamp,
    /// From 1.
    pub attempt: u32,
    /// The account that speaks.
    pub account: Arc<Account>,
    /// What to do.
    pub draft: Draft,
    /// The account's facts as last discovered.
    pub facts: Option<Facts>,
    /// The plugin's note for the account, as the last finished attempt left it.
    pub note: Vec<u8>,
    /// For `reconcile`: steps of this call that were answered, and the bodies of the answers.
    pub answered: Vec<(String, String)>,
}

/// What a finished call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// One for each part of the draft, in order; for a deletion exactly one.
    pub parts: Vec<PublishedPart>,
}

/// How the network said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The network's HTTP status, where there was one.
    pub status: Option<u16>,
    /// The network's own code or the adapter's.
    pub code: String,
    /// A sentence for the author.
    pub message: String,
}

/// Why a call did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A repetition would be refused as well.
    Rejected(Rejection),
    /// The network refuses the credential.
    Unauthorized(Rejection),
    /// Too many calls; not before that many milliseconds from now.
    RateLimited(Rejection, Option<u64>),
    /// A passing fault.
    Temporary(Rejection),
    /// The network is still at work on what was prepared; not before that many milliseconds from now.
    NotYet(Rejection, u64),
    /// The named step was sent and not answered.
    Unknown(String),
}

/// What became of an unanswered step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciliation {
    /// It happened; this is the answer that the step would have had.
    Happened(PluginResponse),
    /// It certainly did not and will not.
    DidNot,
    /// Nobody can tell; a person must look.
    CannotKnow(String),
}

/// What an answer says about a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Name of a rate class, or another stable name.
    pub class: String,
    /// Calls in the window.
    pub limit: Option<u32>,
    /// Calls left in the window.
    pub remaining: Option<u32>,
    /// When the window ends.
    pub reset_at: Option<Timestamp>,
}

/// A refusal of the gateway, for a client of the network's own API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalView {
    /// HTTP status.
    pub status: u16,
    /// Problem type: `no-grant`.
    pub code: String,
    /// Text for the caller.
    pub message: String,
    /// Seconds, where a repetition makes sense later.
    pub retry_after_s: Option<u32>,
}
