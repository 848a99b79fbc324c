//! A gateway that runs within the test.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pressgate::audit::{Disk, Leaf};
use pressgate::clock::Clock;
use pressgate::gateway::Gateway;
use pressgate::keys::reveal;
use pressgate::model::{AppId, KeyId, PersonId, Principal};
use pressgate::operator::{By, apply::apply, wire::ApplyRequest};
use pressgate::start::{Parts, start};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Caller, Governance, Site, until};
use crate::http::{Answer, Client};

/// How long a stop may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A running gateway. Calls made on it directly are those of the app `newsroom`.
pub struct Running {
    /// Its folder.
    pub site: Site,
    /// The governance that was applied last.
    pub governance: Governance,
    /// Address without a slash at the end.
    pub url: String,
    /// Address of the forward door, where `forward.addr` is set.
    pub proxy: Option<String>,
    newsroom: Caller,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    live: Option<Live>,
}

struct Live {
    gateway: Arc<Gateway>,
    doors: Vec<JoinHandle<()>>,
    work: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start(site: Site, governance: Governance, clock: Arc<dyn Clock>, disk: Arc<dyn Disk>) -> Self {
        let (live, url, proxy) = live(&site, &clock, &disk).await;
        let newsroom = Caller::new(&url, site.key("app:newsroom"));
        Self { site, governance, url, proxy, newsroom, clock, disk, live: Some(live) }
    }

    /// The gateway itself, for what a test can see in no other way.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.live.as_ref().expect("the gateway runs").gateway
    }

    /// A caller with the key of `app:…` or `person:…`.
    pub fn caller(&self, holder: &str) -> Caller {
        Caller::new(&self.url, self.site.key(holder))
    }

    /// A caller with any text in place of a key.
    pub fn caller_with(&self, key: &str) -> Caller {
        Caller::new(&self.url, key)
    }

    /// A further key of an app, and its id.
    ///
    /// # Panics
    /// When it can't be kept.
    pub async fn fresh_key(&self, app: &str, expires: Option<Timestamp>) -> (String, KeyId) {
        let gateway = self.gateway();
        let holder = Principal::App(AppId::new(app));
        let made =
            gateway.keys.create(gateway.records.as_ref(), holder, expires, "test".into(), gateway.clock.now()).await;
        let (key, record) = made.expect("kept");
        (reveal(&key).to_owned(), record.id)
    }

    /// Every leaf of the log.
    ///
    /// # Panics
    /// When the log can't be read.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        let read = self.gateway().audit.replay(0, &mut |_, leaf| {
            leaves.push(leaf);
            std::ops::ControlFlow::Continue(())
        });
        read.expect("a readable log");
        leaves
    }

    /// The post as its author sees it.
    pub async fn read(&self, post: &str) -> Value {
        self.newsroom.get(&format!("/v1/posts/{post}")).await.expect(200)
    }

    /// Waits until the post has this state, and gives it.
    pub async fn until_state(&self, post: &str, state: &str) -> Value {
        let look = || async {
            let view = self.read(post).await;
            (view["state"] == state).then_some(view)
        };
        until(&format!("{post} is {state}"), look).await
    }

    /// Writes this governance into the folder and applies it, as an operator does.
    ///
    /// # Panics
    /// When it does not hold.
    pub async fn apply(&mut self, governance: Governance) {
        self.try_apply(governance).await.unwrap_or_else(|error| panic!("not applied: {error}"));
    }

    /// The same, where it may not hold.
    ///
    /// # Errors
    /// What the operator would read.
    pub async fn try_apply(&mut self, governance: Governance) -> Result<(), String> {
        self.site.write_governance(&governance.files());
        let by = By::Person(PersonId::new("ops-1"));
        let applied = apply(self.gateway(), by, ApplyRequest::default()).await.map_err(|error| format!("{error:?}"));
        applied.map(|_| self.governance = governance)
    }

    /// Stops in order, and starts again on the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        let (live, url, proxy) = live(&self.site, &self.clock, &self.disk).await;
        self.proxy = proxy;
        self.newsroom = Caller::new(&url, self.site.key("app:newsroom"));
        (self.live, self.url) = (Some(live), url);
    }

    /// Stops in order; the folder stays.
    ///
    /// # Panics
    /// When something still holds the gateway after a while.
    pub async fn stop(&mut self) {
        let Some(Live { gateway, doors, work }) = self.live.take() else { return };
        // Connections that are kept open must not hold the stop up.
        self.newsroom = Caller::new(&self.url, "");
        gateway.stopping.set();
        let ended = async {
            for door in doors {
                door.await.expect("the door ends");
            }
            work.await.expect("the worker ends");
            gateway.stopping.idle().await;
        };
        tokio::time::timeout(STOP_TIMEOUT, ended).await.expect("a stop in time");
        gateway.audit.close();
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Arc::strong_count(&gateway) > 1 {
            assert!(Instant::now() < deadline, "{} still hold the gateway", Arc::strong_count(&gateway) - 1);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The data folder.
    pub fn data(&self) -> std::path::PathBuf {
        self.site.path("data")
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.site.folder()
    }

    /// Whether it still answers.
    pub async fn assert_alive(&self) {
        let answer: Answer = crate::http::get(&format!("{}/livez", self.url), "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// A client with connections of its own.
    pub fn client(&self) -> Client {
        Client::default()
    }
}

impl Deref for Running {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.newsroom
    }
}

async fn live(site: &Site, clock: &Arc<dyn Clock>, disk: &Arc<dyn Disk>) -> (Live, String, Option<String>) {
    let parts = Parts { config: site.config(), clock: Arc::clone(clock), disk: Arc::clone(disk) };
    let gateway = start(parts).await.unwrap_or_else(|error| panic!("the gateway does not start: {error}"));
    let listener = TcpListener::bind(gateway.config.listen.address).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut doors = vec![tokio::spawn(pressgate::doors::serve(Arc::clone(&gateway), listener))];
    let mut proxy = None;
    if let Some(addr) = gateway.config.forward.addr {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        proxy = Some(listener.local_addr().expect("an address").to_string());
        doors.push(tokio::spawn(pressgate::doors::forward::serve(Arc::clone(&gateway), listener)));
    }
    let work = tokio::spawn(pressgate::posts::work::work(Arc::clone(&gateway)));
    doors.push(tokio::spawn(pressgate::operator::releases::watch::watch(Arc::clone(&gateway))));
    let telling = Arc::clone(&gateway);
    doors.push(tokio::spawn(async move {
        tokio::join!(telling.webhooks.run(&telling), telling.connectors.run(&telling));
    }));
    let telling = Arc::clone(&gateway);
    doors.push(tokio::spawn(async move { telling.notices.work(&telling).await }));
    (Live { gateway, doors, work }, url, proxy)
}
