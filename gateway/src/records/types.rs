//! What the record store keeps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
pub use pressgate_audit::leaf::Commitment;
use pressgate_workflow::freeze::Freeze;
use serde::{Deserialize, Serialize};

use super::{KeptLife, NewLife, Opening};
use crate::model::{
    AccountId, BrandPath, Draft, GrantId, KeyId, MediaId, PersonId, PostId, PostState, Principal, TargetState, Verdict,
};

/// A post to be kept.
#[derive(Debug, Clone)]
pub struct NewPost {
    /// Its id.
    pub id: PostId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Who made it.
    pub author: Author,
    /// Salted digest of the whole content over all targets, hexadecimal; votes name it.
    pub digest: String,
    /// The salt of the digests, hexadecimal.
    pub salt: String,
    /// The request as the caller sent it, JSON.
    pub request: String,
    /// Each account that it is for.
    pub targets: Vec<NewTarget>,
    /// Where the caller gave one.
    pub idempotency: Option<IdempotencyUse>,
    /// Verdicts of the policies, over all targets.
    pub verdicts: Vec<Verdict>,
    /// Media that it uses; they are kept from now on.
    pub media: Vec<MediaId>,
    /// Whose text it is: who acts, see [`Author::subject`].
    pub subject: String,
    /// What the commitments of its leaves stand for; kept with it or not at all.
    pub openings: Vec<Opening>,
    /// Its life, where people or time have a say in it.
    pub life: Option<NewLife>,
}

/// Who made a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Holder of the key.
    pub principal: Principal,
    /// Key.
    pub key: KeyId,
    /// The person for whom the app acted.
    pub on_behalf_of: Option<PersonId>,
}

impl Author {
    /// Whose values they leave behind: the person for whom they act, else themselves, as `person:editor-7` or `app:newsroom`.
    pub fn subject(&self) -> String {
        match &self.on_behalf_of {
            Some(person) => Principal::Person(person.clone()).to_string(),
            None => self.principal.to_string(),
        }
    }
}

/// One account's part of a new post.
#[derive(Debug, Clone)]
pub struct NewTarget {
    /// Account.
    pub account: AccountId,
    /// `held`, or `publishing` for one that this caller sends at once.
    pub state: TargetState,
    /// Resolved content.
    pub draft: Draft,
    /// Salted digest of the draft, hexadecimal.
    pub digest: String,
    /// 32 bytes, hexadecimal: the same for every attempt.
    pub call_key: String,
    /// The grant that allowed it.
    pub grant: GrantId,
    /// Until when the first claim holds, for `publishing`.
    pub lease_until: Option<Timestamp>,
    /// What its leaves commit to.
    pub commitments: Vec<Commitment>,
    /// The adapter's release that its first attempt uses, for `publishing`.
    pub release: Option<String>,
}

/// An `Idempotency-Key` within its scope (the API key's holder and the route).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// `app:newsroom POST /v1/posts`.
    pub scope: String,
    /// The header's value.
    pub key: String,
}

/// An idempotency key with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyUse {
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 over the request's body, hexadecimal.
    pub fingerprint: String,
}

/// An answer kept for repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: String,
}

/// What became of `accept_post`.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// It is kept.
    Fresh,
    /// The same request was accepted before; its post, and its answer once there was one.
    Repeated {
        /// The post that the first request made.
        post: PostId,
        /// The answer, or none while the first is being worked on.
        answer: Option<StoredAnswer>,
    },
    /// The key was used for another request.
    Mismatch,
}

/// A kept post.
#[derive(Debug, Clone)]
pub struct PostRecord {
    /// Its id.
    pub id: PostId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// Who made it.
    pub author: Author,
    /// Salted digest of the whole content.
    pub digest: String,
    /// Salt of the digests.
    pub salt: String,
    /// The request as the caller sent it, JSON.
    pub request: String,
    /// Sum of the targets' states.
    pub state: PostState,
    /// Each account.
    pub targets: Vec<TargetRecord>,
    /// Verdicts.
    pub verdicts: Vec<Verdict>,
    /// Votes.
    pub votes: Vec<Vote>,
    /// Its life, where one is kept.
    pub life: Option<KeptLife>,
}

/// A kept target.
#[derive(Debug, Clone)]
pub struct TargetRecord {
    /// Account.
    pub account: AccountId,
    /// State.
    pub state: TargetState,
    /// Content.
    pub draft: Draft,
    /// Salted digest of the draft.
    pub digest: String,
    /// 32 bytes, hexadecimal.
    pub call_key: String,
    /// The grant that allowed it.
    pub grant: GrantId,
    /// What the network made of each part, so far.
    pub published: Vec<PublishedPart>,
    /// Attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt is due, if one is.
    pub retry_at: Option<Timestamp>,
    /// The effect step that was sent and not answered.
    pub unknown_step: Option<UnknownStep>,
    /// What its leaves commit to.
    pub commitments: Vec<Commitment>,
    /// The adapter's release that the last attempt used, by digest.
    pub release: Option<String>,
}

/// One entry as the network has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPart {
    /// The network's id.
    pub platform_id: String,
    /// Address for people.
    pub url: Option<String>,
}

/// One attempt on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// State in which it left the target.
    pub state: TargetState,
    /// The network's status, where it answered.
    pub status: Option<u16>,
    /// The network's or adapter's code.
    pub code: Option<String>,
    /// The problem that it amounts to, by the last part of its address; none for a success.
    #[serde(default)]
    pub problem: Option<String>,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retry: bool,
    /// For the author.
    pub message: Option<String>,
    /// The network's answer, redacted and cut to 4 KiB.
    pub body: Option<String>,
}

/// A step that was sent and not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownStep {
    /// Its name.
    pub step: String,
    /// How it avoids a duplicate, as the plugin declared it: `native-key:3600`, `client-id`, `two-phase`, `look-up`, `none`.
    pub safety: String,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// Index of its intent leaf.
    pub intent: u64,
}

/// An answered step of a call; `perform` gets it again on a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Its name, unique within the target (and within `recall` for a deletion: those names start with `recall:`).
    pub step: String,
    /// `prepare` or `effect`.
    pub kind: String,
    /// Attempt that sent it.
    pub attempt: u32,
    /// SHA-256 over the request, hexadecimal: a replay must ask the same.
    pub request_digest: String,
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// When it was answered.
    pub at: Timestamp,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimFor {
    /// Publish the target.
    Publish,
    /// Take it back.
    Recall,
}

/// A claimed target.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Number of this attempt, from 1; counted on for recalls.
    pub attempt: u32,
    /// When the first attempt on what the target says now began: the same for all attempts after it.
    pub begun_at: Timestamp,
    /// The post.
    pub post: PostRecord,
    /// Answered steps of this target.
    pub steps: Vec<StepRecord>,
    /// The note that was written last for this account. An account that changes its adapter has one for each plugin:
    /// `Records::note` gives the right one.
    pub note: Vec<u8>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct TargetFinish {
    /// The target's new state.
    pub state: TargetState,
    /// What the network made of each part; kept as it was where empty.
    pub published: Vec<PublishedPart>,
    /// The attempt.
    pub attempt: Attempt,
    /// When to try again.
    pub retry_at: Option<Timestamp>,
    /// The step that was sent and not answered.
    pub unknown_step: Option<UnknownStep>,
    /// The adapter's new note: plugin name and bytes.
    pub note: Option<(String, Vec<u8>)>,
    /// Index of the last audit leaf of the attempt.
    pub leaf: Option<u64>,
}

/// A person's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub person: PersonId,
    /// Yes or no.
    pub approve: bool,
    /// When.
    pub at: Timestamp,
    /// The digest that the person saw.
    pub digest: String,
    /// A note for the author.
    pub note: Option<String>,
}

/// Which posts to list.
#[derive(Debug, Clone, Default)]
pub struct PostFilter {
    /// Only posts with a target among these.
    pub accounts: BTreeSet<AccountId>,
    /// Only posts in this state.
    pub state: Option<PostState>,
    /// Only posts that carry this campaign.
    pub campaign: Option<String>,
    /// Continue after this post.
    pub after: Option<PostId>,
    /// At most this many.
    pub limit: u32,
}

/// A page of posts.
#[derive(Debug, Clone)]
pub struct PostPage {
    /// Newest first.
    pub posts: Vec<PostRecord>,
    /// Where to continue, if there is more.
    pub next: Option<PostId>,
}

/// What the log says of a target, for records that missed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafFact {
    /// An effect was about to be sent.
    Intent {
        /// Leaf.
        index: u64,
        /// Post.
        post: PostId,
        /// Account.
        account: AccountId,
        /// Step.
        step: String,
        /// Its safety.
        safety: String,
        /// When.
        at: Timestamp,
        /// Attempt.
        attempt: u32,
    },
    /// It was answered, or not; with the target's state where the attempt ended with it.
    Outcome {
        /// Leaf of the intent.
        intent: u64,
        /// Post.
        post: PostId,
        /// Account.
        account: AccountId,
        /// `answered`, `not-sent`, `unanswered` or `unknown`.
        result: String,
        /// New state of the target, where the attempt ended.
        target_state: Option<TargetState>,
        /// The network's ids, where the attempt ended well.
        platform_ids: Vec<String>,
    },
    /// The attempt ended without an effect.
    Finished {
        /// Leaf.
        index: u64,
        /// Post.
        post: PostId,
        /// Account.
        account: AccountId,
        /// New state.
        target_state: TargetState,
        /// The network's ids.
        platform_ids: Vec<String>,
    },
}

impl LeafFact {
    /// The leaf that it begins with: the intent, or the end without one.
    pub fn leaf(&self) -> u64 {
        match self {
            Self::Intent { index, .. } | Self::Finished { index, .. } => *index,
            Self::Outcome { intent, .. } => *intent,
        }
    }

    /// The post and the account that it is about.
    pub fn subject(&self) -> (&PostId, &AccountId) {
        match self {
            Self::Intent { post, account, .. }
            | Self::Outcome { post, account, .. }
            | Self::Finished { post, account, .. } => (post, account),
        }
    }
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Public part.
    pub id: KeyId,
    /// Who holds it.
    pub holder: Principal,
    /// HMAC-SHA-256 of the secret under the gateway's pepper.
    pub mac: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// Where it is used, for people.
    pub note: String,
    /// The operator who made it, and saw its secret; none where nobody had a key yet.
    pub made_by: Option<PersonId>,
    /// Of a device that a person enrolled.
    pub device: Option<Device>,
}

/// A device of a person, which holds a key of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What its person calls it.
    pub name: String,
    /// A digest of who they were at the company's issuer when they enrolled it; the key opens nothing for anybody else.
    pub identity: String,
}

/// A browser in which a person is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRecord {
    /// SHA-256 of its cookie.
    pub cookie: [u8; 32],
    /// Who.
    pub person: PersonId,
    /// A digest of who they are at the company's issuer.
    pub identity: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// A course that a person passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingRecord {
    /// Who.
    pub person: PersonId,
    /// What.
    pub course: String,
    /// When. Whoever passes a course again has a record more.
    pub passed_at: Timestamp,
    /// From then on it counts no more; none where it holds for good.
    pub expires_at: Option<Timestamp>,
}

/// A freeze, on or lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeRecord {
    /// What it stops, since when, by whom, and who wants it lifted.
    pub freeze: Freeze,
    /// The salt of what the log's leaves commit to, hexadecimal.
    pub salt: String,
    /// Its end.
    pub lifted: Option<LiftedFreeze>,
}

/// The end of a freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftedFreeze {
    /// The second of the people who wanted it.
    pub by: PersonId,
    /// When.
    pub at: Timestamp,
}

/// A target that a freeze put back to `held`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenTarget {
    /// Its post.
    pub post: PostId,
    /// Its account.
    pub account: AccountId,
    /// Since when it waits.
    pub since: Timestamp,
}

/// A text of guidelines that a person acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgementRecord {
    /// Who.
    pub person: PersonId,
    /// Whose guidelines.
    pub brand: BrandPath,
    /// Which version.
    pub version: String,
    /// SHA-256 of the text that they saw, lower-case hexadecimal.
    pub digest: String,
    /// In which language.
    pub language: String,
    /// When.
    pub acknowledged_at: Timestamp,
}

/// A stored medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRecord {
    /// Its id; the file in the media folder has the same name.
    pub id: MediaId,
    /// Who stored it.
    pub owner: Principal,
    /// IANA media type, found in the bytes.
    pub media_type: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// SHA-256, hexadecimal.
    pub digest: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// An encrypted value. The vault makes and opens it; the record store only keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// `credential/acme-example/token`, `session/acme-example/session`.
    pub name: String,
    /// Counts up with each new value of the name.
    pub generation: u64,
    /// Ciphertext with its envelope.
    pub blob: Vec<u8>,
    /// What is not secret, for lists.
    pub public: BTreeMap<String, String>,
    /// When it was sealed.
    pub created_at: Timestamp,
}

/// Governance files that were applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernanceRecord {
    /// SHA-256 over the files.
    pub digest: String,
    /// Name to text.
    pub files: BTreeMap<String, String>,
    /// When.
    pub applied_at: Timestamp,
    /// Who, or which local signal.
    pub applied_by: String,
}
