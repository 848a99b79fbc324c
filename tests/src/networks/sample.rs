//! The sample network under the eye of the published API: what a client sent it, and what it answered.

use sample_network::Recorded;

use crate::specs::{Faults, OpenApi};

/// Checks every recorded request.
///
/// # Errors
/// Every fault, with the number of its request.
pub fn check_requests(api: &OpenApi, recorded: &[Recorded]) -> Result<(), Faults> {
    collected(recorded, |request| api.check_request(&request.method, &target(request), &request.headers, &request.body))
}

/// Checks every recorded answer as it was before a fault spoiled it.
///
/// # Errors
/// Every fault, with the number of its request.
pub fn check_answers(api: &OpenApi, recorded: &[Recorded]) -> Result<(), Faults> {
    collected(recorded, |request| match &request.answer {
        None => Ok(()),
        Some(answer) => api.check_answer(&request.method, &request.path, answer.status, &answer.headers, &answer.body),
    })
}

fn collected(recorded: &[Recorded], check: impl Fn(&Recorded) -> Result<(), Faults>) -> Result<(), Faults> {
    let mut faults = Vec::new();
    for (number, request) in recorded.iter().enumerate() {
        let found = check(request).err().unwrap_or_default();
        faults.extend(found.into_iter().map(|fault| format!("request {number}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn target(request: &Recorded) -> String {
    if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) }
}
