//! A small network of our own for the demo and the tests. It speaks the part of the Mastodon API that the adapter
//! uses, shows its timeline as a web page, and can be told to misbehave. It binds 127.0.0.1 only and forgets
//! everything when it ends.
//!
//! | address | what |
//! |---|---|
//! | `/api/…` | the Mastodon API, behind a bearer token |
//! | `/` | the timeline for people |
//! | `/sample/timeline` | the timeline as JSON, oldest first |
//! | `/sample/counts` | how many API requests came, by method and path |
//! | `/sample/faults` | GET lists, POST adds, DELETE clears the planned faults ([`Fault`]) |
//! | `/sample/mentions` | POST `{"from": …, "text": …, "in_reply_to_id": …}`: somebody else mentions the account or replies to it |
//! | `/sample/clock` | POST `{"advance_ms": …}` moves its clock forward |
//! | `/sample/media/{id}` | the bytes of a medium |
//!
//! Only `/api/…` is counted, logged and subject to faults, so that somebody who looks at the page spoils no test.

mod account;
mod answer;
mod api;
mod clock;
mod config;
mod control;
mod draft;
mod fault;
mod fields;
mod inbox;
mod journal;
mod media;
mod page;
mod server;
mod state;
mod status;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crate::config::Config;
pub use crate::fault::{Fault, Garbage, Plan, Silence};
pub use crate::journal::{Answered, Recorded};
use crate::state::Network;

/// The network, not yet started.
#[derive(Debug)]
pub struct SampleNetwork;

impl SampleNetwork {
    /// Starts the network on `config.port` of 127.0.0.1, in the background of the current tokio runtime.
    ///
    /// # Errors
    /// When the port is taken.
    #[expect(clippy::disallowed_methods, reason = "a network of its own, with a listener of its own")]
    pub async fn start(config: Config) -> io::Result<Running> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let network = Arc::new(Network::new(config, url.clone()));
        let task = tokio::spawn(server::accept(listener, Arc::clone(&network)));
        Ok(Running { url, address, network, task })
    }
}

/// A running network. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Address without a slash at the end: `http://127.0.0.1:40123`.
    pub url: String,
    /// The same as a socket address.
    pub address: SocketAddr,
    network: Arc<Network>,
    task: JoinHandle<()>,
}

impl Running {
    /// How many API requests came, by method and path without the query: `"POST /api/v1/statuses"` → 3.
    pub async fn counts(&self) -> BTreeMap<String, u64> {
        self.network.journal.counts()
    }

    /// How many API requests came for exactly this method and path.
    pub async fn count(&self, method: &str, path: &str) -> u64 {
        self.network.journal.count(method, path)
    }

    /// Every API request in order of arrival, with its body and what was answered.
    pub async fn requests(&self) -> Vec<Recorded> {
        self.network.journal.requests()
    }

    /// The statuses that stand, oldest first, as Mastodon `Status` objects with their source `text`.
    pub async fn timeline(&self) -> Vec<Value> {
        self.network.timeline()
    }

    /// Somebody else mentions the account, or replies to a status of it. The answer is the notification.
    ///
    /// # Panics
    /// When the name or text is none, there is no such status, or the account is not mentioned.
    pub async fn hear(&self, from: &str, text: &str, in_reply_to: Option<&str>) -> Value {
        inbox::hear(&self.network, from, text, in_reply_to).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Plans a fault behind those that are planned already. The first plan that matches a request is used.
    pub async fn set_fault(&self, plan: Plan) {
        self.network.faults.add(plan);
    }

    /// Forgets all planned faults.
    pub async fn clear_faults(&self) {
        self.network.faults.clear();
    }

    /// Moves the network's clock forward: idempotency keys and rate windows age.
    pub async fn advance_clock(&self, by: Duration) {
        self.network.clock.advance(by);
    }

    /// Waits for the end of the server, which comes only when the listener fails.
    pub async fn wait(mut self) {
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
