//! The program as a witness: it can be killed, and started again at the same address.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use pressgate_audit::note::{Algorithm, Verifier};
use serde_json::Value;
use tests::harness::{built, until};
use tests::http;
use tokio::process::{Child, Command};

use crate::cli::{Ran, run};

/// A witness with a folder of its own. It is killed when this is dropped.
pub struct Witness {
    /// Its folder: key, state, output.
    pub folder: tempfile::TempDir,
    /// Address without a slash at the end.
    pub url: String,
    /// Its verifier key.
    pub key: Verifier,
    address: SocketAddr,
    child: Option<Child>,
}

impl Witness {
    /// Makes a key and a folder, and takes an address; it does not run yet.
    pub fn made() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = run(
            folder.path(),
            "audit witness init --name witness.example/security --state state --key-file key --json",
            "",
        );
        let key = Verifier::parse(made.json(0)["key"].as_str().expect("a key")).expect("a verifier key");
        assert_eq!(key.algorithm(), Algorithm::Cosignature);
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address");
        Self { folder, url: format!("http://{address}"), key, address, child: None }
    }

    /// Runs a command of the program in its folder.
    pub fn command(&self, line: &str) -> Ran {
        run(self.folder.path(), line, "")
    }

    /// Starts it for logs of these keys.
    pub async fn start(&mut self, logs: &[String]) {
        assert!(self.child.is_none(), "it runs already");
        let output = std::fs::OpenOptions::new().create(true).append(true).open(self.output()).expect("a file");
        let mut command = Command::new(built::program());
        command.args([
            "audit",
            "witness",
            "--key-file",
            "key",
            "--state",
            "state",
            "--listen",
            &self.address.to_string(),
        ]);
        for log in logs {
            command.args(["--log", log]);
        }
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
        until("the witness answers", || async {
            let asked = http::try_call("GET", &format!("{}/livez", self.url), &[], "", Duration::from_secs(2)).await;
            asked.ok().filter(|answer| answer.status == 200)
        })
        .await;
    }

    /// Kills it as a power cut would.
    pub async fn kill9(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let ended = child.try_wait().expect("a state");
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.said());
        child.kill().await.expect("killed");
    }

    /// Ends it with SIGTERM and gives its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        let id = child.id().expect("an id").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs").success());
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
        ended.expect("an end in time").expect("a state").code()
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.output()).unwrap_or_default()
    }

    /// A line of `witness = [ … ]` in `pressgate.toml`.
    pub fn setting(&self, more: &str) -> String {
        format!("[{{ {} }}]", entry("security", &self.url, &self.key, more))
    }
}

/// One witness in `pressgate.toml`.
pub fn entry(name: &str, url: &str, key: &Verifier, more: &str) -> String {
    let key = key.to_string();
    format!("name = {name:?}, url = {url:?}, key = {key:?}, private_endpoint = true, timeout_ms = 500{more}")
}

/// The verifier key of a gateway's log, as the program shows it.
pub fn log_key(site: &tests::harness::Site) -> Verifier {
    let shown = run(site.folder(), "audit witness key --key-file data/audit-key --json", "");
    let json: Value = shown.json(0);
    Verifier::parse(json["key"].as_str().expect("a key")).expect("a verifier key")
}
