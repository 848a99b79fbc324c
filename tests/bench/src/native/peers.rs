//! What the gateway is measured beside, and what all of them send to: nginx as the network, nginx as a plain proxy, and Envoy with
//! the filter of `tests/envoy-filter`. Each is a child that ends with its [`Server`].
#![allow(clippy::disallowed_methods, reason = "free ports for servers that are told which one to listen on")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::http;
use tests::skip::skipped;

use super::load::{BODY, JSON, PATH, STATUSES};

/// How long a start may take: Envoy compiles the filter then.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an end may take before the process is killed.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one process of nginx: both sides of 1,024 calls, and more than enough.
const CONNECTIONS: u32 = 4096;
/// What the filter looks for.
const PHRASES: [&str; 8] = [
    "miracle cure",
    "guaranteed profit",
    "completely risk-free",
    "zázračný lék",
    "garantovaný zisk",
    "zcela bez rizika",
    "nulové riziko",
    "zhubnete bez námahy",
];

/// The programs and files that `make deps-bench` brings.
pub struct Tools {
    nginx: PathBuf,
    envoy: PathBuf,
    filter: PathBuf,
    /// The load generator.
    pub wrk: PathBuf,
}

impl Tools {
    /// None, with a line that says so, where one is missing.
    ///
    /// # Panics
    /// One is missing and `PRESSGATE_NO_SKIP=1`.
    pub fn find() -> Option<Self> {
        let filter = tests::plugins::folder().with_file_name("wasm32-unknown-unknown/release/envoy_filter.wasm");
        let envoy = Path::new(env!("CARGO_MANIFEST_DIR")).join("venv/bin/envoy");
        let tools = Self { nginx: program("nginx"), envoy, filter, wrk: program("wrk") };
        let missing = [&tools.nginx, &tools.envoy, &tools.filter, &tools.wrk].into_iter().find(|path| !path.is_file());
        if let Some(missing) = missing {
            skipped(&format!("native calls are not measured: no {}; run `make deps-bench`", missing.display()));
            return None;
        }
        if std::thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
            skipped("native calls are not measured: proxy and load need a processor each");
            return None;
        }
        Some(tools)
    }
}

/// Where a program is, by the usual folders: those of the system are not in everybody's path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(usual).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| name.into())
}

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Server {
    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// nginx as the network: the same small answer to each status. `/count` tells how many requests it saw.
    pub async fn network(tools: &Tools, cores: &str, within: &Path) -> Self {
        let address = free_address();
        let places = format!(
            "location = {STATUSES} {{ return 200 '{{\"id\":\"116502857293475126\"}}'; }}\n\
             location = /count {{ stub_status; }}"
        );
        Self::nginx(tools, cores, within, address, 1, "", &places).await
    }

    /// nginx as a proxy that only passes on, with connections that are used again.
    pub async fn plain_proxy(tools: &Tools, cores: &str, within: &Path, workers: u32, network: SocketAddr) -> Self {
        let upstream =
            format!("upstream network {{ server {network}; keepalive 1024; keepalive_requests 1000000000; }}");
        let places = format!(
            "location = {PATH} {{ proxy_pass http://network{STATUSES}; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; }}"
        );
        Self::nginx(tools, cores, within, free_address(), workers, &upstream, &places).await
    }

    async fn nginx(
        tools: &Tools,
        cores: &str,
        within: &Path,
        address: SocketAddr,
        workers: u32,
        upstream: &str,
        places: &str,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("nginx-").tempdir_in(within).expect("a folder");
        let at = folder.path().display().to_string();
        // It may run as a user that can write nowhere else.
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        // One worker needs no master beside it.
        let master = if workers == 1 { "off" } else { "on" };
        let text = format!(
            "daemon off;\nmaster_process {master};\nworker_processes {workers};\npid {at}/pid;\nerror_log stderr warn;\n\
             events {{ worker_connections {CONNECTIONS}; }}\n\
             http {{\naccess_log off;\ndefault_type application/json;\nkeepalive_requests 1000000000;\n\
             keepalive_timeout 3600s;\n{temporary}{upstream}\n\
             server {{ listen {address} backlog=4096;\n{places}\n}}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).expect("written");
        let mut command = pinned(cores, &tools.nginx);
        command.args(["-e", "stderr", "-c"]).arg(file);
        Self::start(command, address, folder).await
    }

    /// Envoy as it comes, with the filter and without its limit of 1,024 requests at once.
    pub async fn envoy(
        tools: &Tools,
        cores: &str,
        within: &Path,
        workers: u32,
        network: SocketAddr,
        key: &str,
    ) -> Self {
        let (address, folder) =
            (free_address(), tempfile::Builder::new().prefix("envoy-").tempdir_in(within).expect("a folder"));
        let file = folder.path().join("envoy.json");
        std::fs::write(&file, envoy_config(address, network, &tools.filter, key).to_string()).expect("written");
        let mut command = pinned(cores, &tools.envoy);
        command.arg("-c").arg(file).args(["--concurrency", &workers.to_string()]);
        // Two of them may run at once.
        command.args(["--disable-hot-restart", "--log-level", "error"]);
        Self::start(command, address, folder).await
    }

    async fn start(mut command: Command, address: SocketAddr, folder: TempDir) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the server starts");
        let mut server = Self { address, process, _folder: folder };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let asked = http::try_call("GET", &format!("http://{address}/"), &[], "", Duration::from_secs(5)).await;
            if asked.is_ok() {
                return server;
            }
            let ended = server.process.try_wait().expect("a state");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < deadline, "{command:?} does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Requests that the network saw, this one among them.
    pub async fn count(&self) -> u64 {
        let text = http::get(&format!("http://{}/count", self.address), "").await.text();
        let numbers = text.lines().nth(2).unwrap_or_default().split_whitespace();
        numbers.last().and_then(|number| number.parse().ok()).expect("a number of requests")
    }

    /// Whether a status passes, and one with another key or with a phrase does not, where there is a filter.
    pub async fn checked(&self, key: &str) {
        let status = async |key: &str, body: &str| {
            let (url, key) = (format!("http://{}{PATH}", self.address), format!("Bearer {key}"));
            http::call("POST", &url, &[("authorization", &key), ("content-type", JSON)], body.to_owned()).await.status
        };
        assert_eq!(status(key, BODY).await, 200);
        assert_eq!(status("another", BODY).await, 401);
        assert_eq!(status(key, &json!({ "status": "A MIRACLE cure" }).to_string()).await, 403);
    }
}

impl Drop for Server {
    /// Asks it to end, so that its workers end too.
    fn drop(&mut self) {
        let _gone = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + END_TIMEOUT;
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A command whose process and threads stay on these processors.
pub fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program);
    command
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

fn envoy_config(address: SocketAddr, network: SocketAddr, filter: &Path, key: &str) -> Value {
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let rules = json!({ "key": key, "phrases": PHRASES }).to_string();
    let wasm = json!({
        "@type": kind("http.wasm.v3.Wasm"),
        "config": {
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": rules },
            "vm_config": { "runtime": "envoy.wasm.runtime.v8", "code": { "local": { "filename": filter } } },
        },
    });
    let route = json!({ "match": { "path": PATH }, "route": { "cluster": "network", "prefix_rewrite": STATUSES } });
    let manager = json!({
        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "calls",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": [
            { "name": "envoy.filters.http.wasm", "typed_config": wasm },
            { "name": "envoy.filters.http.router", "typed_config": { "@type": kind("http.router.v3.Router") } },
        ],
    });
    let chain =
        json!({ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] });
    let wide = json!({ "max_connections": 65_536, "max_pending_requests": 65_536, "max_requests": 65_536 });
    let endpoint = json!({ "endpoint": { "address": socket(network) } });
    let cluster = json!({
        "name": "network",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [wide] },
        "load_assignment": { "cluster_name": "network", "endpoints": [{ "lb_endpoints": [endpoint] }] },
    });
    json!({ "static_resources": {
        "listeners": [{ "name": "calls", "address": socket(address), "filter_chains": [chain] }],
        "clusters": [cluster],
    } })
}
