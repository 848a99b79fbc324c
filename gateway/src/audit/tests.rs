//! The log on real files, with a disk that fails on demand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;

const SEGMENT_BYTES: u64 = 256 * 1024;
const RESERVE_BYTES: u64 = 300 * 1024;

fn options(dir: &std::path::Path) -> AuditOptions {
    AuditOptions {
        segment_bytes: SEGMENT_BYTES,
        queue_max: 256,
        reserve_bytes: RESERVE_BYTES,
        // A machine under load is no slow, hanging or full disk; tests of those say what they want.
        slow_after: Duration::from_secs(60),
        blocked_after: Duration::from_secs(20),
        low_disk_percent: 0,
        ..AuditOptions::new(dir, "acme/audit/node-1")
    }
}

fn note(number: u64) -> Leaf {
    Leaf::new(number as i64, leaf::Unauthenticated { source: "s".into(), second_ms: 0, count: number })
}

fn number(leaf: &Leaf) -> u64 {
    match &leaf.event {
        Event::Unauthenticated(sum) => sum.count,
        other => panic!("{other:?}"),
    }
}

fn numbers(log: &AuditLog, from: u64) -> Vec<u64> {
    let mut found = Vec::new();
    log.replay(from, &mut |index, leaf| {
        assert_eq!(index, from + found.len() as u64);
        found.push(number(&leaf));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn until_normal(log: &AuditLog) {
    until(log, "normal").await;
}

async fn until(log: &AuditLog, state: &str) {
    let start = Instant::now();
    while log.health().word() != state {
        assert!(start.elapsed() < Duration::from_secs(20), "{state}: {:?}", log.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// State and code of each change since this was asked last.
fn changes(log: &AuditLog) -> Vec<(String, String)> {
    log.take_changes().into_iter().map(|change| (change.state, change.code)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(state, code)| ((*state).to_owned(), (*code).to_owned())).collect()
}

#[test]
fn many_appenders_get_each_index_once_and_a_restart_finds_all() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovered) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    assert_eq!(recovered, Recovered { next_index: 0, torn: None, second_missing: false });
    let promised = runtime().block_on(async {
        let mut tasks = Vec::new();
        for task in 0..32_u64 {
            let log = log.clone();
            tasks.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                for step in 0..20 {
                    let value = task * 1_000 + step * 2;
                    let first = log.append_all(vec![note(value), note(value + 1)]).await.unwrap();
                    mine.extend([(first, value), (first + 1, value + 1)]);
                }
                mine
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    assert_eq!(log.next_index(), 32 * 40);
    let check = |log: &AuditLog| {
        let found = numbers(log, 0);
        assert_eq!(found.len(), 32 * 40);
        for (index, value) in &promised {
            assert_eq!(found[*index as usize], *value);
        }
        assert_eq!(numbers(log, 700), found[700..]);
    };
    check(&log);
    log.close();
    drop(log);
    let (log, recovered) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    assert_eq!(recovered, Recovered { next_index: 32 * 40, torn: None, second_missing: false });
    check(&log);
}

#[test]
fn each_fault_blocks_at_once_and_ends_without_a_restart() {
    for fault in [Fault::Full, Fault::ReadOnly, Fault::WriteError, Fault::SyncError] {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::new();
        let (log, _) = AuditLog::open(options(dir.path()), Arc::new(disk.clone())).unwrap();
        let kept = runtime().block_on(async {
            assert_eq!(log.append(note(1)).await, Ok(0));
            disk.set(fault);
            let error = log.append(note(2)).await.unwrap_err();
            assert_eq!(error.kind, UnavailableKind::Uncertain, "{fault:?} {error}");
            assert!(matches!(log.health(), AuditHealth::Blocked { since_ms, .. } if since_ms > 0));
            let error = log.append(note(3)).await.unwrap_err();
            assert_eq!(error.kind, UnavailableKind::Blocked, "{fault:?} {error}");
            assert_eq!(log.next_index(), 1);
            assert_eq!(numbers(&log, 0), [1], "what was there can still be read");
            disk.set(Fault::None);
            until_normal(&log).await;
            assert_eq!(log.append(note(4)).await, Ok(1));
            numbers(&log, 0)
        });
        assert_eq!(kept, [1, 4], "{fault:?}");
        drop(log);
        let (log, recovered) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
        assert_eq!((numbers(&log, 0), recovered.next_index), (vec![1, 4], 2), "{fault:?}");
    }
}

#[test]
fn a_refused_leaf_is_gone_as_soon_as_health_is_normal() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        log.append(note(1)).await.unwrap();
        disk.set(Fault::SyncError);
        log.append(note(2)).await.unwrap_err();
        disk.set(Fault::None);
        until_normal(&log).await;
    });
    // No further append: the probe alone has overridden it.
    drop(log);
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    assert_eq!(numbers(&log, 0), [1]);
}

#[test]
fn a_disk_without_new_room_serves_until_the_reserve_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        disk.set(Fault::FullForNew);
        let mut taken = 0;
        while log.append(note(taken)).await.is_ok() {
            taken += 1;
            assert!(taken < 1_000);
        }
        assert!(taken >= 50, "{taken}");
        disk.set(Fault::None);
        until_normal(&log).await;
        assert_eq!(log.append(note(taken)).await, Ok(taken));
        assert_eq!(numbers(&log, 0), (0..=taken).collect::<Vec<_>>());
    });
}

#[test]
fn a_dropped_append_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    runtime().block_on(async {
        for round in 0..50 {
            let impatient = log.append(note(1_000 + round));
            let _ = tokio::time::timeout(Duration::from_nanos(1), impatient).await;
            let index = log.append(note(round)).await.unwrap();
            let mut seen = None;
            log.replay(index, &mut |_, leaf| {
                seen = Some(number(&leaf));
                ControlFlow::Break(())
            })
            .unwrap();
            assert_eq!(seen, Some(round));
        }
    });
}

/// A disk whose syncs wait for a gate.
#[derive(Clone)]
struct Gated {
    inner: RealDisk,
    shut: Arc<AtomicU64>,
}

struct GatedFile(Box<dyn DiskFile>, Arc<AtomicU64>);

impl DiskFile for GatedFile {
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> std::io::Result<usize> {
        self.0.read_at(into, offset_bytes)
    }
    fn write_all_at(&self, bytes: &[u8], offset_bytes: u64) -> std::io::Result<()> {
        self.0.write_all_at(bytes, offset_bytes)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        while self.1.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.sync_data()
    }
    fn len_bytes(&self) -> std::io::Result<u64> {
        self.0.len_bytes()
    }
}

impl Disk for Gated {
    fn create_dir_all(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.inner.create_dir_all(dir)
    }
    fn list(&self, dir: &std::path::Path) -> std::io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn create(&self, path: &std::path::Path) -> std::io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(GatedFile(self.inner.create(path)?, Arc::clone(&self.shut))))
    }
    fn open(&self, path: &std::path::Path) -> std::io::Result<Box<dyn DiskFile>> {
        self.inner.open(path)
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.inner.remove(path)
    }
    fn truncate(&self, path: &std::path::Path, len_bytes: u64) -> std::io::Result<()> {
        self.inner.truncate(path, len_bytes)
    }
    fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self, path: &std::path::Path) -> std::io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }
}

#[test]
fn a_slow_disk_fills_the_queue_and_no_more_and_nobody_hears_before_the_sync() {
    let dir = tempfile::tempdir().unwrap();
    let shut = Arc::new(AtomicU64::new(0));
    let disk = Gated { inner: RealDisk, shut: Arc::clone(&shut) };
    let (log, _) = AuditLog::open(AuditOptions { queue_max: 8, ..options(dir.path()) }, Arc::new(disk)).unwrap();
    runtime().block_on(async {
        shut.store(1, Ordering::SeqCst);
        let tasks: Vec<_> = (0..40)
            .map(|value| {
                let log = log.clone();
                tokio::spawn(async move { log.append(note(value)).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(log.next_index(), 0, "nothing is durable while the sync hangs");
        assert_eq!(numbers(&log, 0), [0; 0]);
        let refused = tasks.iter().filter(|task| task.is_finished()).count();
        shut.store(0, Ordering::SeqCst);
        let (mut taken, mut full) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => taken += 1,
                Err(error) => {
                    assert_eq!(error.kind, UnavailableKind::Queue);
                    full += 1;
                }
            }
        }
        assert_eq!((full, taken + full), (refused, 40));
        assert!(taken >= 8 && full > 0, "{taken} taken, {full} refused");
        assert_eq!(log.next_index(), taken as u64);
    });
}

#[test]
fn two_cannot_write_one_log_and_a_foreign_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    let second = AuditLog::open(options(dir.path()), Arc::new(RealDisk));
    assert!(matches!(second, Err(LogError::Open(OpenError::Locked { .. }))));
    log.close();
    let closed = runtime().block_on(log.append(note(1))).unwrap_err();
    assert_eq!(closed.kind, UnavailableKind::Closed);
    let foreign = AuditOptions { origin: "other".into(), ..options(dir.path()) };
    assert!(matches!(AuditLog::open(foreign, Arc::new(RealDisk)), Err(LogError::Open(OpenError::Origin { .. }))));
    assert!(AuditLog::open(options(dir.path()), Arc::new(RealDisk)).is_ok());
}

#[test]
fn what_is_too_large_is_cut_or_refused_and_a_torn_tail_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    runtime().block_on(async {
        let many = (0..4_000).map(note).collect();
        assert_eq!(log.append_all(many).await.unwrap_err().kind, UnavailableKind::Unfit);
        assert_eq!(log.append(note(1)).await, Ok(0));
        assert_eq!(log.append(note(2)).await, Ok(1));
    });
    drop(log);
    // A crash within the batch of leaf 1: header block, empty batch, leaf 0, leaf 1.
    let path = dir.path().join(pressgate_audit::format::segment_name(0));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3 * 4096 + 20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (log, recovered) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    let torn = recovered.torn.clone().unwrap();
    assert_eq!((recovered.next_index, torn.offset, torn.frames), (1, 3 * 4096, 0));
    runtime().block_on(async { log.append(recovered.leaf(5).unwrap()).await.unwrap() });
    assert_eq!(log.next_index(), 2);
}

#[test]
fn a_leaf_is_not_lost_for_a_long_text() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    let long = leaf::Refused {
        stage: "authorise".into(),
        problem: "no-grant".into(),
        on_behalf_of: Some("ž".repeat(70_000)),
        codes: (0..9_000).map(|number| format!("code-{number}")).collect(),
        ..leaf::Refused::default()
    };
    runtime().block_on(async { assert_eq!(log.append(Leaf::new(7, long)).await, Ok(0)) });
    let mut found = Vec::new();
    log.replay(0, &mut |_, leaf| {
        found.push(leaf);
        ControlFlow::Continue(())
    })
    .unwrap();
    let Event::Refused(refused) = &found[0].event else { panic!("{found:?}") };
    let person = refused.on_behalf_of.as_deref().unwrap();
    assert!(person.starts_with("žžž") && person.ends_with("…[cut, 140000 bytes]"), "{person}");
    assert_eq!((refused.problem.as_str(), refused.codes.len()), ("no-grant", 100));
}

#[test]
fn nobody_waits_for_ever_on_a_disk_that_hangs_and_what_was_refused_is_gone_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let bound = Duration::from_millis(300);
    let patient = AuditOptions { blocked_after: bound, ..options(dir.path()) };
    let (log, _) = AuditLog::open(patient, Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        log.append(note(1)).await.unwrap();
        disk.set(Fault::Hang);
        let since = Instant::now();
        let first = tokio::spawn({
            let log = log.clone();
            async move { log.append(note(2)).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let behind: Vec<_> = (3..20)
            .map(|value| {
                let log = log.clone();
                tokio::spawn(async move { log.append(note(value)).await })
            })
            .collect();
        assert_eq!(first.await.unwrap().unwrap_err().kind, UnavailableKind::Uncertain, "it may be on the disk");
        assert!(since.elapsed() >= bound);
        for task in behind {
            assert_eq!(task.await.unwrap().unwrap_err().kind, UnavailableKind::Blocked);
        }
        assert!(since.elapsed() < bound * 4, "{:?}", since.elapsed());
        let now = Instant::now();
        assert_eq!(log.append(note(99)).await.unwrap_err().kind, UnavailableKind::Blocked);
        assert!(now.elapsed() < bound / 2, "from then on at once");
        assert_eq!((log.next_index(), numbers(&log, 0)), (1, vec![1]));
        disk.set(Fault::None);
        until_normal(&log).await;
        assert_eq!(numbers(&log, 0), [1], "its sync came back well, and it is taken back all the same");
        assert_eq!(changes(&log), pairs(&[("blocked", "disk-hangs"), ("normal", "recovered")]));
        assert_eq!(log.append(note(100)).await, Ok(1));
    });
    drop(log);
    let (log, recovered) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    assert_eq!((numbers(&log, 0), recovered.next_index), (vec![1, 100], 2));
}

#[test]
fn a_disk_that_hangs_again_and_again_keeps_every_acknowledged_leaf_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let patient = AuditOptions { blocked_after: Duration::from_millis(100), ..options(dir.path()) };
    let (log, _) = AuditLog::open(patient, Arc::new(disk.clone())).unwrap();
    let (mut promised, mut hung) = (Vec::new(), 0);
    runtime().block_on(async {
        for round in 0..12_u64 {
            let tasks: Vec<_> = (0..8)
                .map(|task| {
                    let log = log.clone();
                    tokio::spawn(async move { (round * 100 + task, log.append(note(round * 100 + task)).await) })
                })
                .collect();
            if round % 3 == 1 {
                disk.set(Fault::Hang);
            }
            for task in tasks {
                match task.await.unwrap() {
                    (value, Ok(index)) => promised.push((index, value)),
                    (_, Err(_)) => hung += 1,
                }
            }
            if round % 3 == 1 {
                let _ = log.append(note(9_999)).await;
            }
            disk.set(Fault::None);
            until_normal(&log).await;
        }
    });
    drop(log);
    promised.sort_unstable();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(RealDisk)).unwrap();
    let found: Vec<_> = (0..).zip(numbers(&log, 0)).collect();
    assert_eq!(found, promised);
    assert!(promised.len() >= 64, "{} promised, {hung} refused", promised.len());
}

#[test]
fn slow_commits_and_a_queue_that_is_half_full_make_the_log_slow() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let strict = AuditOptions { slow_after: Duration::from_millis(50), ..options(dir.path()) };
    let (log, _) = AuditLog::open(strict, Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        disk.set(Fault::Slow);
        for value in 0..3 {
            log.append(note(value)).await.unwrap();
        }
        until(&log, "slow").await;
        assert!(log.health().takes_effects(), "what is slow works");
        assert_eq!(changes(&log), pairs(&[("slow", "commit-slow")]));
    });
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (log, _) =
        AuditLog::open(AuditOptions { queue_max: 8, ..options(dir.path()) }, Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        disk.set(Fault::Hang);
        let tasks: Vec<_> = (0..7)
            .map(|value| {
                let log = log.clone();
                tokio::spawn(async move { log.append(note(value)).await })
            })
            .collect();
        until(&log, "slow").await;
        assert_eq!(changes(&log), pairs(&[("slow", "queue-half-full")]));
        disk.set(Fault::None);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_disk_with_little_room_is_told_and_goes_on_recording() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let total_bytes = 100 * 1024 * 1024;
    let room = |free_bytes| Some(Space { free_bytes, total_bytes });
    disk.set_space(room(50 * 1024 * 1024));
    let share = AuditOptions { low_disk_percent: 5, ..options(dir.path()) };
    let (log, _) = AuditLog::open(share, Arc::new(disk.clone())).unwrap();
    runtime().block_on(async {
        assert_eq!(log.health(), AuditHealth::Normal);
        disk.set_space(room(5 * 1024 * 1024));
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert_eq!(log.health(), AuditHealth::Normal, "5 % is enough");
        disk.set_space(room(5 * 1024 * 1024 - 1));
        until(&log, "low-disk").await;
        assert!(log.health().takes_leaves() && !log.health().takes_effects());
        log.append(note(1)).await.unwrap();
        disk.set_space(room(5 * 1024 * 1024 + 1));
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert_eq!(log.health().word(), "low-disk", "it does not flutter about the bound");
        disk.set_space(room(6 * 1024 * 1024));
        until_normal(&log).await;
        assert_eq!(changes(&log), pairs(&[("low-disk", "space-low"), ("normal", "recovered")]));
    });
    drop(log);
    // Without a share, two segments count; and a start sees it before it serves.
    disk.set_space(room(2 * SEGMENT_BYTES - 1));
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(disk.clone())).unwrap();
    assert_eq!(log.health().word(), "low-disk");
}

#[test]
fn a_full_disk_takes_the_emergency_reserve_and_gets_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let (log, _) = AuditLog::open(options(dir.path()), Arc::new(disk.clone())).unwrap();
    let held = || std::fs::metadata(dir.path().join("emergency-reserve")).is_ok_and(|file| file.len() == RESERVE_BYTES);
    let until_held = async || {
        let start = Instant::now();
        while !held() {
            assert!(start.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    runtime().block_on(async {
        until_held().await;
        disk.set(Fault::Full);
        log.append(note(1)).await.unwrap_err();
        assert!(!held(), "it was given up before anybody was refused");
        assert_eq!(log.health().word(), "blocked", "this disk stays full");
        disk.set(Fault::None);
        until(&log, "normal").await;
        until_held().await;
        let states: Vec<_> = changes(&log).into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, ["low-disk", "blocked", "low-disk", "normal"]);
    });
}
