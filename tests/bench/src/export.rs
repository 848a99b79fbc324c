//! Does a SIEM that fails slow calls down? Two gateways at once, one that exports to nobody and one whose receivers hang, answer
//! 500 and break off, are measured in rounds by turns on the same machine and disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sample_network::Config;
use tests::harness::{Gate, GateProcess, network_with};
use tests::networks::siem::{Mood, Siem};

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::App;
use crate::rounds::{at, sorted};

/// Few enough that a call waits for the disk and not for its turn.
const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(2);
const ROUND: Duration = Duration::from_secs(4);
/// Pairs of rounds.
const PAIRS: usize = 7;
const SEGMENT_BYTES: &str = "67108864";
const ACCOUNT: &str = "acme-mastodon";
/// A median call may take so much longer.
const RATIO_GOAL: f64 = 1.05;

/// What the rounds of one gateway told.
#[derive(Default)]
struct Measured {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// The figures of exporting to receivers that fail.
///
/// # Panics
/// A call is not answered 201, or a receiver was never asked.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (without, with) = runtime.block_on(run());
    let ratios = |with: &[f64], without: &[f64]| -> Vec<f64> {
        with.iter().zip(without).map(|(with, without)| with / without).collect()
    };
    let (p50, p99) = (ratios(&with.p50_ms, &without.p50_ms), ratios(&with.p99_ms, &without.p99_ms));
    vec![
        Figure::of_rounds("export_none_p50_ms", &without.p50_ms, "ms"),
        Figure::of_rounds("export_none_p99_ms", &without.p99_ms, "ms"),
        Figure::of_rounds("export_hanging_siem_p50_ms", &with.p50_ms, "ms"),
        Figure::of_rounds("export_hanging_siem_p99_ms", &with.p99_ms, "ms"),
        // The summary keeps a tenth; a ratio needs more, so it is in percent.
        Figure::of_rounds("export_hanging_siem_latency_ratio", &percent(&p50), "%").bar(Bar::Below(RATIO_GOAL * 100.0)),
        Figure::of_rounds("export_hanging_siem_p99_ratio", &percent(&p99), "%"),
    ]
}

fn percent(ratios: &[f64]) -> Vec<f64> {
    ratios.iter().map(|ratio| ratio * 100.0).collect()
}

async fn run() -> (Measured, Measured) {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let secret = folder.join("export-secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("private");
    let moods = [Mood::Hang, Mood::Refuse(500, Vec::new()), Mood::Drop];
    let mut siems = Vec::new();
    for mood in moods {
        siems.push(Siem::start(mood).await);
    }
    let (mut alone, first) = gate(&folder, None).await;
    let (mut failing, second) = gate(&folder, Some(&exports(&siems, &secret))).await;
    let apps = [first, second];
    let mut measured = [Measured::default(), Measured::default()];
    for app in &apps {
        one_round(app, WARM_UP, &mut Measured::default()).await;
    }
    for pair in 0..PAIRS {
        // Who is first changes, so that a machine that gets slower favours neither.
        for turn in [pair % 2, 1 - pair % 2] {
            one_round(&apps[turn], ROUND, &mut measured[turn]).await;
        }
    }
    assert!(
        siems.iter().all(|siem| siem.tried() > 0 && siem.taken().is_empty()),
        "every receiver was asked, and took nothing"
    );
    for gate in [&mut alone, &mut failing] {
        assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    }
    let [without, with] = measured;
    (without, with)
}

fn exports(siems: &[Siem], secret: &Path) -> String {
    let one = |(number, siem): (usize, &Siem)| {
        format!(
            "{{ name = \"bad-{number}\", kind = \"webhook\", url = {:?}, private_endpoint = true, timeout_ms = 1000, \
             secret = {{ file = {:?} }} }}",
            siem.url,
            secret.display().to_string()
        )
    };
    format!("[{}]", siems.iter().enumerate().map(one).collect::<Vec<_>>().join(", "))
}

async fn gate(folder: &Path, exports: Option<&str>) -> (GateProcess, Arc<App>) {
    // Each its own network, so that neither waits for the other's posts.
    let network = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let mut gate = Gate::new().within(folder).account(ACCOUNT, &network).setting("audit.segment_bytes", SEGMENT_BYTES);
    if let Some(exports) = exports {
        gate = gate.setting("export", exports);
    }
    let gate = gate.spawn().await;
    // It serves as long as the benchmark runs.
    std::mem::forget(network);
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let app = App::new(address, gate.site.key("app:newsroom"), ACCOUNT, cases::posts());
    (gate, Arc::new(app))
}

async fn one_round(app: &Arc<App>, time: Duration, measured: &mut Measured) {
    let round = app.post_for(time, CONNECTIONS).await;
    assert!(round.others.is_none(), "a call was not published: {:?}", round.others);
    let times_us = sorted(&round.times_us);
    measured.p50_ms.push(at(&times_us, 0.5) / 1_000.0);
    measured.p99_ms.push(at(&times_us, 0.99) / 1_000.0);
}
