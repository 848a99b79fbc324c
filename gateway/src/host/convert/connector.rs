//! Deliveries ↔ the contract's records; what connectors answer is checked as adapters' answers are.

use std::collections::HashSet;

use super::super::adapter::{Failure, Reconciliation};
use super::super::bindings::{adapter_api, connector_api};
use super::super::connector::{DeliverCall, Handed};
use super::{answers, millis};

pub(in super::super) fn delivery(call: &DeliverCall) -> connector_api::Delivery {
    let event = call.event.clone();
    connector_api::Delivery {
        key: call.key.to_vec(),
        created_at_ms: millis(call.created_at),
        attempt: call.attempt,
        connector: call.connector.clone(),
        endpoint: call.endpoint.clone(),
        event: connector_api::Event {
            id: event.id,
            kind: event.kind.to_owned(),
            at_ms: event.at_ms,
            brand: event.brand,
            post: event.post,
            account: event.account,
            accounts: event.accounts,
            campaign: event.campaign,
            app: event.app,
            person: event.person,
            detail: event.detail,
            codes: event.codes,
            platform_ids: event.platform_ids,
            json: event.json,
            extra: Vec::new(),
        },
        answered: call.answered.iter().map(|(step, body)| (step.clone(), body.clone().into_bytes())).collect(),
        extra: Vec::new(),
    }
}

/// What became of an event. `sent` are the steps of this call.
pub(in super::super) fn delivered(
    answer: Result<connector_api::Reference, connector_api::Failure>,
    sent: &HashSet<String>,
) -> Result<Result<Handed, Failure>, String> {
    match answer {
        Ok(reference) if reference.id.is_empty() => {
            let url = reference.url.map(|url| answers::address(&url).map(|()| url)).transpose()?;
            Ok(Ok(Handed { id: None, url }))
        }
        Ok(reference) => {
            let published = adapter_api::Published { platform_id: reference.id, url: reference.url, extra: Vec::new() };
            let checked = answers::published(published)?;
            Ok(Ok(Handed { id: Some(checked.platform_id), url: checked.url }))
        }
        Err(failed) => answers::failure(failure(failed), sent).map(Err),
    }
}

/// What became of a step.
pub(in super::super) fn reconciliation(answer: connector_api::Reconciliation) -> Result<Reconciliation, String> {
    answers::reconciliation(match answer {
        connector_api::Reconciliation::Happened(answer) => adapter_api::Reconciliation::Happened(answer),
        connector_api::Reconciliation::DidNot => adapter_api::Reconciliation::DidNot,
        connector_api::Reconciliation::CannotKnow(why) => adapter_api::Reconciliation::CannotKnow(why),
    })
}

/// The same words in both worlds.
fn failure(failure: connector_api::Failure) -> adapter_api::Failure {
    let why = |why: connector_api::Rejection| adapter_api::Rejection {
        status: why.status,
        code: why.code,
        message: why.message,
    };
    match failure {
        connector_api::Failure::Rejected(said) => adapter_api::Failure::Rejected(why(said)),
        connector_api::Failure::Unauthorized(said) => adapter_api::Failure::Unauthorized(why(said)),
        connector_api::Failure::RateLimited((said, wait_ms)) => adapter_api::Failure::RateLimited((why(said), wait_ms)),
        connector_api::Failure::Temporary(said) => adapter_api::Failure::Temporary(why(said)),
        connector_api::Failure::Unknown(step) => adapter_api::Failure::Unknown(step),
    }
}
