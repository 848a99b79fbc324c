//! Did an unanswered step happen? The record's key is ours, so reading it tells.

use pressgate_sdk::http::{self, Kind, Response};
use pressgate_sdk::{Call, Failure, Reconciliation};
use serde_json::Value;

use crate::{answer, facts, perform};

/// Looks at the network.
pub fn reconcile(call: &Call, step: &str) -> Reconciliation {
    let index = |prefix: &str| step.strip_prefix(prefix).and_then(|index| index.parse::<usize>().ok());
    if let Some(index) = index("delete-") {
        return deleted(call, index).unwrap_or_else(Reconciliation::CannotKnow);
    }
    match index("part-") {
        Some(index) => published(call, index).unwrap_or_else(Reconciliation::CannotKnow),
        // A blob that no record refers to is seen by nobody, and servers drop it.
        None if step.starts_with("part-") && step.contains("-image-") => Reconciliation::DidNot,
        None => Reconciliation::CannotKnow(format!("There is no step `{step}`.")),
    }
}

/// Asks for a record; none where the server says that there is no such record.
fn record(repo: &str, rkey: &str) -> Result<Option<Value>, String> {
    let response = http::send("reconcile-record", Kind::Read, &perform::get_record(repo, rkey))
        .map_err(|error| format!("The server could not be asked: {error:?}."))?;
    if answer::is_missing(&response) {
        return Ok(None);
    }
    match response.status {
        200 => {
            serde_json::from_slice(&response.body).map(Some).map_err(|_| "The server's answer is not JSON.".to_owned())
        }
        status => Err(format!("The server answered {status} when it was asked for the record.")),
    }
}

fn deleted(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let posts = perform::posts(call.draft.target.as_deref().unwrap_or_default()).unwrap_or_default();
    let uri = posts.get(index).ok_or("The call has no such post.")?;
    Ok(match record(uri.repo, uri.rkey)? {
        None => Reconciliation::Happened(Response::json(200, "{}")),
        Some(_) => Reconciliation::DidNot,
    })
}

fn published(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let part = call.draft.parts.get(index).ok_or("The call has no such entry.")?;
    let did = facts::did(call).map_err(|failure| format!("The server did not say who we are: {}.", why(&failure)))?;
    let Some(body) = record(&did, &perform::record_key(call, index))? else { return Ok(Reconciliation::DidNot) };
    if body["value"]["text"].as_str() != Some(part.text.as_str()) {
        return Err("Another post has the record key of this one.".to_owned());
    }
    let reference = perform::reference(&body).ok_or("The server's answer names no record.")?;
    Ok(Reconciliation::Happened(Response::json(200, reference.to_string())))
}

fn why(failure: &Failure) -> &str {
    match failure {
        Failure::Rejected(rejection)
        | Failure::Unauthorized(rejection)
        | Failure::RateLimited((rejection, _))
        | Failure::Temporary(rejection)
        | Failure::NotYet((rejection, _)) => &rejection.message,
        Failure::Unknown(_) => "no answer",
    }
}
