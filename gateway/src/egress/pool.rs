//! Connections that are kept, for each credential scope its own.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, Uri, Version, header::HOST};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use jiff::{SignedDuration, Timestamp};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    body::OutgoingBody,
    connect::{Channel, Connector},
    resolve::Resolver,
    target::Target,
    types::SendFailure,
};
use crate::{clock::Clock, model::AccountId};

/// How long an idle HTTP/1.1 connection is kept. Common servers close after 5 s or more; a request that meets such a close
/// can't be told from one that was executed.
const IDLE_MS: i64 = 4_000;
/// How long a connection is used; then the name is resolved and checked again.
const AGE_MS: i64 = 300_000;
/// Requests of one client at the same time; more wait.
const REQUESTS_MAX: usize = 256;
/// Idle connections of one client: with fewer, calls that come in waves would close and open them.
const IDLE_MAX: usize = REQUESTS_MAX;
/// Of these, answers that may come for long; a further one is read whole.
const FLOWS_MAX: usize = REQUESTS_MAX / 4;
/// Clients that are remembered before those without work are forgotten.
const CLIENTS_MAX: usize = 4096;
/// How long an idle connection may need to become ready after its last answer.
const READY_TIMEOUT: Duration = Duration::from_millis(20);

/// What connections are shared by: the same account, credential and origin, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    pub(super) account: AccountId,
    pub(super) label: Option<String>,
    pub(super) origin: String,
    pub(super) private: bool,
}

/// All clients.
pub(super) struct Pool {
    settings: ClientConfig,
    resolver: Arc<dyn Resolver>,
    connect_timeout: Duration,
    clock: Arc<dyn Clock>,
    clients: Mutex<HashMap<ClientKey, Arc<Client>>>,
}

/// Connections of one scope.
pub(super) struct Client {
    connector: Connector,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    flows: Arc<Semaphore>,
    kept: Mutex<Kept>,
    reaping: AtomicBool,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    shared: Option<(http2::SendRequest<OutgoingBody>, Timestamp)>,
}

struct Idle {
    sender: http1::SendRequest<OutgoingBody>,
    opened_at: Timestamp,
    idle_since: Timestamp,
}

/// What answered, to be given back once the answer was read to its end.
pub(super) enum Lease {
    /// An HTTP/1.1 connection and when it was opened.
    Alone(http1::SendRequest<OutgoingBody>, Timestamp),
    /// HTTP/2: nothing to give back.
    Shared,
}

impl Pool {
    pub(super) fn new(
        settings: ClientConfig,
        resolver: Arc<dyn Resolver>,
        connect_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { settings, resolver, connect_timeout, clock, clients: Mutex::new(HashMap::new()) }
    }

    /// A connector for what is no HTTP: no protocol is agreed on by ALPN.
    pub(super) fn plain_connector(&self) -> Connector {
        let mut settings = self.settings.clone();
        settings.alpn_protocols.clear();
        Connector::new(&settings, Arc::clone(&self.resolver), self.connect_timeout)
    }

    /// The client of a scope.
    pub(super) fn client(&self, key: ClientKey) -> Arc<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&key) {
            clients.retain(|_, client| Arc::strong_count(client) > 1);
        }
        let client = clients.entry(key).or_insert_with(|| {
            Arc::new(Client {
                connector: Connector::new(&self.settings, Arc::clone(&self.resolver), self.connect_timeout),
                clock: Arc::clone(&self.clock),
                slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
                flows: Arc::new(Semaphore::new(FLOWS_MAX)),
                kept: Mutex::default(),
                reaping: AtomicBool::new(false),
            })
        });
        Arc::clone(client)
    }
}

impl Client {
    /// Waits for room; held while a request runs.
    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, SendFailure> {
        Arc::clone(&self.slots).acquire_owned().await.map_err(|_| SendFailure::NotSent("the pool is closed".into()))
    }

    /// Room for an answer that is given on while it comes; none where so many come already that others would have to wait.
    pub(super) fn flow(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.flows).try_acquire_owned().ok()
    }

    /// Sends a request on a kept or a new connection. `handed` is true from the moment when a byte of it may have left.
    pub(super) async fn send(
        &self,
        target: &Target,
        mut request: Request<OutgoingBody>,
        handed: &AtomicBool,
    ) -> Result<(Response<Incoming>, Lease), SendFailure> {
        while let Some((channel, opened_at)) = self.take() {
            match attempt(channel, opened_at, target, request, handed).await {
                Attempt::Answered(response, lease) => return Ok((response, lease)),
                Attempt::Unanswered => return Err(broke_off()),
                // The connection had ended; hyper gives a request back only where nothing of it was written.
                Attempt::NeverLeft(back) => request = *back,
            }
        }
        let opened_at = self.clock.now();
        let channel = self.connector.connect(target).await?;
        if let Channel::Http2(sender) = &channel {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).shared = Some((sender.clone(), opened_at));
        }
        match attempt(channel, opened_at, target, request, handed).await {
            Attempt::Answered(response, lease) => Ok((response, lease)),
            Attempt::Unanswered => Err(broke_off()),
            Attempt::NeverLeft(_) => {
                Err(SendFailure::NotSent(format!("`{}`: the connection was closed at once", target.authority())))
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn give_back(self: &Arc<Self>, lease: Lease) {
        let Lease::Alone(sender, opened_at) = lease else { return };
        if sender.is_closed() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.idle.len() < IDLE_MAX {
            kept.idle.push(Idle { sender, opened_at, idle_since: self.clock.now() });
        }
        drop(kept);
        if !self.reaping.swap(true, Ordering::AcqRel) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    /// Lets go of the shared connection, after nothing came from it in time.
    pub(super) fn distrust(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).shared = None;
    }

    fn take(&self) -> Option<(Channel, Timestamp)> {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &kept.shared {
            Some((sender, opened_at)) if !sender.is_closed() && within(now, *opened_at, AGE_MS) => {
                return Some((Channel::Http2(sender.clone()), *opened_at));
            }
            _ => kept.shared = None,
        }
        while let Some(idle) = kept.idle.pop() {
            if !idle.sender.is_closed() && within(now, idle.idle_since, IDLE_MS) && within(now, idle.opened_at, AGE_MS)
            {
                return Some((Channel::Http1(idle.sender), idle.opened_at));
            }
        }
        None
    }
}

enum Attempt {
    Answered(Response<Incoming>, Lease),
    NeverLeft(Box<Request<OutgoingBody>>),
    Unanswered,
}

async fn attempt(
    channel: Channel,
    opened_at: Timestamp,
    target: &Target,
    mut request: Request<OutgoingBody>,
    handed: &AtomicBool,
) -> Attempt {
    if address(&mut request, target, matches!(channel, Channel::Http2(_))).is_none() {
        return Attempt::NeverLeft(Box::new(request));
    }
    let (sent, lease) = match channel {
        Channel::Http1(mut sender) => {
            match tokio::time::timeout(READY_TIMEOUT, sender.ready()).await {
                Ok(Ok(())) => {}
                _ => return Attempt::NeverLeft(Box::new(request)),
            }
            handed.store(true, Ordering::Release);
            (sender.try_send_request(request).await, Lease::Alone(sender, opened_at))
        }
        Channel::Http2(mut sender) => {
            if sender.ready().await.is_err() {
                return Attempt::NeverLeft(Box::new(request));
            }
            handed.store(true, Ordering::Release);
            (sender.try_send_request(request).await, Lease::Shared)
        }
    };
    match sent {
        Ok(response) => Attempt::Answered(response, lease),
        Err(mut error) => match error.take_message() {
            Some(request) => {
                handed.store(false, Ordering::Release);
                Attempt::NeverLeft(Box::new(request))
            }
            None => Attempt::Unanswered,
        },
    }
}

/// Writes the target into the request as the protocol wants it: both times from the same checked address.
fn address(request: &mut Request<OutgoingBody>, target: &Target, http2: bool) -> Option<()> {
    if http2 {
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::builder()
            .scheme(target.url().scheme())
            .authority(target.authority())
            .path_and_query(target.path_and_query())
            .build()
            .ok()?;
        request.headers_mut().remove(HOST);
    } else {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::builder().path_and_query(target.path_and_query()).build().ok()?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(target.authority()).ok()?);
    }
    Some(())
}

/// Closes idle connections in time; ends when none is left.
async fn reap(client: Weak<Client>) {
    loop {
        tokio::time::sleep(Duration::from_millis(IDLE_MS.unsigned_abs())).await;
        let Some(client) = client.upgrade() else { return };
        let now = client.clock.now();
        let mut kept = client.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.idle.retain(|idle| !idle.sender.is_closed() && within(now, idle.idle_since, IDLE_MS));
        if kept.idle.is_empty() {
            client.reaping.store(false, Ordering::Release);
            return;
        }
    }
}

fn within(now: Timestamp, since: Timestamp, limit_ms: i64) -> bool {
    let age = now.duration_since(since);
    age >= SignedDuration::ZERO && age < SignedDuration::from_millis(limit_ms)
}

fn broke_off() -> SendFailure {
    SendFailure::Unanswered("the connection broke before an answer came".into())
}
