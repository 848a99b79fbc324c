//! Openings on real stores.

use std::path::PathBuf;

use pressgate_audit::leaf::{self, Leaf};
use tempfile::TempDir;

use super::*;
use crate::{
    clock::SystemClock,
    records::sqlite::{SqliteRecords, SqliteSubjectKeys},
    vault::{KekSource, create_kek_file},
};

const EDITOR: &str = "person:editor-7";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        create_kek_file(&folder.path("kek")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn open(&self, origin: &str) -> Openings {
        let records: Arc<dyn Records> = Arc::new(SqliteRecords::open(&self.path("records")).unwrap());
        let keys = Arc::new(SqliteSubjectKeys::open(&self.path("keys")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Arc::clone(&records));
        let vault = Vault::open(&KekSource::File(self.path("kek")), store, Arc::clone(&clock)).await.unwrap();
        Openings::new(origin.to_owned(), records, keys, vault, clock)
    }
}

async fn kept(openings: &Openings, subject: &str, values: &[(&str, &str)]) -> Vec<Commitment> {
    let committed = openings.commit(subject, "post_1", values).await.unwrap();
    openings.keep(committed.openings).await.unwrap();
    committed.commitments
}

async fn values(openings: &Openings, call: &str, commitments: &[Commitment]) -> Vec<Option<String>> {
    let opened = openings.open(call, commitments).await.unwrap();
    opened.into_iter().map(|opened| opened.value.map(|(_, value)| value.to_string())).collect()
}

#[tokio::test]
async fn what_is_kept_opens_and_can_be_checked_by_others() {
    let folder = Folder::new();
    let openings = folder.open("o").await;
    let commitments = kept(&openings, EDITOR, &[("text", "Dobrý den"), ("source", "203.0.113.7")]).await;
    assert_ne!(kept(&openings, EDITOR, &[("text", "Dobrý den")]).await[0].hmac, commitments[0].hmac, "salted");
    drop(openings);
    let openings = folder.open("o").await;
    for opened in openings.open("post_1", &commitments).await.unwrap() {
        let (salt, value) = opened.value.unwrap();
        let place = Place { origin: "o", call: "post_1", field: &opened.commitment.field };
        assert!(opened.commitment.opens(place, &salt, value.as_bytes()));
    }
    assert_eq!(values(&openings, "post_1", &commitments[..1]).await, [Some("Dobrý den".to_owned())]);
    let stranger = Commitment { field: "text".into(), hmac: "ab".repeat(32) };
    assert_eq!(values(&openings, "post_1", &[stranger]).await, [None]);
}

#[tokio::test]
async fn without_its_key_nothing_opens_and_a_new_key_opens_only_what_is_new() {
    let folder = Folder::new();
    let openings = folder.open("o").await;
    let before = kept(&openings, EDITOR, &[("text", "before")]).await;
    let other = kept(&openings, "app:newsroom", &[("text", "other")]).await;
    let old = openings.key_of(EDITOR).await.unwrap().unwrap();
    assert!(openings.destroy_key(EDITOR).await.unwrap());
    assert!(!openings.destroy_key(EDITOR).await.unwrap(), "again is harmless");
    let after = kept(&openings, EDITOR, &[("text", "after")]).await;
    assert_ne!(openings.key_of(EDITOR).await.unwrap().unwrap(), old);
    let all = [before, other, after].concat();
    let found = values(&openings, "post_1", &all).await;
    assert_eq!(found, [None, Some("other".to_owned()), Some("after".to_owned())]);
    // Not even the wrapped key is left in a file.
    for name in ["keys", "keys-wal"] {
        let bytes = std::fs::read(folder.path(name)).unwrap_or_default();
        assert!(!bytes.windows(old.len()).any(|window| window == old.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn an_opening_that_was_moved_or_changed_is_refused() {
    let folder = Folder::new();
    let openings = folder.open("o").await;
    let commitments = kept(&openings, EDITOR, &[("text", "one"), ("source", "two")]).await;
    let changed = |error: Result<Vec<Opened>, OpeningsError>| matches!(error, Err(OpeningsError::Changed(_)));
    assert!(changed(openings.open("post_2", &commitments).await), "of another call");
    let renamed = Commitment { field: "source".into(), ..commitments[0].clone() };
    assert!(changed(openings.open("post_1", &[renamed]).await), "of another field");
    drop(openings);
    assert!(changed(folder.open("other").await.open("post_1", &commitments).await), "of another log");
    let connection = folder.path("records");
    let openings = folder.open("o").await;
    let kept = openings.records.openings(vec![commitments[0].bytes().unwrap()]).await.unwrap().remove(0);
    let moved = Opening { commitment: [9; 32], ..kept };
    openings.keep(vec![moved]).await.unwrap();
    let there = Commitment { field: "text".into(), hmac: "09".repeat(32) };
    assert!(changed(openings.open("post_1", &[there]).await), "of another commitment");
    assert!(connection.exists());
}

#[tokio::test]
async fn many_at_once_share_one_key() {
    let folder = Folder::new();
    let openings = Arc::new(folder.open("o").await);
    let calls = (0..50).map(|_| {
        let openings = Arc::clone(&openings);
        tokio::spawn(
            async move { openings.commit(EDITOR, "c", &[("text", "x")]).await.unwrap().openings.remove(0).key },
        )
    });
    let mut keys = std::collections::BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        keys.insert(call.await.unwrap());
    }
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn a_value_that_somebody_with_the_key_sealed_anew_does_not_fit_its_commitment() {
    let folder = Folder::new();
    let openings = folder.open("o").await;
    let Committed { commitments, openings: honest } =
        openings.commit(EDITOR, "post_1", &[("text", "said"), ("source", "203.0.113.7")]).await.unwrap();
    let key = openings.ring.of(EDITOR).await.unwrap();
    let forged = openings.seal(EDITOR, &key, &commitments[0], &[7; SALT_BYTES], "never said").unwrap();
    openings.keep(vec![forged, honest[1].clone()]).await.unwrap();
    let refused = leaf::Refused {
        person: Some("editor-7".into()),
        post: Some("post_1".into()),
        commitments,
        ..leaf::Refused::default()
    };
    let mut leaves = vec![(4, Leaf::new(0, refused))].into_iter();
    let found = openings.check(&mut || Ok(leaves.next())).await.unwrap();
    let fault = check::Fault { leaf: Some(4), field: Some("text".into()), why: check::Why::Changed };
    assert_eq!((found.values, found.faults, found.from, found.until), (1, vec![fault], 4, 5));
}
