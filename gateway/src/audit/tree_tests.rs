//! The tree on real files: checkpoints, room given back, restarts, changes of key, rollbacks.

use std::fs;
use std::path::Path;

use pressgate_audit::merkle::root;
use pressgate_audit::note::Checkpoint;
use pressgate_audit::tree::{Frontier, TreeFiles};

use super::*;

const ORIGIN: &str = "acme/audit/node-1";

fn options(dir: &Path) -> AuditOptions {
    let log = dir.join("audit");
    let has_checkpoint = log.join("tree/checkpoint").exists();
    let keys = SigningKeys::open(&dir.join("audit-key"), ORIGIN, has_checkpoint).unwrap();
    let tree = Some(AuditTree { keys, second: dir.join("second") });
    AuditOptions { segment_bytes: 256 * 1024, tree, ..AuditOptions::new(log, ORIGIN) }
}

fn open(dir: &Path) -> (AuditLog, Recovered) {
    AuditLog::open(options(dir), Arc::new(RealDisk)).unwrap()
}

fn leaf_of(number: u64) -> Leaf {
    Leaf::new(number as i64, leaf::Unauthenticated { source: "s".repeat(400), second_ms: 0, count: number })
}

fn append(log: &AuditLog, numbers: std::ops::Range<u64>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for number in numbers.step_by(100) {
            log.append_all((number..number + 100).map(leaf_of).collect()).await.unwrap();
        }
    });
}

fn segments(dir: &Path) -> usize {
    let names = fs::read_dir(dir.join("audit")).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".segment")).count()
}

fn checkpoint(dir: &Path) -> Checkpoint {
    let keys = SigningKeys::open(&dir.join("audit-key"), ORIGIN, true).unwrap();
    let bytes = fs::read(dir.join("audit/tree/checkpoint")).unwrap();
    assert_eq!(bytes, fs::read(dir.join("second")).unwrap());
    Checkpoint::open(&bytes, keys.current.verifier()).unwrap().0
}

/// All leaves as a reader gives them, from the tree and from the segments.
fn all(log: &AuditLog) -> Vec<Leaf> {
    let mut found = Vec::new();
    log.replay(0, &mut |_, leaf| {
        found.push(leaf);
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

#[test]
fn segments_go_once_the_tree_has_their_leaves_and_a_restart_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..3_u64 {
        let (log, recovered) = open(dir.path());
        assert_eq!((recovered.next_index, recovered.second_missing), (life * 2_000, false));
        append(&log, life * 2_000..(life + 1) * 2_000);
        assert_eq!(all(&log).len() as u64, (life + 1) * 2_000);
        log.close();
        let checkpoint = checkpoint(dir.path());
        assert_eq!(checkpoint.size, (life + 1) * 2_000);
        assert_eq!(segments(dir.path()), 1, "what is covered has gone");
    }
    let (log, _) = open(dir.path());
    let mut frontier = Frontier::default();
    for (number, leaf) in all(&log).iter().enumerate() {
        assert_eq!(*leaf, leaf_of(number as u64));
        frontier.push(&leaf.to_bytes().unwrap());
    }
    assert_eq!(frontier.root(), checkpoint(dir.path()).root);
    // A full tile has no partial forms any more.
    assert!(!dir.path().join("audit/tree/tile/0/000.p").exists());
    assert!(dir.path().join("audit/tree/tile/0/000").exists());
}

#[test]
fn a_log_that_was_rolled_back_or_exchanged_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, 0..300);
    log.close();
    let old = tempfile::tempdir().unwrap();
    copy(&dir.path().join("audit"), &old.path().join("audit"));
    let (log, _) = open(dir.path());
    append(&log, 300..600);
    log.close();
    // The older log comes back; the second checkpoint is somewhere else.
    fs::remove_dir_all(dir.path().join("audit")).unwrap();
    copy(&old.path().join("audit"), &dir.path().join("audit"));
    let error = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).err().unwrap();
    assert!(matches!(error, LogError::Tree(TreeError::Smaller { found: 300, wanted: 600, .. })), "{error}");
    // A forged one, as long, signed with the stolen key.
    fs::remove_dir_all(dir.path().join("audit")).unwrap();
    let second = fs::read(dir.path().join("second")).unwrap();
    fs::remove_file(dir.path().join("second")).unwrap();
    let (log, _) = open(dir.path());
    append(&log, 1_000..1_700);
    log.close();
    fs::write(dir.path().join("second"), second).unwrap();
    let error = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).err().unwrap();
    assert!(matches!(error, LogError::Tree(TreeError::Inconsistent { size: 600, .. })), "{error}");
    // Without the second checkpoint nobody could tell, and that is said.
    fs::remove_file(dir.path().join("second")).unwrap();
    let (log, recovered) = open(dir.path());
    assert!(recovered.second_missing);
    drop(log);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(fs::copy(entry.path(), target))
        }
    }
}

#[test]
fn a_tree_that_is_gone_is_made_again_as_far_as_the_segments_have_its_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, 0..300);
    log.close();
    let before = fs::read(dir.path().join("audit/tree/checkpoint")).unwrap();
    fs::remove_dir_all(dir.path().join("audit/tree")).unwrap();
    open(dir.path()).0.close();
    assert_eq!(fs::read(dir.path().join("audit/tree/checkpoint")).unwrap(), before);
    // Segments went meanwhile: then it can't be.
    let (log, _) = open(dir.path());
    append(&log, 300..3_000);
    log.close();
    fs::remove_dir_all(dir.path().join("audit/tree")).unwrap();
    assert!(AuditLog::open(options(dir.path()), Arc::new(RealDisk)).is_err());
}

#[test]
fn a_change_of_key_is_in_the_log_with_a_checkpoint_signed_by_both() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, 0..300);
    let old = SigningKeys::open(&dir.path().join("audit-key"), ORIGIN, true).unwrap().current.verifier().clone();
    let new = log.rotate_key("ops-1").unwrap();
    let start = std::time::Instant::now();
    while dir.path().join("audit-key.previous").exists() {
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    log.close();
    assert_eq!(SigningKeys::open(&dir.path().join("audit-key"), ORIGIN, true).unwrap().current.verifier(), &new);
    let (log, _) = open(dir.path());
    let leaves = all(&log);
    assert_eq!(leaves.len(), 302);
    let Event::KeyChange(change) = &leaves[300].event else { panic!("{:?}", leaves[300]) };
    assert_eq!((&change.from, &change.to, change.by.as_str()), (&old.to_string(), &new.to_string(), "ops-1"));
    let Event::KeyHandover(handover) = &leaves[301].event else { panic!("{:?}", leaves[301]) };
    assert_eq!(handover.change, 300);
    let (of_old, _) = Checkpoint::open(handover.checkpoint.as_bytes(), &old).unwrap();
    let (of_new, _) = Checkpoint::open(handover.checkpoint.as_bytes(), &new).unwrap();
    assert_eq!(of_old, of_new);
    assert_eq!(of_old.size, 301);
    let mut files = TreeFiles::new(Arc::new(RealDisk), &dir.path().join("audit/tree"), 302);
    assert_eq!(root(&mut files, 301).unwrap(), of_old.root);
}

#[test]
fn a_key_that_was_exchanged_without_a_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    append(&log, 0..100);
    log.close();
    fs::remove_file(dir.path().join("audit-key")).unwrap();
    SigningKeys::open(&dir.path().join("audit-key"), ORIGIN, false).unwrap();
    let error = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).err().unwrap();
    assert!(matches!(error, LogError::Tree(TreeError::Checkpoint { .. })), "{error}");
}
