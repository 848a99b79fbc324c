//! A real Bluesky PDS with its directory, as a child process. `npm ci --prefix tests/pds` installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::skip::skipped;

/// How long the start may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long reading back may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A running PDS with two accounts. It ends when this is dropped, or with this process.
#[derive(Debug)]
pub struct Pds {
    /// Address without a slash at the end.
    pub url: String,
    /// Address of the did:plc directory.
    pub plc: String,
    /// `acme.test` and `friend.test`.
    pub accounts: Vec<PdsAccount>,
    // In this order: the process ends before its folder goes.
    child: Child,
    folder: TempDir,
}

/// An account on the PDS.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PdsAccount {
    /// `acme.test`.
    pub handle: String,
    /// `did:plc:…`.
    pub did: String,
    /// App password: what an integration is given.
    pub password: String,
    /// The account's own password.
    pub account_password: String,
    /// Access token of a session that was begun with the account's own password.
    pub access_jwt: String,
}

/// A post as `@atproto/api` reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct PostRecord {
    /// `at://did/app.bsky.feed.post/key`.
    pub uri: String,
    /// Content id.
    pub cid: String,
    /// The record.
    pub value: Value,
    /// What each facet cuts out of the text.
    pub facets: Vec<Facet>,
    /// Pictures, in order.
    pub images: Vec<Image>,
}

/// A facet and the text under it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facet {
    /// First byte.
    pub byte_start: u64,
    /// Byte after the last.
    pub byte_end: u64,
    /// What `RichText` cuts out.
    pub text: String,
    /// The bytes themselves, hexadecimal.
    pub bytes: String,
    /// Features as they stand in the record.
    pub features: Vec<Value>,
}

/// A picture of a post.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Alternative text.
    pub alt: String,
    /// Content id of the bytes.
    pub cid: String,
    /// Declared media type.
    pub mime_type: String,
    /// Declared size in bytes.
    pub size: u64,
}

/// A picture as the PDS serves it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// The post that shows it.
    pub uri: String,
    /// Content id.
    pub cid: String,
    /// Alternative text.
    pub alt: String,
    /// Size that the post declares, in bytes.
    pub declared_size: u64,
    /// Size as served, in bytes.
    pub size: u64,
    /// SHA-256 of what was served, hexadecimal.
    pub sha256: String,
    /// Media type as served.
    pub mime_type: Option<String>,
}

#[derive(Deserialize)]
struct Ready {
    pds: String,
    plc: String,
    accounts: Vec<PdsAccount>,
}

impl Pds {
    /// Starts a PDS on free ports and waits until it is ready. None, with a line that says so, where it is not
    /// installed.
    ///
    /// # Panics
    /// When it does not start, or is not installed and `PRESSGATE_NO_SKIP=1`.
    pub async fn start() -> Option<Self> {
        let scripts = scripts();
        if !scripts.join("node_modules/@atproto/pds").is_dir() {
            skipped("the PDS is not installed; run `make deps`");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pressgate-pds-").tempdir().expect("a temporary folder");
        let mut child = Command::new("node")
            .arg(scripts.join("run-pds.cjs"))
            .env("TMPDIR", folder.path())
            .env_remove("PDS_PORT")
            .env_remove("PLC_PORT")
            // It ends when its standard input does, so it does not outlive a test that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run node: {error}"));
        let ready = tokio::time::timeout(START_TIMEOUT, first_line(&mut child)).await;
        let line = ready.unwrap_or_else(|_| panic!("the PDS was not ready within {START_TIMEOUT:?}"));
        let ready: Ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Some(Self { url: ready.pds, plc: ready.plc, accounts: ready.accounts, child, folder })
    }

    /// The account with this handle.
    ///
    /// # Panics
    /// When there is none.
    pub fn account(&self, handle: &str) -> &PdsAccount {
        self.accounts.iter().find(|known| known.handle == handle).unwrap_or_else(|| panic!("no account {handle}"))
    }

    /// All posts of an account, in the order of their keys, read back through `@atproto/api`.
    pub async fn records(&self, account: &PdsAccount) -> Vec<PostRecord> {
        self.read(account, "records").await
    }

    /// All pictures of an account's posts, fetched from the PDS.
    pub async fn blobs(&self, account: &PdsAccount) -> Vec<Blob> {
        self.read(account, "blobs").await
    }

    /// The folder that holds the PDS's data while it runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id, or none when it has ended.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    async fn read<T: DeserializeOwned>(&self, account: &PdsAccount, what: &str) -> T {
        let command = Command::new("node")
            .arg(scripts().join("read.cjs"))
            .args([&self.url, &account.did, &account.password, what])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(READ_TIMEOUT, command).await.expect("an answer in time").expect("node runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "read.cjs {what}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} from read.cjs {what}: {errors}"))
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pds")
}

/// The first line of output; with what went to the error output where there is none.
pub(super) async fn first_line(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("a pipe");
    let mut stderr = child.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines();
    if let Some(line) = lines.next_line().await.expect("readable output") {
        // Both pipes stay read, else the child would stop at a full one.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        return line;
    }
    let mut errors = String::new();
    let _all = stderr.read_to_string(&mut errors).await;
    panic!("it ended before it was ready: {errors}");
}

#[cfg(test)]
mod tests;
