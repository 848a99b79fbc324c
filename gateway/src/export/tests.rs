//! Tests of a runner against real receivers on this machine.

use std::{
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use serde_json::Value;

use super::{Exports, runner::Runner, shared::LAG, shared::REJECTED, watch};
use crate::{
    audit::{AuditLog, AuditOptions, Event, Leaf, RealDisk, leaf::Lifecycle, leaf::LifecycleEvent},
    clock::Clock,
    config::Config,
    egress::{Egress, EgressOptions},
    export::ExportParts,
    vault::tests::Fixture,
};

type Answers = Arc<dyn Fn(&[Value]) -> Response<String> + Send + Sync>;

/// A receiver, and the batches that it answered with 200.
async fn receiver(answers: Answers) -> (String, Arc<Mutex<Vec<Vec<Value>>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken: Arc<Mutex<Vec<Vec<Value>>>> = Arc::default();
    let kept = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, kept) = (Arc::clone(&answers), Arc::clone(&kept));
            let service = service_fn(move |request: Request<Incoming>| {
                let (answers, kept) = (Arc::clone(&answers), Arc::clone(&kept));
                async move {
                    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    let events: Vec<Value> = serde_json::from_slice(&body).unwrap_or_default();
                    let answer = answers(&events);
                    if answer.status() == 200 {
                        kept.lock().unwrap().push(events);
                    }
                    Ok::<_, Infallible>(answer.map(|text| Full::new(Bytes::from(text))))
                }
            });
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    });
    (url, taken)
}

fn answer(status: u16) -> Response<String> {
    Response::builder().status(status).body(String::new()).unwrap()
}

struct Bench {
    fixture: Fixture,
    audit: AuditLog,
    egress: Arc<Egress>,
    config: Config,
}

impl Bench {
    async fn new(url: &str, more: &str) -> Self {
        let fixture = Fixture::new().await;
        let folder = fixture.folder.path();
        let (audit, _) = AuditLog::open(AuditOptions::new(folder.join("audit"), "o"), Arc::new(RealDisk)).unwrap();
        let clock: Arc<dyn Clock> = fixture.clock.clone();
        let egress = Arc::new(Egress::new(EgressOptions::default(), fixture.vault.clone(), clock).unwrap());
        let secret = folder.join("secret");
        std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let text = format!(
            "[[export]]\nname = \"siem\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = {{ file = \"secret\" }}\n{more}"
        );
        let config = Config::parse(&text, "p.toml", folder).unwrap();
        Self { fixture, audit, egress, config }
    }

    fn open(&self) -> (Exports, Runner) {
        let clock: Arc<dyn Clock> = self.fixture.clock.clone();
        let parts = ExportParts { config: &self.config, audit: &self.audit, egress: &self.egress, clock: &clock };
        let exports = Exports::open(&parts).unwrap();
        let runner = exports.runners.lock().unwrap().remove(0);
        (exports, runner)
    }

    async fn append(&self, count: usize) {
        let at_ms = self.fixture.clock.now().as_millisecond();
        let leaf = |number| Leaf::new(at_ms, Lifecycle { event: LifecycleEvent::Start, version: format!("{number}") });
        self.audit.append_all((0..count).map(leaf).collect()).await.unwrap();
    }

    fn alarms(&self) -> Vec<(String, bool)> {
        let mut alarms = Vec::new();
        self.audit
            .replay(0, &mut |_, leaf| {
                if let Event::Alarm(alarm) = leaf.event {
                    alarms.push((alarm.code, alarm.raised));
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        alarms
    }
}

const PRIVATE: &str = "private_endpoint = true\ntimeout_ms = 300\n";

fn sequences(batches: &[Vec<Value>]) -> Vec<u64> {
    batches.iter().flatten().map(|event| event["metadata"]["sequence"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let (url, taken) = receiver(Arc::new(|events| answer(if events.len() > 3 { 413 } else { 200 }))).await;
    let bench = Bench::new(&url, PRIVATE).await;
    bench.append(20).await;
    let (exports, mut runner) = bench.open();
    while exports.status()[0].lag_leaves > 0 {
        runner.step().await;
    }
    assert_eq!(sequences(&taken.lock().unwrap()), (0..20).collect::<Vec<_>>());
    assert!(taken.lock().unwrap().iter().any(|batch| batch.len() > 1), "no smaller than has to be");
    let status = &exports.status()[0];
    assert_eq!((status.cursor, status.delivered, status.last_error.as_deref()), (20, 20, None));
}

#[tokio::test]
async fn one_event_that_is_too_large_is_waited_with_not_skipped() {
    let (url, taken) = receiver(Arc::new(|_| answer(413))).await;
    let bench = Bench::new(&url, PRIVATE).await;
    bench.append(3).await;
    let (exports, mut runner) = bench.open();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        pauses.push(runner.step().await);
    }
    assert!(pauses.last().unwrap() > &Duration::ZERO, "it does not run in circles: {pauses:?}");
    assert!(taken.lock().unwrap().is_empty() && exports.status()[0].cursor == 0);
    assert_eq!(exports.status()[0].last_error.as_deref(), Some("the receiver answered 413"));
}

#[tokio::test]
async fn the_receiver_may_ask_to_wait_and_the_cursor_stays() {
    let busy = || Response::builder().status(503).header("retry-after", "77").body(String::new()).unwrap();
    let (url, _) = receiver(Arc::new(move |_| busy())).await;
    let bench = Bench::new(&url, PRIVATE).await;
    bench.append(2).await;
    let (exports, mut runner) = bench.open();
    assert_eq!(runner.step().await, Duration::from_secs(77));
    assert_eq!((exports.status()[0].cursor, exports.status()[0].lag_leaves), (0, 2));
    assert_eq!(exports.exported_below(), Some(0));
}

#[tokio::test]
async fn a_cursor_is_durable_and_goes_on_after_a_crash() {
    let (url, taken) = receiver(Arc::new(|_| answer(200))).await;
    let bench = Bench::new(&url, PRIVATE).await;
    bench.append(5).await;
    let (exports, mut runner) = bench.open();
    runner.step().await;
    runner.step().await;
    assert_eq!(exports.status()[0].lag_leaves, 0);
    let file = bench.config.export_dir().join("siem.cursor");
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"next\":5"), "stored when there is nothing else to do");
    drop((exports, runner));
    bench.append(2).await;
    let (exports, mut runner) = bench.open();
    runner.step().await;
    assert_eq!(sequences(&taken.lock().unwrap()), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(exports.exported_below(), Some(7));
}

#[tokio::test]
async fn an_address_that_is_not_public_needs_permission() {
    let bench = Bench::new("https://127.0.0.1:9/", "").await;
    bench.append(1).await;
    let (exports, mut runner) = bench.open();
    runner.step().await;
    let why = exports.status()[0].last_error.clone().unwrap();
    assert!(why.contains("not on the public internet") && why.contains("private_endpoint"), "{why}");
}

#[tokio::test]
async fn lag_raises_one_alarm_and_clears_it_and_a_restart_forgets_neither() {
    let good = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_good = Arc::clone(&good);
    let answers: Answers =
        Arc::new(move |_| answer(if is_good.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 500 }));
    let (url, _) = receiver(answers).await;
    let bench = Bench::new(&url, &format!("{PRIVATE}lag_alarm_ms = 10000\n")).await;
    bench.append(1).await;
    let (exports, mut runner) = bench.open();
    runner.step().await;
    let shared = Arc::clone(&exports.all[0]);
    watch::look(&shared).await;
    assert!(bench.alarms().is_empty(), "not yet");
    bench.fixture.clock.advance(SignedDuration::from_secs(11));
    watch::look(&shared).await;
    watch::look(&shared).await;
    assert_eq!(bench.alarms(), [(LAG.to_owned(), true)], "once");
    assert_eq!((exports.status()[0].lag_ms, exports.status()[0].alarms.clone()), (11_000, vec![LAG.to_owned()]));
    drop((exports, runner, shared));
    let (exports, mut runner) = bench.open();
    runner.step().await;
    watch::look(&exports.all[0]).await;
    assert_eq!(bench.alarms().len(), 1, "a restart raises nothing again");
    good.store(true, std::sync::atomic::Ordering::SeqCst);
    while exports.status()[0].lag_leaves > 0 {
        runner.step().await;
    }
    watch::look(&exports.all[0]).await;
    assert_eq!(bench.alarms(), [(LAG.to_owned(), true), (LAG.to_owned(), false)]);
    assert!(!exports.all[0].is_raised(REJECTED));
}

#[test]
fn a_folder_that_is_missing_is_told() {
    let text = "[[export]]\nname = \"a\"\nkind = \"file\"\npath = \"none/here/o\"\n";
    let config = Config::parse(text, "p.toml", Path::new("/nowhere")).unwrap();
    assert!(super::check(&config.export[0]).unwrap_err().contains("no such folder"));
}
