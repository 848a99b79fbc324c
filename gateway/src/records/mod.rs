//! The record store: what *should* happen. The audit log says what did.
//!
//! The interface is whole operations, not rows, so that every implementation does each of them in one transaction. Each
//! returns only when its effect is durable, unless it says otherwise.

mod erasable;
mod error;
mod feeds;
mod lives;
mod notices;
mod releases;
mod rules;
pub mod sqlite;
pub mod types;

#[cfg(test)]
mod suite;

use std::{future::Future, pin::Pin};

pub use erasable::*;
pub use error::RecordsError;
pub use feeds::*;
use jiff::Timestamp;
pub use lives::*;
pub use notices::*;
pub use releases::*;
pub use types::*;

use crate::model::{AccountId, KeyId, MediaId, PersonId, PluginName, PostId, Principal};

/// What every operation returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, RecordsError>> + Send + 'a>>;

/// A record store.
pub trait Records: Send + Sync + 'static {
    /// Keeps a new post with its targets and, where given, its idempotency key, or tells what the key was used for.
    /// Targets in state `publishing` are claimed with attempt 1 by this same transaction.
    fn accept_post(&self, post: NewPost) -> Answer<'_, Accepted>;
    /// What the key was used for before, or none: a repetition is answered before anything else is looked at.
    fn repeated(&self, usage: IdempotencyUse) -> Answer<'_, Option<Accepted>>;
    /// Keeps the answer that a repetition of the request will get.
    fn save_answer(&self, key: IdempotencyKey, answer: StoredAnswer) -> Answer<'_, ()>;
    /// Frees the key of a post that came to nothing, so that the request may be made again with it. Nothing happens where
    /// the key stands for another post by now.
    fn free_key(&self, key: IdempotencyKey, post: PostId) -> Answer<'_, ()>;

    /// One post with targets, steps and attempts.
    fn post(&self, id: PostId) -> Answer<'_, Option<PostRecord>>;
    /// Posts, newest first, that have a target among `filter.accounts`.
    fn posts(&self, filter: PostFilter) -> Answer<'_, PostPage>;
    /// Claims a target for an attempt: from `accepted`, `unknown` or a retry that is due (or `published` to `recalling`);
    /// none where it is in another state or claimed by somebody whose lease runs. `release` is what the attempt will use where
    /// nothing of the target was sent yet; else it goes on with the one that began, which the claim's target names.
    fn claim_target(
        &self,
        post: PostId,
        account: AccountId,
        claim: ClaimFor,
        now: Timestamp,
        lease_until: Timestamp,
        release: Option<String>,
    ) -> Answer<'_, Option<Claim>>;
    /// Keeps the answer to a `prepare` or `effect` step.
    fn journal_step(&self, post: PostId, account: AccountId, step: StepRecord) -> Answer<'_, ()>;
    /// Ends an attempt: the target's state, its published parts, the attempt itself, the plugin's note.
    fn finish_target(&self, post: PostId, account: AccountId, finish: TargetFinish) -> Answer<'_, ()>;
    /// What a plugin remembered of an account when an attempt ended last; empty where nothing.
    fn note(&self, account: AccountId, plugin: PluginName) -> Answer<'_, Vec<u8>>;
    /// Keeps what was decided of a post's life, with all that follows from it for its targets. False, and nothing is changed, where the
    /// events do not follow those that are kept: another was first.
    fn advance(&self, advance: Advance) -> Answer<'_, bool>;
    /// Events of a post's life after a number, in order; those that delivery alone caused are kept with the next decision.
    fn life_events(&self, post: PostId, after: u64, limit: u32) -> Answer<'_, Vec<LifeEvent>>;
    /// What was said of a post.
    fn comments(&self, post: PostId) -> Answer<'_, Vec<CommentRecord>>;
    /// The link for an outside approver whose secret has this SHA-256, whether or not it works still.
    fn link(&self, secret: [u8; 32]) -> Answer<'_, Option<LinkRecord>>;
    /// Keeps a feed, unless its holder has so many that have not ended by `now`: then false, and nothing is changed. Feeds that have ended are
    /// forgotten.
    fn put_feed(&self, feed: FeedRecord, feeds_max: u32, now: Timestamp) -> Answer<'_, bool>;
    /// The feed whose secret has this SHA-256, whether or not it has ended.
    fn feed(&self, secret: [u8; 32]) -> Answer<'_, Option<FeedRecord>>;
    /// The feeds of a holder, of everybody where none is given, oldest first; those that have ended may be among them.
    fn feeds(&self, holder: Option<Principal>) -> Answer<'_, Vec<FeedRecord>>;
    /// Keeps when a feed was read; an earlier time changes nothing.
    fn feed_used(&self, id: String, at: Timestamp) -> Answer<'_, ()>;
    /// Forgets a feed; false where there is none.
    fn end_feed(&self, id: String) -> Answer<'_, bool>;
    /// Posts that time may have changed after `from` and until `now`, the longest waiting first.
    fn to_wake(&self, from: Timestamp, now: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>>;
    /// Has every post that waits for people looked at by then: who they are, or what rules ask, may have changed.
    fn wake_waiting(&self, at: Timestamp) -> Answer<'_, u64>;
    /// Posts with a held target, by id, after the one that is given.
    fn held_posts(&self, after: Option<PostId>, limit: u32) -> Answer<'_, Vec<PostId>>;
    /// Posts with a life that are, or were, due from `from` and before `until`, by that time.
    fn planned(&self, from: Timestamp, until: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>>;
    /// Posts that recur and are, or were, due next before `before`, the latest first: others of their times may lie after it.
    fn recurring(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>>;
    /// Targets whose time came before `before` and that nothing works on, each with when that was; so many at most, the longest waiting
    /// first. Those of a post that only waits for its time, and of one whose attempt is due.
    fn unattempted(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<(AccountId, Timestamp)>>;
    /// Targets that wait for work at `now`: accepted and unclaimed, retries that are due, unknown ones, leases that ran out.
    fn due(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<(PostId, AccountId, ClaimFor)>>;
    /// At start, before anything is claimed: no lease of an earlier process holds any more.
    fn release_leases(&self) -> Answer<'_, u64>;

    /// The node whose log these records belong to; none while they are new.
    fn identity(&self) -> Answer<'_, Option<String>>;
    /// Ties them to a node's log, once. Before the first leaf is written, so that records that were lost are not taken for new.
    fn put_identity(&self, node: String) -> Answer<'_, ()>;

    /// Index of the first audit leaf that was not applied yet.
    fn applied_leaf(&self) -> Answer<'_, u64>;
    /// Applies what the log says of targets and these records do not know, and moves the mark to `next`. Facts come in the
    /// order of the log; those of attempts that run now are not to be given. Fails with [`RecordsError::Lost`], and changes
    /// nothing, where a target is not there at all: it was kept before its first leaf was written.
    fn apply_leaves(&self, next: u64, facts: Vec<LeafFact>) -> Answer<'_, ()>;

    /// Keeps a key. Fails where the id is taken.
    fn put_key(&self, key: KeyRecord) -> Answer<'_, ()>;
    /// One key, live or not.
    fn key(&self, id: KeyId) -> Answer<'_, Option<KeyRecord>>;
    /// All keys.
    fn keys(&self) -> Answer<'_, Vec<KeyRecord>>;
    /// Ends a key; false where there is none or it was ended before.
    fn revoke_key(&self, id: KeyId, at: Timestamp) -> Answer<'_, bool>;

    /// Ends a session of a client, whose tokens last until `until` at most; those that ran out at `now` are forgotten.
    fn end_session(&self, id: String, until: Timestamp, now: Timestamp) -> Answer<'_, ()>;
    /// The sessions that were ended and have not run out at `now`.
    fn ended_sessions(&self, now: Timestamp) -> Answer<'_, Vec<(String, Timestamp)>>;

    /// Keeps a browser's sign-in; those that ran out at `now` are forgotten.
    fn put_sign_in(&self, record: SignInRecord, now: Timestamp) -> Answer<'_, ()>;
    /// The sign-in of a cookie with that SHA-256, whether or not it ran out.
    fn sign_in(&self, cookie: [u8; 32]) -> Answer<'_, Option<SignInRecord>>;
    /// Ends a sign-in; false where there is none.
    fn end_sign_in(&self, cookie: [u8; 32]) -> Answer<'_, bool>;
    /// Keeps what people passed, all or nothing. The same person, course and time again changes when it ends.
    fn put_training(&self, records: Vec<TrainingRecord>) -> Answer<'_, ()>;
    /// Everything that people passed, by person, course and time.
    fn training(&self) -> Answer<'_, Vec<TrainingRecord>>;

    /// Keeps a freeze, or what became of it.
    fn put_freeze(&self, freeze: FreezeRecord) -> Answer<'_, ()>;
    /// Every freeze that is on and those that were lifted last, the newest first.
    fn freezes(&self) -> Answer<'_, Vec<FreezeRecord>>;
    /// Targets that a freeze stopped, the one that has waited longest first.
    fn frozen_targets(&self) -> Answer<'_, Vec<FrozenTarget>>;
    /// Keeps that a person acknowledged a text. The same text again changes nothing.
    fn put_acknowledgement(&self, record: AcknowledgementRecord) -> Answer<'_, ()>;
    /// Everything that people acknowledged, by person, brand, version and digest.
    fn acknowledgements(&self) -> Answer<'_, Vec<AcknowledgementRecord>>;

    /// Keeps notices. One whose addressee and event are known already changes nothing, whatever became of it. How many are new.
    fn put_notices(&self, notices: Vec<NewNotice>) -> Answer<'_, u64>;
    /// What waits for the addressee whose time came first, oldest notice first, so many at most, and all for the address of
    /// the first; none where nothing is due.
    fn due_notices(&self, channel: NoticeChannel, now: Timestamp, limit: u32) -> Answer<'_, Option<DueNotices>>;
    /// Keeps what became of an attempt. A notice that has ended forgets the address and the link of an outside party.
    fn notices_tried(&self, tried: NoticesTried) -> Answer<'_, ()>;
    /// Gives up what waits on a channel and was put before `before`; how many.
    fn give_up_notices(&self, channel: NoticeChannel, before: Timestamp, why: String, at: Timestamp)
    -> Answer<'_, u64>;
    /// Notices in a state, the newest first.
    fn notices(&self, state: NoticeState, limit: u32) -> Answer<'_, Vec<NoticeRecord>>;
    /// How a channel stands.
    fn notice_counts(&self, channel: NoticeChannel) -> Answer<'_, NoticeCounts>;
    /// Forgets notices that ended before `before`, so many at most of each channel; how many.
    fn forget_notices(&self, before: Timestamp, limit: u32) -> Answer<'_, u64>;

    /// Keeps a medium's facts; its bytes lie in the media folder.
    fn put_media(&self, media: MediaRecord) -> Answer<'_, ()>;
    /// One medium.
    fn media(&self, id: MediaId) -> Answer<'_, Option<MediaRecord>>;
    /// Bytes of an owner's media that no post uses; each counts as 4 KiB at least, as on a disk.
    fn unused_media_bytes(&self, owner: Principal) -> Answer<'_, u64>;
    /// Media that no post uses and that were stored before `before`; their facts are gone when it returns.
    fn take_unused_media(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<MediaId>>;

    /// Keeps openings of commitments. One that is there already stays.
    fn put_openings(&self, openings: Vec<Opening>) -> Answer<'_, ()>;
    /// Keeps openings that lay beside leaves of the log, and moves the mark up to which they were taken from there.
    fn take_openings(&self, until: u64, openings: Vec<Opening>) -> Answer<'_, ()>;
    /// Index of the first leaf whose openings were not taken from beside it; none where none ever lay there.
    fn openings_taken(&self) -> Answer<'_, Option<u64>>;
    /// The openings of these commitments that are there.
    fn openings(&self, commitments: Vec<[u8; 32]>) -> Answer<'_, Vec<Opening>>;
    /// Every opening, by commitment: those after the one that is given, so many at most.
    fn openings_after(&self, after: Option<[u8; 32]>, limit: u32) -> Answer<'_, Vec<Opening>>;

    /// Takes openings away whose leaves are gone: what these leaves commit to, and what the targets of their posts do, where the
    /// post is over and rested since `rested_since`. What leaves that stay commit to stays. How many went.
    fn drop_openings(&self, drop: DropOpenings) -> Answer<'_, u64>;

    /// Keeps an erasure that somebody asked for. Fails where the id is taken.
    fn ask_erasure(&self, erasure: ErasureRecord) -> Answer<'_, ()>;
    /// One erasure.
    fn erasure(&self, id: String) -> Answer<'_, Option<ErasureRecord>>;
    /// Erasures, those asked for last first.
    fn erasures(&self, limit: u32) -> Answer<'_, Vec<ErasureRecord>>;
    /// True where anything here is of that subject, or was: a key, a post, a medium, an opening, a vote, an erasure.
    fn knows_subject(&self, subject: String) -> Answer<'_, bool>;
    /// The erasure that a leaf tells of.
    fn erasure_of_leaf(&self, leaf: u64) -> Answer<'_, Option<ErasureRecord>>;
    /// Confirms an erasure: from now on it will happen. False where it was confirmed before, or there is none.
    fn confirm_erasure(&self, id: String, by: PersonId, at: Timestamp, log_from: u64) -> Answer<'_, bool>;
    /// Erasures that are confirmed and not done, oldest first.
    fn erasures_under_way(&self) -> Answer<'_, Vec<ErasureRecord>>;
    /// Subjects that were erased, each with the time of its last confirmation.
    fn erased_subjects(&self) -> Answer<'_, Vec<(String, Timestamp)>>;
    /// Posts of a subject that wait for something or are being worked on; their content is still needed.
    fn open_posts_of(&self, subject: String) -> Answer<'_, OpenPosts>;
    /// How many openings, and how many posts with their content, there are of a subject.
    fn values_of(&self, subject: String) -> Answer<'_, ErasedCounts>;
    /// Takes openings of the erasure's subject away, and the content of its posts that are over and older than the
    /// confirmation: texts, what networks answered, notes, kept answers, salts; what a person was told; and media that no other post
    /// uses. What is where stays listed. True while there is more.
    fn erase_part(&self, part: ErasePart) -> Answer<'_, bool>;
    /// Media that an erasure took out of the records and whose bytes are still to be removed.
    fn doomed_media(&self, id: String, limit: u32) -> Answer<'_, Vec<MediaId>>;
    /// Forgets media whose bytes were removed for an erasure.
    fn forget_media(&self, id: String, media: Vec<MediaId>) -> Answer<'_, ()>;
    /// The erasure is done, and its leaf has this index.
    fn finish_erasure(&self, id: String, leaf: u64) -> Answer<'_, ()>;

    /// Keeps a sealed value under a name, replacing an older generation.
    fn put_sealed(&self, sealed: SealedRecord) -> Answer<'_, ()>;
    /// The sealed value of that name.
    fn sealed(&self, name: String) -> Answer<'_, Option<SealedRecord>>;
    /// All sealed values whose name starts with `prefix`.
    fn sealed_list(&self, prefix: String) -> Answer<'_, Vec<SealedRecord>>;
    /// Deletes a sealed value; false where there was none.
    fn delete_sealed(&self, name: String) -> Answer<'_, bool>;

    /// Keeps the governance files that were applied.
    fn put_governance(&self, applied: GovernanceRecord) -> Answer<'_, ()>;
    /// The governance files that were applied last.
    fn governance(&self) -> Answer<'_, Option<GovernanceRecord>>;

    /// Keeps a release of a plugin, or what became of it.
    fn put_release(&self, release: ReleaseRecord) -> Answer<'_, ()>;
    /// Every release, the one that was installed first before the others.
    fn releases(&self) -> Answer<'_, Vec<ReleaseRecord>>;
    /// Which release serves where.
    fn routing(&self) -> Answer<'_, RoutingRecord>;
    /// Replaces the routing where it is at this version still; false, and nothing is changed, where another was first.
    fn swap_routing(&self, expected: u64, routing: Routing) -> Answer<'_, bool>;
    /// Digests of the releases that started attempts go on with.
    fn bound_releases(&self) -> Answer<'_, Vec<String>>;

    /// Deletes idempotency keys from before `before`.
    fn forget_idempotency(&self, before: Timestamp) -> Answer<'_, u64>;
    /// True where a write would succeed (one is made).
    fn healthy(&self) -> Answer<'_, ()>;
    /// Brings everything into one file, so that a copy of it is whole. For a stop in order.
    fn gather(&self) -> Answer<'_, ()>;
}

/// Keeps the wrapped keys of subjects, apart from what is sealed under them: a key that is destroyed here makes the values in
/// every copy of the records useless. Each operation returns when its effect is durable.
pub trait SubjectKeys: Send + Sync + 'static {
    /// The key of a subject.
    fn subject_key(&self, subject: String) -> Answer<'_, Option<SubjectKeyRecord>>;
    /// A key by its name.
    fn subject_key_named(&self, id: String) -> Answer<'_, Option<SubjectKeyRecord>>;
    /// Keeps a key. Fails where the subject has one.
    fn put_subject_key(&self, key: SubjectKeyRecord) -> Answer<'_, ()>;
    /// Destroys a subject's key, so that nothing of it stays in any file; false where there was none.
    fn destroy_subject_key(&self, subject: String) -> Answer<'_, bool>;
    /// Brings everything into one file, so that a copy of it is whole.
    fn gather_keys(&self) -> Answer<'_, ()>;
}

/// Says whether a person voted, for callers that show it.
pub fn voted(post: &PostRecord, person: &PersonId) -> bool {
    post.votes.iter().any(|vote| vote.person == *person)
}
