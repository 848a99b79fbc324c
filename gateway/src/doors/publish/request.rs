//! Request bodies of the publish door.

use std::collections::BTreeMap;

use pressgate_calendar::Disambiguation;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    call::submission::{Content, Entry, MediaUse, ReplyTo, Submission, Variant},
    model::{AccountId, MediaId, PersonId},
    posts::plan::{Drops, Wish},
    refusal::Refusal,
};

pub use super::check::{ACCOUNTS_MAX, LABELS_MAX, MEDIA_MAX};
use super::check::{check, invalid};

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
    #[schema(max_length = 200)]
    pub campaign: Option<String>,
    /// When it leaves; at once where it is left out.
    pub schedule: Option<ScheduleBody>,
    /// Only write it down; `POST /v1/posts/{id}/submit` goes on with it.
    #[serde(default)]
    pub draft: bool,
    /// The person for whom the app acts.
    #[schema(max_length = 200)]
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
    #[schema(max_length = 35)]
    pub language: Option<String>,
    /// Media of the first entry.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub media: Vec<MediaBody>,
    /// Further entries.
    #[serde(default)]
    #[schema(max_items = 49)]
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
    #[schema(max_items = 50)]
    pub media: Vec<MediaBody>,
}

/// What an account or network gets instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantBody {
    /// Instead of the text.
    pub text: Option<String>,
    /// Instead of the language.
    #[schema(max_length = 35)]
    pub language: Option<String>,
    /// Instead of the media.
    #[schema(max_items = 50)]
    pub media: Option<Vec<MediaBody>>,
    /// Instead of the thread.
    #[schema(max_items = 49)]
    pub thread: Option<Vec<EntryBody>>,
}

/// A stored medium.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MediaBody {
    /// From `POST /v1/media`.
    pub id: String,
    /// Text for people who do not see it.
    #[schema(max_length = 10000)]
    pub alt: Option<String>,
}

/// When a post leaves: `at`, or `local` with `zone`, or `queue`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    /// An instant, RFC 3339.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// What the clocks show: `2027-03-01T09:00`. If the law moves the clocks before then, the post moves with them.
    pub local: Option<String>,
    /// IANA name of where the clocks hang: `Europe/Prague`.
    pub zone: Option<String>,
    /// Which of the two instants is meant where the clocks are moved just then.
    pub disambiguation: Option<DisambiguationBody>,
    /// The next free slot of the queue that all of its accounts have.
    #[serde(default)]
    pub queue: bool,
    /// The earliest instant to which it may be moved without asking the approvers again.
    #[schema(format = DateTime)]
    pub earliest: Option<String>,
    /// The latest.
    #[schema(format = DateTime)]
    pub latest: Option<String>,
    /// From this instant on it is not sent any more. Another time keeps it where it is left out; `null` drops it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Option<String>>,
    /// Late by more than this many seconds it waits for a person. Another time keeps it where it is left out; `null` drops it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u32>)]
    pub late_max_s: Option<Option<u32>>,
    /// An RFC 5545 rule that ends: `FREQ=WEEKLY;BYDAY=MO;COUNT=20`. Goes with `local`.
    #[schema(max_length = 500)]
    pub rule: Option<String>,
    /// Local times beside the rule.
    #[serde(default)]
    pub added: Vec<String>,
    /// Local times of the rule that are left out.
    #[serde(default)]
    pub excluded: Vec<String>,
}

/// What is there, be it `null`.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ScheduleBody {
    /// What is `null`, and so said to be nothing.
    pub fn drops(&self) -> Drops {
        Drops { until: self.until == Some(None), late_max: self.late_max_s == Some(None) }
    }
}

/// Which of two instants.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisambiguationBody {
    /// The earlier of the two.
    Earlier,
    /// The later of the two.
    Later,
    /// In the gap the later, in the fold the earlier.
    Compatible,
}

impl From<ScheduleBody> for Wish {
    fn from(body: ScheduleBody) -> Self {
        let ScheduleBody { at, local, zone, queue, earliest, latest, until, late_max_s, rule, added, excluded, .. } =
            body;
        let disambiguation = body.disambiguation.map(|which| match which {
            DisambiguationBody::Earlier => Disambiguation::Earlier,
            DisambiguationBody::Later => Disambiguation::Later,
            DisambiguationBody::Compatible => Disambiguation::Compatible,
        });
        Self {
            at,
            local,
            zone,
            disambiguation,
            queue,
            earliest,
            latest,
            until: until.flatten(),
            late_max_s: late_max_s.flatten(),
            rule,
            added,
            excluded,
            asked_at: None,
        }
    }
}

/// What is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyBody {
    /// The account that answers; must be among `accounts`.
    pub account: String,
    /// The network's reference of what is answered.
    #[schema(min_length = 1, max_length = 2000)]
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
    /// The version that the voter saw; without it and a digest the post as it is now.
    pub version: Option<u32>,
    /// A note for the author; a rejection needs one.
    #[schema(max_length = 1000)]
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
        let faults = check(&self);
        if !faults.is_empty() {
            return Err(invalid(faults));
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
