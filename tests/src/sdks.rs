//! SDKs that companies use today, each in a process of its own whose connections are watched. `make deps` installs them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::skip::skipped;

/// How long a client may take for all that it does.
const TIMEOUT: Duration = Duration::from_secs(120);

/// An SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// `@atproto/api` (npm).
    AtprotoApi,
    /// `atproto` (PyPI).
    Atproto,
    /// `masto` (npm).
    Masto,
    /// `Mastodon.py` (PyPI).
    MastodonPy,
    /// `tweepy` (PyPI).
    Tweepy,
    /// `twitter-api-v2` (npm).
    TwitterApiV2,
    /// `xdk` (PyPI).
    Xdk,
}

/// What a client did.
#[derive(Debug)]
pub struct Ran {
    /// What it told.
    pub told: Value,
    /// Where it connected to by IP.
    pub connections: Vec<SocketAddr>,
}

impl Sdk {
    fn script(self) -> (&'static str, PathBuf) {
        match self {
            Self::AtprotoApi => ("bluesky.mjs", "node".into()),
            Self::Masto => ("mastodon.mjs", "node".into()),
            Self::Atproto => ("bluesky.py", folder().join("venv/bin/python")),
            Self::MastodonPy => ("mastodon_py.py", folder().join("venv/bin/python")),
            Self::Tweepy => ("tweepy_py.py", folder().join("venv/bin/python")),
            Self::TwitterApiV2 => ("twitter_api_v2.mjs", "node".into()),
            Self::Xdk => ("xdk_py.py", folder().join("venv/bin/python")),
        }
    }

    /// Runs the client's whole story, with `more` in its environment. None, with a line that says so, where the SDK is not installed.
    ///
    /// # Panics
    /// When it fails, or is not installed and `PRESSGATE_NO_SKIP=1`.
    pub async fn run(self, task: &Value, more: &[(&str, &str)]) -> Option<Ran> {
        let (script, program) = self.script();
        let installed = if program.is_absolute() { program.is_file() } else { folder().join("node_modules").is_dir() };
        if !installed {
            skipped("the SDKs are not installed; run `make deps`");
            return None;
        }
        let seen = tempfile::NamedTempFile::new().expect("a file");
        let mut client = Command::new("strace");
        client.args(["-f", "-qq", "-e", "trace=connect", "-o"]).arg(seen.path()).arg(&program);
        if more.iter().any(|(name, _)| *name == "HTTPS_PROXY") && program.ends_with("node") {
            client.arg("--import").arg(folder().join("proxy.mjs"));
        }
        let client = client
            .arg(folder().join(script))
            .arg(task.to_string())
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(TIMEOUT, client).await.expect("an end in time").expect("strace runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?}: {errors}");
        let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{self:?}: {error}: {errors}"));
        let calls = std::fs::read_to_string(seen.path()).expect("what strace wrote");
        Some(Ran { told, connections: calls.lines().filter_map(connection).collect() })
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks")
}

/// `… connect(17, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0`, or the same in IPv6.
fn connection(line: &str) -> Option<SocketAddr> {
    let family = line.split_once("sa_family=AF_INET")?.1;
    let port = family.split_once("htons(")?.1.split(')').next()?.parse().ok()?;
    let address = family.split_once("inet_addr(\"").map(|(_, rest)| rest);
    let address = address.or_else(|| family.split_once("inet_pton(AF_INET6, \"").map(|(_, rest)| rest))?;
    Some(SocketAddr::new(address.split('"').next()?.parse().ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_read_from_what_strace_writes() {
        let four = r#"12 connect(17, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS"#;
        let six = r#"12 connect(17, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0"#;
        let unix = r#"12 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT"#;
        let found: Vec<_> =
            [four, six, unix].into_iter().map(|line| connection(line).map(|at| at.to_string())).collect();
        assert_eq!(found, [Some("127.0.0.1:80".to_owned()), Some("[::1]:443".to_owned()), None]);
    }
}
