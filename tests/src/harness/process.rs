//! The program itself as a child: it can be killed, and its log is kept.

use std::fs::{File, OpenOptions};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pressgate::clock::{Clock, SystemClock};
use pressgate_audit::{Leaf, LogReader, RealDisk};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{Caller, Governance, Site, built, until};
use crate::http;

/// How long a start may take: plugins are compiled at the first.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The running program. Calls made on it directly are those of the app `newsroom`. It is killed when this is dropped.
pub struct GateProcess {
    /// Its folder.
    pub site: Site,
    /// The governance that was applied last.
    pub governance: Governance,
    /// Address without a slash at the end.
    pub url: String,
    newsroom: Caller,
    child: Option<Child>,
    place: Place,
}

/// How the program is started.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Another user than the one that runs the test; only root can.
    pub(super) user: Option<u32>,
    /// The processors that all its threads stay on, as `taskset -c` takes them.
    pub(super) cores: Option<String>,
    /// How far its time of day is ahead of the machine's.
    pub(super) ahead: Duration,
}

/// Where Debian puts the library that tells a program another time of day.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

impl GateProcess {
    /// Starts it.
    pub(super) async fn start(site: Site, governance: Governance, place: Place) -> Self {
        let (child, url) = spawn(&site, &place).await;
        let newsroom = Caller::new(&url, site.key("app:newsroom"));
        Self { site, governance, url, newsroom, child: Some(child), place }
    }

    /// Address of the operator listener.
    ///
    /// # Panics
    /// The program does not say where it listens.
    pub fn operations_url(&self) -> String {
        let listening = std::fs::read_to_string(self.site.path("data/listening.json")).expect("it listens");
        let listening: Value = serde_json::from_str(&listening).expect("JSON");
        format!("http://{}", listening["operator"].as_str().expect("an address"))
    }

    /// A caller of the operator listener with the key of `app:…` or `person:…`.
    pub fn operations(&self, holder: &str) -> Caller {
        Caller::new(&self.operations_url(), self.site.key(holder))
    }

    /// A caller with the key of `app:…` or `person:…`.
    pub fn caller(&self, holder: &str) -> Caller {
        Caller::new(&self.url, self.site.key(holder))
    }

    /// Address of the forward door, where `forward.addr` is set.
    pub fn proxy(&self) -> Option<String> {
        let told = std::fs::read_to_string(self.site.path("data/listening.json")).ok()?;
        let told: Value = serde_json::from_str(&told).ok()?;
        told["forward"].as_str().map(str::to_owned)
    }

    /// The process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it runs")
    }

    /// Kills it as a power cut would: no handler runs.
    ///
    /// # Panics
    /// When it ended by itself before.
    pub async fn kill9(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let before = child.try_wait().expect("a state");
        assert!(before.is_none(), "the program ended by itself: {before:?}\n{}", self.log_end());
        child.kill().await.expect("killed");
    }

    /// Ends it with SIGTERM and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let id = child.id()?.to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(sent.success());
        let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
        ended.expect("an end in time").expect("a state").code()
    }

    /// The time of day that it sees.
    pub fn now(&self) -> Timestamp {
        SystemClock.now() + self.place.ahead
    }

    /// Moves its time of day on, from the next start.
    ///
    /// # Panics
    /// Where Debian's `faketime` is not installed.
    pub fn move_clock(&mut self, by: Duration) {
        assert!(std::fs::exists(FAKETIME).is_ok_and(|there| there), "{FAKETIME} is not there; run `make deps`");
        self.place.ahead += by;
    }

    /// Starts it again on the same folder.
    ///
    /// # Panics
    /// When it still runs.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        let (child, url) = spawn(&self.site, &self.place).await;
        self.newsroom = Caller::new(&url, self.site.key("app:newsroom"));
        (self.child, self.url) = (Some(child), url);
    }

    /// Runs a command of the program on the same configuration and gives exit code, output and error output.
    ///
    /// # Panics
    /// When it can't be run.
    pub async fn command(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let run = Command::new(built::program())
            .args(arguments)
            .arg("--config")
            .arg(self.site.path("pressgate.toml"))
            .current_dir(self.site.folder())
            .stdin(Stdio::null())
            .output();
        let output = run.await.expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Every leaf of the log as it lies on disk.
    ///
    /// # Panics
    /// When the log can't be read.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut reader = LogReader::new(Arc::new(RealDisk), &self.site.config().audit.dir, 0);
        let mut leaves = Vec::new();
        while let Some((index, leaf)) = reader.next_leaf().expect("a readable log") {
            assert_eq!(index, leaves.len() as u64, "indices without a gap");
            leaves.push(leaf);
        }
        leaves
    }

    /// The post as its author sees it.
    pub async fn read(&self, post: &str) -> Value {
        self.newsroom.get(&format!("/v1/posts/{post}")).await.expect(200)
    }

    /// Waits until the post has this state, and gives it.
    pub async fn until_state(&self, post: &str, state: &str) -> Value {
        let look = || async {
            let view = self.read(post).await;
            (view["state"] == state).then_some(view)
        };
        until(&format!("{post} is {state}"), look).await
    }

    /// The file that holds all that the program wrote to its outputs, over all its starts.
    pub fn log_file(&self) -> PathBuf {
        log_file(&self.site)
    }

    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let from = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
        log[from..].to_owned()
    }
}

impl Deref for GateProcess {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.newsroom
    }
}

fn log_file(site: &Site) -> PathBuf {
    site.path("pressgate.log")
}

async fn spawn(site: &Site, place: &Place) -> (Child, String) {
    let mut command = match &place.cores {
        // It becomes the program, so that the process is still the child.
        Some(cores) => {
            let mut pinned = Command::new("taskset");
            pinned.args(["-c", cores]).arg(built::program());
            pinned
        }
        None => Command::new(built::program()),
    };
    if let Some(user) = place.user {
        site.give_to(user);
        command.uid(user).gid(user);
    }
    if !place.ahead.is_zero() {
        // Timers go on by the machine's own clock.
        command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("FAKETIME", format!("+{}s", place.ahead.as_secs()));
    }
    let mut child = command
        .arg("serve")
        .arg("--config")
        .arg(site.path("pressgate.toml"))
        .current_dir(site.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let (lines, mut heard) = mpsc::unbounded_channel();
    copy(child.stdout.take().expect("a pipe"), site, lines.clone());
    copy(child.stderr.take().expect("a pipe"), site, lines);
    let ready = async {
        loop {
            let line = heard.recv().await?;
            if let Some(url) = address(&line) {
                return Some(url);
            }
        }
    };
    let ready = tokio::time::timeout(START_TIMEOUT, ready).await;
    let log = || std::fs::read_to_string(log_file(site)).unwrap_or_default();
    let url = ready.unwrap_or_else(|_| panic!("no address within {START_TIMEOUT:?}:\n{}", log()));
    let url = url.unwrap_or_else(|| panic!("the program ended before it said its address:\n{}", log()));
    until(&format!("{url} answers"), || async {
        if let Some(encrypted) = url.strip_prefix("https://") {
            // The harness's own client speaks no TLS.
            return tokio::net::TcpStream::connect(encrypted).await.is_ok().then_some(());
        }
        let answer = http::try_call("GET", &format!("{url}/livez"), &[], "", Duration::from_secs(5)).await;
        answer.ok().filter(|answer| answer.status == 200).map(drop)
    })
    .await;
    (child, url)
}

/// The address for apps in the line that says where the program listens.
fn address(line: &str) -> Option<String> {
    line.strip_prefix("pressgate listens on ").map(str::to_owned)
}

/// Keeps every line in the log file and tells of it.
fn copy(output: impl AsyncRead + Unpin + Send + 'static, site: &Site, lines: mpsc::UnboundedSender<String>) {
    let mut file: File = OpenOptions::new().create(true).append(true).open(log_file(site)).expect("the log file");
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            let _full = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
            let _nobody_waits = lines.send(line);
        }
    });
}
