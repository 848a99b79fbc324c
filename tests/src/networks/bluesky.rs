//! The whole Bluesky network of a developer, as child processes: PDS, directory, AppView, and the PostgreSQL and Redis that it needs.
//! `make deps` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::pds::{PdsAccount, first_line};
use crate::skip::skipped;

/// How long a part may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// PostgreSQL does not run as root; its package brings this user.
const DATABASE_USER: &str = "postgres";

/// A running network with two accounts, of which the second mentioned the first. It ends when this is dropped.
#[derive(Debug)]
pub struct BlueskyNetwork {
    /// Address of the PDS, without a slash at the end.
    pub url: String,
    /// `acme.test` and `friend.test`.
    pub accounts: Vec<PdsAccount>,
    // In this order: the processes end before their folder goes.
    _network: Child,
    _database: Child,
    _redis: Child,
    _folder: TempDir,
}

#[derive(Deserialize)]
struct Ready {
    pds: String,
    accounts: Vec<PdsAccount>,
}

impl BlueskyNetwork {
    /// Starts the network on free ports and waits until it is ready. None, with a line that says so, where a part is missing.
    ///
    /// # Panics
    /// When it does not start, or a part is missing and `PRESSGATE_NO_SKIP=1`.
    pub async fn start() -> Option<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("pds");
        let Some(programs) = database_programs() else {
            skipped("PostgreSQL is not installed; run `make deps`");
            return None;
        };
        if !scripts.join("node_modules/@atproto/dev-env").is_dir() {
            skipped("the Bluesky network is not installed; run `make deps`");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pressgate-bluesky-").tempdir().expect("a temporary folder");
        let (database, database_port) = database(&programs, folder.path()).await;
        let (redis, redis_port) = redis(folder.path()).await;
        let mut network = Command::new("node")
            .arg(scripts.join("run-network.cjs"))
            .env("TMPDIR", folder.path())
            .env("DB_POSTGRES_URL", format!("postgresql://postgres@127.0.0.1:{database_port}/postgres"))
            .env("REDIS_HOST", format!("127.0.0.1:{redis_port}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run node: {error}"));
        let line = tokio::time::timeout(START_TIMEOUT, first_line(&mut network)).await.expect("the network in time");
        let ready: Ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let Ready { pds: url, accounts } = ready;
        Some(Self { url, accounts, _network: network, _database: database, _redis: redis, _folder: folder })
    }

    /// The account with this handle.
    ///
    /// # Panics
    /// When there is none.
    pub fn account(&self, handle: &str) -> &PdsAccount {
        self.accounts.iter().find(|known| known.handle == handle).unwrap_or_else(|| panic!("no account {handle}"))
    }
}

/// Where `initdb` and `postgres` are: not on the path, as Debian installs several versions.
fn database_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).find(|programs| programs.join("initdb").is_file())
}

/// A command as the user of the database, where this is root.
fn as_database_user(program: PathBuf) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={DATABASE_USER}"),
        &format!("--regid={DATABASE_USER}"),
        "--clear-groups",
        "--pdeathsig=KILL",
    ]);
    command.arg(program);
    command
}

async fn database(programs: &Path, folder: &Path) -> (Child, u16) {
    let home = folder.join("postgres");
    std::fs::create_dir(&home).expect("a folder");
    if rustix::process::getuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).expect("a way in");
        let given = Command::new("chown").arg(DATABASE_USER).arg(&home).status().await.expect("chown runs");
        assert!(given.success(), "PostgreSQL's package brings the user {DATABASE_USER}");
    }
    let data = home.join("data");
    let made = as_database_user(programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-A", "trust", "-U", "postgres", "-N"])
        .current_dir(&home)
        .output()
        .await
        .expect("initdb runs");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let port = free_port();
    let child = as_database_user(programs.join("postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-F", "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"])
        .arg(&home)
        .current_dir(&home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("postgres runs");
    let ready = || async {
        let mut ask = Command::new(programs.join("pg_isready"));
        let asked = ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        asked.status().await.is_ok_and(|status| status.success()).then_some(())
    };
    crate::harness::until("PostgreSQL is ready", ready).await;
    (child, port)
}

async fn redis(folder: &Path) -> (Child, u16) {
    let port = free_port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server runs");
    let ready = || async { std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()) };
    crate::harness::until("Redis is ready", ready).await;
    (child, port)
}

fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("an address").port()
}
