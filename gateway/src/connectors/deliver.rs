//! One attempt to hand one event over.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    settle::settle,
    tell,
    wire::{Wire, bodies},
};
use crate::{
    audit::leaf::DeliveryResult,
    call::send::scope,
    config::Connector,
    events::{
        Event, EventView, heard,
        lines::{Attempt, Endpoint},
    },
    gateway::Gateway,
    host::{DeliverCall, DeliveredEvent, Failure, PluginError, PluginFault, Rejection, Safety},
    model::Principal,
};

/// Hands an event over, where it is for this connector.
pub(super) async fn deliver(
    gateway: &Arc<Gateway>,
    endpoint: &Arc<Endpoint>,
    connector: &Connector,
    event: &Event,
) -> Attempt {
    let governance = gateway.governance.load_full();
    let Some(view) = heard(&governance, &connector.accounts, &connector.brands, event) else {
        endpoint.settle(event.index, None);
        return Attempt::Passed;
    };
    let snapshot = gateway.registry.snapshot();
    let Some(release) = snapshot.connectors.get(&connector.id).cloned() else {
        return Attempt::Down(format!("its plugin `{}` is not loaded", connector.plugin), None);
    };
    let mut call = begin(gateway, endpoint, connector, event, &view);
    if let Err(ended) = settle(gateway, endpoint, connector, &release, &call, event.index).await {
        return ended;
    }
    call.answered = endpoint.journal(event.index).map(|journal| bodies(&journal)).unwrap_or_default();
    let scope = scope(gateway, &connector.system, &release);
    let plugin = connector.plugin.to_string();
    let wire = Arc::new(Wire::new(Arc::clone(gateway), Arc::clone(endpoint), event.index, scope, plugin));
    let out: Arc<dyn crate::host::Outbound> = wire.clone();
    let (answer, note) = match release.deliver(&call, out).await {
        Ok(answered) => answered,
        Err(error) => return failed(&error),
    };
    let handed = match answer {
        Ok(handed) => handed,
        Err(failure) => return meaning(failure, &wire),
    };
    if let Err(why) = wire.confirm().await {
        return Attempt::Down(format!("the journal can't be written: {why}"), None);
    }
    let did = endpoint.journal(event.index).is_some_and(|journal| !journal.steps.is_empty());
    // Where nothing was asked of the other system, there is nothing to tell.
    if did && let Err(why) = tell(gateway, connector, event, DeliveryResult::Delivered, handed.id).await {
        return Attempt::Down(why, None);
    }
    endpoint.settle(event.index, note);
    if did { Attempt::Done } else { Attempt::Passed }
}

/// The attempt counts from here on.
fn begin(
    gateway: &Gateway,
    endpoint: &Endpoint,
    connector: &Connector,
    event: &Event,
    view: &EventView,
) -> DeliverCall {
    let mut journal = endpoint.journal(event.index).unwrap_or_default();
    if journal.attempts == 0 {
        journal.created_ms = gateway.clock.now().as_millisecond();
    }
    journal.attempts = journal.attempts.saturating_add(1);
    let call = DeliverCall {
        key: key(gateway.audit.origin(), &connector.id, event.index),
        created_at: Timestamp::from_millisecond(journal.created_ms).unwrap_or(Timestamp::UNIX_EPOCH),
        attempt: journal.attempts,
        connector: connector.id.clone(),
        endpoint: connector.system.origin(),
        event: told(event, view),
        note: endpoint.note(),
        answered: bodies(&journal),
    };
    endpoint.set_journal(event.index, journal);
    call
}

/// The same for every attempt at this event, and for no other.
fn key(origin: &str, connector: &str, leaf: u64) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in ["connector", origin, connector] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&leaf.to_be_bytes());
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    key
}

fn told(event: &Event, view: &EventView) -> DeliveredEvent {
    let (app, person) = match &event.author {
        Some(Principal::App(app)) => (Some(app.to_string()), None),
        Some(Principal::Person(person)) => (None, Some(person.to_string())),
        None => (None, None),
    };
    let about = view.account.iter().cloned().chain(texts(&view.data, "accounts"));
    let mut accounts: Vec<String> = about.collect();
    accounts.dedup();
    DeliveredEvent {
        id: view.id.clone(),
        kind: view.kind,
        at_ms: u64::try_from(event.at_ms).unwrap_or_default(),
        brand: view.brand.clone(),
        post: Some(view.post.clone()).filter(|post| !post.is_empty()),
        account: view.account.clone(),
        accounts,
        campaign: view.campaign.clone(),
        app,
        person,
        detail: view.data.get("detail").and_then(Value::as_str).map(str::to_owned),
        codes: texts(&view.data, "codes").chain(texts(&view.data, "code")).collect(),
        platform_ids: texts(&view.data, "platform_ids").collect(),
        json: serde_json::to_string(view).unwrap_or_default(),
    }
}

/// One text or several, under a name.
fn texts<'a>(data: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = String> + use<'a> {
    let found = match data.get(name) {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    found.into_iter().filter_map(Value::as_str).map(str::to_owned)
}

/// What a plugin's own failure means.
pub(super) fn failed(error: &PluginError) -> Attempt {
    match &error.fault {
        PluginFault::Busy { retry_after_ms } | PluginFault::Broken { retry_after_ms } => {
            Attempt::Down(error.to_string(), Some(Duration::from_millis(*retry_after_ms)))
        }
        _ => Attempt::Refused(error.to_string()),
    }
}

/// What a connector's failure means. What speaks of the other system as a whole holds the line; what speaks of the event holds its post.
fn meaning(failure: Failure, wire: &Wire) -> Attempt {
    match (failure, wire.unknown()) {
        (failure, Some(Safety::None)) => {
            let why =
                format!("{}: it was sent and not answered, and nothing tells what became of it", step_of(&failure));
            Attempt::Hopeless { why, unknown: true }
        }
        // The next attempt settles it first.
        (_, Some(_)) => Attempt::Down("a request was not answered".into(), None),
        (Failure::Rejected(why), None) => Attempt::Hopeless { why: said(&why), unknown: false },
        (Failure::Unauthorized(why), None) => Attempt::Down(said(&why), None),
        (Failure::RateLimited(why, wait_ms), None) => Attempt::Down(said(&why), wait_ms.map(Duration::from_millis)),
        (Failure::Temporary(why), None) if wire.is_away() => Attempt::Down(said(&why), None),
        (Failure::Temporary(why) | Failure::NotYet(why, _), None) => Attempt::Refused(said(&why)),
        (Failure::Unknown(step), None) => Attempt::Refused(format!("nobody knows what became of `{step}`")),
    }
}

fn step_of(failure: &Failure) -> String {
    match failure {
        Failure::Unknown(step) => format!("`{step}`"),
        _ => "a step".to_owned(),
    }
}

fn said(why: &Rejection) -> String {
    let status = why.status.map(|status| format!("{status}, ")).unwrap_or_default();
    format!("{} ({status}{})", why.message, why.code)
}
