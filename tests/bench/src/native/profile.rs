//! Where the time of native calls goes: the gateway alone under full load, watched by `perf`.

use std::process::Command;
use std::time::Duration;

use super::load::{self, PATH};
use super::peers::{Server, Tools};
use super::stand::{PINNED, gate};
use super::{AT_256, CONNECTIONS, SECONDS, WARM_UP};
use crate::{machine, publish, rounds, summary};

/// Samples a second.
const PER_S: &str = "1997";

/// Prints calls a second and the work of a call, and writes `target/bench/native.perf` where there is `perf`.
///
/// # Panics
/// A server does not start, or not answer as it should.
pub fn profile() {
    let Some(tools) = Tools::find() else { return };
    machine::files_max();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&tools, rounds::seconds(SECONDS)));
}

async fn run(tools: &Tools, time: Duration) {
    let folder = summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let folder = folder.canonicalize().expect("a path from the root");
    let network = Server::network(tools, PINNED.others(), &folder).await;
    let mut gate = gate(PINNED.proxy(), &network, &folder).await;
    let script = gate.site.path("load.lua");
    std::fs::write(&script, load::script(gate.site.key("app:newsroom"))).expect("written");
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let connections = std::env::var("PRESSGATE_BENCH_CONNECTIONS").ok().and_then(|number| number.parse().ok());
    let connections = connections.unwrap_or(CONNECTIONS[AT_256]);
    load::wrk(tools, PINNED.others(), &script, address, connections, WARM_UP).await;
    let cpu_s = || machine::family_cpu_s(gate.process_id()).unwrap_or(f64::NAN);
    let (before, leaves) = (cpu_s(), publish::count(&gate).await);
    let samples = summary::path().with_file_name("native.perf");
    let mut perf = Command::new("perf");
    perf.args(["record", "-F", PER_S, "-g", "-o"]).arg(&samples).arg("-p").arg(gate.process_id().to_string());
    let mut watching = perf.args(["--", "sleep"]).arg(time.as_secs().to_string()).spawn().ok();
    let wrk = load::wrk(tools, PINNED.others(), &script, address, connections, time).await;
    let (cpu_s, after) = (cpu_s() - before, publish::count(&gate).await);
    let (p50_ms, p99_ms) = wrk.times_ms();
    println!(
        "{PATH} on {connections} connections: {:.0} calls/s, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {:.0} µs of work a call, {:.1} leaves a commit",
        wrk.calls_per_s(),
        cpu_s * 1e6 / wrk.calls as f64,
        (after.1 - leaves.1) / (after.0 - leaves.0)
    );
    match watching.as_mut().map(|perf| perf.wait()) {
        Some(Ok(_)) => println!("perf report --no-children --sort comm,dso,symbol -i {}", samples.display()),
        _ => println!("no profile: `perf` can't be run"),
    }
    assert_eq!(gate.terminate().await, Some(0), "the gateway ends well");
}
