//! The suite on SQLite, and what is SQLite's own: versions, plans, faults of the disk.

mod deleted;
mod faults;
mod versions;

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::records::suite::{Place, record_suite};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("records.sqlite")
    }
}

impl Place for Folder {
    type Store = SqliteRecords;

    fn open(&self) -> SqliteRecords {
        SqliteRecords::open(&self.file()).unwrap()
    }
}

record_suite!(Folder::new());

/// The statements that run while the gateway works.
const STATEMENTS: &[&str] = &[
    accept::FIND_KEY,
    accept::FORGET_KEYS,
    claims::DUE,
    claims::UNATTEMPTED,
    claims::UNWOKEN,
    claims::STEPS,
    claims::RELEASE,
    claims::NOTE,
    claims::LAST_NOTE,
    erase::OPENINGS,
    erase::MEDIA_POSTS,
    erase::UNUSED,
    erasures::ONE,
    erasures::UNDER_WAY,
    erasures::CONFIRM,
    erasures::DOOMED,
    freezes::FROZEN,
    keys::ONE,
    links::ONE,
    links::FORGET,
    lives::READ,
    lives::WAKE,
    lives::PLANNED,
    lives::RECURRING,
    lives::HELD,
    lives::EVENTS,
    media::ONE,
    notices::KNOWN,
    notices::DUE,
    notices::WAITING,
    notices::OLD,
    notices::LAST,
    notices::FORGET,
    notices::UNSENT,
    notices::BLANK,
    notices::NO_LINE,
    media::TAKE,
    media::UNUSED,
    openings::PUT,
    openings::ONE,
    openings::DROP,
    openings::COMMITTED,
    posts::POST,
    posts::TARGETS,
    posts::ATTEMPTS,
    posts::VOTES,
    posts::LIST,
    posts::LIST_STATE,
    posts::LIST_CAMPAIGN,
    sealed::ONE,
    sealed::LIST,
    target::READ,
    target::WRITE,
    target::STATES,
    target::SUM_UP,
    target::SUM_UP_TARGETS,
];

/// Every statement that runs while the gateway works finds its rows through an index, in order.
#[test]
fn no_statement_reads_a_whole_table() {
    let folder = Folder::new();
    drop(folder.open());
    let connection = Connection::open(folder.file()).unwrap();
    let plan = |sql: &str| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
        let lines = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert!(plan("SELECT * FROM targets WHERE digest = ?1")[0].starts_with("SCAN"), "this test can see a scan");
    for sql in STATEMENTS.iter().copied() {
        for line in plan(sql) {
            // What is held or frozen is few, and has an index of its own.
            if line.contains("targets_held") || line.contains("targets_frozen") {
                continue;
            }
            assert!(!line.starts_with("SCAN"), "{line}: {sql}");
            // The targets of one post, a handful, may be sorted.
            assert!(
                !line.contains("TEMP B-TREE")
                    || sql == posts::TARGETS
                    || sql == claims::STEPS
                    || sql == freezes::FROZEN,
                "{line}: {sql}"
            );
        }
    }
}
