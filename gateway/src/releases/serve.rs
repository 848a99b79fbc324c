//! From the routing to the snapshot that calls load.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Releases, Slot, capabilities};
use crate::{
    config::Governance,
    host::{Canary, Count, Host, Release, Route, Routes, Snapshot, manifest::PluginKind},
    plugins::Serving,
    records::{ReleaseRecord, ReleaseState, RoutingRecord, SlotRecord},
};

/// What a snapshot is made of.
pub struct Parts<'a> {
    /// Loads what is not loaded.
    pub host: &'a Host,
    /// The components.
    pub releases: &'a Releases,
    /// What is known of them.
    pub records: &'a [ReleaseRecord],
    /// The rules that the snapshot serves.
    pub governance: &'a Governance,
    /// What serves now.
    pub before: &'a Snapshot,
    /// Releases that were loaded for this change: they come before those that serve already.
    pub loaded: &'a [Arc<Release>],
    /// Digests of releases that started attempts go on with.
    pub bound: &'a [String],
}

/// A snapshot, and sentences about slots that can't have what the routing says.
pub struct Built {
    /// What is to serve.
    pub snapshot: Snapshot,
    /// What operators should know.
    pub notes: Vec<String>,
}

/// What a slot is to have.
struct Found {
    route: Route,
    /// What of it is not as the routing says.
    note: Option<String>,
    parked: Option<Arc<Release>>,
}

impl Parts<'_> {
    /// Builds. Compiles nothing that is loaded or in the cache; may block.
    pub fn build(&self, base: Serving, routing: &RoutingRecord) -> Built {
        let Serving { adapters, policies, connectors } = base;
        let mut snapshot = Snapshot { adapters, policies, connectors, version: routing.version, ..Snapshot::default() };
        let mut notes = Vec::new();
        let mut parked = HashMap::new();
        for (name, record) in &routing.routing.slots {
            let slot = match name.parse::<Slot>() {
                Ok(slot) => slot,
                Err(error) => {
                    notes.push(error);
                    continue;
                }
            };
            match slot.plugins(self.governance) {
                Ok(plugins) if plugins.iter().any(|plugin| plugin.as_str() == record.plugin) => {}
                _ => {
                    notes.push(format!(
                        "`{name}` is not of the plugin `{}` any more; its release is left aside",
                        record.plugin
                    ));
                    continue;
                }
            }
            let config = self.config(&slot);
            let found = match self.route(&snapshot, &slot, record, &config) {
                Ok(found) => found,
                Err(error) => {
                    notes.push(format!("`{name}` serves what the configuration names: {error}"));
                    continue;
                }
            };
            notes.extend(found.note.map(|error| format!("`{name}`: {error}")));
            parked.extend(found.parked.map(|old| (old.digest().to_owned(), old)));
            put(&mut snapshot.routes, slot, found.route);
        }
        snapshot.parked = parked;
        for digest in self.bound {
            if snapshot.adapter_of(digest).is_some() {
                continue;
            }
            match self.find(&snapshot, None, digest, &json!({})) {
                Ok(release) => drop(snapshot.parked.insert(digest.clone(), release)),
                Err(error) => notes.push(format!("a started attempt can't go on with its release: {error}")),
            }
        }
        Built { snapshot, notes }
    }

    /// The route of a slot and what is parked there. Where the release that should serve can't be loaded, what served before does.
    fn route(&self, made: &Snapshot, slot: &Slot, record: &SlotRecord, config: &Value) -> Result<Found, String> {
        let find = |digest: &str| self.find(made, Some(slot), digest, config);
        let old = record.parked.as_deref().map(find).transpose();
        let active = match (find(&record.active), &old) {
            (Ok(active), _) => active,
            (Err(error), Ok(Some(old))) => {
                let route = Route { active: Arc::clone(old), canary: None };
                return Ok(Found { route, note: Some(format!("what served before serves: {error}")), parked: None });
            }
            (Err(error), _) => return Err(error),
        };
        let mut note = None;
        let canary = record.canary.as_ref().and_then(|canary| match find(&canary.release) {
            Ok(release) => {
                let at_first = self.at_first(slot, &release, &active);
                Some(Canary { release, share_bp: canary.share_bp, at_first })
            }
            Err(error) => {
                note = Some(format!("without its canary: {error}"));
                None
            }
        });
        Ok(Found { route: Route { active, canary }, note, parked: old.ok().flatten() })
    }

    /// What was counted of the active release when the canary came: now, unless it is there already.
    fn at_first(&self, slot: &Slot, release: &Arc<Release>, active: &Release) -> Vec<(&'static str, Count)> {
        let known = route_of(&self.before.routes, slot).and_then(|route| route.canary.as_ref());
        let known = known.filter(|known| Arc::ptr_eq(&known.release, release));
        known.map_or_else(|| active.vitals().counts(), |known| known.at_first.clone())
    }

    /// The configuration that a release has in a slot.
    pub fn config(&self, slot: &Slot) -> Value {
        let Slot::Policy(name) = slot else { return json!({}) };
        let rule = self.governance.policies.iter().find(|rule| rule.name == *name);
        rule.map_or_else(|| json!({}), |rule| rule.config.clone())
    }

    /// The release with this digest and configuration: loaded for this change, serving in the slot, serving anywhere, or from the store.
    fn find(&self, made: &Snapshot, slot: Option<&Slot>, digest: &str, config: &Value) -> Result<Arc<Release>, String> {
        let of_slot = slot.and_then(|slot| route_of(&self.before.routes, slot));
        let of_slot = of_slot.into_iter().flat_map(|route| {
            std::iter::once(&route.active).chain(route.canary.as_ref().map(|canary| &canary.release))
        });
        let known = self
            .loaded
            .iter()
            .chain(of_slot)
            .chain(self.before.parked.values())
            .chain(made.all())
            .chain(self.before.all());
        let known: Vec<_> = known.filter(|release| release.digest() == digest).collect();
        let Some(any) = known.first() else { return self.load(digest, config) };
        let fitted = self.host.reconfigure(any, config).map_err(|error| error.to_string())?;
        let same = known.into_iter().find(|release| release.config_digest() == fitted.config_digest());
        Ok(same.map_or(fitted, Arc::clone))
    }

    /// Loads a release from the store, with the hosts that a person granted.
    ///
    /// # Errors
    /// It is not there, was changed, is not trusted (any more), or does not fit.
    pub fn load(&self, digest: &str, config: &Value) -> Result<Arc<Release>, String> {
        let component = self.releases.store.get(digest)?;
        // Anew at each load: a key may have been revoked since.
        self.releases.trust.judge(&component).map_err(|error| {
            format!("the release {digest} may not run: {error}; then install it and put it in place again")
        })?;
        let accepted =
            self.records.iter().find(|record| record.digest == digest).map(|record| record.accepted.as_slice());
        let grant = manifest(&component)
            .map(|manifest| capabilities::granted(&manifest, accepted.unwrap_or_default()))
            .unwrap_or_default();
        self.host.load(&component, &grant, config).map_err(|error| error.to_string())
    }
}

/// The record of a release that the configuration names.
pub fn first(release: &Release, size_bytes: usize, now: Timestamp) -> ReleaseRecord {
    let manifest = release.manifest();
    ReleaseRecord {
        digest: release.digest().to_owned(),
        name: manifest.name.to_string(),
        version: manifest.version.clone(),
        kind: match manifest.kind {
            PluginKind::Adapter => "adapter".to_owned(),
            PluginKind::Policy => "policy".to_owned(),
            PluginKind::Connector => "connector".to_owned(),
        },
        size_bytes: u64::try_from(size_bytes).unwrap_or(u64::MAX),
        installed_at: now,
        installed_by: "start".to_owned(),
        state: ReleaseState::Ready,
        steps: Vec::new(),
        accepted: Vec::new(),
        signed_by: Vec::new(),
    }
}

/// The manifest in a component that was accepted before.
pub fn manifest(component: &[u8]) -> Option<crate::host::Manifest> {
    let section = crate::host::manifest::extract(component).ok().flatten()?;
    crate::host::Manifest::from_json(section).ok()
}

/// The route of a slot, where it has one.
pub fn route_of<'a>(routes: &'a Routes, slot: &Slot) -> Option<&'a Route> {
    match slot {
        Slot::Network(network) => routes.networks.get(network),
        Slot::Account(account) => routes.accounts.get(account),
        Slot::Policy(policy) => routes.policies.get(policy),
    }
}

fn put(routes: &mut Routes, slot: Slot, route: Route) {
    match slot {
        Slot::Network(network) => drop(routes.networks.insert(network, route)),
        Slot::Account(account) => drop(routes.accounts.insert(account, route)),
        Slot::Policy(policy) => drop(routes.policies.insert(policy, route)),
    }
}
