//! `pressgate serve`: runs the gateway until a signal stops it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use super::{
    context::Context,
    outcome::{Failure, Report, print},
    reach::Listening,
};
use crate::{
    audit::{Leaf, leaf},
    config::process::{Log, Telemetry},
    doors,
    gateway::Gateway,
    listen,
    operator::{self, By, wire::ApplyRequest},
    posts::work,
    pulse, retention, start,
    stop::Phase,
    telemetry::{self, Feed, PushParts, Pushing},
};

/// Once the listeners close, those who are connected may take so long before no new work begins.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);

/// What the process listens to besides its listeners.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs until SIGTERM or SIGINT; SIGHUP applies the governance folder.
pub async fn run(context: Context) -> Result<Report, Failure> {
    let feed = trace(&context.config.log, context.config.telemetry.as_ref());
    if let Some(descriptors) = listen::raise_descriptors() {
        tracing::debug!(descriptors, "file descriptors");
    }
    let signals = Signals::listen()?;
    let Context { config, json, .. } = context;
    let data = config.data.clone();
    // Bound before the start, so that a port that is taken leaves no start in the log.
    let (public, public_at) = bind("listen.address", config.listen.address).await?;
    let (operators, operators_at) = bind("listen.operator", config.listen.operator).await?;
    let mut accounts = Vec::new();
    for (account, address) in &config.native.listeners {
        let (listener, at) = bind(&format!("native.listeners.{account}"), *address).await?;
        accounts.push((account.clone(), listener, at));
    }
    let proxy = match config.forward.addr {
        Some(addr) => Some(bind("forward.addr", addr).await?),
        None => None,
    };
    let forward = proxy.as_ref().map(|(_, at)| *at);
    let gateway = start::start(crate::start::Parts::real(config)).await?;
    let pushing = push(&gateway, feed)?;
    let native = accounts.iter().map(|(account, _, at)| (account.to_string(), *at)).collect();
    let listening = Listening { address: public_at, operator: operators_at, native, forward };
    listening.write(&data).map_err(|error| Failure::file(&data, &error))?;

    let mut listeners = vec![
        tokio::spawn(doors::serve(Arc::clone(&gateway), public)),
        tokio::spawn(operator::serve(Arc::clone(&gateway), operators)),
    ];
    for (account, listener, at) in accounts {
        tracing::info!(address = %at, %account, "listening for clients of one account");
        listeners.push(tokio::spawn(doors::serve_account(Arc::clone(&gateway), account, listener)));
    }
    if let Some((proxy, at)) = proxy {
        operator::authority::warn(&gateway).await;
        tracing::info!(address = %at, "listening for tunnels");
        listeners.push(tokio::spawn(doors::forward::serve(Arc::clone(&gateway), proxy)));
    }
    let tasks = [
        tokio::spawn(work::work(Arc::clone(&gateway))),
        tokio::spawn(operator::releases::watch::watch(Arc::clone(&gateway))),
        tokio::spawn(export(Arc::clone(&gateway))),
        tokio::spawn(retention::run(Arc::clone(&gateway))),
        tokio::spawn(ask_witnesses(Arc::clone(&gateway))),
        tokio::spawn(tell(Arc::clone(&gateway))),
        tokio::spawn(tell_people(Arc::clone(&gateway))),
    ];
    tracing::info!(address = %public_at, "listening for apps");
    tracing::info!(address = %operators_at, "listening for operators");
    let encrypted = gateway.tls.is_some();
    print(&if json { json!(listening).to_string() } else { addresses(&listening, encrypted) });
    let mut signals = signals;
    signals.until_stop(&gateway).await;
    let in_time = drain(&gateway, listeners, tasks, &mut signals).await;
    if let Some(pushing) = pushing {
        pushing.finish().await;
    }
    Listening::remove(&data);
    // The line that told where it listens was all for standard output.
    let report = Report { text: String::new(), json: json!({ "stopped": true, "in_time": in_time }), holds: true };
    Ok(report)
}

/// Where it listens, for people.
fn addresses(listening: &Listening, encrypted: bool) -> String {
    let Listening { address, operator, forward, .. } = listening;
    let scheme = if encrypted { "https" } else { "http" };
    let tunnels = forward.map_or_else(String::new, |at| format!("\nforward listens on http://{at}"));
    format!("pressgate listens on {scheme}://{address}\noperator listens on http://{operator}{tunnels}")
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::Unreachable(format!("no signals: {error}")));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Returns with the first signal to stop; answers those to apply on the way.
    async fn until_stop(&mut self, gateway: &Arc<Gateway>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let gateway = Arc::clone(gateway);
                    tokio::spawn(async move { apply(&gateway).await });
                }
            }
        }
    }

    async fn stop_again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn export(gateway: Arc<Gateway>) {
    gateway.exports.run(&gateway.stopping).await;
}

async fn tell(gateway: Arc<Gateway>) {
    // Each has lines of its own; both end with the gateway.
    tokio::join!(gateway.webhooks.run(&gateway), gateway.connectors.run(&gateway));
}

async fn tell_people(gateway: Arc<Gateway>) {
    gateway.notices.work(&gateway).await;
}

async fn ask_witnesses(gateway: Arc<Gateway>) {
    gateway.witnesses.run(&gateway.stopping).await;
}

/// Applies for a signal; nobody waits for an answer, so it goes to the process's own log.
async fn apply(gateway: &Arc<Gateway>) {
    if let Some(tls) = gateway.tls.clone() {
        // What is wrong with the files is in the process's log.
        let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
    }
    match operator::apply::apply(gateway, By::LocalSignal, ApplyRequest::default()).await {
        Ok(applied) => {
            for change in applied.changes {
                tracing::info!(change = %change.text, "applied");
            }
            for note in applied.notes {
                tracing::warn!(note, "applied");
            }
        }
        Err(operator::OpsError::Governance(faults)) => {
            for fault in faults {
                tracing::error!(%fault, "the governance folder was not applied");
            }
        }
        Err(error) => tracing::error!(%error, "the governance folder was not applied"),
    }
}

/// No new work; what has begun ends; the log is closed. False where the time was up or a second signal came.
async fn drain(
    gateway: &Arc<Gateway>,
    mut listeners: Vec<JoinHandle<()>>,
    tasks: [JoinHandle<()>; 7],
    signals: &mut Signals,
) -> bool {
    let announced = Duration::from_millis(gateway.config.listen.stop_announced_ms);
    let timeout = Duration::from_millis(gateway.config.listen.stop_timeout_ms);
    tracing::info!(?announced, "stopping");
    let ended = async {
        // Whoever spreads the load looks at /readyz and sends the next calls elsewhere; meanwhile all are served.
        gateway.stopping.advance(Phase::Announced);
        tokio::time::sleep(announced).await;
        gateway.stopping.advance(Phase::Closing);
        let _ = tokio::time::timeout(CLOSING_TIMEOUT, all(&mut listeners)).await;
        gateway.stopping.set();
        all(&mut listeners).await;
        for task in tasks {
            // A task that panicked has ended too.
            let _ = task.await;
        }
        gateway.stopping.idle().await;
        gateway.egress.settled().await;
    };
    let in_time = tokio::select! {
        ended = tokio::time::timeout(announced + timeout, ended) => ended.is_ok(),
        () = signals.stop_again() => false,
    };
    gateway.stopping.set();
    if !in_time {
        tracing::warn!("stopping before every call has ended; the next start looks after them");
    }
    let now = gateway.clock.now();
    gateway.strangers.flush_all(&gateway.audit, now).await;
    work::keep_house(gateway).await;
    pulse::last(gateway).await;
    let event = leaf::Lifecycle { event: leaf::LifecycleEvent::Stop, version: env!("CARGO_PKG_VERSION").to_owned() };
    if let Err(error) = gateway.audit.append(Leaf::new(now.as_millisecond(), event)).await {
        tracing::error!(%error, "the stop is not in the log");
    }
    if let Err(error) = gateway.openings.settle().await {
        tracing::warn!(%error, "openings stay beside the log's leaves; the next start takes them from there");
    }
    if let Err(error) = gateway.openings.gather_keys().await {
        tracing::warn!(%error, "the keys of subjects stay in two files; copy both for a backup");
    }
    if let Err(error) = gateway.records.gather().await {
        tracing::warn!(%error, "the records stay in two files; a backup needs both");
    }
    let (audit, index) = (gateway.audit.clone(), Arc::clone(&gateway.index));
    // It waits for the disk.
    let _ = tokio::task::spawn_blocking(move || {
        audit.close();
        index.close();
    })
    .await;
    tracing::info!("stopped");
    in_time
}

/// Returns once all have ended.
async fn all(tasks: &mut [JoinHandle<()>]) {
    for task in tasks.iter_mut().filter(|task| !task.is_finished()) {
        // A task that panicked has ended too.
        let _ = task.await;
    }
}

#[allow(clippy::disallowed_methods, reason = "the listeners; what they serve has its limits in doors and operator")]
pub(super) async fn bind(key: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed =
        |error: std::io::Error| Failure::Unreachable(format!("{key} {address}: {error}. Is another one running?"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// The process's own log, to standard error, and where it is pushed to besides.
pub(super) fn trace(log: &Log, pushed: Option<&Telemetry>) -> Option<Feed> {
    telemetry::subscribe(log, pushed).unwrap_or_else(|error| {
        print(&format!("the process's log can't be set up: {error}"));
        None
    })
}

/// Begins to push what was gathered since the process began.
fn push(gateway: &Arc<Gateway>, feed: Option<Feed>) -> Result<Option<Pushing>, Failure> {
    let (Some(feed), Some(config)) = (feed, gateway.config.telemetry.clone()) else { return Ok(None) };
    let measured = Arc::clone(gateway);
    let parts = PushParts {
        config,
        egress: Arc::clone(&gateway.egress),
        instance: gateway.audit.origin().to_owned(),
        measure: Box::new(move || measured.metrics.page()),
    };
    Pushing::begin(feed, parts, &gateway.metrics).map(Some).map_err(Failure::refused)
}
