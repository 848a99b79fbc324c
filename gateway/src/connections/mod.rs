//! Connections of accounts to authorization servers (OAuth 2), for the gateway as a whole: who is connecting one, which are to be
//! renewed, and which need a person.
//!
//! `egress` gets and renews the tokens of one; here is what goes beyond one request.

mod pending;
mod watch;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

pub use pending::{Attempt, Ended, PENDING_FOR, Pending, Progress};
pub use watch::watch;

use crate::{egress::Egress, metrics::Registry};

/// Code of the alarm for an account that a person must connect again.
pub const RECONNECT_NEEDED: &str = "reconnect-needed";

/// The connections of a gateway.
#[derive(Default)]
pub struct Connections {
    /// Those that somebody is making.
    pub pending: Pending,
    waiting: Arc<AtomicU64>,
}

impl Connections {
    /// None yet. What can be measured of them is added: it counts, and names nobody.
    pub fn measured(egress: &Arc<Egress>, registry: &Registry) -> Self {
        let connections = Self::default();
        let (waiting, egress) = (Arc::clone(&connections.waiting), Arc::clone(egress));
        registry.add(move |page| {
            let help = "Credentials for which a person must connect the account again.";
            let waiting = waiting.load(Ordering::Relaxed);
            page.gauge("pressgate_credentials_reconnect_needed", help, &[], waiting as f64);
            let help = "Renewals of the tokens of connected accounts.";
            page.counter("pressgate_credential_renewals_total", help, &[], egress.renewals());
        });
        connections
    }
}
