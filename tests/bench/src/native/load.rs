//! The load of native calls: as fast as they are answered (`wrk`), and at a rate of ours, whoever is slow.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::peers::{Tools, pinned};
use crate::rounds::sorted;

/// The network's path of a new status.
pub const STATUSES: &str = "/api/v1/statuses";
/// The same at a proxy.
pub const PATH: &str = "/native/acme-mastodon/api/v1/statuses";
/// What each call says: about 130 bytes, fine by the rules of `acme/snacks`.
pub const BODY: &str = r#"{"status":"Nové chipsy z Vysočiny jsou od pondělí v obchodech, ochutnejte je s naším dipem. Váš Acme","language":"cs"}"#;
/// Its media type.
pub const JSON: &str = "application/json";
/// Longer than any call takes: a call that is late is late, and not lost.
const TIMEOUT: &str = "10s";
/// What [`Wrk`] begins with in the output.
const MARK: &str = "measured ";
/// Connections of [`at_rate`].
const CONNECTIONS: usize = 256;

/// What `wrk` says of a run.
#[derive(Debug, Deserialize)]
pub struct Wrk {
    /// Calls that were answered.
    pub calls: u64,
    duration_us: f64,
    /// Answers of 400 and above.
    refused: u64,
    /// Connections that could not be made or broke, and calls without an answer.
    broken: u64,
    p50_us: f64,
    p99_us: f64,
}

impl Wrk {
    /// Calls a second.
    pub fn calls_per_s(&self) -> f64 {
        self.calls as f64 * 1e6 / self.duration_us
    }

    /// Median and 99th percentile of a call's time, in milliseconds.
    pub fn times_ms(&self) -> (f64, f64) {
        (self.p50_us / 1_000.0, self.p99_us / 1_000.0)
    }

    /// What makes the run worth nothing: a call that was not answered with success, or that the network never saw.
    pub fn fault(&self, seen: u64) -> Option<String> {
        match self {
            Self { calls: 0, .. } => Some("no call was answered".to_owned()),
            Self { refused, broken, .. } if refused + broken > 0 => {
                Some(format!("{refused} calls were refused, {broken} broke"))
            }
            Self { calls, .. } if seen < *calls => Some(format!("the network saw {seen} of {calls} calls")),
            _ => None,
        }
    }
}

/// Calls on so many connections, each with one call at a time, for whole seconds.
///
/// # Panics
/// `wrk` can't be run.
pub async fn wrk(tools: &Tools, cores: &str, script: &Path, to: SocketAddr, connections: usize, time: Duration) -> Wrk {
    let mut command = pinned(cores, &tools.wrk);
    command.args(["--threads", "1", "--timeout", TIMEOUT, "--connections", &connections.to_string()]);
    command
        .args(["--duration", &format!("{}s", time.as_secs()), "--script"])
        .arg(script)
        .arg(format!("http://{to}{PATH}"));
    let output = tokio::process::Command::from(command).output().await.expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(MARK));
    let line = line.unwrap_or_else(|| panic!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(line).expect("what the script prints")
}

/// What `wrk` sends with this key, and what it prints at the end. The request is made once: there is no work for each call.
pub fn script(key: &str) -> String {
    format!(
        "wrk.method = 'POST'\nwrk.path = '{PATH}'\nwrk.body = [[{BODY}]]\n\
         wrk.headers['Authorization'] = 'Bearer {key}'\nwrk.headers['Content-Type'] = '{JSON}'\n\
         done = function(summary, latency)\n\
           local errors = summary.errors\n\
           io.write(string.format('{MARK}{{\"calls\":%d,\"duration_us\":%d,\"refused\":%d,\"broken\":%d,\"p50_us\":%d,\"p99_us\":%d}}\\n',\n\
             summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,\n\
             latency:percentile(50), latency:percentile(99)))\n\
         end\n"
    )
}

/// Who is called at a rate.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// The path of a new status there.
    pub path: &'static str,
    /// The key.
    pub key: String,
}

/// Microseconds of the calls of so many a second, in order of length. A call's time begins when it is due, also where an earlier
/// one keeps its connection busy. All of it happens on one processor.
///
/// # Errors
/// An answer is not 200: its status.
///
/// # Panics
/// A connection breaks.
pub fn at_rate(target: &Target, core: usize, per_s: f64, time: Duration) -> Result<Vec<f64>, StatusCode> {
    let work = || {
        let mut only = CpuSet::new();
        only.set(core);
        // What this thread starts stays there too.
        sched_setaffinity(None, &only).expect("a processor of this machine");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(calls(target, per_s, time))
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("the connections hold"))
}

async fn calls(target: &Target, per_s: f64, time: Duration) -> Result<Vec<f64>, StatusCode> {
    let mut running = JoinSet::new();
    let mut due = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (sender, receiver) = mpsc::unbounded_channel();
        due.push(sender);
        running.spawn(calls_on(target.clone(), crate::load::connect(target.address).await, receiver));
    }
    // The runtime's timers tick each millisecond, in which many calls would begin at once; this thread's do not.
    let pace = std::thread::spawn(move || {
        let (start, every) = (Instant::now(), Duration::from_secs_f64(1.0 / per_s));
        let calls = (time.as_secs_f64() * per_s) as u32;
        for (number, connection) in (0..calls).zip(due.iter().cycle()) {
            let at = start + every * number;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            let _failed = connection.send(at);
        }
    });
    let mut times_us = Vec::new();
    while let Some(part) = running.join_next().await {
        times_us.extend(part.expect("the connection holds")?);
    }
    pace.join().expect("it only sleeps");
    Ok(sorted(&times_us))
}

async fn calls_on(
    target: Target,
    mut sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    mut due: mpsc::UnboundedReceiver<Instant>,
) -> Result<Vec<f64>, StatusCode> {
    let mut times_us = Vec::new();
    while let Some(at) = due.recv().await {
        let request = Request::post(target.path)
            .header("host", target.address.to_string())
            .header("authorization", format!("Bearer {}", target.key))
            .header("content-type", JSON)
            .body(Full::from(BODY))
            .expect("a valid request");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        body.collect().await.expect("a whole answer");
        if head.status != StatusCode::OK {
            return Err(head.status);
        }
        times_us.push(at.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_a_refusal_is_void() {
        let said = r#"{"calls":100,"duration_us":1000000,"refused":0,"broken":0,"p50_us":1500,"p99_us":9000}"#;
        let mut wrk: Wrk = serde_json::from_str(said).expect("what the script prints");
        assert_eq!((wrk.calls_per_s(), wrk.times_ms()), (100.0, (1.5, 9.0)));
        assert_eq!(wrk.fault(100), None);
        assert!(wrk.fault(99).is_some(), "not all of them reached the network");
        wrk.refused = 1;
        assert!(wrk.fault(100).is_some());
    }

    #[test]
    fn a_call_is_as_long_as_it_should_be() {
        assert!((120..=140).contains(&BODY.len()), "{}", BODY.len());
        assert!(script("pgk_1").contains(BODY));
    }
}
