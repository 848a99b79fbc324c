//! Full disks, disks that became read-only, files that vanish, others that hold the lock.

use std::sync::Arc;

use super::*;
use crate::{
    model::TargetState,
    records::{Accepted, suite},
};

fn large(number: u64) -> NewPost {
    let mut post = suite::new_post(number, vec![suite::target("a", TargetState::Held)]);
    post.request = "x".repeat(50_000);
    post
}

/// Makes the writer's connection believe that the disk has room for `pages` more.
async fn fill_disk(store: &SqliteRecords, pages: i64) {
    let limit = move |connection: &Connection| {
        let used: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(()))?;
        Ok(())
    };
    store.writer.as_ref().unwrap().run(limit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let mut refused = 0;
    for round in 0..5 {
        fill_disk(&store, 100).await;
        let calls: Vec<_> = (0..40)
            .map(|call| {
                let (store, number) = (Arc::clone(&store), round * 40 + call);
                tokio::spawn(async move { (number, store.accept_post(large(number)).await) })
            })
            .collect();
        for call in calls {
            let (number, answer) = call.await.unwrap();
            let kept = store.post(suite::post_id(number)).await.unwrap();
            match answer {
                Ok(Accepted::Fresh) => assert_eq!(kept.unwrap().request.len(), 50_000),
                Err(RecordsError::Unavailable(_)) => {
                    assert!(kept.is_none());
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        store.healthy().await.unwrap();
        store.accept_post(large(1_000 + round)).await.expect("it works again without a restart");
    }
    assert!(refused > 0, "the disk was full at some point");
}

#[tokio::test]
async fn a_read_only_disk_is_told_and_recovers() {
    let folder = Folder::new();
    let store = folder.open();
    let read_only = |connection: &Connection| Ok(connection.pragma_update(None, "query_only", true)?);
    store.writer.as_ref().unwrap().run(read_only).await.unwrap();
    assert!(matches!(store.healthy().await, Err(RecordsError::Unavailable(_))));
    store.healthy().await.expect("the connection was opened again");
}

/// An operation that met a fault of the disk takes its connection with it, and nothing else.
#[tokio::test]
async fn a_fault_ends_the_connection() {
    let folder = Folder::new();
    let store = folder.open();
    let mark = |connection: &Connection| Ok(connection.execute_batch("CREATE TEMP TABLE mark (x)")?);
    let is_marked = |connection: &Connection| Ok(connection.prepare("SELECT x FROM mark").is_ok());
    store.writer.as_ref().unwrap().run(mark).await.unwrap();
    let refused = |_: &Connection| Err::<(), _>(RecordsError::Missing("x".to_owned()));
    assert!(store.writer.as_ref().unwrap().run(refused).await.is_err());
    assert!(store.writer.as_ref().unwrap().run(is_marked).await.unwrap(), "a refusal is no fault");
    let fault = |_: &Connection| Err::<(), _>(RecordsError::Unavailable("disk I/O error".to_owned()));
    assert!(store.writer.as_ref().unwrap().run(fault).await.is_err());
    assert!(!store.writer.as_ref().unwrap().run(is_marked).await.unwrap());
}

#[tokio::test]
async fn a_file_that_vanished_is_not_made_anew() {
    let folder = Folder::new();
    let store = folder.open();
    suite::keep(&store, 1, TargetState::Held).await;
    let away = folder.0.path().join("away");
    let lose = |connection: &Connection| Ok(connection.pragma_update(None, "query_only", true)?);
    store.writer.as_ref().unwrap().run(lose).await.unwrap();
    assert!(store.healthy().await.is_err());
    // The writer has let go of the file; the readers' answers came from other connections.
    std::fs::rename(folder.file(), &away).unwrap();
    for _ in 0..2 {
        assert!(matches!(store.healthy().await, Err(RecordsError::Unavailable(_))));
        assert!(!folder.file().exists());
    }
    // An empty file in its place is no better.
    std::fs::write(folder.file(), "").unwrap();
    assert!(matches!(store.healthy().await, Err(RecordsError::Unavailable(text)) if text.contains("replaced")));
    std::fs::rename(&away, folder.file()).unwrap();
    store.healthy().await.unwrap();
    assert!(store.post(suite::post_id(1)).await.unwrap().is_some());
}

/// Commits in the write-ahead file: frames that carry the database's size (SQLite file format, section 4.1).
fn commits(folder: &Folder) -> usize {
    let wal = std::fs::read(folder.0.path().join("records.sqlite-wal")).unwrap();
    wal[32..].chunks_exact(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
}

/// While another process holds the lock, operations queue; then one commit takes them all, also around one that fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_commit_takes_what_queued() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    suite::keep(&*store, 50, TargetState::Held).await;
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.healthy().await })
    };
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { (number, store.accept_post(large(number)).await) })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(store.post(suite::post_id(0)).await.unwrap().is_none(), "reads go on and see what was committed");
    let before = commits(&folder);
    other.execute_batch("COMMIT").unwrap();
    for call in calls {
        match call.await.unwrap() {
            (50, answer) => assert!(matches!(answer, Err(RecordsError::Exists(_)))),
            (_, answer) => assert!(matches!(answer, Ok(Accepted::Fresh)), "{answer:?}"),
        }
    }
    first.await.unwrap().unwrap();
    let commits = commits(&folder) - before;
    assert!((1..=5).contains(&commits), "{commits} commits for 102 operations");
    let count: i64 = other.query_row("SELECT count(*) FROM posts", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 100);
}

/// The bytes of every file in the folder.
fn files(folder: &Folder) -> std::collections::BTreeMap<std::ffi::OsString, Vec<u8>> {
    let entries = std::fs::read_dir(folder.0.path()).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn a_copy_of_the_one_file_is_whole_after_a_stop() {
    let folder = Folder::new();
    let store = folder.open();
    suite::keep(&store, 1, TargetState::Held).await;
    let copy = Folder::new();
    std::fs::copy(folder.file(), copy.file()).unwrap();
    let found = match SqliteRecords::look(&copy.file()) {
        Ok(store) => store.post(suite::post_id(1)).await.unwrap().is_some(),
        Err(_) => false,
    };
    assert!(!found, "the write-ahead file has it");
    store.gather().await.unwrap();
    std::fs::copy(folder.file(), copy.file()).unwrap();
    assert!(copy.open().post(suite::post_id(1)).await.unwrap().is_some(), "gathered while it is open");
    suite::keep(&store, 2, TargetState::Held).await;
    drop(store);
    std::fs::copy(folder.file(), copy.file()).unwrap();
    assert!(copy.open().post(suite::post_id(2)).await.unwrap().is_some(), "gathered by closing");
}

#[tokio::test]
async fn a_look_changes_no_file() {
    let folder = Folder::new();
    assert!(SqliteRecords::look(&folder.file()).is_err(), "there is none");
    let store = folder.open();
    suite::keep(&store, 1, TargetState::Held).await;
    // As a crash leaves it: with a write-ahead file, without its index.
    let crashed = Folder::new();
    for name in ["records.sqlite", "records.sqlite-wal"] {
        std::fs::copy(folder.0.path().join(name), crashed.0.path().join(name)).unwrap();
    }
    drop(store);
    for (folder, index) in [(folder, false), (crashed, true)] {
        let before = files(&folder);
        let look = SqliteRecords::look(&folder.file()).unwrap();
        assert!(look.post(suite::post_id(1)).await.unwrap().is_some());
        assert!(matches!(look.healthy().await, Err(RecordsError::Unavailable(_))));
        look.gather().await.unwrap();
        let mut after = files(&folder);
        let made = after.remove(std::ffi::OsStr::new("records.sqlite-shm")).is_some();
        assert_eq!(before, after, "but for SQLite's index nothing is made or changed");
        assert_eq!(made, index);
    }
}
