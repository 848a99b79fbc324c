//! Which releases serve calls now: one snapshot that a call loads once.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;

use super::release::Release;
use super::vitals::Count;
use crate::model::{Account, AccountId, PluginName};

/// Of how many calls a share is counted.
pub const SHARE_WHOLE_BP: u16 = 10_000;

/// The releases that serve calls. Whoever holds a snapshot keeps its releases to the end of the call.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Adapters that the configuration names, by the plugin's name.
    pub adapters: HashMap<PluginName, Arc<Release>>,
    /// Policies that the configuration names, by their name in `policies.toml`.
    pub policies: HashMap<String, Arc<Release>>,
    /// Connectors that the configuration names, by their name in `connectors.toml`.
    pub connectors: HashMap<String, Arc<Release>>,
    /// What operators put in their place.
    pub routes: Routes,
    /// Releases that serve no new calls, by digest: for a rollback, and to finish what they began.
    pub parked: HashMap<String, Arc<Release>>,
    /// The number of the change of routes that this snapshot has.
    pub version: u64,
    /// Counts up with every replacement.
    pub generation: u64,
}

/// What operators put in the place of what the configuration names.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// For an account; before its network's.
    pub accounts: HashMap<AccountId, Route>,
    /// For the accounts of a network that use this plugin.
    pub networks: HashMap<String, Route>,
    /// For a policy.
    pub policies: HashMap<String, Route>,
}

/// What serves in a slot.
#[derive(Debug, Clone)]
pub struct Route {
    /// The release for all calls that are not the canary's.
    pub active: Arc<Release>,
    /// A release for a share of the calls.
    pub canary: Option<Canary>,
}

/// A release for a share of the calls.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The release.
    pub release: Arc<Release>,
    /// Its share, in hundredths of a per cent.
    pub share_bp: u16,
    /// What was counted of the active release when this one came.
    pub at_first: Vec<(&'static str, Count)>,
}

impl Route {
    /// The release for a call. The same call always gets the same one, as long as the share stays.
    fn of(&self, call: &str) -> &Arc<Release> {
        match &self.canary {
            Some(canary) if canary.takes(call) => &canary.release,
            _ => &self.active,
        }
    }
}

impl Canary {
    /// By a hash of the call's key and the release: another release gets other calls.
    fn takes(&self, call: &str) -> bool {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.release.digest().as_bytes());
        hash.update(call.as_bytes());
        let place = hash.finish().as_ref().iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        place % u32::from(SHARE_WHOLE_BP) < u32::from(self.share_bp)
    }
}

impl Snapshot {
    /// The adapter of an account, for what is no call of its own.
    pub fn adapter(&self, account: &Account) -> Option<&Arc<Release>> {
        match self.route(account) {
            Some(route) => Some(&route.active),
            None => self.adapters.get(&account.adapter),
        }
    }

    /// The adapter of an account for a call.
    pub fn adapter_for(&self, account: &Account, call: &str) -> Option<&Arc<Release>> {
        match self.route(account) {
            Some(route) => Some(route.of(call)),
            None => self.adapters.get(&account.adapter),
        }
    }

    /// The policy of that name for a call.
    pub fn policy_for(&self, policy: &str, call: &str) -> Option<&Arc<Release>> {
        match self.routes.policies.get(policy) {
            Some(route) => Some(route.of(call)),
            None => self.policies.get(policy),
        }
    }

    /// A route serves the plugin that the governance names for the account, and no other.
    fn route(&self, account: &Account) -> Option<&Route> {
        let fits = |route: &&Route| route.active.manifest().name == account.adapter;
        let own = self.routes.accounts.get(&account.id).filter(fits);
        own.or_else(|| self.routes.networks.get(&account.network).filter(fits))
    }

    /// The adapter with this digest, whether or not it serves new calls.
    pub fn adapter_of(&self, digest: &str) -> Option<&Arc<Release>> {
        self.all().find(|release| release.digest() == digest && release.description().is_some())
    }

    /// Any release with this digest; a policy's has some configuration.
    pub fn release(&self, digest: &str) -> Option<&Arc<Release>> {
        self.all().find(|release| release.digest() == digest)
    }

    /// Every release here, those that serve first. One may come several times.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Release>> {
        let Routes { accounts, networks, policies } = &self.routes;
        let routes = accounts.values().chain(networks.values()).chain(policies.values());
        let routed = routes.flat_map(|route| {
            std::iter::once(&route.active).chain(route.canary.as_ref().map(|canary| &canary.release))
        });
        let named = self.adapters.values().chain(self.policies.values()).chain(self.connectors.values());
        routed.chain(named).chain(self.parked.values())
    }

    /// The adapters that serve new calls, in the order of their names; a canary is not among them.
    pub fn serving_adapters(&self) -> Vec<&Arc<Release>> {
        let routed = self.routes.accounts.values().chain(self.routes.networks.values()).map(|route| &route.active);
        let mut all: Vec<_> = self.adapters.values().chain(routed).collect();
        all.sort_by_key(|release| (&release.manifest().name, release.digest()));
        all.dedup_by_key(|release| release.digest());
        all
    }
}

/// Holds the snapshot.
#[derive(Debug, Default)]
pub struct Registry(ArcSwap<Snapshot>);

impl Registry {
    /// What serves now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts this snapshot in place of the one before, for calls that start from now on. Returns the new generation.
    pub fn replace(&self, snapshot: Snapshot) -> u64 {
        let mut generation = 0;
        self.0.rcu(|current| {
            generation = current.generation.saturating_add(1);
            Snapshot { generation, ..snapshot.clone() }
        });
        generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_snapshot_stays_as_it_was() {
        let registry = Registry::default();
        let before = registry.snapshot();
        assert_eq!(registry.replace(Snapshot { version: 7, ..Snapshot::default() }), 1);
        assert_eq!((before.generation, registry.snapshot().generation, registry.snapshot().version), (0, 1, 7));
    }
}
