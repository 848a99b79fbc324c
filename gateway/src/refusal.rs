//! Every way to say no: one table of problem types, one error type.
//!
//! A [`Refusal`] becomes RFC 9457 problem JSON at the door. Its public text says what to do; the internal cause goes to the
//! operators' log and never to a caller.

use serde::Serialize;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The caller must change the request, or get a grant.
    Caller,
    /// The rules of the house say no.
    Rule,
    /// A plugin failed.
    Plugin,
    /// The network failed or refused.
    Platform,
    /// An operator must change a credential or a setting.
    Operator,
    /// The gateway or its disk failed.
    Gateway,
}

/// The stage of the path that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The door: framing, syntax, schema.
    Door,
    /// Who is it.
    Authenticate,
    /// What does it want.
    Classify,
    /// May it.
    Authorise,
    /// Does it fit the limits.
    Admit,
    /// Do the policies allow it.
    Review,
    /// Did the people agree.
    Approve,
    /// Is the way free.
    Clear,
    /// Is it written down.
    Record,
    /// Did the network take it.
    Send,
}

/// One kind of refusal. Its page is served at `/problems/{slug}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// Last part of the type's address.
    pub slug: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short text, the same for every occurrence.
    pub title: &'static str,
    /// Who can mend it.
    pub blame: Blame,
    /// May the same request succeed later?
    pub retry: bool,
    /// What the page tells the reader to do.
    pub help: &'static str,
}

impl Problem {
    /// Address of the problem type's page, relative to the API: `/problems/no-grant`.
    pub fn address(&self) -> String {
        format!("/problems/{}", self.slug)
    }
}

macro_rules! problems {
    ($($name:ident = $slug:literal, $status:literal, $blame:ident, $retry:literal, $title:literal, $help:literal;)*) => {
        $(#[doc = $title] pub const $name: &Problem = &Problem {
            slug: $slug, status: $status, title: $title, blame: Blame::$blame, retry: $retry, help: $help,
        };)*
        /// Every kind of refusal, in the order of the path.
        pub const ALL: &[&Problem] = &[$($name),*];
    };
}

/// The table.
pub mod problem {
    use super::{Blame, Problem};

    problems! {
        MALFORMED = "malformed-request", 400, Caller, false, "The request can't be read",
            "The body must be one JSON value in UTF-8 in which no object has the same key twice. The detail names the place.";
        INVALID = "invalid-request", 422, Caller, false, "The request does not fit the schema",
            "`errors` lists each fault with a JSON pointer. Compare with /v1/openapi.json.";
        MISDIRECTED = "misdirected-request", 421, Caller, false, "The request names another host than its tunnel",
            "At the forward door the host of the CONNECT, the name in TLS and the host of each request are one and the same. Open a tunnel for each host.";
        TOO_LARGE = "too-large", 413, Caller, false, "The request is too large",
            "The detail names the limit. Put media to /v1/media and refer to them by id.";
        HEAD_TOO_LARGE = "head-too-large", 431, Caller, false, "The request's head is too large",
            "Send fewer or shorter header fields, and a shorter address.";
        REQUEST_TIMEOUT = "request-timeout", 408, Caller, true, "The request did not arrive in time",
            "Send the body without long pauses. The detail says how long it may take.";
        UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, Caller, false, "The content type is not accepted here",
            "Send application/json, or a medium of a type that the detail lists, without a content encoding.";
        NOT_FOUND = "not-found", 404, Caller, false, "There is nothing here",
            "The thing does not exist, or your grants do not show it to you.";
        METHOD_NOT_ALLOWED = "method-not-allowed", 405, Caller, false, "The method is not allowed here",
            "The `Allow` header lists the methods. See /v1/openapi.json.";
        UNAUTHENTICATED = "unauthenticated", 401, Caller, false, "No valid key",
            "Send `Authorization: Bearer <key>` with a Pressgate key that is neither expired nor revoked. Ask an operator for a new one: keys are shown once.";
        ISSUER_UNAVAILABLE = "issuer-unavailable", 503, Operator, true, "The issuer of a token does not answer",
            "The gateway needs the issuer's public keys to check a token, and could not get them for a day or ever. Try again, or use a Pressgate key. The gateway's own log has the reason.";
        SESSION_EXPIRED = "session-expired", 401, Caller, false, "The session has expired",
            "A token of a login at the native door ends after a while, and never lives longer than the key. Renew the session, or log in again with the Pressgate key.";
        PROXY_UNAUTHENTICATED = "proxy-unauthenticated", 407, Caller, false, "The proxy knows no such account and key",
            "The forward door takes `Proxy-Authorization: Basic`: the account as the user name, a live Pressgate key as the password. Most clients take both from the proxy's address: http://account:key@gate:port.";
        UNKNOWN_ACCOUNT = "unknown-account", 422, Caller, false, "There is no such account",
            "Use an account that GET /v1/accounts lists.";
        UNSUPPORTED_ACTION = "unsupported-action", 422, Caller, false, "The network can't do that",
            "The account's adapter does not offer this action. GET /v1/accounts lists what each account can do.";
        HOST_NOT_DECLARED = "host-not-declared", 403, Rule, false, "No tunnel to this host",
            "The forward door leads only to hosts that the account's endpoint or the manifest of its adapter declares, on their own port. The detail says what was asked for.";
        NOT_CLASSIFIED = "not-classified", 403, Rule, false, "Nobody knows what this request would do",
            "At the native door only what the account's adapter understands may pass, with every field of it. The detail names what it does not. Leave that out, or use /v1/posts.";
        NEEDS_APPROVAL = "needs-approval", 403, Rule, false, "A person must approve this first",
            "A policy holds this content, and a client of the network's own API can't wait for a vote. Nothing was sent. Submit it with POST /v1/posts, where it waits for an approver.";
        NO_GRANT = "no-grant", 403, Rule, false, "No grant allows this",
            "Deny is the default. Ask the owner of the account for a grant in grants.toml that names you, the account or its brand, and the action.";
        NO_AUDIT_RIGHT = "no-audit-right", 403, Rule, false, "No right on the audit log",
            "Deny is the default, and no role gives a right on the log, `operator` included. The detail names the right: ask for an [[auditor]] entry in grants.toml that names you and the right.";
        DENIED = "denied", 403, Rule, false, "A deny entry forbids this",
            "A deny entry beats every grant. The detail gives its reason.";
        TRAINING_REQUIRED = "training-required", 403, Rule, false, "A course is missing or has lapsed",
            "Publishing needs the courses that the detail names, passed and not lapsed, by the person who acts. Reading goes on. Pass the course; an operator records it with `pressgate training import`.";
        GUIDELINES_REQUIRED = "guidelines-required", 403, Rule, false, "Guidelines are not acknowledged",
            "Publishing needs the guidelines that the detail names, in the version in effect, acknowledged by the person who acts. Reading goes on. The person reads them at the address in the detail and acknowledges them there.";
        SIGN_IN_UNAVAILABLE = "sign-in-unavailable", 404, Operator, false, "People don't sign in here",
            "The gateway has no `[sign_in]` in pressgate.toml. Ask an operator for a key.";
        RATE_LIMITED = "rate-limited", 429, Rule, true, "Too many calls",
            "Wait for the seconds in `Retry-After`.";
        CONTENT_INVALID = "content-invalid", 422, Caller, false, "The content does not fit the network",
            "`errors` says for each account which limit is missed and by how much. Nothing was sent to any account.";
        POLICY_DENIED = "policy-denied", 403, Rule, false, "A policy forbids this content",
            "`verdicts` names the policies and their findings. Change the content and try again.";
        MEDIA_UNKNOWN = "media-unknown", 422, Caller, false, "A medium is missing",
            "Upload it with POST /v1/media first and use the id within 24 hours.";
        MEDIA_QUOTA = "media-quota", 507, Rule, true, "Too many media wait for a post",
            "Use the media that you stored in posts, or wait: what no post uses goes after 24 hours.";
        NOT_RECALLABLE = "not-recallable", 409, Caller, false, "The post can't be taken back",
            "Only a published target on a network that can delete is recalled. The detail says which state the post is in.";
        NOT_HELD = "not-held", 409, Caller, false, "The post waits for no vote",
            "Only a held post takes votes. Look at its state with GET /v1/posts/{id}.";
        CONTENT_CHANGED = "content-changed", 409, Caller, false, "The content is another than the one that was seen",
            "A vote names the digest of the content that its person saw. Read the post again, and vote on what it says now.";
        WRONG_STATE = "wrong-state", 409, Caller, false, "The post is not in a state for that",
            "Look at its state with GET /v1/posts/{id}, and at what it waits for with GET /v1/posts/{id}/explain.";
        ALREADY_VOTED = "already-voted", 409, Caller, false, "You agreed to this version before",
            "One vote of each person counts. Who agreed may still reject while the post waits.";
        NOT_YOUR_TURN = "not-your-turn", 409, Rule, false, "An earlier stage is not complete",
            "The rule asks its stages one after the other. GET /v1/posts/{id}/explain says whose turn it is. You may reject at any time.";
        VERSION_MISMATCH = "version-mismatch", 412, Caller, false, "The post changed since you read it",
            "`If-Match` names another version than the post is at. Read it again, make your change on what it says now, and send its `ETag`.";
        ROUTING_CHANGED = "routing-changed", 409, Caller, false, "Somebody changed what serves since you looked",
            "The detail says what stands now. Look at it with `pressgate plugin list`, and make your change on that.";
        VERSION_NEEDED = "version-needed", 428, Caller, false, "Say which version you mean",
            "Send `If-Match` with the `ETag` of the post as you read it, so that two people who edit at once don't overwrite each other. A yes sends `version` or `digest`, so that nobody agrees to what they did not see.";
        TIME_INVALID = "time-invalid", 422, Caller, false, "The post can't be scheduled for then",
            "`errors` says why, and names the instants that may be meant or the next that is free.";
        KEY_REVOKED = "key-revoked", 403, Rule, false, "The key of the post was revoked",
            "What was made with a revoked key and is not out yet is not sent any more. Submit it again with another key.";
        OWN_POST = "own-post", 403, Rule, false, "Nobody approves their own post",
            "Another person with approval rights for the brand must vote. Whoever created a post, or it was created for, can't; \
             nor can who answers for the app that created it, or who made that app's key.";
        IDEMPOTENCY_MISMATCH = "idempotency-mismatch", 422, Caller, false, "The idempotency key was used for another request",
            "Use a fresh Idempotency-Key for each new request.";
        IN_FLIGHT = "in-flight", 409, Caller, true, "The same request is still being worked on",
            "Wait and send the same request again, or read the post.";
        FROZEN = "frozen", 423, Rule, false, "A freeze stops this",
            "Somebody froze the organisation, the brand, the account or the campaign. Reads, deletions of own posts and statements that were approved for this go on. The detail says since when, and whom to ask. Do not repeat the request until the freeze is lifted.";
        CREDENTIAL_MISSING = "credential-missing", 409, Operator, true, "The account has no usable credential",
            "An operator must run `pressgate credential set` for the account, or `pressgate credential connect` where a person connects it.";
        CREDENTIAL_REFUSED = "credential-refused", 409, Operator, false, "The network refuses the account's credential",
            "An operator must run `pressgate credential set` for the account, or `pressgate credential connect` where a person connects it. Until then nothing more is sent for it.";
        ACCOUNT_BUSY = "account-busy", 429, Platform, true, "The network asked for a pause",
            "The network limits this account. Wait for the seconds in `Retry-After`.";
        PLUGIN_BUSY = "plugin-busy", 503, Plugin, true, "The plugin works at its limit",
            "Try again after the seconds in `Retry-After`.";
        PLUGIN_FAILED = "plugin-failed", 502, Plugin, false, "A plugin failed",
            "The detail names the plugin and the reason. Nothing was sent that is not in the post's attempts. A plugin that crashed or answered nonsense does so again: tell its author. Where it was only late, `retry` is true.";
        PLATFORM_REFUSED = "platform-refused", 502, Platform, false, "The network refused",
            "The target's attempts hold the network's own status and text.";
        PLATFORM_UNAVAILABLE = "platform-unavailable", 502, Platform, true, "The network did not answer as it should",
            "The target's attempts hold what came back. A state of `unknown` is looked up before anything is sent again.";
        NOT_READY = "not-ready", 502, Platform, true, "The network is still at work on it",
            "What was uploaded is not ready to be published yet, a video that is being converted for example. It is asked again by itself, for some hours at most; nothing was published.";
        AUDIT_UNAVAILABLE = "audit-unavailable", 503, Gateway, true, "The audit log can't be written",
            "Nothing leaves unrecorded, so nothing was sent. Operators: see /readyz and the audit disk.";
        AUDIT_SLOW = "audit-slow", 503, Gateway, true, "The audit log is slow",
            "What only asks is put off while the log's disk is slow; posts go on. Wait for the seconds in `Retry-After`. Operators: see /readyz, /metrics and the audit disk.";
        STATE_UNAVAILABLE = "state-unavailable", 503, Gateway, true, "The record store can't be used",
            "Nothing was sent. Operators: see /readyz and the disk of the record store.";
        INDEX_UNAVAILABLE = "index-unavailable", 503, Gateway, true, "The audit log can't be searched now",
            "The search index is being made from the log, or it can't be written. The log itself is not concerned: single leaves and the stream are served. Operators: see the process's own log.";
        TUNNEL_UNAVAILABLE = "tunnel-unavailable", 503, Operator, true, "The gateway can't speak as this host",
            "Its certificate authority is missing, too old, or was made before the account had this host. An operator runs `pressgate ca init`, or with --renew.";
        SHUTTING_DOWN = "shutting-down", 503, Gateway, true, "The gateway is stopping",
            "Try again; another instance or the restarted one will answer.";
        INTERNAL = "internal", 500, Gateway, true, "The gateway failed",
            "This is a fault of the gateway. Operators find the cause in its log under the request's id.";
    }
}

/// One fault within a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer into the request body, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The account that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Stable identifier of the rule.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Measured amount, where the rule counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<u64>,
    /// Allowed amount, where the rule counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<u64>,
}

/// A typed no.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} at {stage:?}: {detail}{}", problem.slug, cause.as_deref().map(|c| format!(" ({c})")).unwrap_or_default())]
pub struct Refusal {
    /// Which kind.
    pub problem: &'static Problem,
    /// Where on the path.
    pub stage: Stage,
    /// Public text for this occurrence: what is wrong and what to do.
    pub detail: String,
    /// For the operators only.
    pub cause: Option<String>,
    /// Each fault, where there can be several.
    pub faults: Vec<Fault>,
    /// The verdicts that led to it.
    pub verdicts: Vec<crate::model::Verdict>,
    /// May the same request succeed later? As the problem says, unless this occurrence knows better.
    pub retry: bool,
    /// Seconds after which a repetition makes sense.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    /// A refusal with its public text.
    pub fn new(problem: &'static Problem, stage: Stage, detail: impl Into<String>) -> Self {
        Self {
            problem,
            stage,
            detail: detail.into(),
            cause: None,
            faults: Vec::new(),
            verdicts: Vec::new(),
            retry: problem.retry,
            retry_after_s: None,
        }
    }

    /// Adds the internal cause.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds the single faults.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// Adds the verdicts.
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: Vec<crate::model::Verdict>) -> Self {
        self.verdicts = verdicts;
        self
    }

    /// Says whether the same request may succeed later, where this occurrence knows better than its problem.
    #[must_use]
    pub fn with_retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Adds when to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_speak_the_language_of_addresses() {
        let mut seen = std::collections::BTreeSet::new();
        for problem in problem::ALL {
            assert!(seen.insert(problem.slug), "{} twice", problem.slug);
            assert!(problem.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", problem.slug);
            assert!((400..600).contains(&problem.status));
        }
    }
}
