//! Faults in the query of an address, as refusals.

use axum::extract::rejection::QueryRejection;

use super::text::{fault, shortened};
use crate::refusal::{Refusal, Stage, problem};

/// A query that can't be read: what is known of it is the name of the parameter.
pub(super) fn unread(rejection: &QueryRejection) -> Refusal {
    let why = shortened(&rejection.body_text(), 300);
    let why = why.rsplit(": ").next().unwrap_or(&why);
    let detail = format!("The query does not fit: {why}. Each parameter stands at most once; see /v1/openapi.json.");
    Refusal::new(problem::INVALID, Stage::Door, detail)
}

/// A fault in one parameter of the query.
pub(super) fn parameter(name: &str, message: String) -> Refusal {
    let mut fault = fault("", &format!("parameter-{name}"), message.clone());
    fault.pointer = None;
    Refusal::new(problem::INVALID, Stage::Door, message).with_faults(vec![fault])
}
