//! Steady state costs no system call that stops other threads.

use std::process::Command;

use tests::plugins;

const CALLS: &str = "mprotect,mmap,madvise,munmap,mremap,brk";

/// The number of such system calls in a run of that many reviews.
fn system_calls(reviews: u32) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("counts");
    let status = Command::new("strace")
        .args(["-f", "-c", "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(&counts)
        .arg(env!("CARGO_BIN_EXE_host-calls"))
        .arg(plugins::folder().join("hostile-policy.wasm"))
        .arg(reviews.to_string())
        .status()
        .expect("strace runs; `make deps` installs it");
    assert!(status.success());
    let table = std::fs::read_to_string(&counts).unwrap();
    let total = table.lines().rev().find(|line| line.trim_end().ends_with("total")).unwrap();
    let calls = total.split_whitespace().nth(3).unwrap();
    println!("{reviews} reviews: {calls}\n{table}");
    calls.parse().unwrap()
}

#[test]
fn a_review_maps_and_protects_no_memory() {
    let (few, many) = (500, 3_500);
    // The allocator's heap grows by a page now and then, at other places on other machines: some tens of calls in a run. A guest
    // whose memory is mapped or protected anew makes one for each review at least.
    let more = system_calls(many).saturating_sub(system_calls(few));
    assert!(more < u64::from(many - few) / 10, "{more} more system calls for {} more reviews", many - few);
}
