//! Keeps one ticket for each post in Request Tracker 5 (REST 2.0): opened by what needs somebody, updated by comments, resolved at the end.
//!
//! A custom field holds the post's id, and each comment has its event's id as subject. By these two what was done is found again, so a
//! request that was not answered is looked up, never blindly repeated.

mod desk;
mod words;

use pressgate_sdk::config;
use pressgate_sdk::connector::{Connector, Delivery, Failure, Reconciliation, Reference};
use pressgate_sdk::http::Response;
use serde_json::{Value, json};

const OPENS: [&str; 5] = ["post.held", "post.denied", "post.refused", "target.failed", "target.unknown"];
const RESOLVES: [&str; 5] = ["target.published", "target.recalled", "post.cancelled", "post.expired", "post.rejected"];
const RESOLVED: &str = "resolved";
const OPEN: &str = "open";

/// The connector.
pub struct RequestTracker;

pressgate_sdk::export_connector!(RequestTracker);

impl Connector for RequestTracker {
    fn deliver(delivery: &Delivery) -> Result<Reference, Failure> {
        let event = &delivery.event;
        let Some(post) = &event.post else { return Ok(Reference::none()) };
        let among = |pointer: &str, usual: &[&str]| kinds(pointer, usual).contains(&event.kind);
        let (opens, resolves) = (among("/opens", &OPENS), among("/resolves", &RESOLVES));
        // What an earlier attempt opened is this event's own ticket, and has nothing to add to it.
        let opened = delivery.answered.iter().any(|(step, _)| step == desk::OPEN);
        let known = if opened { None } else { desk::find("find", post)? };
        let Some(ticket) = known else {
            if !opens {
                return Ok(Reference::none());
            }
            return desk::open(event, post).map(|id| reference(delivery, &id));
        };
        if !desk::has_comment("history", &ticket.id, &event.id)? {
            desk::comment(&ticket.id, event)?;
        }
        if resolves && ticket.status != RESOLVED {
            desk::set_status(&ticket.id, RESOLVED)?;
        }
        if opens && ticket.status == RESOLVED {
            desk::set_status(&ticket.id, OPEN)?;
        }
        Ok(reference(delivery, &ticket.id))
    }

    fn reconcile(delivery: &Delivery, step: &str) -> Reconciliation {
        let Some(post) = &delivery.event.post else { return Reconciliation::DidNot };
        let found = match desk::find("reconcile-find", post) {
            Ok(found) => found,
            Err(failure) => return Reconciliation::CannotKnow(format!("the ticket can't be looked up: {failure:?}")),
        };
        match (step, found) {
            (desk::OPEN, Some(ticket)) => {
                Reconciliation::Happened(Response::json(201, json!({ "id": ticket.id }).to_string()))
            }
            (desk::COMMENT, Some(ticket)) => {
                match desk::has_comment("reconcile-history", &ticket.id, &delivery.event.id) {
                    Ok(true) => Reconciliation::Happened(Response::json(201, "[]")),
                    Ok(false) => Reconciliation::DidNot,
                    Err(failure) => Reconciliation::CannotKnow(format!("the comments can't be looked up: {failure:?}")),
                }
            }
            _ => Reconciliation::DidNot,
        }
    }
}

fn reference(delivery: &Delivery, ticket: &str) -> Reference {
    let url = format!("{}/Ticket/Display.html?id={ticket}", delivery.endpoint);
    Reference::new(format!("ticket/{ticket}")).at(url)
}

/// The kinds of event that the configuration names, or the usual ones.
fn kinds(pointer: &str, usual: &[&str]) -> Vec<String> {
    let named = config::get(pointer).and_then(|json| serde_json::from_str(&json).ok());
    named.unwrap_or_else(|| usual.iter().map(|kind| (*kind).to_owned()).collect())
}

/// A text of the configuration.
fn setting(pointer: &str, usual: &str) -> String {
    let value = config::get(pointer).and_then(|json| serde_json::from_str::<Value>(&json).ok());
    value.as_ref().and_then(Value::as_str).unwrap_or(usual).to_owned()
}

#[cfg(test)]
mod tests;
