//! What operators read of releases and of what serves where.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OpsError;
use crate::{
    gateway::Gateway,
    host::{Release, Snapshot},
    records::{ReleaseRecord, ReleaseState, ReleaseStep, SlotRecord},
    releases::{Slot, routing::is_fresh, serve::route_of},
};

/// Every release, and what serves where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoutingView {
    /// Counts changes: who makes one says which version they saw.
    pub version: u64,
    /// What operators put in the place of what the configuration names.
    pub slots: Vec<SlotView>,
    /// Every release that was installed.
    pub releases: Vec<ReleaseView>,
}

/// What serves in a slot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlotView {
    /// `network:…`, `account:…` or `policy:…`.
    pub slot: String,
    /// What serves, or should.
    pub active: Named,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// What a rollback puts back.
    pub parked: Option<Named>,
    /// Whether it is taken back by itself where it fails.
    pub watched: bool,
    /// A release for a share of the calls.
    pub canary: Option<CanaryView>,
    /// Why it is so, where the gate decided; or what is wrong with it.
    pub why: Option<String>,
    /// How the releases of the slot fare since they came.
    pub functions: Vec<FunctionView>,
}

/// A release, named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its digest.
    pub release: String,
    /// Name and version.
    pub label: String,
}

/// A release for a share of the calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CanaryView {
    /// Which.
    #[serde(flatten)]
    pub named: Named,
    /// Its share.
    pub share_percent: f64,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
}

/// A function of a release, counted since the release came or the gateway started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FunctionView {
    /// Whose.
    pub release: String,
    /// Its name.
    pub function: String,
    /// Calls that ended.
    pub calls: u64,
    /// Those in which the plugin crashed, was late or made no sense.
    pub failed: u64,
    /// Those that the network did not answer well.
    pub refused: u64,
    /// Whether it is not asked for the moment, because it failed too often.
    pub broken: bool,
    /// Computing time of all calls in milliseconds.
    pub cpu_ms: f64,
    /// The most that one call held in memory, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls of the gateway's functions.
    pub host_calls: u64,
    /// Bytes of bodies that it sent to the network; media that the gateway streams do not count.
    pub sent_bytes: u64,
    /// Bytes of bodies that it was answered.
    pub received_bytes: u64,
}

/// A release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseView {
    /// Its digest.
    pub release: String,
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// `adapter` or `policy`.
    pub kind: String,
    /// Length of the component.
    pub size_bytes: u64,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// By whom.
    pub installed_by: String,
    /// Whether it may serve.
    pub state: ReleaseState,
    /// The steps of its way, with what was found or why not.
    pub steps: Vec<ReleaseStep>,
    /// What a person accepted that it may do.
    pub accepted: Vec<String>,
    /// The trusted keys that had signed it when it was installed; none for one that was not verified.
    #[serde(default)]
    pub signed_by: Vec<String>,
    /// Where it serves, is the canary, or is parked: `network:square (active)`.
    pub places: Vec<String>,
    /// What was counted of its functions, where it is loaded; a release that serves several policies has several of each.
    #[serde(default)]
    pub functions: Vec<FunctionView>,
}

/// Everything.
///
/// # Errors
/// The records'.
pub async fn routing(gateway: &Gateway) -> Result<RoutingView, OpsError> {
    let routing = gateway.records.routing().await?;
    let records = gateway.records.releases().await?;
    let snapshot = gateway.registry.snapshot();
    let slots = &routing.routing.slots;
    let view = |(name, record): (&String, &SlotRecord)| slot(gateway, &snapshot, &records, name, record);
    let slots_shown = slots.iter().map(view).collect();
    let releases = records.iter().map(|record| shown(record.clone(), &snapshot, slots.iter())).collect();
    Ok(RoutingView { version: routing.version, slots: slots_shown, releases })
}

/// One release.
///
/// # Errors
/// The records'.
pub async fn release(gateway: &Gateway, record: ReleaseRecord) -> Result<ReleaseView, OpsError> {
    let routing = gateway.records.routing().await?;
    Ok(shown(record, &gateway.registry.snapshot(), routing.routing.slots.iter()))
}

fn shown<'a>(
    record: ReleaseRecord,
    snapshot: &Snapshot,
    slots: impl Iterator<Item = (&'a String, &'a SlotRecord)>,
) -> ReleaseView {
    let mut places = Vec::new();
    for (slot, found) in slots {
        let of = |word: &str| format!("{slot} ({word})");
        places.extend((found.active == record.digest).then(|| of("active")));
        let canary = found.canary.as_ref().filter(|canary| canary.release == record.digest);
        places.extend(canary.map(|canary| of(&format!("canary {} %", f64::from(canary.share_bp) / 100.0))));
        places.extend((found.parked.as_ref() == Some(&record.digest)).then(|| of("parked")));
    }
    let first = snapshot.adapters.values().chain(snapshot.policies.values());
    places
        .extend(first.filter(|release| release.digest() == record.digest).take(1).map(|_| "configuration".to_owned()));
    let ReleaseRecord {
        digest,
        name,
        version,
        kind,
        size_bytes,
        installed_at,
        installed_by,
        state,
        steps,
        accepted,
        signed_by,
    } = record;
    let digest_of_loaded = digest.clone();
    ReleaseView {
        release: digest,
        name,
        version,
        kind,
        size_bytes,
        installed_at,
        installed_by,
        state,
        steps,
        accepted,
        signed_by,
        places,
        functions: loaded(snapshot, &digest_of_loaded).into_iter().flat_map(functions).collect(),
    }
}

/// The release with this digest, once for each configuration that it has.
fn loaded<'s>(snapshot: &'s Snapshot, digest: &str) -> Vec<&'s Arc<Release>> {
    let mut all: Vec<&Arc<Release>> = Vec::new();
    for release in snapshot.all().filter(|release| release.digest() == digest) {
        if !all.iter().any(|known| Arc::ptr_eq(known, release)) {
            all.push(release);
        }
    }
    all
}

fn slot(
    gateway: &Gateway,
    snapshot: &Snapshot,
    records: &[ReleaseRecord],
    name: &str,
    record: &SlotRecord,
) -> SlotView {
    let named = |digest: &String| {
        let known = records.iter().find(|known| known.digest == *digest);
        let label = known.map_or_else(|| "unknown".to_owned(), |known| format!("{} {}", known.name, known.version));
        Named { release: digest.clone(), label }
    };
    let route = name.parse::<Slot>().ok().and_then(|slot| route_of(&snapshot.routes, &slot));
    let astray = match route {
        None => Some("not served: the configuration's release serves".to_owned()),
        Some(route) if route.active.digest() != record.active => {
            Some(format!("{} serves, because this release can't be loaded", route.active.label()))
        }
        Some(_) => None,
    };
    let releases = route
        .into_iter()
        .flat_map(|route| std::iter::once(&route.active).chain(route.canary.as_ref().map(|canary| &canary.release)));
    let parked = record.parked.as_ref().and_then(|parked| snapshot.parked.get(parked));
    SlotView {
        slot: name.to_owned(),
        active: named(&record.active),
        since: record.since,
        by: record.by.clone(),
        parked: record.parked.as_ref().map(named),
        watched: record.canary.is_some() || is_fresh(record, gateway.clock.now()),
        canary: record.canary.as_ref().map(|canary| CanaryView {
            named: named(&canary.release),
            share_percent: f64::from(canary.share_bp) / 100.0,
            since: canary.since,
            by: canary.by.clone(),
        }),
        why: astray.or_else(|| record.why.clone()),
        functions: releases.chain(parked).flat_map(functions).collect(),
    }
}

fn functions(release: &Arc<Release>) -> Vec<FunctionView> {
    let open = release.vitals().open();
    let counts = release.vitals().counts().into_iter();
    let view = |(function, count): (&'static str, crate::host::Count)| {
        let used = release.vitals().used(function);
        FunctionView {
            release: release.digest().to_owned(),
            function: function.to_owned(),
            calls: count.calls,
            failed: count.failed,
            refused: count.refused,
            broken: open.contains(&function),
            cpu_ms: used.guest_ns as f64 / 1e6,
            memory_peak_bytes: used.memory_peak_bytes,
            host_calls: used.host_calls,
            sent_bytes: used.sent_bytes,
            received_bytes: used.received_bytes,
        }
    };
    counts.map(view).collect()
}
