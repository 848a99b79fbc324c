//! The gateway as users run it, nginx and Envoy in front of one network, and one run on one of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tests::harness::{Gate, GateProcess};

use super::load::{self, Target};
use super::peers::{Server, Tools};
use crate::publish::{self, BRANDS, SEGMENT_BYTES};
use crate::{cases, machine};

const ACCOUNT: &str = "acme-mastodon";
/// Fingerprints of so many documents fit into a file of the governance folder.
const DOCUMENTS: usize = 1_000;
/// A budget of the network for a load that no account of a network has: 100,000 calls a second, which is also what the harness
/// allows an app.
const LIMITS: &str = "[network.mastodon]\napi = { limit = 6000000, window_s = 60 }\n";
/// All connections come from one address.
const CONNECTIONS_MAX: &str = "4096";
/// The gateway is at rest when it works less than this share of a processor.
const REST: f64 = 0.03;
/// How long that is looked at, and how long it is awaited at most.
const LOOK: Duration = Duration::from_millis(300);
const REST_TIMEOUT: Duration = Duration::from_secs(60);

/// Which processors the proxies have, and which the load and the network.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// For people.
    pub name: &'static str,
    proxy: &'static str,
    others: &'static str,
    workers: u32,
}

impl Layout {
    /// The processors of the proxies.
    pub fn proxy(&self) -> &'static str {
        self.proxy
    }

    /// The processors of load and network.
    pub fn others(&self) -> &'static str {
        self.others
    }
}

/// Each proxy has one processor for all its threads, load and network share the other.
pub const PINNED: Layout =
    Layout { name: "each proxy on core 0, load and network on core 1", proxy: "0", others: "1", workers: 1 };
/// Everybody may use both.
pub const FREE: Layout =
    Layout { name: "both cores for all, two workers for nginx and Envoy", proxy: "0,1", others: "0,1", workers: 2 };

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// The gateway.
    Gate,
    /// nginx, which only passes on.
    Nginx,
    /// Envoy with the filter.
    Envoy,
}

/// In the order of the tables, and of a round.
pub const PROXIES: [Proxy; 3] = [Proxy::Gate, Proxy::Nginx, Proxy::Envoy];

/// What one run told.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Calls that were answered in a second.
    pub calls_per_s: f64,
    /// Median of a call's time.
    pub p50_ms: f64,
    /// 99th percentile of a call's time.
    pub p99_ms: f64,
    /// Work of the proxy during the run.
    pub cpu_us: f64,
    /// The same with what the gateway does later: search index, tree.
    pub cpu_all_us: f64,
    /// Leaves of one commit of the gateway's log.
    pub leaves_of_commit: f64,
}

impl Run {
    /// A run that is worth nothing.
    const VOID: Self = Self {
        calls_per_s: f64::NAN,
        p50_ms: f64::NAN,
        p99_ms: f64::NAN,
        cpu_us: f64::NAN,
        cpu_all_us: f64::NAN,
        leaves_of_commit: f64::NAN,
    };
}

/// Everything that runs.
pub struct Stand<'a> {
    tools: &'a Tools,
    layout: Layout,
    script: PathBuf,
    key: String,
    network: Server,
    gate: GateProcess,
    nginx: Server,
    envoy: Server,
}

impl<'a> Stand<'a> {
    /// Starts all of it; the data lies in `folder`.
    ///
    /// # Panics
    /// Something does not start, or does not answer as it should.
    pub async fn start(tools: &'a Tools, layout: Layout, folder: &Path) -> Self {
        let network = Server::network(tools, layout.others, folder).await;
        let gate = gate(layout.proxy, &network, folder).await;
        let key = gate.site.key("app:newsroom").to_owned();
        let nginx = Server::plain_proxy(tools, layout.proxy, folder, layout.workers, network.address).await;
        let envoy = Server::envoy(tools, layout.proxy, folder, layout.workers, network.address, &key).await;
        envoy.checked(&key).await;
        let script = gate.site.path("load.lua");
        std::fs::write(&script, load::script(&key)).expect("written");
        Self { tools, layout, script, key, network, gate, nginx, envoy }
    }

    fn address(&self, proxy: Proxy) -> SocketAddr {
        match proxy {
            Proxy::Gate => self.gate.url.trim_start_matches("http://").parse().expect("an address"),
            Proxy::Nginx => self.nginx.address,
            Proxy::Envoy => self.envoy.address,
        }
    }

    fn cpu_s(&self, proxy: Proxy) -> f64 {
        let process_id = match proxy {
            Proxy::Gate => self.gate.process_id(),
            Proxy::Nginx => self.nginx.process_id(),
            Proxy::Envoy => self.envoy.process_id(),
        };
        machine::family_cpu_s(process_id).unwrap_or(f64::NAN)
    }

    /// Calls through the proxy. A run in which a call was refused, broke or did not reach the network says so and is void.
    pub async fn run(&self, proxy: Proxy, connections: usize, time: Duration) -> Run {
        let (seen, leaves, cpu_s) = (self.network.count().await, publish::count(&self.gate).await, self.cpu_s(proxy));
        let address = self.address(proxy);
        let wrk = load::wrk(self.tools, self.layout.others, &self.script, address, connections, time).await;
        let cpu_us = (self.cpu_s(proxy) - cpu_s) * 1e6;
        let after = publish::count(&self.gate).await;
        // Its own request is among those that the network counts.
        let seen = self.network.count().await - seen - 1;
        // What the gateway still has to do would be work beside the next run.
        self.at_rest().await;
        let calls = wrk.calls as f64;
        let written = after.1 - leaves.1;
        let fault = wrk.fault(seen).or_else(|| {
            let missing = proxy == Proxy::Gate && written < 2.0 * calls;
            missing.then(|| format!("{written} leaves for {calls} calls"))
        });
        if let Some(fault) = fault {
            println!("void: {proxy:?} on {connections} connections: {fault}{}", self.problems());
            return Run::VOID;
        }
        let (p50_ms, p99_ms) = wrk.times_ms();
        Run {
            calls_per_s: wrk.calls_per_s(),
            p50_ms,
            p99_ms,
            cpu_us: cpu_us / calls,
            cpu_all_us: (self.cpu_s(proxy) - cpu_s) * 1e6 / calls,
            leaves_of_commit: if proxy == Proxy::Gate { written / (after.0 - leaves.0) } else { f64::NAN },
        }
    }

    /// The problems of calls that the gateway refused since it started, each with how often: why a run is void.
    fn problems(&self) -> String {
        let log = std::fs::read_to_string(self.gate.log_file()).unwrap_or_default();
        let mut problems = BTreeMap::new();
        for problem in log.lines().filter_map(|line| line.split_once("problem=")?.1.split_whitespace().next()) {
            *problems.entry(problem.trim_matches('"')).or_insert(0) += 1;
        }
        if problems.is_empty() { String::new() } else { format!("; the gateway so far: {problems:?}") }
    }

    /// Waits until the gateway has done what its calls left to do.
    pub async fn at_rest(&self) {
        let deadline = Instant::now() + REST_TIMEOUT;
        loop {
            let (before, start) = (self.cpu_s(Proxy::Gate), Instant::now());
            tokio::time::sleep(LOOK).await;
            let share = (self.cpu_s(Proxy::Gate) - before) / start.elapsed().as_secs_f64();
            if share < REST {
                return;
            }
            if Instant::now() > deadline {
                println!("the gateway still works {:.0} % of a processor", share * 100.0);
                return;
            }
        }
    }

    /// Who is called at a rate: the network itself, and the gateway.
    pub fn targets(&self) -> [Target; 2] {
        let target = |address, path| Target { address, path, key: self.key.clone() };
        [target(self.network.address, load::STATUSES), target(self.address(Proxy::Gate), load::PATH)]
    }

    /// Ends all of it.
    ///
    /// # Panics
    /// The gateway does not end well.
    pub async fn end(mut self) {
        assert_eq!(self.gate.terminate().await, Some(0), "the gateway ends well");
    }
}

/// The program with a realistic configuration of both shipped policies: every call is judged by two, and leaves two leaves.
pub async fn gate(cores: &str, network: &Server, folder: &Path) -> GateProcess {
    Gate::new()
        .within(folder)
        .account(ACCOUNT, &format!("http://{}", network.address))
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.policy("secrets", "confidential", &cases::confidential_of(DOCUMENTS));
            governance.file("brands.toml", BRANDS).file("limits.toml", LIMITS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .setting("listen.connections_max", CONNECTIONS_MAX)
        .setting("listen.connections_per_source_max", CONNECTIONS_MAX)
        .spawn_on(cores)
        .await
}
