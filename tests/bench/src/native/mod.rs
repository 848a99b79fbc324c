//! How many native calls a second go the whole way, beside nginx (which only passes on) and Envoy with a filter in WebAssembly (which
//! does a part of it and writes nothing down): the same load and network for all, in rounds by turns.
//!
//! A call of the gateway is authenticated, classified and judged by two policies in WebAssembly, limited, written to the log
//! twice, durably, and sent with the account's credential (design §11).

mod load;
mod peers;
mod profile;
mod stand;

use std::path::Path;
use std::time::Duration;

pub use load::{BODY, JSON, STATUSES};
use peers::Tools;
pub use profile::profile;
use stand::{FREE, Layout, PINNED, PROXIES, Proxy, Run, Stand};

use crate::figure::{Bar, Figure, short};
use crate::rounds::{at, sorted};
use crate::{disk, machine, rounds};

/// Connections of a run, each with one call at a time.
const CONNECTIONS: [usize; 3] = [32, 256, 1024];
/// The place of 256 among them, at which the bars are.
const AT_256: usize = 1;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
/// Seconds of a run; `PRESSGATE_BENCH_SECONDS` says otherwise.
const SECONDS: u64 = 4;
/// The processor of load and network in [`PINNED`].
const CORE_OF_LOAD: usize = 1;

/// The runs of one layout: by proxy, by number of connections, by round.
type Runs = [[Vec<Run>; CONNECTIONS.len()]; PROXIES.len()];

/// What half of the load adds to a call.
#[derive(Default)]
struct Half {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// What the disk itself costs.
#[derive(Default)]
struct Syncs {
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

/// The figures of native calls. None, with a line that says so, where what they are measured beside is not installed.
///
/// # Panics
/// A server does not start, or not answer as it should.
pub fn measure() -> Vec<Figure> {
    let Some(tools) = Tools::find() else { return Vec::new() };
    // A thousand connections have two sides.
    machine::files_max();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&tools, rounds::seconds(SECONDS)))
}

async fn run(tools: &Tools, time: Duration) -> Vec<Figure> {
    // The data lies on the disk of the checkout: a folder for temporary files may be memory.
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let folder = folder.canonicalize().expect("a path from the root");
    let mut syncs = Syncs::default();

    let stand = Stand::start(tools, PINNED, &folder).await;
    let pinned = all_rounds(&stand, time, &folder, &mut syncs).await;
    let half = half_load(&stand, values(&pinned[0][AT_256], |run| run.calls_per_s), time).await;
    stand.end().await;
    print(PINNED, &pinned);

    let stand = Stand::start(tools, FREE, &folder).await;
    let free = all_rounds(&stand, time, &folder, &mut syncs).await;
    stand.end().await;
    print(FREE, &free);
    figures(&pinned, &free, &half, &syncs)
}

async fn all_rounds(stand: &Stand<'_>, time: Duration, folder: &Path, syncs: &mut Syncs) -> Runs {
    for proxy in PROXIES {
        stand.run(proxy, CONNECTIONS[AT_256], WARM_UP).await;
    }
    let mut runs = Runs::default();
    for _ in 0..ROUNDS {
        let times_us = disk::fdatasync_us(folder).expect("the disk is written to");
        syncs.p50_us.push(at(&times_us, 0.5));
        syncs.p99_us.push(at(&times_us, 0.99));
        for (connections, number) in CONNECTIONS.into_iter().zip(0..) {
            for (proxy, runs) in PROXIES.into_iter().zip(&mut runs) {
                runs[number].push(stand.run(proxy, connections, time).await);
            }
        }
    }
    runs
}

/// The same calls at half of the rate that the gateway can answer, once to the network itself and once through the gateway.
async fn half_load(stand: &Stand<'_>, calls_per_s: Vec<f64>, time: Duration) -> Half {
    let per_s = median(&calls_per_s) / 2.0;
    let mut half = Half::default();
    for _ in 0..ROUNDS {
        let mut quantiles = Vec::new();
        for target in stand.targets() {
            // The rate is no number where the rounds are void.
            let measured =
                if per_s.is_finite() { load::at_rate(&target, CORE_OF_LOAD, per_s, time) } else { Ok(Vec::new()) };
            let times_us = measured.unwrap_or_else(|status| {
                println!("void: half of the load: a call was answered {status}");
                Vec::new()
            });
            quantiles.push((at(&times_us, 0.5) / 1_000.0, at(&times_us, 0.99) / 1_000.0));
            stand.at_rest().await;
        }
        let (direct, through) = (quantiles[0], quantiles[1]);
        println!(
            "half of the load, {per_s:.0} calls/s: p50 {:.2} ms and p99 {:.2} ms through the gateway, {:.2} and {:.2} without it",
            through.0, through.1, direct.0, direct.1
        );
        half.p50_ms.push(through.0 - direct.0);
        half.p99_ms.push(through.1 - direct.1);
    }
    half
}

fn figures(pinned: &Runs, free: &Runs, half: &Half, syncs: &Syncs) -> Vec<Figure> {
    let [gate, nginx, envoy] = pinned;
    let per_s = |runs: &[Run]| values(runs, |run| run.calls_per_s);
    let mut figures = Vec::new();
    for (number, connections) in CONNECTIONS.into_iter().enumerate() {
        let runs = &gate[number];
        let p99 = values(runs, |run| run.p99_ms);
        figures.push(figure(&format!("native_calls_per_s_{connections}"), &per_s(runs), "calls/s"));
        figures.push(figure(&format!("native_p99_ms_{connections}"), &p99, "ms"));
    }
    let of_gate = |of: fn(&Run) -> f64| values(&gate[AT_256], of);
    let ratio = |runs: &Runs, peer: usize| {
        let pairs = per_s(&runs[0][AT_256]).into_iter().zip(per_s(&runs[peer][AT_256]));
        pairs.map(|(gate, peer)| gate / peer).collect::<Vec<f64>>()
    };
    // The length of a sync that the bars of §11 speak of is its median: the stricter reading.
    let sync_ms = median(&syncs.p50_us) / 1_000.0;
    let (p50_bar, p99_bar) = (Bar::Below(1.0 + 3.0 * sync_ms), Bar::Below(5.0 + 5.0 * sync_ms));
    figures.extend([
        figure("native_cpu_us_per_call", &of_gate(|run| run.cpu_us), "µs/call"),
        figure("native_cpu_us_per_call_all", &of_gate(|run| run.cpu_all_us), "µs/call"),
        figure("native_leaves_per_commit", &of_gate(|run| run.leaves_of_commit), "leaves"),
        figure("native_nginx_calls_per_s_256", &per_s(&nginx[AT_256]), "calls/s"),
        figure("native_envoy_wasm_calls_per_s_256", &per_s(&envoy[AT_256]), "calls/s"),
        figure("native_envoy_wasm_cpu_us_per_call", &values(&envoy[AT_256], |run| run.cpu_us), "µs/call"),
        figure("native_vs_envoy_wasm_256", &ratio(pinned, 2), "×").bar(Bar::AtLeast(1.5)),
        figure("native_vs_nginx_256", &ratio(pinned, 1), "×"),
        figure("native_2w_calls_per_s_256", &per_s(&free[0][AT_256]), "calls/s"),
        figure("native_vs_envoy_wasm_2w_256", &ratio(free, 2), "×").bar(Bar::AtLeast(1.2)),
        figure("native_half_load_p50_ms", &half.p50_ms, "ms").bar(p50_bar),
        figure("native_half_load_p99_ms", &half.p99_ms, "ms").bar(p99_bar),
        figure("native_fdatasync_p50_us", &syncs.p50_us, "µs"),
        figure("native_fdatasync_p99_us", &syncs.p99_us, "µs"),
    ]);
    figures
}

/// The median of rounds; no number where one of them is void.
fn figure(name: &str, rounds: &[f64], unit: &'static str) -> Figure {
    let valid = rounds.iter().all(|value| value.is_finite());
    Figure::of_rounds(name, if valid { rounds } else { &[] }, unit)
}

fn values(runs: &[Run], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(of).collect()
}

fn median(values: &[f64]) -> f64 {
    at(&sorted(values), 0.5)
}

/// Every proxy at every number of connections: medians, and the least and the most calls a second that a round had.
fn print(layout: Layout, runs: &Runs) {
    println!("\n{}; medians of {ROUNDS} rounds\n", layout.name);
    println!("proxy  connections  calls/s  {:17}  p50 ms  p99 ms  CPU µs/call  leaves/commit", "(rounds)");
    for (proxy, runs) in PROXIES.into_iter().zip(runs) {
        for (connections, runs) in CONNECTIONS.into_iter().zip(runs) {
            let of = |of: fn(&Run) -> f64| short(median(&values(runs, of)));
            let per_s = sorted(&values(runs, |run| run.calls_per_s));
            let spread = format!("({} … {})", short(at(&per_s, 0.0)), short(at(&per_s, 1.0)));
            let leaves = if proxy == Proxy::Gate { of(|run| run.leaves_of_commit) } else { "-".to_owned() };
            println!(
                "{:5}  {connections:>11}  {:>7}  {spread:17}  {:>6}  {:>6}  {:>11}  {leaves:>13}",
                format!("{proxy:?}").to_lowercase(),
                of(|run| run.calls_per_s),
                of(|run| run.p50_ms),
                of(|run| run.p99_ms),
                of(|run| run.cpu_us),
            );
        }
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_void_round_voids_its_figure() {
        assert_eq!(figure("x", &[1.0, 3.0, 2.0], "ms").value, 2.0);
        assert!(figure("x", &[1.0, f64::NAN, 2.0], "ms").value.is_nan());
        assert_eq!(figure("x", &[2.0, f64::NAN], "×").bar(Bar::AtLeast(1.0)).verdict(), "missed");
    }
}
