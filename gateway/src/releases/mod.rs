//! Releases of plugins: kept by their content, and routed to accounts, networks and policies.
//!
//! What the configuration names serves at first. Operators put other releases in its place, for all calls or for a share of them; what
//! served before stays parked, so that going back takes no loading. Who does it, and the log of it, are the operators' matter.

pub mod capabilities;
pub mod measures;
pub mod routing;
pub mod sequential;
pub mod serve;
pub mod slot;
pub mod store;
pub mod vectors;

use tokio::sync::Mutex;

use crate::trust::Trust;
pub use slot::Slot;
pub use store::ReleaseStore;

/// The installed releases.
#[derive(Debug)]
pub struct Releases {
    /// Their components.
    pub store: ReleaseStore,
    /// Whose plugins may run.
    pub trust: Trust,
    /// One is tried out at a time: compilers are hungry.
    pub installing: Mutex<()>,
}

impl Releases {
    /// With the components of this store.
    pub fn new(store: ReleaseStore, trust: Trust) -> Self {
        Self { store, trust, installing: Mutex::new(()) }
    }
}
