//! Changing which release serves where: what is slow first, then the leaf, the records and the snapshot, in that order and one at a time.

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    find, install,
    view::{self, RoutingView},
};
use crate::{
    audit::leaf::Changed,
    config::Governance,
    gateway::Gateway,
    host::{Manifest, Release, SHARE_WHOLE_BP, Snapshot, step},
    operator::{By, Ops, OpsError, ops::leaf_of},
    plugins::Serving,
    records::{ReleaseRecord, ReleaseState, RoutingRecord},
    releases::{
        Slot, capabilities,
        routing::{Asked, Wish, changed},
        serve::{Built, Parts, route_of},
    },
};

/// Instances that are made and thrown away before a release serves.
const PREWARM_INSTANCES: usize = 4;

/// What somebody wants to serve in a slot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// `network:…`, `account:…` or `policy:…`.
    pub slot: String,
    /// The version of the routing that they saw.
    pub version: u64,
    /// The release: a digest, its beginning, or name@version. For `activate` and `canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The canary's share of the calls, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_percent: Option<f64>,
    /// A person agrees to what the release may do beyond the one that serves.
    #[serde(default)]
    pub accept_capabilities: bool,
}

/// The kinds of change, by the last part of their path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All calls.
    Activate,
    /// A share of the calls.
    Canary,
    /// The canary for all calls.
    Promote,
    /// What served before.
    Rollback,
}

/// Does it, and tells what serves then.
///
/// # Errors
/// [`OpsError::Conflict`] where the routing is another than whoever asks saw; [`OpsError::Invalid`] where it can't be, with the step.
pub async fn change(gateway: &Arc<Gateway>, by: &By, kind: Kind, wish: ChangeRequest) -> Result<RoutingView, OpsError> {
    let slot = Slot::from_str(&wish.slot).map_err(OpsError::Invalid)?;
    unchanged(&gateway.records.routing().await?, wish.version)?;
    let (wanted, release) = match kind {
        Kind::Promote => (Wish::Promote, None),
        Kind::Rollback => (Wish::Rollback, None),
        Kind::Activate | Kind::Canary => {
            let named = wish.release.as_deref().ok_or_else(|| OpsError::Invalid("name a release".into()))?;
            let record = find(gateway, named).await?;
            let release = fit(gateway, by, &slot, record, wish.accept_capabilities).await?;
            let digest = release.digest().to_owned();
            let wanted = match kind {
                Kind::Canary => Wish::Canary { release: digest, share_bp: share(wish.share_percent)? },
                _ => Wish::Activate { release: digest },
            };
            (wanted, Some(release))
        }
    };
    swap(gateway, by, &slot, &wanted, Swap { version: Some(wish.version), loaded: release, why: None }).await?;
    view::routing(gateway).await
}

/// What a swap rests on.
pub(super) struct Swap {
    /// The version that the routing must have; none where any will do.
    pub version: Option<u64>,
    /// The release that comes.
    pub loaded: Option<Arc<Release>>,
    /// Why, where the gate itself decided.
    pub why: Option<String>,
}

/// The change itself. Nothing slow happens here.
pub(super) async fn swap(
    gateway: &Arc<Gateway>,
    by: &By,
    slot: &Slot,
    wish: &Wish,
    swap: Swap,
) -> Result<(), OpsError> {
    let _one_at_a_time = gateway.applying.lock().await;
    let governance = gateway.governance.load_full();
    let before = gateway.records.routing().await?;
    if let Some(version) = swap.version {
        unchanged(&before, version)?;
    }
    let (plugin, first) = configured(gateway, &governance, slot, swap.loaded.as_deref(), &before)?;
    let (slot_name, by_name) = (slot.to_string(), by.to_string());
    let asked = Asked {
        slot: &slot_name,
        plugin: &plugin,
        first: &first,
        by: &by_name,
        why: swap.why.as_deref(),
        now: gateway.clock.now(),
    };
    let (routing, about) = changed(&before.routing, wish, &asked).map_err(OpsError::Invalid)?;
    let after = RoutingRecord { version: before.version.saturating_add(1), routing };
    let loaded: Vec<_> = swap.loaded.into_iter().collect();
    let now = gateway.registry.snapshot();
    let base = Serving::of(&now);
    let built = build(gateway, &governance, base, loaded, Some(after.clone())).await?;
    if !built.notes.is_empty() && matches!(wish, Wish::Rollback) {
        tracing::warn!(notes = ?built.notes, "what is gone back to is not whole");
    }
    let subject = subject(gateway, slot, wish, &about, swap.why.as_deref()).await?;
    let leaf = leaf_of(Changed::Plugin, wish.word(), subject, Some(about.clone()), by);
    let keep = async {
        match gateway.records.swap_routing(before.version, after.routing.clone()).await? {
            true => Ok(()),
            false => Err(OpsError::Conflict("the routing was changed by another process; look at it again".into())),
        }
    };
    Ops::running(gateway).change(leaf, keep).await?;
    gateway.registry.replace(built.snapshot);
    gateway.facts.keep(&gateway.registry.snapshot());
    tracing::info!(%slot, release = about, %by, why = swap.why, "{}", wish.word());
    Ok(())
}

/// A snapshot for a governance; with the routing that is kept, or with one that is about to be.
///
/// # Errors
/// The records'.
pub async fn build(
    gateway: &Arc<Gateway>,
    governance: &Governance,
    base: Serving,
    loaded: Vec<Arc<Release>>,
    routing: Option<RoutingRecord>,
) -> Result<Built, OpsError> {
    let routing = match routing {
        Some(routing) => routing,
        None => gateway.records.routing().await?,
    };
    let (records, bound) = (gateway.records.releases().await?, gateway.records.bound_releases().await?);
    let (gateway, governance) = (Arc::clone(gateway), governance.clone());
    let work = move || {
        let before = gateway.registry.snapshot();
        let parts = Parts {
            host: &gateway.host,
            releases: &gateway.releases,
            records: &records,
            governance: &governance,
            before: &before,
            loaded: &loaded,
            bound: &bound,
        };
        parts.build(base, &routing)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| OpsError::Internal(error.to_string()))
}

fn unchanged(now: &RoutingRecord, seen: u64) -> Result<(), OpsError> {
    if now.version == seen {
        return Ok(());
    }
    let slots = now.routing.slots.iter().map(|(slot, record)| {
        let canary = record.canary.as_ref().map(|canary| format!(" with the canary {}", short(&canary.release)));
        format!("{slot} has {}{}, by {}", short(&record.active), canary.unwrap_or_default(), record.by)
    });
    let stands = slots.collect::<Vec<_>>().join("; ");
    Err(OpsError::Conflict(format!(
        "the routing is at version {} by now, and you saw version {seen}; nothing was changed. It says: {stands}",
        now.version
    )))
}

/// The beginning of a digest, enough for people.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// The plugin of a slot, and the release of it that the configuration names.
fn configured(
    gateway: &Gateway,
    governance: &Governance,
    slot: &Slot,
    release: Option<&Release>,
    routing: &RoutingRecord,
) -> Result<(String, String), OpsError> {
    let plugins = slot.plugins(governance).map_err(OpsError::Missing)?;
    let known = routing.routing.slots.get(&slot.to_string()).map(|record| record.plugin.as_str());
    let wanted = release.map(|release| release.manifest().name.as_str()).or(known);
    let plugin = match (wanted, plugins.as_slice()) {
        (Some(wanted), plugins) => plugins.iter().find(|plugin| plugin.as_str() == wanted),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(plugin) = plugin else {
        let names = plugins.iter().map(|plugin| format!("`{plugin}`")).collect::<Vec<_>>().join(", ");
        return Err(OpsError::Invalid(format!(
            "`{slot}` is of the plugin {names} in the applied governance, and a release of another can't serve there"
        )));
    };
    let serving = gateway.registry.snapshot();
    let first = match slot {
        Slot::Policy(policy) => serving.policies.get(policy),
        Slot::Network(_) | Slot::Account(_) => serving.adapters.get(plugin),
    };
    let first = first.ok_or_else(|| OpsError::Internal(format!("the plugin `{plugin}` is not loaded")))?;
    Ok((plugin.to_string(), first.digest().to_owned()))
}

/// The steps that depend on where it is to serve: capabilities, configuration, warm instances.
async fn fit(
    gateway: &Arc<Gateway>,
    by: &By,
    slot: &Slot,
    mut record: ReleaseRecord,
    accept: bool,
) -> Result<Arc<Release>, OpsError> {
    if record.state != ReleaseState::Ready {
        let failed = record.steps.iter().find(|step| !step.passed);
        let why = failed.map_or_else(String::new, |step| format!(" at {}: {}", step.step, step.note));
        return Err(OpsError::Invalid(format!("{} {} was rejected{why}", record.name, record.version)));
    }
    let governance = gateway.governance.load_full();
    let plugins = slot.plugins(&governance).map_err(OpsError::Missing)?;
    if !plugins.iter().any(|plugin| plugin.as_str() == record.name) {
        let names = plugins.iter().map(|plugin| format!("`{plugin}`")).collect::<Vec<_>>().join(", ");
        return Err(OpsError::Invalid(format!(
            "`{slot}` is of the plugin {names} in the applied governance; `{}` can't serve there",
            record.name
        )));
    }
    let active = serving(&gateway.registry.snapshot(), slot, &record.name)
        .ok_or_else(|| OpsError::Internal(format!("nothing serves in `{slot}`")))?;
    let new = install::manifest(gateway, &record.digest)?;
    capable(gateway, by, &mut record, &active, &new, accept).await?;
    let loading = (Arc::clone(gateway), slot.clone(), record.clone(), governance);
    let work = move || {
        let (gateway, slot, record, governance) = loading;
        let records = [record];
        let digest = records.first().map(|record| record.digest.clone()).unwrap_or_default();
        let parts = Parts {
            host: &gateway.host,
            releases: &gateway.releases,
            records: &records,
            governance: &governance,
            before: &Snapshot::default(),
            loaded: &[],
            bound: &[],
        };
        let release = parts.load(&digest, &parts.config(&slot))?;
        gateway.host.prewarm(&release, PREWARM_INSTANCES).map_err(|error| error.to_string())?;
        Ok(release)
    };
    let loaded: Result<_, String> =
        tokio::task::spawn_blocking(work).await.map_err(|error| OpsError::Internal(error.to_string()))?;
    let found = match &loaded {
        Ok(_) => install::passed(gateway, step::PREWARM, format!("for `{slot}`: {PREWARM_INSTANCES} instances")),
        Err(why) => install::failed(gateway, step::PREWARM, format!("for `{slot}`: {why}")),
    };
    install::note(gateway, &mut record, found).await?;
    loaded.map_err(|why| OpsError::Invalid(format!("{}: {why}; nothing was changed", step::PREWARM)))
}

/// The release that serves in a slot now, or would without a route of its own.
fn serving(snapshot: &Snapshot, slot: &Slot, plugin: &str) -> Option<Arc<Release>> {
    let routed = route_of(&snapshot.routes, slot).map(|route| &route.active);
    let routed = routed.filter(|release| release.manifest().name.as_str() == plugin);
    let first = || match slot {
        Slot::Policy(policy) => snapshot.policies.get(policy),
        Slot::Network(_) | Slot::Account(_) => snapshot.adapters.get(plugin),
    };
    routed.or_else(first).map(Arc::clone)
}

/// What it may do beyond what serves: a person has to agree to that, and is named.
async fn capable(
    gateway: &Arc<Gateway>,
    by: &By,
    record: &mut ReleaseRecord,
    active: &Release,
    new: &Manifest,
    accept: bool,
) -> Result<(), OpsError> {
    let known = gateway.records.releases().await?;
    let known = known.iter().find(|known| known.digest == active.digest());
    let granted: Vec<String> = known.into_iter().chain([&*record]).flat_map(|known| known.accepted.clone()).collect();
    let more = capabilities::more(active.manifest(), &granted, new);
    let more: Vec<String> = more.into_iter().filter(|line| !record.accepted.contains(line)).collect();
    let told = more.join("; ");
    if !more.is_empty() && !accept {
        install::note(
            gateway,
            record,
            install::failed(gateway, step::CAPABILITIES, format!("waits for a person: {told}")),
        )
        .await?;
        return Err(OpsError::Invalid(format!(
            "{}: it may do more than what serves: {told}. Nothing was changed. If that is right, agree with --accept-capabilities",
            step::CAPABILITIES
        )));
    }
    let note = if more.is_empty() { "no more than what serves".to_owned() } else { format!("{by} accepted: {told}") };
    record.accepted = capabilities::accepted(known, record, &more);
    let found = install::passed(gateway, step::CAPABILITIES, note);
    if more.is_empty() {
        return install::note(gateway, record, found).await;
    }
    let subject = format!("{} {} for {told}", record.name, record.version);
    let leaf = leaf_of(Changed::Plugin, "accept-capabilities", subject, Some(record.digest.clone()), by);
    Ops::running(gateway).change(leaf, install::note(gateway, record, found)).await
}

/// A share in hundredths of a per cent.
fn share(percent: Option<f64>) -> Result<u16, OpsError> {
    let fault = || OpsError::Invalid("give the canary's share in per cent: more than 0 and less than 100".into());
    let bp = (percent.ok_or_else(fault)? * 100.0).round();
    if !(1.0..f64::from(SHARE_WHOLE_BP)).contains(&bp) {
        return Err(fault());
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 9,999")]
    Ok(bp as u16)
}

/// What the leaf is about: the release first, then where, then why.
async fn subject(
    gateway: &Gateway,
    slot: &Slot,
    wish: &Wish,
    about: &str,
    why: Option<&str>,
) -> Result<String, OpsError> {
    let all = gateway.records.releases().await?;
    let label = all.iter().find(|record| record.digest == about);
    let label = label.map_or_else(|| about.to_owned(), |record| format!("{} {}", record.name, record.version));
    let share = match wish {
        Wish::Canary { share_bp, .. } => format!(" for {} % of the calls", f64::from(*share_bp) / 100.0),
        _ => String::new(),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Ok(format!("{label} at {slot}{share}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_more_than_nothing_and_less_than_all() {
        assert_eq!(share(Some(10.0)).unwrap(), 1_000);
        assert_eq!(share(Some(0.01)).unwrap(), 1);
        for percent in [None, Some(0.0), Some(100.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY), Some(0.001)] {
            assert!(share(percent).is_err(), "{percent:?}");
        }
    }
}
