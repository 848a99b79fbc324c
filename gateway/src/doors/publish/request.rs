//! Request bodies of the publish door.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    call::{
        classify::THREAD_PARTS_MAX,
        submission::{Content, Entry, MediaUse, ReplyTo, Submission, Variant},
    },
    model::{AccountId, MediaId, PersonId},
    refusal::{Fault, Refusal, Stage, problem},
};

/// Accounts of one post.
pub const ACCOUNTS_MAX: usize = 50;
/// Labels of one post.
pub const LABELS_MAX: usize = 50;
/// Bytes of a text; every network's own limit is lower.
const TEXT_BYTES_MAX: usize = 128 * 1024;
/// Media of one entry.
const MEDIA_MAX: usize = 50;

/// A post for one or more accounts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostRequest {
    /// Where it shall appear.
    #[schema(min_items = 1, max_items = 50)]
    pub accounts: Vec<String>,
    /// What it says.
    pub content: ContentBody,
    /// Other content by account or by network; an account's own wins.
    #[serde(default)]
    pub variants: BTreeMap<String, VariantBody>,
    /// Options by network; each fits the schema that `/v1/accounts` shows.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub options: BTreeMap<String, Map<String, Value>>,
    /// What it answers.
    pub reply_to: Option<ReplyBody>,
    /// Labels that policies look at.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub labels: Vec<String>,
    /// The campaign it belongs to.
    pub campaign: Option<String>,
    /// When to publish; not supported yet, so any value is refused.
    #[schema(value_type = Value, required = false)]
    pub publish_at: Option<Value>,
    /// The person for whom the app acts.
    pub on_behalf_of: Option<String>,
    /// Say what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A text with media and what follows it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentBody {
    /// Text of the first entry.
    #[serde(default)]
    pub text: String,
    /// BCP 47.
    pub language: Option<String>,
    /// Media of the first entry.
    #[serde(default)]
    pub media: Vec<MediaBody>,
    /// Further entries.
    #[serde(default)]
    pub thread: Vec<EntryBody>,
}

/// A further entry of a thread.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// Text.
    #[serde(default)]
    pub text: String,
    /// Media.
    #[serde(default)]
    pub media: Vec<MediaBody>,
}

/// What an account or network gets instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantBody {
    /// Instead of the text.
    pub text: Option<String>,
    /// Instead of the language.
    pub language: Option<String>,
    /// Instead of the media.
    pub media: Option<Vec<MediaBody>>,
    /// Instead of the thread.
    pub thread: Option<Vec<EntryBody>>,
}

/// A stored medium.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MediaBody {
    /// From `POST /v1/media`.
    pub id: String,
    /// Text for people who do not see it.
    pub alt: Option<String>,
}

/// What is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyBody {
    /// The account that answers; must be among `accounts`.
    pub account: String,
    /// The network's reference of what is answered.
    pub r#ref: String,
}

/// A vote on a held post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// `approve` or `reject`.
    pub decision: Decision,
    /// The post's digest as the voter saw it; the vote counts only for that content.
    pub digest: Option<String>,
    /// A note for the author.
    pub note: Option<String>,
}

/// A voter's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It goes out.
    Approve,
    /// It does not.
    Reject,
}

impl PostRequest {
    /// Checks what the types can't say, all at once.
    pub fn submission(self) -> Result<Submission, Refusal> {
        if self.publish_at.is_some() {
            let detail = "`publish_at` is not supported yet: leave it out, and call when the post shall appear.";
            let fault = fault("/publish_at", "not-yet-supported", detail.into());
            return Err(Refusal::new(problem::NOT_YET_SUPPORTED, Stage::Door, detail).with_faults(vec![fault]));
        }
        let faults = self.faults();
        if !faults.is_empty() {
            let detail = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join(" ");
            return Err(Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(faults));
        }
        Ok(Submission {
            accounts: self.accounts.into_iter().map(AccountId::new).collect(),
            content: self.content.into(),
            variants: self.variants.into_iter().map(|(name, variant)| (name, variant.into())).collect(),
            options: self.options,
            reply_to: self
                .reply_to
                .map(|reply| ReplyTo { account: AccountId::new(reply.account), reference: reply.r#ref }),
            labels: self.labels,
            campaign: self.campaign,
            on_behalf_of: self.on_behalf_of.map(PersonId::new),
        })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, pointer: &str, code: &str, message: String| {
            if !fine {
                faults.push(fault(pointer, code, message));
            }
        };
        let count = self.accounts.len();
        check((1..=ACCOUNTS_MAX).contains(&count), "/accounts", "count", format!("Name 1 to {ACCOUNTS_MAX} accounts."));
        for (position, account) in self.accounts.iter().enumerate() {
            let first = self.accounts.iter().position(|other| other == account) == Some(position);
            check(first, &format!("/accounts/{position}"), "twice", format!("`{account}` is named twice."));
        }
        if let Some(reply) = &self.reply_to {
            let among = self.accounts.contains(&reply.account);
            check(
                among,
                "/reply_to/account",
                "not-among-accounts",
                "`reply_to.account` must be among `accounts`.".into(),
            );
            check(
                count == 1 || !among,
                "/accounts",
                "reply-elsewhere",
                "An answer goes to the one account that sees what is answered.".into(),
            );
            check(!reply.r#ref.is_empty(), "/reply_to/ref", "empty", "`reply_to.ref` must not be empty.".into());
        }
        check(self.labels.len() <= LABELS_MAX, "/labels", "count", format!("At most {LABELS_MAX} labels."));
        let parts = std::iter::once((&self.content.text, &self.content.media))
            .chain(self.content.thread.iter().map(|entry| (&entry.text, &entry.media)));
        for (text, media) in parts {
            check(
                text.len() <= TEXT_BYTES_MAX,
                "/content",
                "length",
                format!("A text may have {TEXT_BYTES_MAX} bytes."),
            );
            check(media.len() <= MEDIA_MAX, "/content", "count", format!("An entry may show {MEDIA_MAX} media."));
        }
        let threads = self
            .variants
            .values()
            .filter_map(|variant| variant.thread.as_ref())
            .chain(std::iter::once(&self.content.thread));
        let longest = threads.map(Vec::len).max().unwrap_or(0) + 1;
        check(
            longest <= THREAD_PARTS_MAX,
            "/content/thread",
            "count",
            format!("A thread may have {THREAD_PARTS_MAX} entries."),
        );
        faults
    }
}

impl From<ContentBody> for Content {
    fn from(body: ContentBody) -> Self {
        Self { text: body.text, language: body.language, media: media(body.media), thread: entries(body.thread) }
    }
}

impl From<VariantBody> for Variant {
    fn from(body: VariantBody) -> Self {
        Self {
            text: body.text,
            language: body.language,
            media: body.media.map(media),
            thread: body.thread.map(entries),
        }
    }
}

fn media(bodies: Vec<MediaBody>) -> Vec<MediaUse> {
    bodies.into_iter().map(|body| MediaUse { id: MediaId::new(body.id), alt: body.alt }).collect()
}

fn entries(bodies: Vec<EntryBody>) -> Vec<Entry> {
    bodies.into_iter().map(|body| Entry { text: body.text, media: media(body.media) }).collect()
}

fn fault(pointer: &str, code: &str, message: String) -> Fault {
    Fault { pointer: Some(pointer.into()), account: None, code: code.into(), message, measured: None, allowed: None }
}
