//! What came in: a count for each method and path, and every request with its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Requests kept; when more come the counts go on and the oldest requests are forgotten.
const REQUESTS_KEPT_MAX: usize = 200_000;

/// One API request.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `POST`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark; empty where there was none.
    pub query: String,
    /// Headers in order, names in lower case. Values are as they came, the token included.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from the transfer encoding only.
    pub body: Bytes,
    /// What the network made of it before any fault spoiled it; none while it is being worked on, and for requests
    /// that a fault kept from being carried out.
    pub answer: Option<Answered>,
    /// The fault that was applied, where one was, as in [`crate::Fault`]'s debug form.
    pub fault: Option<String>,
}

impl Recorded {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer of the network.
#[derive(Debug, Clone)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The record of all API requests.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<String, u64>,
    requests: VecDeque<Recorded>,
    forgotten: usize,
}

impl Journal {
    /// Takes a request down and gives its number.
    pub(crate) fn arrived(&self, request: Recorded) -> usize {
        let name = format!("{} {}", request.method, request.path);
        let mut inner = self.lock();
        *inner.counts.entry(name).or_default() += 1;
        inner.requests.push_back(request);
        if inner.requests.len() > REQUESTS_KEPT_MAX {
            inner.requests.pop_front();
            inner.forgotten += 1;
        }
        inner.forgotten + inner.requests.len() - 1
    }

    /// Takes down what became of the request with this number.
    pub(crate) fn answered(&self, number: usize, answer: Answered) {
        self.change(number, |request| request.answer = Some(answer));
    }

    /// Takes down which fault was applied to the request with this number.
    pub(crate) fn spoiled(&self, number: usize, fault: String) {
        self.change(number, |request| request.fault = Some(fault));
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> u64 {
        self.lock().counts.get(&format!("{method} {path}")).copied().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.iter().cloned().collect()
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Recorded)) {
        let mut inner = self.lock();
        let at = number.checked_sub(inner.forgotten);
        if let Some(request) = at.and_then(|at| inner.requests.get_mut(at)) {
            change(request);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
