//! `pressgate.toml`: what the process needs to know to start. Every key has a default that works.
//!
//! Two steps: a raw value that serde fills (unknown keys are errors), then a checked one whose paths are resolved.

mod export;
mod forward;
mod listen;
mod media;
mod notices;
mod raw;
mod sign_in;
mod telemetry;
mod trust;
mod witness;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use pressgate_audit::note::Verifier;
use serde::Deserialize;
use url::Url;

use super::Fault;
use crate::model::AccountId;
pub use export::{Export, ExportFrom, ExportTo, SecretFrom};
pub use media::Media;
pub use notices::{NoticeMail, NoticeTls, NoticeWebhook, Notices};
pub use sign_in::SignIn;
pub use telemetry::Telemetry;
pub use trust::{TrustedKey, Unsigned};
pub use witness::Witness;

/// Size of the largest `pressgate.toml`.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The process's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Listeners.
    pub listen: Listen,
    /// The folder of everything that the gateway writes.
    pub data: PathBuf,
    /// The governance folder.
    pub governance: PathBuf,
    /// Where the key-encryption key comes from.
    pub kek: Kek,
    /// The log.
    pub audit: Audit,
    /// Plugins.
    pub plugins: Plugins,
    /// The door of networks' own APIs.
    pub native: Native,
    /// The proxy for clients with a fixed host.
    pub forward: Forward,
    /// Where people sign in; nobody does without it.
    pub sign_in: Option<SignIn>,
    /// How people are told that something waits for them; nobody is without it.
    pub notices: Option<Notices>,
    /// Posts that wait for their time.
    pub posts: Posts,
    /// Limits of requests.
    pub limits: Limits,
    /// Media for networks that fetch them.
    pub media: Media,
    /// HTTP out.
    pub egress: Egress,
    /// Where the audit log is exported to.
    pub export: Vec<Export>,
    /// Who cosigns the audit log.
    pub witness: Vec<Witness>,
    /// The process's own log.
    pub log: Log,
    /// Where traces, metrics and the process's own log are pushed to; nowhere without it.
    pub telemetry: Option<Telemetry>,
}

/// Listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// For apps.
    pub address: SocketAddr,
    /// For operators.
    pub operator: SocketAddr,
    /// Connections of apps at once; as many as the file descriptors allow without it.
    pub connections_max: Option<u32>,
    /// Connections of one source at once; half of all without it.
    pub connections_per_source_max: Option<u32>,
    /// How long the head of a request may take.
    pub head_timeout_ms: u64,
    /// How long a connection on which nothing is served may be silent.
    pub idle_timeout_ms: u64,
    /// Longest head of a request.
    pub head_bytes_max: u32,
    /// Most header fields.
    pub head_fields_max: u32,
    /// Requests of one HTTP/2 connection at once.
    pub streams_max: u32,
    /// How long a stop is announced before the listeners close.
    pub stop_announced_ms: u64,
    /// How long a stop waits for calls that have begun.
    pub stop_timeout_ms: u64,
    /// TLS of the listener for apps; plain HTTP without it.
    pub tls: Option<ListenTls>,
}

/// TLS of the listener for apps: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// The certificate and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities whose certificates clients may show.
    pub client_ca: Option<PathBuf>,
}

/// The door of networks' own APIs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Native {
    /// Each account is reached at `{account}.<domain>`, besides by path; in lower case.
    pub domain: Option<String>,
    /// Accounts that have a listener of their own, for clients that keep nothing but a port.
    pub listeners: BTreeMap<AccountId, SocketAddr>,
}

/// The proxy for clients with a fixed host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forward {
    /// Where it listens; without it there is none.
    pub addr: Option<SocketAddr>,
}

/// Where the key-encryption key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kek {
    /// A file that only its owner can read.
    File(PathBuf),
    /// An environment variable's name.
    Env(String),
    /// A program and its arguments; it prints the key.
    Command(Vec<String>),
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Folder of its segments.
    pub dir: PathBuf,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// Leaves that are older lose their entries; none go without it.
    pub retention_days: Option<u64>,
    /// The last checkpoint is kept here a second time.
    pub second_checkpoint: PathBuf,
    /// The key that signs checkpoints.
    pub signing_key: PathBuf,
    /// Size of the emergency reserve; none for 0.
    pub reserve_bytes: u64,
    /// With less than this share of the disk free nothing is sent, in per cent.
    pub low_disk_percent: u8,
    /// A commit that takes longer is slow.
    pub slow_ms: u64,
    /// Nobody waits longer for a disk that makes nothing durable.
    pub blocked_ms: u64,
    /// How often the log says how much was done.
    pub heartbeat_seconds: u64,
}

/// Plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Folder of built components, `*.wasm`.
    pub dir: PathBuf,
    /// How long compiling one may take.
    pub compile_ms_max: u64,
    /// How much memory compiling one may use.
    pub compile_bytes_max: u64,
    /// Whose signatures count.
    pub trusted_keys: Vec<TrustedKey>,
    /// Keys whose signatures count no more, trusted or not.
    pub revoked_keys: Vec<Verifier>,
    /// What becomes of a plugin that no trusted key signed.
    pub unsigned: Unsigned,
}

/// Posts that wait for their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posts {
    /// What is due for so long and was not attempted is an alarm.
    pub unattempted_alarm_seconds: u64,
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest JSON body.
    pub json_bytes_max: u64,
    /// Largest medium.
    pub media_bytes_max: u64,
    /// Bytes of media that one app or person may have stored without a post that uses them.
    pub media_unused_bytes_max: u64,
    /// How long a JSON body may take to arrive, and how long an upload may pause.
    pub body_timeout_ms: u64,
    /// Bytes a second that an upload must bring on the whole; 0 for any.
    pub upload_bytes_per_second_min: u64,
    /// Sustained calls of one app in a minute.
    pub calls_per_minute: u32,
    /// Calls of one app that may come at once.
    pub burst: u32,
    /// Where limits are shared with other gateways.
    pub shared: Option<SharedLimits>,
}

/// A Redis or Valkey (7 or later) that several gateways share their limits in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLimits {
    /// `redis://host:port/db` or `unix:///path`, without a password.
    pub url: Url,
    /// The environment variable with its password.
    pub password_env: Option<String>,
    /// Gateways that share it: without it each has one part of every limit.
    pub nodes: u32,
    /// Longest wait for its answer.
    pub timeout_ms: u64,
}

/// HTTP out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// PEM files with certificate authorities to trust besides the public ones.
    pub extra_roots: Vec<PathBuf>,
    /// Longest wait for one request, answer included.
    pub timeout_ms: u64,
}

/// How the process's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// The process's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How it is written.
    pub format: LogFormat,
    /// What is written: directives of `tracing`, `info` or `pressgate=debug,warn`.
    pub filter: String,
}

impl Config {
    /// Reads the file; relative paths resolve against its folder.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        let shown = path.display().to_string();
        let size = fs::metadata(path).map(|kind| kind.len());
        if size.is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
            return Err(vec![Fault::new(shown, 0, format!("the file has more than {FILE_BYTES_MAX} bytes"))]);
        }
        let text = fs::read_to_string(path)
            .map_err(|error| vec![Fault::new(&shown, 0, format!("the file can't be read: {error}"))])?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &shown, base)
    }

    /// What holds without a file; relative paths resolve against `base`.
    ///
    /// # Errors
    /// None in practice: the defaults are valid.
    pub fn default_in(base: &Path) -> Result<Self, Vec<Fault>> {
        Self::parse("", "pressgate.toml", base)
    }

    /// Checks a text. `file` is its name in faults, `base` the folder for relative paths.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, Vec<Fault>> {
        raw::parse(text, file, base)
    }

    /// Folder of the record store.
    pub fn records_dir(&self) -> PathBuf {
        self.data.join("records")
    }

    /// File with the keys of subjects: kept apart from the records, so that a backup may be too.
    pub fn subject_keys_file(&self) -> PathBuf {
        self.data.join("subject-keys.sqlite")
    }

    /// Folder of the encrypted credentials.
    pub fn vault_dir(&self) -> PathBuf {
        self.data.join("vault")
    }

    /// The search index of the log, which can be made anew from it at any time.
    pub fn audit_index_path(&self) -> PathBuf {
        self.data.join("audit-index.sqlite")
    }

    /// Folder of stored media.
    pub fn media_dir(&self) -> PathBuf {
        self.data.join("media")
    }

    /// Folder of what exports and webhooks remember: how far each has come.
    pub fn export_dir(&self) -> PathBuf {
        self.data.join("export")
    }

    /// Folder of what the witnesses' runners remember: which alarms stand.
    pub fn witness_dir(&self) -> PathBuf {
        self.data.join("witness")
    }

    /// Folder of the components of installed releases, which only the gateway writes.
    pub fn releases_dir(&self) -> PathBuf {
        self.data.join("releases")
    }

    /// Folder of compiled plugins, which only the gateway writes.
    pub fn plugin_cache_dir(&self) -> PathBuf {
        self.data.join("plugin-cache")
    }
}

#[cfg(test)]
mod tests;
