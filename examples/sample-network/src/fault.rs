//! Misbehaviour on demand: what to do wrong, for which requests, how often.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// No answer comes.
    NoAnswer {
        /// Whether the request was carried out all the same.
        #[serde(default = "yes")]
        stored: bool,
        /// How the silence looks to the client.
        #[serde(default)]
        how: Silence,
    },
    /// The right answer, late.
    Late {
        /// Delay in milliseconds.
        ms: u64,
    },
    /// 429, and nothing is carried out.
    RateLimited {
        /// `Retry-After` in seconds; none leaves the header out.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// An error of this status, in the network's shape.
    Status {
        /// 400 to 599.
        status: u16,
        /// Whether the request was carried out all the same.
        #[serde(default)]
        stored: bool,
    },
    /// The request is carried out and the answer spoiled.
    Garbage {
        /// How it is spoiled.
        #[serde(default)]
        how: Garbage,
    },
    /// The answer repeats the request's headers, in its body (`echo`) and in headers (`x-echo-…`).
    Echo {
        /// None: the request is carried out and `echo` added to the right answer. Otherwise an error of this status.
        #[serde(default)]
        status: Option<u16>,
        /// Whether the body is gzip-encoded (asked for or not).
        #[serde(default)]
        gzip: bool,
        /// Whether the body comes in pieces of a few bytes.
        #[serde(default)]
        chunks: bool,
    },
}

/// How a missing answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// The connection stays open until the client gives up.
    #[default]
    Hang,
    /// The connection is closed without a byte.
    Close,
}

/// How an answer is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Garbage {
    /// 200 with a web page instead of JSON.
    #[default]
    NotJson,
    /// The first half of the JSON, as if it were all.
    CutJson,
    /// The first half of the bytes that `Content-Length` promises, then the connection closes.
    CutBody,
}

/// A fault and the requests that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Method, or `*`.
    pub method: String,
    /// Beginning of the path: `/api/v1/statuses`.
    pub path: String,
    /// So many matching requests are left alone first.
    #[serde(default)]
    pub skip: u32,
    /// For so many matching requests.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    pub fault: Fault,
}

impl Plan {
    /// A plan for the next `times` requests.
    pub fn next(times: u32, method: &str, path: &str, fault: Fault) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), skip: 0, times, fault }
    }

    /// Says what is wrong with a plan that somebody sent.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let status = match self.fault {
            Fault::Status { status, .. } => status,
            Fault::Echo { status: Some(status), .. } => status,
            _ => 400,
        };
        if !(400..=599).contains(&status) {
            return Some("`status` must be between 400 and 599.");
        }
        if !self.path.starts_with('/') {
            return Some("`path` must begin with a slash.");
        }
        if self.times == 0 {
            return Some("`times` must be at least 1.");
        }
        None
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        (self.method == "*" || self.method.eq_ignore_ascii_case(method)) && path.starts_with(&self.path)
    }
}

/// The planned faults, in order.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    plans: Mutex<Vec<Plan>>,
}

impl Faults {
    /// Adds one behind the others.
    pub(crate) fn add(&self, plan: Plan) {
        if plan.times > 0 {
            self.lock().push(plan);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What is still planned.
    pub(crate) fn list(&self) -> Vec<Plan> {
        self.lock().clone()
    }

    /// The fault for this request; uses it up.
    pub(crate) fn take(&self, method: &str, path: &str) -> Option<Fault> {
        let mut plans = self.lock();
        let at = plans.iter().position(|plan| plan.matches(method, path))?;
        let plan = plans.get_mut(at)?;
        if plan.skip > 0 {
            plan.skip -= 1;
            return None;
        }
        let fault = plan.fault.clone();
        plan.times -= 1;
        if plan.times == 0 {
            plans.remove(at);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn yes() -> bool {
    true
}

fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Fault = Fault::Late { ms: 5 };

    #[test]
    fn a_plan_is_used_up_after_its_times() {
        let faults = Faults::default();
        faults.add(Plan::next(2, "POST", "/api/v1/statuses", LATE));
        assert_eq!(faults.take("GET", "/api/v1/statuses/1"), None, "another method");
        assert_eq!(faults.take("POST", "/api/v2/media"), None, "another path");
        assert_eq!(faults.take("POST", "/api/v1/statuses"), Some(LATE));
        assert_eq!(faults.take("POST", "/api/v1/statuses"), Some(LATE));
        assert_eq!(faults.take("POST", "/api/v1/statuses"), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn skipped_requests_are_left_alone() {
        let faults = Faults::default();
        faults.add(Plan { skip: 1, ..Plan::next(1, "*", "/", LATE) });
        assert_eq!(faults.take("GET", "/a"), None);
        assert_eq!(faults.take("GET", "/a"), Some(LATE));
        assert_eq!(faults.take("GET", "/a"), None);
    }

    #[test]
    fn plans_are_read_from_json_and_typing_errors_found() {
        let read = |text: &str| serde_json::from_str::<Plan>(text);
        let plan = read(r#"{"method":"POST","path":"/api","fault":{"kind":"no-answer","how":"close"}}"#).unwrap();
        assert_eq!(plan, Plan::next(1, "POST", "/api", Fault::NoAnswer { stored: true, how: Silence::Close }));
        assert!(read(r#"{"method":"POST","path":"/api","fault":{"kind":"late","msec":1}}"#).is_err());
        assert!(read(r#"{"method":"POST","path":"/api","tims":1,"fault":{"kind":"late","ms":1}}"#).is_err());
        let odd = read(r#"{"method":"*","path":"/","fault":{"kind":"status","status":200}}"#).unwrap();
        assert!(odd.problem().is_some());
    }
}
