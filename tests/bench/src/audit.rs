//! How many records the log makes durable, beside what the disk itself costs: the log as the gateway opens it, with its tree, its
//! signed checkpoints and its segments that go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pressgate::audit::{AuditLog, AuditOptions, AuditTree, Leaf, RealDisk, SigningKeys, leaf};

use crate::disk;
use crate::figure::{Bar, Figure};
use crate::machine;
use crate::rounds::{at, sorted};

const ORIGIN: &str = "bench/audit/node-1";
const WARM_UP: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// Writers that wait at the same time.
const WRITERS: [usize; 3] = [1, 128, 1024];

/// One round of so many writers.
#[derive(Default)]
struct Rounds {
    records_per_s: Vec<f64>,
    cpu_us: Vec<f64>,
    records_of_commit: Vec<f64>,
    ack_p50_us: Vec<f64>,
    ack_p99_us: Vec<f64>,
    of_fdatasync: Vec<f64>,
    fdatasync_us: Vec<f64>,
}

/// The figures of the log.
///
/// # Panics
/// The log can't be written.
pub fn measure() -> Vec<Figure> {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    // All of it goes at the end: for seconds after thousands of files went, a file system is slow to make others.
    let folder = tempfile::tempdir_in(&folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut figures = Vec::new();
    for writers in WRITERS {
        let rounds = runtime.block_on(rounds(&folder.path().join(writers.to_string()), writers));
        let name = |what: &str| format!("audit_{what}_{writers}");
        let of = |what: &str, values: &[f64], unit| Figure::of_rounds(&name(what), values, unit);
        let records = of("records_per_s", &rounds.records_per_s, "records/s");
        figures.push(if writers == 1024 { records.bar(Bar::AtLeast(40_000.0)) } else { records });
        let cpu = Figure::of_rounds("audit_cpu_us_per_record", &rounds.cpu_us, "µs/record");
        match writers {
            1024 => figures.push(cpu.bar(Bar::Below(10.0))),
            1 => {
                let ratio = Figure::of_rounds("audit_ack_vs_fdatasync", &rounds.of_fdatasync, "times");
                figures.push(ratio.bar(Bar::Below(1.15)));
            }
            _ => {}
        }
        figures.push(of("records_per_commit", &rounds.records_of_commit, "records"));
        figures.push(of("ack_p50_us", &rounds.ack_p50_us, "µs"));
        figures.push(of("ack_p99_us", &rounds.ack_p99_us, "µs"));
        figures.push(of("fdatasync_p50_us", &rounds.fdatasync_us, "µs"));
    }
    figures
}

async fn rounds(dir: &Path, writers: usize) -> Rounds {
    std::fs::create_dir(dir).expect("a folder");
    let keys = SigningKeys::open(&dir.join("key"), ORIGIN, false).expect("a key");
    let tree = Some(AuditTree { keys, second: dir.join("second") });
    let options = AuditOptions { tree, ..AuditOptions::new(dir.join("audit"), ORIGIN) };
    let (log, _) = AuditLog::open(options, Arc::new(RealDisk)).expect("a log");
    round(&log, writers, WARM_UP).await;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let before_us = disk::fdatasync_p50_us(dir).expect("the disk is written to");
        let (cpu_s, counts) = (machine::cpu_s(std::process::id()), log.counts());
        let (times_us, time) = round(&log, writers, ROUND).await;
        let (cpu_after_s, after) = (machine::cpu_s(std::process::id()), log.counts());
        // The disk has other days within a minute: it is asked before and after.
        let after_us = disk::fdatasync_p50_us(dir).expect("the disk is written to");
        let fdatasync_us = before_us.midpoint(after_us);
        let times_us = sorted(&times_us);
        let records = (after.1 - counts.1) as f64;
        rounds.records_per_s.push(records / time.as_secs_f64());
        rounds.records_of_commit.push(records / (after.0 - counts.0) as f64);
        rounds.ack_p50_us.push(at(&times_us, 0.5));
        rounds.ack_p99_us.push(at(&times_us, 0.99));
        rounds.fdatasync_us.push(fdatasync_us);
        rounds.of_fdatasync.push(at(&times_us, 0.5) / fdatasync_us);
        if let Some((from, to)) = cpu_s.zip(cpu_after_s) {
            rounds.cpu_us.push((to - from) * 1e6 / records);
        }
    }
    log.close();
    rounds
}

/// Writers that each append one record after the other; what each append took in microseconds, and how long it went.
async fn round(log: &AuditLog, writers: usize, time: Duration) -> (Vec<f64>, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (log, stop) = (log.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut times_us = Vec::new();
                let intent = intent();
                while !stop.load(Ordering::Relaxed) {
                    let number = times_us.len();
                    let post = format!("post_{writer:08x}{number:024x}");
                    let record = Leaf::new(1_800_000_000_000 + number as i64, leaf::Intent { post, ..intent.clone() });
                    let start = Instant::now();
                    log.append(record).await.expect("durable");
                    times_us.push(start.elapsed().as_secs_f64() * 1e6);
                }
                times_us
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a writer"));
    }
    (all, start.elapsed())
}

/// An intent as the path of a call writes it, of about 900 bytes.
fn intent() -> leaf::Intent {
    let digest = "9e3779b97f4a7c15".repeat(4);
    let commitment = |field: &str| leaf::Commitment { field: field.into(), hmac: digest.clone() };
    let verdict = leaf::VerdictNote {
        policy: "house-rules".into(),
        plugin: "guidelines 0.1.0".into(),
        plugin_digest: digest.clone(),
        outcome: "allow".into(),
        codes: Vec::new(),
    };
    leaf::Intent {
        post: String::new(),
        account: "acme-mastodon".into(),
        action: "post.create".into(),
        step: "part-0".into(),
        attempt: 1,
        effect_kind: leaf::EffectKind::Effect,
        safety: "native-key".into(),
        app: Some("newsroom".into()),
        person: None,
        on_behalf_of: Some("editor-7".into()),
        key: "KFE3S7A2Q4Z".into(),
        grant: "newsroom-all".into(),
        content_digest: digest.clone(),
        post_digest: Some(digest.clone()),
        request_digest: digest.clone(),
        brand: Some("acme/snacks".into()),
        door: Some("publish".into()),
        session: None,
        commitments: vec![commitment("text"), commitment("source")],
        adapter: "mastodon 0.1.0".into(),
        adapter_digest: digest.clone(),
        verdicts: vec![verdict],
        approvals: Vec::new(),
    }
}
