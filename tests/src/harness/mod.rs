//! A gateway under test in three lines: a network, a [`Gate`] in front of it, a call.
//!
//! ```ignore
//! let net = network().await;
//! let gate = Gate::new().account("acme-mastodon", &net).start().await;
//! gate.publish(&json!({"accounts": ["acme-mastodon"], "content": {"text": "Hello"}})).await.expect(201);
//! ```
//!
//! [`Gate::start`] runs the gateway within the test, with a clock and a disk of the test's own; [`Gate::spawn`] runs the
//! program itself, which can be killed. Both work on a folder of the test's own with everybody of [`Governance`] in it.

pub mod built;
pub mod caller;
pub mod gate;
pub mod governance;
pub mod leaves;
pub mod process;
pub mod running;
pub mod site;
pub mod smtp;
pub mod stream;

pub use caller::{Caller, problem, slug};
pub use gate::Gate;
pub use governance::{Account, Governance};
pub use leaves::{intents, story};
pub use process::GateProcess;
pub use running::Running;
pub use site::Site;
pub use stream::EventStream;

use std::future::Future;
use std::time::Duration;

use sample_network::{Config, SampleNetwork};
use tokio::time::Instant;

/// The token of the sample networks that [`network`] starts.
pub const TOKEN: &str = "sample-token-4f1c9d7be2";
/// How long [`until`] waits, of real time.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often [`until`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A sample network with [`TOKEN`].
pub async fn network() -> sample_network::Running {
    network_with(Config::default()).await
}

/// A sample network with [`TOKEN`] and settings of the test's own.
///
/// # Panics
/// When no port is free.
pub async fn network_with(config: Config) -> sample_network::Running {
    SampleNetwork::start(Config { token: TOKEN.to_owned(), ..config }).await.expect("a free port")
}

/// Where an account's network is.
pub trait Endpoint {
    /// Address without a slash at the end.
    fn address(&self) -> &str;
}

impl Endpoint for sample_network::Running {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Endpoint for crate::networks::proxy::Proxy {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Endpoint for String {
    fn address(&self) -> &str {
        self
    }
}

/// Looks until `look` finds what it looks for.
///
/// # Panics
/// When it does not within [`PATIENCE`]; the message says what was awaited.
pub async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
