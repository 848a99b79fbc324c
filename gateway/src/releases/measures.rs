//! What the releases that are loaded were asked and used up, for a scrape.

use std::collections::BTreeMap;

use crate::host::{Count, Registry, Release, Used};
use crate::metrics::Page;

/// Shows every function of every release that was asked anything. Releases of the same digest are added up.
pub fn show(page: &mut Page, registry: &Registry) {
    let snapshot = registry.snapshot();
    let mut seen: Vec<*const Release> = Vec::new();
    let mut all: BTreeMap<(String, String, &'static str), (Count, Used)> = BTreeMap::new();
    for release in snapshot.all() {
        let place = std::sync::Arc::as_ptr(release);
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        for (function, count) in release.vitals().counts() {
            let name = (release.label().to_owned(), release.digest().to_owned(), function);
            let (sum, used) = all.entry(name).or_default();
            add(sum, used, count, release.vitals().used(function));
        }
    }
    for ((plugin, digest, function), (count, used)) in &all {
        let labels =
            |outcome| [("plugin", plugin.as_str()), ("release", digest.as_str()), ("function", *function), outcome];
        let help = "Calls of a plugin's function by how they went.";
        let good = count.calls.saturating_sub(count.failed);
        page.counter("pressgate_plugin_calls_total", help, &labels(("outcome", "answered")), good);
        page.counter("pressgate_plugin_calls_total", help, &labels(("outcome", "failed")), count.failed);
        let [one, two, three, _] = labels(("", ""));
        let labels = [one, two, three];
        let help = "Computing time in microseconds.";
        page.counter("pressgate_plugin_cpu_microseconds_total", help, &labels, used.guest_ns / 1_000);
        let help = "Calls of the gateway's functions by the plugin.";
        page.counter("pressgate_plugin_host_calls_total", help, &labels, used.host_calls);
        let help = "Bytes of bodies that the plugin sent to the network.";
        page.counter("pressgate_plugin_sent_bytes_total", help, &labels, used.sent_bytes);
        let help = "Bytes of bodies that the network answered to the plugin.";
        page.counter("pressgate_plugin_received_bytes_total", help, &labels, used.received_bytes);
        let help = "The most memory that one call held.";
        page.gauge("pressgate_plugin_memory_peak_bytes", help, &labels, used.memory_peak_bytes as f64);
    }
}

fn add(sum: &mut Count, used: &mut Used, count: Count, more: Used) {
    sum.calls += count.calls;
    sum.failed += count.failed;
    sum.refused += count.refused;
    used.guest_ns += more.guest_ns;
    used.memory_peak_bytes = used.memory_peak_bytes.max(more.memory_peak_bytes);
    used.host_calls += more.host_calls;
    used.sent_bytes += more.sent_bytes;
    used.received_bytes += more.received_bytes;
}
