//! The windows in which the network counts requests of an account, and what its answers say of them.

use pressgate_sdk::http::{self, Request};
use pressgate_sdk::{Budget, RateClass};

use crate::read;

/// What the adapter can do.
pub const ACTIONS: [&str; 8] = [
    "post.create",
    "comment.create",
    "post.delete",
    "media.upload",
    "post.read",
    "timeline.read",
    "inbox.read",
    "profile.read",
];
/// Without one of these an answer tells of no budget.
pub const HEADERS: [&str; 2] = ["x-rate-limit-limit", "x-rate-limit-remaining"];
/// All windows have this length.
const WINDOW_S: u32 = 15 * 60;

/// Requests of one account in a window: <https://docs.x.com/x-api/fundamentals/rate-limits>. What an account really has follows from
/// the company's plan; its answers say it.
pub fn classes() -> Vec<RateClass> {
    let class = |(name, actions, limit): (&str, &[&str], u32)| RateClass::new(name, actions, limit, WINDOW_S);
    [
        ("posts", &["post.create", "comment.create"][..], 100),
        ("deletes", &["post.delete"], 50),
        ("media", &["media.upload"], 500),
        ("lookups", &["post.read"], 900),
        ("timelines", &["timeline.read"], 180),
        ("mentions", &["inbox.read"], 300),
        ("me", &["profile.read"], 75),
    ]
    .map(class)
    .to_vec()
}

/// The headers name no class: it follows from what was asked.
pub fn budgets(method: &str, url: &str, headers: &[(String, String)]) -> Vec<Budget> {
    let number = |name: &str| http::header(headers, name).and_then(|value| value.trim().parse::<u64>().ok());
    let request = Request::new(method, url);
    let path = request.path();
    let class = match method {
        "GET" => match read::action(path) {
            Some("timeline.read") => "timelines",
            Some("inbox.read") => "mentions",
            Some("profile.read") => "me",
            Some("post.read") if !path.starts_with("/2/media/") => "lookups",
            _ => return Vec::new(),
        },
        "DELETE" => "deletes",
        _ if path == "/2/tweets" => "posts",
        // Each step of an upload has a window of its own, all wider than what the gateway counts: an upload is begun once.
        _ if matches!(path, "/2/media/upload" | "/2/media/upload/initialize") => "media",
        _ => return Vec::new(),
    };
    let calls = |name| number(name).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let budget = Budget {
        class: class.to_owned(),
        limit: calls(HEADERS[0]),
        remaining: calls(HEADERS[1]),
        reset_at_ms: number("x-rate-limit-reset").map(|seconds| seconds.saturating_mul(1000)),
    };
    if budget.limit.is_none() && budget.remaining.is_none() { Vec::new() } else { vec![budget] }
}
