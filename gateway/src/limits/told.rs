//! What an answer tells of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).

use std::cell::RefCell;

use super::engine::{Draw, Rule, SECOND_US, Standing};

/// Limits of one answer, at most.
const TOLD_MAX: usize = 16;

tokio::task_local! {
    static TOLD: RefCell<Vec<Told>>;
}

/// One limit that a request touched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    name: String,
    quota: u32,
    window_s: u64,
    remaining: u32,
    more_s: Option<u64>,
}

/// Does the work and gives the values of both headers for the limits that it touched; none where it touched none.
pub async fn telling<T>(work: impl Future<Output = T>) -> (T, Option<(String, String)>) {
    TOLD.scope(RefCell::default(), async move {
        let result = work.await;
        (result, TOLD.with(|told| headers(&told.borrow())))
    })
    .await
}

/// Notes how a limit stands, for the answer to the request that is being worked on. The last word on a limit counts.
pub(super) fn note(name: &str, draw: &Draw, standing: &Standing) {
    let Standing { limit, remaining, more_us, .. } = *standing;
    let (window_us, more_us) = match draw.rule {
        // A rate gives back all the time; only where nothing is left does it matter when.
        Rule::Rate(rate) => (rate.refill_us(), (remaining == 0).then_some(more_us)),
        Rule::Window(window) => (window.length_us, Some(if more_us == 0 { window.length_us } else { more_us })),
    };
    let seconds = |micros: u64| micros.div_ceil(SECOND_US).max(1);
    let told = Told {
        name: name.to_owned(),
        quota: limit,
        window_s: seconds(window_us),
        remaining,
        more_s: more_us.map(seconds),
    };
    // Work that has no request, such as a later attempt, tells nobody.
    let _ = TOLD.try_with(|all| {
        let mut all = all.borrow_mut();
        let room = all.len() < TOLD_MAX;
        match all.iter_mut().find(|known| known.name == told.name) {
            Some(known) => *known = told,
            None if room => all.push(told),
            None => {}
        }
    });
}

/// Structured fields (RFC 9651): lists of strings with parameters. Names are identifiers, so nothing needs escaping.
fn headers(told: &[Told]) -> Option<(String, String)> {
    if told.is_empty() {
        return None;
    }
    let list = |item: &dyn Fn(&Told) -> String| told.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(&|told| format!("\"{}\";q={};w={}", told.name, told.quota, told.window_s));
    let limit = list(&|told| match told.more_s {
        Some(more_s) => format!("\"{}\";r={};t={more_s}", told.name, told.remaining),
        None => format!("\"{}\";r={}", told.name, told.remaining),
    });
    Some((policy, limit))
}
