//! Which releases serve calls now: one snapshot that a call loads once.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::release::Release;
use crate::model::PluginName;

/// The releases that serve calls. Whoever holds a snapshot keeps its releases to the end of the call.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Adapters by the plugin's name.
    pub adapters: HashMap<PluginName, Arc<Release>>,
    /// Policies by their name in `policies.toml`.
    pub policies: HashMap<String, Arc<Release>>,
    /// Counts up with every replacement.
    pub generation: u64,
}

/// Holds the snapshot.
#[derive(Debug, Default)]
pub struct Registry(ArcSwap<Snapshot>);

impl Registry {
    /// What serves now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts these releases in place of all others, for calls that start from now on. Returns the new generation.
    pub fn replace(&self, adapters: HashMap<PluginName, Arc<Release>>, policies: HashMap<String, Arc<Release>>) -> u64 {
        let mut generation = 0;
        self.0.rcu(|current| {
            generation = current.generation.saturating_add(1);
            Snapshot { adapters: adapters.clone(), policies: policies.clone(), generation }
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
        assert_eq!(registry.replace(HashMap::new(), HashMap::new()), 1);
        assert_eq!((before.generation, registry.snapshot().generation), (0, 1));
    }
}
