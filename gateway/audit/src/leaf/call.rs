//! Leaves about calls and posts.

use serde::{Deserialize, Serialize};

use super::Commitment;

/// A request is about to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// Action, from the host's list.
    pub action: String,
    /// The step of the adapter that asks for it.
    pub step: String,
    /// Which attempt on this target, from 1.
    pub attempt: u32,
    /// Whether the request prepares or has the effect.
    pub effect_kind: EffectKind,
    /// How the step avoids a duplicate, as its adapter declares it.
    pub safety: String,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id, where a person called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Person id for whom an app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key (never the key).
    pub key: String,
    /// The grant that decided.
    pub grant: String,
    /// Digest of what this account gets of the post: the content that was reviewed.
    pub content_digest: String,
    /// Digest of the whole post, over those of its accounts: the one that the API shows, that the votes of `approvals` are about
    /// and that `held`, `vote` and `withdrawal` leaves name. Older leaves don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_digest: Option<String>,
    /// Digest of the request as it leaves, without its credential.
    pub request_digest: String,
    /// Path of the brand that owns the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The door that the call came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Id of the session whose token was shown in place of the key (never a token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Commitments to values that no leaf may hold: the text, where the call came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<Commitment>,
    /// Adapter, name and version.
    pub adapter: String,
    /// Digest of the adapter's component.
    pub adapter_digest: String,
    /// What the policies said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictNote>,
    /// Who approved: person ids, and of an outside party its name and its link, `external:agency-x/link_…`. The link's id is a keyed digest
    /// of the address that it went to, under the post's salt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
}

/// What a request does at the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// It prepares, and may be repeated.
    Prepare,
    /// It has the effect.
    Effect,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

/// What one policy said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictNote {
    /// The configured policy.
    pub policy: String,
    /// Its plugin, name and version.
    pub plugin: String,
    /// SHA-256 of the plugin's component, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plugin_digest: String,
    /// `allow`, `deny` or `hold`.
    pub outcome: String,
    /// Stable identifiers of its findings, never their text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Index of the intent's leaf.
    pub intent: u64,
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// Path of the brand that owns the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Action, from the host's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The adapter's step.
    pub step: String,
    /// How the request ended.
    pub result: OutcomeResult,
    /// The platform's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Digest of the platform's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_digest: Option<String>,
    /// The target's state after it, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_state: Option<String>,
    /// Ids that the platform gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_ids: Vec<String>,
    /// Written by a recovery, not by the call itself.
    pub recovered: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeResult {
    /// The platform answered.
    Answered,
    /// No byte left.
    NotSent,
    /// It left, and no answer came.
    Unanswered,
    /// Nobody knows whether it left.
    #[serde(other)]
    Unknown,
}

/// A call was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The stage of the path.
    pub stage: String,
    /// The problem's slug.
    pub problem: String,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Person id for whom an app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Post id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Stable identifiers of what was found, never its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Path of the brand that owns the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The door that the call came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Id of the session whose token was shown in place of the key (never a token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The request's method, where nobody knows what the request would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where it went, as far as it is the network's API and no content: without query, `…` in place of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Commitments to values that no leaf may hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<Commitment>,
    /// How many in one second, where refusals for a limit are summed; otherwise it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A target ended without an effect (refused before sending), or a recovery settled its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// Path of the brand that owns the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The target's last state.
    pub target_state: String,
    /// Ids that the platform gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_ids: Vec<String>,
    /// Why, as a stable identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A post waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Post id.
    pub post: String,
    /// Account ids.
    pub accounts: Vec<String>,
    /// Path of the brand that owns the accounts: the nearest that covers all of them, none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Digest of the whole post that waits, as the API shows it.
    pub content_digest: String,
    /// What the policies said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictNote>,
}

/// A person voted on a held post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Post id.
    pub post: String,
    /// Person id.
    pub person: String,
    /// Id of the Pressgate key.
    pub key: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// Digest of the whole post that the vote is about, as the API shows it.
    pub content_digest: String,
    /// Path of the brand that owns the accounts: the nearest that covers all of them, none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
}

/// Somebody took a held post out of the approvers' hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Post id.
    pub post: String,
    /// App id, where an app did.
    pub app: Option<String>,
    /// Person id, where a person did.
    pub person: Option<String>,
    /// Id of the Pressgate key.
    pub key: String,
    /// Digest of the whole post that was withdrawn, as the API shows it.
    pub content_digest: String,
    /// Path of the brand that owns the accounts: the nearest that covers all of them, none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
}

/// Something was decided of a post's life: by its author, by people who are asked, or by time. What delivery does has leaves of its own,
/// and so has a person's vote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transition {
    /// Post id.
    pub post: String,
    /// What: `submitted`, `approved`, `scheduled` and so on.
    pub transition: String,
    /// Number within the post's life, from 1.
    pub seq: u64,
    /// The version of the post that it is about.
    pub version: u32,
    /// Account ids, where it is about some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// One word more: the rule, the policy, the freeze, what is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The time that was set, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
    /// App id, where an app did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id, where a person did. Neither app nor person nor link: the gateway itself, as time went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The person for whom an app acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Id of the link, where an outside party did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Digest of the whole post, as the API shows it.
    pub content_digest: String,
    /// HMAC-SHA-256 of the reason that was given, under the post's salt, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_digest: Option<String>,
    /// Path of the brand that owns the accounts: the nearest that covers all of them, none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
}
