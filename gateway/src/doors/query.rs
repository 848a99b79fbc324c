//! Faults in the query of an address, as refusals.

use axum::extract::rejection::QueryRejection;

use super::text::{fault, shortened};
use crate::{
    config::did_you_mean,
    refusal::{Refusal, Stage, problem},
};

/// A query that can't be read: what is known of it is the name of the parameter.
pub(super) fn unread(rejection: &QueryRejection) -> Refusal {
    let why = shortened(&rejection.body_text(), 300);
    let why = why.rsplit(": ").next().unwrap_or(&why);
    let near = meant(why);
    let detail =
        format!("The query does not fit: {why}{near}. Each parameter stands at most once; see /v1/openapi.json.");
    Refusal::new(problem::INVALID, Stage::Door, detail)
}

/// The parameter that was meant, where an unknown one is nearly one of those that are listed: ``unknown field `acton`, expected
/// one of `actor`, `action` ``.
fn meant(why: &str) -> String {
    let mut names = why.split('`').skip(1).step_by(2);
    match names.next().filter(|_| why.starts_with("unknown field")) {
        Some(unknown) => did_you_mean(unknown, names).trim_end_matches('?').to_owned(),
        None => String::new(),
    }
}

/// A fault in one parameter of the query.
pub(super) fn parameter(name: &str, message: String) -> Refusal {
    let mut fault = fault("", &format!("parameter-{name}"), message.clone());
    fault.pointer = None;
    Refusal::new(problem::INVALID, Stage::Door, message).with_faults(vec![fault])
}
