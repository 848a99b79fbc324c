//! A simulated X: the shapes of its OpenAPI file, requests counted in windows for each account, OAuth 1.0a signatures checked, a
//! clock of its own, and troubles that a test asks for. Every request is recorded with its answer.

mod answers;
mod server;
pub mod signature;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sample_network::Recorded;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::Endpoint;
use crate::specs::{Faults, OpenApi};

use self::state::State;

/// The secrets of its one account, as `pressgate credential set` takes them for the label `keys`.
pub const KEYS: [(&str, &str); 4] = [
    ("consumer_key", "x-consumer-8f2c"),
    ("consumer_secret", "x-consumer-secret-41d09be7"),
    ("access_token", "x-token-77a1"),
    ("access_token_secret", "x-token-secret-c30f6e52"),
];
/// The id of its one account.
pub const ACCOUNT_ID: &str = "2244994945";

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection ends without an answer.
    NoAnswer {
        /// Whether the request was carried out.
        stored: bool,
    },
    /// The right answer, late.
    Late(Duration),
    /// An error of this status, and nothing is carried out.
    Status(u16),
    /// It is carried out, and the answer is a web page.
    Garbage,
}

/// A running network. It ends when this is dropped.
#[derive(Debug)]
pub struct XNetwork {
    /// Address without a slash at the end.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl XNetwork {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        // By name: an address stands in no certificate of the gateway.
        let url = format!("http://localhost:{}", listener.local_addr().expect("an address").port());
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn(server::accept(listener, Arc::clone(&state)));
        Self { url, state, task }
    }

    /// Posts that stand, oldest first, with `media_ids` and `alts` beside what the API shows.
    pub fn posts(&self) -> Vec<Value> {
        self.lock().posts.iter().map(|post| post.told()).collect()
    }

    /// The bytes of a medium as its pieces make them.
    pub fn medium(&self, id: &str) -> Vec<u8> {
        self.lock().media.get(id).map(state::Medium::bytes).unwrap_or_default()
    }

    /// Every request in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().recorded.clone()
    }

    /// How many requests of a method had a path that begins so.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.lock().recorded.iter().filter(|one| one.method == method && one.path.starts_with(path)).count()
    }

    /// How many requests were answered with 429 because their window was used up.
    pub fn over(&self) -> usize {
        self.lock().over
    }

    /// What goes wrong with the next request of this method whose path begins so, after `skip` others.
    pub fn trouble(&self, method: &str, path: &str, skip: usize, trouble: Trouble) {
        self.lock().troubles.push((method.to_owned(), path.to_owned(), skip, trouble));
    }

    /// How many posts the account may make in a window.
    pub fn posts_in_a_window(&self, limit: u32) {
        self.lock().windows.posts_max = limit;
    }

    /// How often a medium is asked for before it is ready.
    pub fn slow_media(&self, polls: u32) {
        self.lock().polls = polls;
    }

    /// How often a medium is asked for before it is ready, and how many seconds it asks for in between.
    pub fn very_slow_media(&self, polls: u32, check_after_s: u32) {
        let mut state = self.lock();
        (state.polls, state.check_after_s) = (polls, Some(check_after_s));
    }

    /// Moves its clock forward.
    pub fn advance(&self, by: Duration) {
        self.lock().ahead += by;
    }

    /// Holds every request and every answer against the published API.
    ///
    /// # Errors
    /// Every fault, with the number of its request.
    pub fn check(&self, api: &OpenApi) -> Result<usize, Faults> {
        let (mut faults, recorded) = (Vec::new(), self.requests());
        for (number, one) in recorded.iter().enumerate() {
            let target = if one.query.is_empty() { one.path.clone() } else { format!("{}?{}", one.path, one.query) };
            // `twitter-api-v2` says `{}` where an operation takes no body, and the gateway passes on what a client says.
            let body = if one.body == "{}" && one.path.ends_with("/finalize") { &[][..] } else { &one.body };
            let mut found = api.check_request(&one.method, &target, &one.headers, body).err().unwrap_or_default();
            if let Some(answer) = &one.answer {
                let checked = api.check_answer(&one.method, &one.path, answer.status, &answer.headers, &answer.body);
                found.extend(checked.err().unwrap_or_default());
            }
            faults.extend(found.into_iter().map(|fault| format!("request {number}: {fault}")));
        }
        if faults.is_empty() { Ok(recorded.len()) } else { Err(faults) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint for XNetwork {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Drop for XNetwork {
    fn drop(&mut self) {
        self.task.abort();
    }
}
