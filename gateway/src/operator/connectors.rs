//! Connectors: how they are, and what was given up.

use serde::{Deserialize, Serialize};

use super::{By, Ops, OpsError, ops::leaf_of};
use crate::{
    audit::leaf::Changed,
    connectors::ConnectorView,
    events::{event_index, lines::Unsettled, webhooks::DeadView},
    gateway::Gateway,
};

/// Events that are named at once.
const EVENTS_MAX: usize = 1_000;

/// Which events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsRequest {
    /// Their ids: `evt_4711`. To try again, none means all that were refused; what may have happened already is tried again only where
    /// it is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventsView {
    /// The connector.
    pub id: String,
    /// Events.
    pub count: u64,
}

fn missing(id: &str) -> OpsError {
    let id: String = id.chars().take(64).collect();
    OpsError::Missing(format!(
        "there is no connector `{id}`; `pressgate connector list` shows those of connectors.toml"
    ))
}

fn not_given_up(Unsettled(leaf): Unsettled) -> OpsError {
    OpsError::Missing(format!(
        "evt_{leaf} is not among the events that were given up; `pressgate connector status` lists them"
    ))
}

fn leaves(wish: &EventsRequest) -> Result<Vec<u64>, OpsError> {
    if wish.events.len() > EVENTS_MAX {
        return Err(OpsError::Invalid(format!("at most {EVENTS_MAX} events are named at once")));
    }
    let index = |id: &String| {
        event_index(id).ok_or_else(|| OpsError::Invalid("an event is named by its id, such as evt_4711".into()))
    };
    wish.events.iter().map(index).collect()
}

/// How every connector is.
///
/// # Errors
/// [`OpsError::Internal`] where what is kept of one can't be read.
pub async fn list(gateway: &Gateway) -> Result<Vec<ConnectorView>, OpsError> {
    gateway.connectors.list(gateway).await.map_err(OpsError::Internal)
}

/// What was given up.
///
/// # Errors
/// [`OpsError::Missing`], [`OpsError::Internal`] where what is kept of it can't be read.
pub async fn dead(gateway: &Gateway, id: &str) -> Result<Vec<DeadView>, OpsError> {
    gateway.connectors.dead(gateway, id).await.map_err(OpsError::Internal)?.ok_or_else(|| missing(id))
}

/// Has events tried again.
///
/// # Errors
/// [`OpsError::Missing`] for a connector or an event that is not there, [`OpsError::Invalid`], and what the stores say.
pub async fn retry(gateway: &Gateway, by: &By, id: &str, wish: EventsRequest) -> Result<EventsView, OpsError> {
    let leaves = leaves(&wish)?;
    change(gateway, by, id, "connector-retry", gateway.connectors.retry(gateway, id, &leaves)).await
}

/// Takes events off the list: a person saw to them.
///
/// # Errors
/// As [`retry`].
pub async fn close(gateway: &Gateway, by: &By, id: &str, wish: EventsRequest) -> Result<EventsView, OpsError> {
    let leaves = leaves(&wish)?;
    if leaves.is_empty() {
        return Err(OpsError::Invalid("name the events that somebody saw to".into()));
    }
    change(gateway, by, id, "connector-close", gateway.connectors.close(gateway, id, &leaves)).await
}

async fn change(
    gateway: &Gateway,
    by: &By,
    id: &str,
    action: &str,
    work: impl Future<Output = Result<Option<Result<u64, Unsettled>>, String>>,
) -> Result<EventsView, OpsError> {
    if !gateway.governance.load().connectors.contains_key(id) {
        return Err(missing(id));
    }
    let leaf = leaf_of(Changed::Setting, action, id.to_owned(), None, by);
    let worked = async { work.await.map_err(OpsError::Internal)?.ok_or_else(|| missing(id))?.map_err(not_given_up) };
    let count = Ops::running(gateway).change(leaf, worked).await?;
    Ok(EventsView { id: id.to_owned(), count })
}
