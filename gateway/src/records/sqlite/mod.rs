//! The record store in one SQLite file.
//!
//! Writes go through one thread that commits many operations at once, reads through a few others. The file is in
//! write-ahead mode and synced at each commit: an answer means that the change is on the disk.

mod schema;

mod connect;
mod readers;
mod writer;

mod accept;
mod acknowledgements;
mod claims;
mod copy;
mod erase;
mod erasures;
mod feeds;
mod freezes;
mod governance;
mod identity;
mod keys;
mod leaves;
mod links;
mod lives;
mod media;
mod notices;
mod openings;
mod people;
mod posts;
mod releases;
mod sealed;
mod sessions;
mod subject_keys;
mod target;

mod codec;
mod errors;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use copy::{CopiedRecords, check_records, check_subject_keys, copy_records, copy_subject_keys};
use jiff::Timestamp;
use rusqlite::Connection;
pub use subject_keys::{SeenSubjectKeys, SqliteSubjectKeys};

use super::{
    Accepted, AcknowledgementRecord, Advance, Answer, Claim, ClaimFor, CommentRecord, DropOpenings, DueNotices,
    ErasePart, ErasedCounts, ErasureRecord, FeedRecord, FreezeRecord, FrozenTarget, GovernanceRecord, IdempotencyKey,
    IdempotencyUse, KeyRecord, LeafFact, LifeEvent, LinkRecord, MediaRecord, NewNotice, NewPost, NoticeChannel,
    NoticeCounts, NoticeRecord, NoticeState, NoticesTried, OpenPosts, Opening, PostFilter, PostPage, PostRecord,
    Records, RecordsError, ReleaseRecord, Routing, RoutingRecord, SealedRecord, SignInRecord, StepRecord, StoredAnswer,
    TargetFinish, TrainingRecord,
};
use crate::model::{AccountId, KeyId, MediaId, PersonId, PluginName, PostId, Principal};

/// A record store in an SQLite file.
#[derive(Debug)]
pub struct SqliteRecords {
    /// None where it was opened only to look.
    writer: Option<writer::Writer>,
    readers: readers::Readers,
}

impl SqliteRecords {
    /// Opens the file, makes it where there is none, and brings its schema up to date. Blocks while it does. Fails where the
    /// folder is missing, the file is another program's, or a newer Pressgate wrote it.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let location = connect::Location::new(path);
        let connection = location.create()?;
        let readers = readers::Readers::start(&location)?;
        Ok(Self { writer: Some(writer::Writer::start(location, connection)?), readers })
    }

    /// Opens an existing file and changes nothing: every write is refused. Only while no other process writes it.
    pub fn look(path: &Path) -> Result<Self, RecordsError> {
        let location = connect::Location::to_look(path);
        schema::RECORDS.verify(&location.reader()?)?;
        Ok(Self { writer: None, readers: readers::Readers::start(&location)? })
    }

    /// The same while another process may write it: a running gateway.
    pub fn beside(path: &Path) -> Result<Self, RecordsError> {
        let location = connect::Location::new(path);
        schema::RECORDS.verify(&location.reader()?)?;
        Ok(Self { writer: None, readers: readers::Readers::start(&location)? })
    }

    fn write<T, F>(&self, work: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    {
        Box::pin(async move {
            match &self.writer {
                Some(writer) => writer.run(work).await,
                None => Err(RecordsError::Unavailable("they were opened only to look".to_owned())),
            }
        })
    }

    fn read<T, F>(&self, work: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    {
        Box::pin(self.readers.run(work))
    }
}

impl Records for SqliteRecords {
    fn accept_post(&self, post: NewPost) -> Answer<'_, Accepted> {
        self.write(move |connection| accept::accept(connection, &post))
    }

    fn save_answer(&self, key: IdempotencyKey, answer: StoredAnswer) -> Answer<'_, ()> {
        self.write(move |connection| accept::save_answer(connection, &key, &answer))
    }

    fn free_key(&self, key: IdempotencyKey, post: PostId) -> Answer<'_, ()> {
        self.write(move |connection| accept::free_key(connection, &key, &post))
    }

    fn post(&self, id: PostId) -> Answer<'_, Option<PostRecord>> {
        self.read(move |connection| posts::read(connection, &id))
    }

    fn posts(&self, filter: PostFilter) -> Answer<'_, PostPage> {
        self.read(move |connection| posts::list(connection, &filter))
    }

    fn claim_target(
        &self,
        post: PostId,
        account: AccountId,
        claim: ClaimFor,
        now: Timestamp,
        lease_until: Timestamp,
        release: Option<String>,
    ) -> Answer<'_, Option<Claim>> {
        self.write(move |connection| {
            claims::claim(connection, (&post, &account), claim, now, lease_until, release.as_deref())
        })
    }

    fn journal_step(&self, post: PostId, account: AccountId, step: StepRecord) -> Answer<'_, ()> {
        self.write(move |connection| claims::journal(connection, &post, &account, &step))
    }

    fn finish_target(&self, post: PostId, account: AccountId, finish: TargetFinish) -> Answer<'_, ()> {
        self.write(move |connection| claims::finish(connection, &post, &account, finish))
    }

    fn note(&self, account: AccountId, plugin: PluginName) -> Answer<'_, Vec<u8>> {
        self.read(move |connection| claims::note(connection, &account, &plugin))
    }

    fn advance(&self, advance: Advance) -> Answer<'_, bool> {
        self.write(move |connection| lives::advance(connection, &advance))
    }

    fn life_events(&self, post: PostId, after: u64, limit: u32) -> Answer<'_, Vec<LifeEvent>> {
        self.read(move |connection| lives::events(connection, &post, after, limit))
    }

    fn comments(&self, post: PostId) -> Answer<'_, Vec<CommentRecord>> {
        self.read(move |connection| lives::comments(connection, &post))
    }

    fn link(&self, secret: [u8; 32]) -> Answer<'_, Option<LinkRecord>> {
        self.read(move |connection| links::find(connection, secret))
    }

    fn put_feed(&self, feed: FeedRecord, feeds_max: u32, now: Timestamp) -> Answer<'_, bool> {
        self.write(move |connection| feeds::put(connection, &feed, feeds_max, now))
    }

    fn feed(&self, secret: [u8; 32]) -> Answer<'_, Option<FeedRecord>> {
        self.read(move |connection| feeds::find(connection, secret))
    }

    fn feeds(&self, holder: Option<Principal>) -> Answer<'_, Vec<FeedRecord>> {
        self.read(move |connection| feeds::of(connection, holder.as_ref()))
    }

    fn feed_used(&self, id: String, at: Timestamp) -> Answer<'_, ()> {
        self.write(move |connection| feeds::used(connection, &id, at))
    }

    fn end_feed(&self, id: String) -> Answer<'_, bool> {
        self.write(move |connection| feeds::end(connection, &id))
    }

    fn recurring(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>> {
        self.read(move |connection| lives::recurring(connection, before, limit))
    }

    fn unattempted(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<(AccountId, Timestamp)>> {
        self.read(move |connection| claims::unattempted(connection, before, limit))
    }

    fn to_wake(&self, from: Timestamp, now: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>> {
        self.read(move |connection| lives::to_wake(connection, from, now, limit))
    }

    fn wake_waiting(&self, at: Timestamp) -> Answer<'_, u64> {
        self.write(move |connection| lives::wake_waiting(connection, at))
    }

    fn held_posts(&self, after: Option<PostId>, limit: u32) -> Answer<'_, Vec<PostId>> {
        self.read(move |connection| lives::held(connection, after.as_ref(), limit))
    }

    fn planned(&self, from: Timestamp, until: Timestamp, limit: u32) -> Answer<'_, Vec<PostId>> {
        self.read(move |connection| lives::planned(connection, from, until, limit))
    }

    fn due(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<(PostId, AccountId, ClaimFor)>> {
        self.read(move |connection| claims::due(connection, now, limit))
    }

    fn release_leases(&self) -> Answer<'_, u64> {
        self.write(claims::release)
    }

    fn identity(&self) -> Answer<'_, Option<String>> {
        self.read(identity::read)
    }

    fn put_identity(&self, node: String) -> Answer<'_, ()> {
        self.write(move |connection| identity::put(connection, &node))
    }

    fn applied_leaf(&self) -> Answer<'_, u64> {
        self.read(leaves::applied)
    }

    fn apply_leaves(&self, next: u64, facts: Vec<LeafFact>) -> Answer<'_, ()> {
        self.write(move |connection| leaves::apply(connection, next, facts))
    }

    fn put_key(&self, key: KeyRecord) -> Answer<'_, ()> {
        self.write(move |connection| keys::put(connection, &key))
    }

    fn key(&self, id: KeyId) -> Answer<'_, Option<KeyRecord>> {
        self.read(move |connection| keys::one(connection, &id))
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.read(keys::all)
    }

    fn revoke_key(&self, id: KeyId, at: Timestamp) -> Answer<'_, bool> {
        self.write(move |connection| keys::revoke(connection, &id, at))
    }

    fn end_session(&self, id: String, until: Timestamp, now: Timestamp) -> Answer<'_, ()> {
        self.write(move |connection| sessions::end(connection, &id, until, now))
    }

    fn ended_sessions(&self, now: Timestamp) -> Answer<'_, Vec<(String, Timestamp)>> {
        self.read(move |connection| sessions::all(connection, now))
    }

    fn put_sign_in(&self, record: SignInRecord, now: Timestamp) -> Answer<'_, ()> {
        self.write(move |connection| people::put_sign_in(connection, &record, now))
    }

    fn sign_in(&self, cookie: [u8; 32]) -> Answer<'_, Option<SignInRecord>> {
        self.read(move |connection| people::sign_in(connection, cookie))
    }

    fn end_sign_in(&self, cookie: [u8; 32]) -> Answer<'_, bool> {
        self.write(move |connection| people::end_sign_in(connection, cookie))
    }

    fn put_training(&self, records: Vec<TrainingRecord>) -> Answer<'_, ()> {
        self.write(move |connection| people::put_training(connection, &records))
    }

    fn training(&self) -> Answer<'_, Vec<TrainingRecord>> {
        self.read(people::training)
    }

    fn put_freeze(&self, freeze: FreezeRecord) -> Answer<'_, ()> {
        self.write(move |connection| freezes::put(connection, &freeze))
    }

    fn freezes(&self) -> Answer<'_, Vec<FreezeRecord>> {
        self.read(freezes::all)
    }

    fn put_release(&self, release: ReleaseRecord) -> Answer<'_, ()> {
        self.write(move |connection| releases::put(connection, &release))
    }

    fn releases(&self) -> Answer<'_, Vec<ReleaseRecord>> {
        self.read(releases::all)
    }

    fn routing(&self) -> Answer<'_, RoutingRecord> {
        self.read(releases::routing)
    }

    fn swap_routing(&self, expected: u64, routing: Routing) -> Answer<'_, bool> {
        self.write(move |connection| releases::swap(connection, expected, &routing))
    }

    fn bound_releases(&self) -> Answer<'_, Vec<String>> {
        self.read(releases::bound)
    }

    fn frozen_targets(&self) -> Answer<'_, Vec<FrozenTarget>> {
        self.read(freezes::targets)
    }

    fn put_acknowledgement(&self, record: AcknowledgementRecord) -> Answer<'_, ()> {
        self.write(move |connection| acknowledgements::put(connection, &record))
    }

    fn acknowledgements(&self) -> Answer<'_, Vec<AcknowledgementRecord>> {
        self.read(acknowledgements::all)
    }

    fn put_notices(&self, notices: Vec<NewNotice>) -> Answer<'_, u64> {
        self.write(move |connection| notices::put(connection, &notices))
    }

    fn due_notices(&self, channel: NoticeChannel, now: Timestamp, limit: u32) -> Answer<'_, Option<DueNotices>> {
        self.read(move |connection| notices::due(connection, channel, now, limit))
    }

    fn notices_tried(&self, tried: NoticesTried) -> Answer<'_, ()> {
        self.write(move |connection| notices::tried(connection, &tried))
    }

    fn give_up_notices(
        &self,
        channel: NoticeChannel,
        before: Timestamp,
        why: String,
        at: Timestamp,
    ) -> Answer<'_, u64> {
        self.write(move |connection| notices::give_up(connection, channel, before, &why, at))
    }

    fn notices(&self, state: NoticeState, limit: u32) -> Answer<'_, Vec<NoticeRecord>> {
        self.read(move |connection| notices::list(connection, state, limit))
    }

    fn notice_counts(&self, channel: NoticeChannel) -> Answer<'_, NoticeCounts> {
        self.read(move |connection| notices::counts(connection, channel))
    }

    fn forget_notices(&self, before: Timestamp, limit: u32) -> Answer<'_, u64> {
        self.write(move |connection| notices::forget(connection, before, limit))
    }

    fn put_media(&self, media: MediaRecord) -> Answer<'_, ()> {
        self.write(move |connection| media::put(connection, &media))
    }

    fn media(&self, id: MediaId) -> Answer<'_, Option<MediaRecord>> {
        self.read(move |connection| media::one(connection, &id))
    }

    fn unused_media_bytes(&self, owner: Principal) -> Answer<'_, u64> {
        self.read(move |connection| media::unused_bytes(connection, &owner))
    }

    fn take_unused_media(&self, before: Timestamp, limit: u32) -> Answer<'_, Vec<MediaId>> {
        self.write(move |connection| media::take_unused(connection, before, limit))
    }

    fn put_openings(&self, openings: Vec<Opening>) -> Answer<'_, ()> {
        self.write(move |connection| openings::put(connection, &openings))
    }

    fn take_openings(&self, until: u64, openings: Vec<Opening>) -> Answer<'_, ()> {
        self.write(move |connection| openings::take(connection, until, &openings))
    }

    fn openings_taken(&self) -> Answer<'_, Option<u64>> {
        self.read(openings::taken)
    }

    fn openings(&self, commitments: Vec<[u8; 32]>) -> Answer<'_, Vec<Opening>> {
        self.read(move |connection| openings::read(connection, &commitments))
    }

    fn drop_openings(&self, drop: DropOpenings) -> Answer<'_, u64> {
        self.write(move |connection| openings::drop_with_leaves(connection, &drop))
    }

    fn openings_after(&self, after: Option<[u8; 32]>, limit: u32) -> Answer<'_, Vec<Opening>> {
        self.read(move |connection| openings::after(connection, after, limit))
    }

    fn ask_erasure(&self, erasure: ErasureRecord) -> Answer<'_, ()> {
        self.write(move |connection| erasures::ask(connection, &erasure))
    }

    fn erasure(&self, id: String) -> Answer<'_, Option<ErasureRecord>> {
        self.read(move |connection| erasures::one(connection, &id))
    }

    fn erasures(&self, limit: u32) -> Answer<'_, Vec<ErasureRecord>> {
        self.read(move |connection| erasures::all(connection, limit))
    }

    fn knows_subject(&self, subject: String) -> Answer<'_, bool> {
        self.read(move |connection| erasures::knows(connection, &subject))
    }

    fn erasure_of_leaf(&self, leaf: u64) -> Answer<'_, Option<ErasureRecord>> {
        self.read(move |connection| erasures::of_leaf(connection, leaf))
    }

    fn confirm_erasure(&self, id: String, by: PersonId, at: Timestamp, log_from: u64) -> Answer<'_, bool> {
        self.write(move |connection| erasures::confirm(connection, &id, &by, at, log_from))
    }

    fn erasures_under_way(&self) -> Answer<'_, Vec<ErasureRecord>> {
        self.read(erasures::under_way)
    }

    fn erased_subjects(&self) -> Answer<'_, Vec<(String, Timestamp)>> {
        self.read(erasures::subjects)
    }

    fn open_posts_of(&self, subject: String) -> Answer<'_, OpenPosts> {
        self.read(move |connection| erasures::open_posts(connection, &subject))
    }

    fn values_of(&self, subject: String) -> Answer<'_, ErasedCounts> {
        self.read(move |connection| erasures::values_of(connection, &subject))
    }

    fn erase_part(&self, part: ErasePart) -> Answer<'_, bool> {
        self.write(move |connection| erase::part(connection, &part))
    }

    fn doomed_media(&self, id: String, limit: u32) -> Answer<'_, Vec<MediaId>> {
        self.read(move |connection| erasures::doomed(connection, &id, limit))
    }

    fn forget_media(&self, id: String, media: Vec<MediaId>) -> Answer<'_, ()> {
        self.write(move |connection| erasures::forget(connection, &id, &media))
    }

    fn finish_erasure(&self, id: String, leaf: u64) -> Answer<'_, ()> {
        self.write(move |connection| erasures::finish(connection, &id, leaf))
    }

    fn put_sealed(&self, sealed: SealedRecord) -> Answer<'_, ()> {
        self.write(move |connection| sealed::put(connection, &sealed))
    }

    fn repeated(&self, usage: IdempotencyUse) -> Answer<'_, Option<Accepted>> {
        self.read(move |connection| accept::earlier(connection, &usage))
    }

    fn sealed(&self, name: String) -> Answer<'_, Option<SealedRecord>> {
        self.read(move |connection| sealed::one(connection, &name))
    }

    fn sealed_list(&self, prefix: String) -> Answer<'_, Vec<SealedRecord>> {
        self.read(move |connection| sealed::list(connection, &prefix))
    }

    fn delete_sealed(&self, name: String) -> Answer<'_, bool> {
        self.write(move |connection| sealed::delete(connection, &name))
    }

    fn put_governance(&self, applied: GovernanceRecord) -> Answer<'_, ()> {
        self.write(move |connection| governance::put(connection, &applied))
    }

    fn governance(&self) -> Answer<'_, Option<GovernanceRecord>> {
        self.read(governance::last)
    }

    fn forget_idempotency(&self, before: Timestamp) -> Answer<'_, u64> {
        Box::pin(async move {
            let mut forgotten = 0;
            loop {
                let gone = self.write(move |connection| accept::forget(connection, before)).await?;
                forgotten += gone;
                if gone < u64::from(accept::FORGET_MAX) {
                    return Ok(forgotten);
                }
            }
        })
    }

    fn healthy(&self) -> Answer<'_, ()> {
        self.write(governance::try_write)
    }

    fn gather(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            match &self.writer {
                Some(writer) => writer.gather().await,
                None => Ok(()),
            }
        })
    }
}
