//! What is deleted is not in the files any more.

use super::*;
use crate::records::{ErasePart, ErasedCounts, ErasureRecord, Opening, suite};

const MARK: &[u8] = b"canary that was deleted";

/// The files of the folder that hold the mark.
fn holding(folder: &Folder) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| std::fs::read(path).unwrap().windows(MARK.len()).any(|window| window == MARK)).collect()
}

/// A file of before the version that overwrites, in which a row was deleted.
fn old_file(folder: &Folder) {
    let mut old = Connection::open(folder.file()).unwrap();
    schema::migrate(&mut old, &schema::MIGRATIONS[..3]).unwrap();
    old.pragma_update_and_check(None, "secure_delete", false, |_| Ok(())).unwrap();
    old.execute("INSERT INTO notes VALUES ('a', 'p', 0, ?1)", [MARK]).unwrap();
    old.execute("DELETE FROM notes", []).unwrap();
}

#[test]
fn a_file_of_before_is_written_anew() {
    let folder = Folder::new();
    old_file(&folder);
    assert_eq!(holding(&folder), [folder.file()], "the search finds what a delete leaves");
    drop(folder.open());
    assert_eq!(holding(&folder), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_erasure_leaves_nothing_in_the_files() {
    let folder = Folder::new();
    let store = folder.open();
    let sealed = [&[0; 6000], MARK, &[0; 3]].concat();
    let of = |number: u8| Opening {
        commitment: [number; 32],
        subject: "app:a".to_owned(),
        key: "k".to_owned(),
        sealed: sealed.clone(),
    };
    store.put_openings((0..50).map(of).collect()).await.unwrap();
    let mut post = suite::new_post(1, vec![suite::target("a", crate::model::TargetState::Rejected)]);
    post.subject = "app:a".to_owned();
    post.request = format!("{}{}", "x".repeat(9_000), String::from_utf8_lossy(MARK));
    post.targets[0].draft.parts[0].text = String::from_utf8_lossy(MARK).into_owned();
    store.accept_post(post).await.unwrap();
    assert!(!holding(&folder).is_empty());
    let erasure = ErasureRecord {
        id: "e".to_owned(),
        subject: "app:a".to_owned(),
        basis: "b".to_owned(),
        asked_by: PersonId::new("ops-1"),
        asked_at: suite::at(1),
        confirmed: Some((PersonId::new("ops-2"), suite::at(2))),
        log_from: 0,
        erased: ErasedCounts::default(),
        leaf: None,
    };
    store.ask_erasure(erasure).await.unwrap();
    let part = ErasePart { id: "e".to_owned(), keep_key: None, limit: 7 };
    while store.erase_part(part.clone()).await.unwrap() {}
    store.gather().await.unwrap();
    assert_eq!(holding(&folder), Vec::<PathBuf>::new(), "while the store is open");
    drop(store);
    assert_eq!(holding(&folder), Vec::<PathBuf>::new());
}
