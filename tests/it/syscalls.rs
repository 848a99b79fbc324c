//! A real writer on a real file system, with an error or a kill at every one of its system calls (strace).
//!
//! Afterwards a start must find all that was promised, go on, and leave a log that verifies.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use pressgate_audit::note::{Algorithm, Signer};
use pressgate_audit::verify::{VerifyOptions, verify};
use pressgate_audit::{Disk, LogReader, RealDisk};

/// What a writer asks of its disk.
const CALLS: &[&str] = &[
    "openat",
    "pread64",
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "syncfs",
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "ftruncate",
    "flock",
    "getdents64",
    "statx",
    "newfstatat",
    "fstat",
    "lseek",
    "close",
];

const PROGRAM: &str = env!("CARGO_BIN_EXE_log-writer");

fn run(dir: &Path, strace: &[String]) -> Output {
    let mut command = Command::new("strace");
    command.args(strace).arg(PROGRAM).arg(dir);
    command.output().expect("strace runs; `make deps` installs it")
}

/// How many leaves were promised.
fn promised(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.parse().ok()).max().unwrap_or(0)
}

/// How often each call is made in a life that nothing disturbs, the loader's own included.
fn census(dir: &Path) -> BTreeMap<&'static str, u64> {
    let trace = dir.join("trace");
    let counted = format!("trace={}", CALLS.join(","));
    let output = run(&dir.join("log"), &["-o".into(), trace.display().to_string(), "-e".into(), counted]);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(trace).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) =
            CALLS.iter().find(|name| line.strip_prefix(**name).is_some_and(|rest| rest.starts_with('(')))
        {
            *counts.entry(*name).or_insert(0) += 1;
        }
    }
    counts
}

fn leaf_of(bytes: &[u8]) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    value["at_ms"].as_u64().unwrap()
}

/// A second life that nothing disturbs finds everything, and the log verifies.
fn check(dir: &Path, known: u64, what: &str) {
    let again = Command::new(PROGRAM).arg(dir).output().unwrap();
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success(), "{what}: the start was refused: {told}");
    let first = String::from_utf8_lossy(&again.stdout).lines().next().unwrap().parse::<u64>().unwrap();
    assert!(first >= known, "{what}: {known} leaves were promised, {first} are there");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut count = 0;
    for leaf in LogReader::new(disk, &dir.join("audit"), 0) {
        let (index, bytes) = leaf.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((index, leaf_of(&bytes)), (count, count), "{what}");
        count += 1;
    }
    let key = Signer::from_seed("example.com/audit/trial", Algorithm::Ed25519, [9; 32].into()).unwrap();
    let mut options = VerifyOptions::new(key.verifier().clone());
    options.second = Some(dir.join("second-checkpoint"));
    options.threads = 1;
    let report = verify(&RealDisk, &dir.join("audit"), &options).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(report.checkpoint.size, count, "{what}");
    assert_eq!(count, first + 6 * 70, "{what}");
}

#[test]
fn an_error_or_a_kill_at_every_system_call_loses_nothing_heavy() {
    let dir = tempfile::tempdir().unwrap();
    let counts = census(dir.path());
    check(&dir.path().join("log"), 6 * 70, "no fault");
    for (name, least) in
        [("pwrite64", 10), ("fdatasync", 10), ("fsync", 10), ("rename", 4), ("unlink", 1), ("mkdir", 2)]
    {
        assert!(counts.get(name).is_some_and(|count| *count >= least), "{name}: {counts:?}");
    }
    let (mut runs, mut disturbed) = (0, 0);
    for fault in ["error=EIO", "signal=KILL"] {
        for (name, count) in &counts {
            for nth in 1..=*count {
                let life = tempfile::tempdir().unwrap();
                let inject = format!("inject={name}:{fault}:when={nth}");
                let quiet = ["-o".into(), "/dev/null".into(), "-e".into(), format!("trace={name}")];
                let output = run(life.path(), &[&quiet[..], &["-e".to_owned(), inject.clone()]].concat());
                runs += 1;
                disturbed += u64::from(!output.status.success() || promised(&output) < 6 * 70);
                check(life.path(), promised(&output), &inject);
            }
        }
    }
    for (name, count) in &counts {
        println!("{name:>12} {count:>4} times: EIO at each, SIGKILL at each");
    }
    println!("{runs} runs; in {disturbed} the writer noticed or died");
    assert!(disturbed > runs / 3, "{disturbed} of {runs}: the faults did not reach the writer");
}
