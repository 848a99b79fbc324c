//! Files of other versions and other programs.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{
    model::PostState,
    records::{Accepted, suite},
};

/// What each version that was released added to the content of the one before, oldest first.
const ADDED: &[&str] = &[
    include_str!("../fixtures/0001.sql"),
    // Version 2 has another index and the same content.
    "",
    "INSERT INTO identity VALUES (1, 'node-1');",
    include_str!("../fixtures/0004.sql"),
    "INSERT INTO ended_sessions VALUES ('session-1', 4102444800000000);",
    "INSERT INTO sign_ins VALUES (x'00', 'editor-7', 'd', 4102444800000000);
     INSERT INTO training VALUES ('editor-7', 'social-basics', 1767225600000000, NULL);",
    "INSERT INTO freezes VALUES ('freeze_1', 1767225600000000, NULL, '{}');",
    "INSERT INTO acknowledgements VALUES ('editor-7', 'acme', '2027-1', 'd', 'en', 1767225600000000);",
    "INSERT INTO notices (addressee, about, channel, kind, line, link_path, at, put_at, state)
     VALUES ('person:editor-7', 'x', 'mail', 'vote-wanted', 'l', '/', 1767225600000000, 1767225600000000, 'waiting');",
    include_str!("../fixtures/0010.sql"),
    "INSERT INTO links VALUES (x'00', 'link_1', 'post_01', 'agency-x', 1767225600000000);",
    // Version 12 has a column that follows from the others, version 13 another index.
    "",
    "",
    "INSERT INTO releases VALUES ('d1', 1767225600000000, '{}'); INSERT INTO routing VALUES (1, 7, '{\"slots\":{}}');",
    "INSERT INTO feeds VALUES ('feed_1', x'00', '{}', 'k1', NULL, '', 1767225600000000, 4102444800000000, NULL);",
];

fn refusal(folder: &Folder) -> String {
    SqliteRecords::open(&folder.file()).unwrap_err().to_string()
}

fn version(connection: &Connection) -> usize {
    let version = connection.query_row("SELECT max(version) FROM schema_version", [], |row| row.get::<_, i64>(0));
    usize::try_from(version.unwrap()).unwrap()
}

#[tokio::test]
async fn every_old_version_opens() {
    assert_eq!(ADDED.len(), schema::MIGRATIONS.len(), "a new version brings a fixture of itself");
    for number in 1..=ADDED.len() {
        let folder = Folder::new();
        let mut old = Connection::open(folder.file()).unwrap();
        schema::migrate(&mut old, &schema::MIGRATIONS[..number]).unwrap();
        old.execute_batch(&ADDED[..number].concat()).unwrap();
        assert_eq!(version(&old), number);
        drop(old);
        let store = folder.open();
        reads_the_fixture(&store).await;
        assert_eq!(store.identity().await.unwrap().as_deref(), (number > 2).then_some("node-1"));
        let editor = store.values_of("person:editor-7".to_owned()).await.unwrap();
        assert_eq!((editor.posts, editor.values), (2, u64::from(number > 3)), "posts of before have a subject too");
        drop(store);
        assert_eq!(version(&Connection::open(folder.file()).unwrap()), schema::MIGRATIONS.len());
    }
}

async fn reads_the_fixture(store: &SqliteRecords) {
    let post = store.post(PostId::new("post_01")).await.unwrap().unwrap();
    assert_eq!(
        (post.state, post.updated_at.to_string()),
        (PostState::Partial, "2026-01-01T00:00:05.000001Z".to_owned())
    );
    assert_eq!((post.votes.len(), post.verdicts.len(), post.targets.len()), (1, 1, 2));
    assert_eq!(post.targets[0].draft.parts[0].media[0].alt.as_deref(), Some("a cat"));
    assert_eq!(post.targets[0].published[0].platform_id, "p1");
    assert_eq!(post.targets[1].attempts[0].status, Some(422));
    let claimed = store
        .claim_target(
            PostId::new("post_02"),
            AccountId::new("a"),
            ClaimFor::Publish,
            suite::at(100),
            suite::at(160),
            None,
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (claimed.attempt, claimed.note.as_slice(), claimed.steps[0].body.as_slice()),
        (2, &b"n"[..], &[0, 255][..])
    );
    assert_eq!(claimed.post.targets[0].unknown_step.as_ref().unwrap().intent, 9);
    let filter = PostFilter {
        accounts: [AccountId::new("b")].into(),
        campaign: Some("spring".to_owned()),
        limit: 5,
        ..Default::default()
    };
    assert_eq!(store.posts(filter).await.unwrap().posts[0].id, post.id);
    let key = store.key(KeyId::new("k1")).await.unwrap().unwrap();
    assert_eq!((key.mac, key.revoked_at), ([0; 32], Some(suite::at(9))));
    assert!(store.media(MediaId::new("media_1")).await.unwrap().is_some());
    assert!(store.take_unused_media(suite::at(1_000), 10).await.unwrap().is_empty());
    assert_eq!(store.sealed("credential/a/token".to_owned()).await.unwrap().unwrap().generation, 3);
    assert_eq!(store.governance().await.unwrap().unwrap().digest, "g");
    assert_eq!(store.applied_leaf().await.unwrap(), 10);
    let mut again = suite::new_post(7, Vec::new());
    let key = IdempotencyKey { scope: "app:newsroom POST /v1/posts".to_owned(), key: "k".to_owned() };
    again.idempotency = Some(crate::records::IdempotencyUse { key, fingerprint: "f".to_owned() });
    assert!(matches!(store.accept_post(again).await.unwrap(), Accepted::Repeated { answer: Some(_), .. }));
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let folder = Folder::new();
    drop(folder.open());
    let mut connection = Connection::open(folder.file()).unwrap();
    let mut steps = schema::MIGRATIONS.to_vec();
    steps.push("ALTER TABLE posts ADD COLUMN extra TEXT");
    steps.push("ALTER TABLE posts ADD COLUMN extra TEXT");
    assert!(schema::migrate(&mut connection, &steps).is_err(), "the second can't work");
    assert_eq!(version(&connection), schema::MIGRATIONS.len());
    assert!(connection.prepare("SELECT extra FROM posts").is_err(), "the first was undone with it");
    steps.pop();
    schema::migrate(&mut connection, &steps).unwrap();
    assert!(connection.prepare("SELECT extra FROM posts").is_ok());
}

#[test]
fn a_newer_version_is_refused() {
    let folder = Folder::new();
    drop(folder.open());
    Connection::open(folder.file()).unwrap().execute("INSERT INTO schema_version VALUES (99)", []).unwrap();
    let text = refusal(&folder);
    assert!(text.contains("version 99") && text.contains("start the Pressgate that wrote it"), "{text}");
}

#[test]
fn other_files_are_refused() {
    let folder = Folder::new();
    Connection::open(folder.file()).unwrap().execute("CREATE TABLE posts (id TEXT)", []).unwrap();
    assert!(refusal(&folder).contains("another program's database"));
    let folder = Folder::new();
    std::fs::write(folder.file(), "This is a letter and not a database.\n".repeat(200)).unwrap();
    assert!(matches!(SqliteRecords::open(&folder.file()), Err(RecordsError::Corrupt(_))));
    let nowhere = folder.0.path().join("none").join("records.sqlite");
    assert!(matches!(SqliteRecords::open(&nowhere), Err(RecordsError::Unavailable(_))));
}

#[test]
fn only_the_owner_reads_the_files() {
    let folder = Folder::new();
    let _store = folder.open();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.0.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 2, "the database and its write-ahead file");
}
