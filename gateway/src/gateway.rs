//! The gateway as a whole: what the stages, doors and workers share.

use std::{path::PathBuf, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, RwLock};

pub use crate::media::{MediaStore, public::PublicMedia};
use crate::{
    audit::{AuditHealth, AuditLog},
    authority::Authority,
    call::{facts::FactsBook, strangers::Strangers, uploads::Uploads},
    clock::Clock,
    config::{Config, Governance},
    connections::Connections,
    connectors::Connectors,
    egress::Egress,
    events::Webhooks,
    export::Exports,
    freezes::FreezeBook,
    host::{Host, Registry},
    identity::Identities,
    index::AuditIndex,
    keys::{Keys, Sessions},
    limits::{Limits, Pauses, Readings},
    listen::Tls,
    metrics::{Counters, Registry as Metrics},
    notices::Notices,
    openings::Openings,
    people::People,
    plugins::Shelf,
    posts::{life::Lives, mark::OpenIntents, running::RunningAttempts, unattempted::Unattempted},
    records::Records,
    releases::Releases,
    reveals::Reveals,
    stop::{Phase, Stop},
    vault::Vault,
    witness::Witnesses,
};

/// Everything that serves calls. Made by [`crate::start`].
pub struct Gateway {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// `pressgate.toml`.
    pub config: Config,
    /// The governance of this moment.
    pub governance: Arc<ArcSwap<Governance>>,
    /// Where the governance files lie.
    pub governance_dir: PathBuf,
    /// Held for reading while a call starts, for writing while governance changes.
    pub starts: RwLock<()>,
    /// What is frozen.
    pub freezes: FreezeBook,
    /// TLS of the listener for apps.
    pub tls: Option<Arc<Tls>>,
    /// The certificate authority of the forward door, where there is one.
    pub authority: ArcSwapOption<Authority>,
    /// One `apply`, or change of what serves, at a time.
    pub applying: tokio::sync::Mutex<()>,
    /// One erasure at a time.
    pub erasing: tokio::sync::Mutex<()>,
    /// The plugin host.
    pub host: Arc<Host>,
    /// The components that were found.
    pub shelf: Shelf,
    /// The plugins that serve.
    pub registry: Registry,
    /// Releases that operators installed.
    pub releases: Releases,
    /// What networks say of their limits.
    pub facts: FactsBook,
    /// What did happen.
    pub audit: AuditLog,
    /// What makes a search of it fast.
    pub index: Arc<AuditIndex>,
    /// Who reads the log now.
    pub readings: Arc<Readings>,
    /// What should happen.
    pub records: Arc<dyn Records>,
    /// What leaves commit to.
    pub openings: Arc<Openings>,
    /// Credentials.
    pub vault: Arc<Vault>,
    /// The only way to a network.
    pub egress: Arc<Egress>,
    /// Connections of accounts to authorization servers.
    pub connections: Connections,
    /// Where the log goes besides its own disk.
    pub exports: Arc<Exports>,
    /// Receivers of events.
    pub webhooks: Webhooks,
    /// Other systems that events are handed to.
    pub connectors: Connectors,
    /// People are told what waits for them.
    pub notices: Arc<Notices>,
    /// Who cosigns its checkpoints.
    pub witnesses: Witnesses,
    /// API keys.
    pub keys: Keys,
    /// Access tokens of the company's own issuers.
    pub identities: Identities,
    /// People: who signs in, their devices and courses.
    pub people: People,
    /// Sessions of clients of networks' own APIs.
    pub sessions: Sessions,
    /// Callers' limits.
    pub limits: Limits,
    /// Networks' pauses.
    pub pauses: Pauses,
    /// Media.
    pub media: Arc<MediaStore>,
    /// Addresses from which networks fetch them.
    pub public_media: PublicMedia,
    /// Media that clients of networks' own APIs uploaded.
    pub uploads: Uploads,
    /// Requests to open commitments.
    pub reveals: Reveals,
    /// What was done since the start.
    pub counters: Arc<Counters>,
    /// When the gateway started, in milliseconds since 1970-01-01 UTC.
    pub started_ms: i64,
    /// What can be measured; parts add their own.
    pub metrics: Metrics,
    /// Refusals before authentication.
    pub strangers: Strangers,
    /// Intents without an outcome.
    pub open_intents: OpenIntents,
    /// One decision at a time on each post.
    pub lives: Lives,
    /// Attempts that run.
    pub attempts: RunningAttempts,
    /// What is due and was not attempted.
    pub unattempted: Arc<Unattempted>,
    /// Wakes the worker that looks for due targets.
    pub due: Notify,
    /// Told whenever an attempt ended.
    pub changed: Notify,
    /// Held as long as the gateway lives: one process a data folder.
    pub(crate) _lock: std::fs::File,
    /// Set when the gateway stops: no new work begins.
    pub stopping: Arc<Stop>,
}

/// The word for a part that works.
pub const READY: &str = "ready";
/// The word for a part that does not.
pub const BLOCKED: &str = "blocked";

/// Can the gateway do its work? Both listeners answer this at `/readyz`, in the same words.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Readiness {
    /// True where it takes calls: neither log nor records are blocked, and it does not stop.
    pub ready: bool,
    /// The log: `ready`, `slow` (reads of low priority are put off), `low-disk` (nothing is sent) or `blocked`.
    pub audit: String,
    /// The record store: `ready` or `blocked`.
    pub records: String,
    /// True from the moment at which a stop is announced.
    pub stopping: bool,
}

impl Gateway {
    /// Looks whether the log and the records can be used.
    pub async fn readiness(&self) -> Readiness {
        let audit = self.audit.health();
        let records = self.records.healthy().await.is_ok();
        let stopping = self.stopping.has_reached(Phase::Announced);
        let word = |good| if good { READY } else { BLOCKED }.to_owned();
        let log = if audit == AuditHealth::Normal { READY } else { audit.word() };
        let ready = audit.takes_leaves() && records && !stopping;
        Readiness { ready, audit: log.to_owned(), records: word(records), stopping }
    }
}
