//! Bad calls harm nobody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use pressgate::host::{MediaFiles, PluginFault, PluginGrant, Release};
use pressgate::model::Outcome;
use tests::{plugins, samples};

use super::{Network, adapter, policy, response};

const WORKERS: usize = 2;

/// An adapter on a host of its own. A stopped clock jumps ahead while everybody waits, so a test with one must not wait for
/// guests of another test.
fn adapter_of_its_own() -> Arc<Release> {
    let wasm = plugins::plugin("hostile");
    samples::host(None).load(&wasm, &PluginGrant::default(), &serde_json::json!({})).unwrap()
}

async fn good_review(release: &Release) {
    let draft = samples::draft(&["A risk-free snack."]);
    let (outcome, _) = release.review(&draft, &samples::context(), &MediaFiles::none()).await.unwrap();
    assert_eq!(outcome, Outcome::Deny);
}

/// Makes one bad call after another until told to stop; counts those that ended as they must.
async fn misbehave(release: Arc<Release>, text: &'static str, stop: Arc<AtomicBool>, ended: Arc<AtomicUsize>) {
    while !stop.load(SeqCst) {
        let draft = samples::draft(&[text]);
        let error = release.review(&draft, &samples::context(), &MediaFiles::none()).await.unwrap_err();
        let as_it_must = match text {
            "spin" => matches!(error.fault, PluginFault::CpuBudget { .. }),
            "panic" => matches!(error.fault, PluginFault::Trapped { .. }),
            _ => matches!(error.fault, PluginFault::Memory { .. }),
        };
        assert!(as_it_must, "{text}: {error}");
        ended.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_good_calls_succeed_beside_bad_ones_that_never_stop() {
    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(AtomicUsize::new(0));
    let mut bad = Vec::new();
    for text in ["spin", "panic", "eat-memory"] {
        for _ in 0..WORKERS + 2 {
            bad.push(tokio::spawn(misbehave(policy(), text, Arc::clone(&stop), Arc::clone(&ended))));
        }
    }
    while ended.load(SeqCst) < 3 * (WORKERS + 2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = ended.load(SeqCst);
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let start = Instant::now();
        let release = policy();
        let good = (0..4).map(|_| {
            let release = Arc::clone(&release);
            tokio::spawn(async move { good_review(&release).await })
        });
        for call in good.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        slowest = slowest.max(start.elapsed());
    }
    assert!(ended.load(SeqCst) > before, "the bad calls ran throughout");
    stop.store(true, SeqCst);
    for call in bad {
        call.await.unwrap();
    }
    println!("slowest of 50 rounds of 4 good calls: {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_calls_at_once_all_get_through() {
    let release = policy();
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let release = Arc::clone(&release);
            tokio::spawn(async move { good_review(&release).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_of_waiting_are_no_computing() {
    let slow = Network::answering(Duration::from_secs(10), |_, _| Ok(response(200, "id-1")));
    let call = samples::call(&["hello"]);
    let (answer, _) = adapter_of_its_own().perform(&call, slow, &MediaFiles::none()).await.unwrap();
    assert_eq!(answer.unwrap().parts[0].platform_id, "id-1");
}

#[tokio::test]
async fn waiting_in_real_time_is_no_computing() {
    let slow = Network::answering(Duration::from_millis(400), |step, _| Ok(response(200, step)));
    let call = samples::call(&["one", "two", "three"]);
    let (answer, _) = adapter().perform(&call, slow, &MediaFiles::none()).await.unwrap();
    assert_eq!(answer.unwrap().parts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_never_answers_ends_the_call() {
    let silent = Network::answering(Duration::from_secs(3600), |_, _| Ok(response(200, "late")));
    let call = samples::call(&["hello"]);
    let error = adapter_of_its_own().perform(&call, silent, &MediaFiles::none()).await.unwrap_err();
    assert_eq!(error.fault, PluginFault::WallDeadline { deadline_ms: 30_000 });
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_a_plugin_takes_are_told_to_come_back() {
    let full = adapter_of_its_own();
    let silent = Network::answering(Duration::from_secs(20), |_, _| Ok(response(200, "late")));
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (release, silent) = (Arc::clone(&full), Arc::clone(&silent));
            tokio::spawn(async move { release.perform(&samples::call(&["hello"]), silent, &MediaFiles::none()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let error = full.observe("GET", "https://social.example/", 200, &[]).await.unwrap_err();
    assert_eq!(error.fault, PluginFault::Busy { retry_after_ms: 1_000 });
    for call in calls {
        assert!(call.await.unwrap().unwrap().0.is_ok());
    }
    assert!(full.observe("GET", "https://social.example/", 200, &[]).await.is_ok());
}
