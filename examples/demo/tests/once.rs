//! The demo as a person runs it.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.arg("--folder").arg(folder);
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[expect(clippy::disallowed_methods, reason = "a client from outside")]
fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn the_post_appears_and_the_two_refusals_are_told_and_logged() {
    let folder = TempDir::new().expect("a folder");
    // Twice in one folder: each start begins anew.
    for _ in 0..2 {
        let output = demo(folder.path()).arg("--once").output().expect("it runs");
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
        for expected in [
            "newsroom  201 published",
            "careers   403 no-grant",
            "newsroom  403 policy-denied",
            "forbidden-phrase: We never promise cures.",
            "intent   newsroom: post.create on acme-mastodon by grant newsroom-snacks; house-rules: allow",
            "refused  careers: post.create on acme-mastodon; no-grant at authorise",
            "policy-denied at review (forbidden-phrase)",
            "The timeline holds this post and no other.",
        ] {
            assert!(out.contains(expected), "{expected:?} is not in:\n{out}");
        }
        for holder in ["newsroom", "careers", "chief-1", "ops-1"] {
            let key = std::fs::read_to_string(folder.path().join("keys").join(holder)).expect("a key");
            assert!(!key.trim().is_empty() && !out.contains(key.trim()), "the key of {holder} is shown");
        }
    }
}

/// A demo that stays up; stopped when a test fails.
struct Up(Child);

impl Up {
    fn interrupt(&self) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("an id");
        let _ended = kill_process(id, Signal::INT);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.interrupt();
        let _reaped = self.0.wait();
    }
}

#[test]
fn it_stays_up_until_it_is_stopped_and_leaves_nobody_behind() {
    let folder = TempDir::new().expect("a folder");
    let mut up = Up(demo(folder.path()).stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut lines = BufReader::new(up.0.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut address = |name: &str| {
        let line = lines.find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("no line `{name}`"));
        line.rsplit("http://").next().expect("an address").trim().to_owned()
    };
    let (network, gateway) = (address("sample network"), address("serve"));
    assert!(lines.any(|line| line.contains("Ctrl-C ends it")), "it ended before it was ready");
    assert!(answers(&network) && answers(&gateway));

    let second = demo(folder.path()).arg("--once").output().expect("it runs");
    let (_, told) = texts(&second);
    assert!(second.status.code() == Some(1) && told.contains("another demo runs"), "{told}");

    up.interrupt();
    assert_eq!(up.0.wait().expect("it ends").code(), Some(0));
    assert!(!answers(&network) && !answers(&gateway), "a program runs on");
}

#[test]
fn a_folder_that_cannot_be_used_is_told_in_a_sentence() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("keys"), "").expect("written");
    let output = demo(folder.path()).arg("--once").output().expect("it runs");
    let (_, told) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("demo: ") && told.contains("keys: "), "{told}");
}
