//! Starting: from configuration to a gateway that may serve.

mod belonging;
mod log;
mod look;
mod plugins;
mod restored;
mod values;

use std::{os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::{Mutex, Notify, RwLock};

use crate::{
    audit::{AuditLog, Disk, Leaf, RealDisk, leaf},
    authority::Authority,
    backup,
    clock::{Clock, SystemClock},
    config::{
        Config, Fault, Governance,
        process::{Kek, ListenTls, SecretFrom},
    },
    connections::Connections,
    egress::{Egress, EgressOptions},
    export::{self, ExportParts, Exports},
    folders,
    freezes::FreezeBook,
    gateway::Gateway,
    identity::Identities,
    index::AuditIndex,
    keys::{Keys, Sessions},
    limits::{DefaultLimit, Limits, Place},
    listen::{Tls, TlsFiles},
    media::{MediaStore, public::PublicMedia},
    metrics::{Counters, Registry as Metrics},
    notices::{NoticeParts, Notices, tell_log},
    openings::Openings,
    operator::{
        OpsError,
        erasures::{Carrier, resume},
        served,
    },
    people::People,
    plugins::{Shelf, ShelfError},
    posts::{mark::OpenIntents, recover, unattempted::Unattempted},
    pulse,
    records::{
        GovernanceRecord, Records, RecordsError,
        sqlite::{SqliteRecords, SqliteSubjectKeys},
    },
    vault::{KekSource, OutsideSecret, SealedStore, Vault},
    witness::{self, WitnessParts, Witnesses},
};
pub use belonging::origin;
pub use look::{LogLook, Look, look};
use plugins::Loading;
pub use plugins::{host, host_without_cache};
pub use values::{Values, values};

/// Appends that may wait for the log's writer.
const AUDIT_QUEUE_MAX: usize = 65_536;
/// The file in the data folder that a process locks which works on it.
const LOCK: &str = "lock";

/// Why the gateway does not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder or file.
    #[error("{0}")]
    Files(String),
    /// The record store.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Governance.
    #[error("the governance does not hold:\n{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Governance {
        /// Every fault.
        faults: Vec<Fault>,
    },
    /// Plugins.
    #[error(transparent)]
    Plugins(#[from] ShelfError),
    /// Another process has the data folder.
    #[error("another pressgate works on {0}. Stop it, or use another data folder")]
    Locked(String),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Other(String),
}

/// What a start needs; tests put other parts in.
pub struct Parts {
    /// `pressgate.toml`, checked.
    pub config: Config,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The log's disk.
    pub disk: Arc<dyn Disk>,
}

impl Parts {
    /// The machine's own.
    pub fn real(config: Config) -> Self {
        Self { config, clock: Arc::new(SystemClock), disk: Arc::new(RealDisk) }
    }
}

/// The stores of a data folder, opened and recovered: what commands need without a serving gateway.
pub struct Stores {
    /// Held as long as the stores are open: one process a data folder.
    pub lock: std::fs::File,
    /// The log.
    pub audit: AuditLog,
    /// The records.
    pub records: Arc<dyn Records>,
    /// What leaves commit to.
    pub openings: Arc<Openings>,
    /// The vault.
    pub vault: Arc<Vault>,
    /// The keys.
    pub keys: Keys,
    /// Sessions of clients.
    pub sessions: Sessions,
}

/// Opens the stores of the data folder. Fails where another process has them.
pub async fn open_stores(parts: &Parts) -> Result<Stores, StartError> {
    let config = &parts.config;
    let lock = lock_data(&config.data)?;
    if let Some(why) = backup::unfinished(&config.data) {
        return Err(StartError::Other(why));
    }
    let log_has_leaves = belonging::log_has_leaves(config, &parts.disk)?;
    belonging::not_lost(config, log_has_leaves)?;
    let records: Arc<dyn Records> = Arc::new(SqliteRecords::open(&config.records_dir())?);
    let node = belonging::tie(config, records.as_ref(), log_has_leaves, parts.clock.now()).await?;
    let sealed: Arc<dyn SealedStore> = Arc::new(Arc::clone(&records));
    let vault = Vault::open(&kek_source(config), sealed, Arc::clone(&parts.clock))
        .await
        .map_err(|error| StartError::Other(error.to_string()))?;
    let subject_keys = Arc::new(SqliteSubjectKeys::open(&config.subject_keys_file())?);
    let openings = Openings::new(
        belonging::origin(&node),
        Arc::clone(&records),
        subject_keys,
        Arc::clone(&vault),
        Arc::clone(&parts.clock),
    );
    let keys = Keys::load(vault.derive("api-keys").as_bytes(), records.as_ref()).await?;
    let sessions = Sessions::load(vault.derive("sessions").as_bytes(), records.as_ref(), parts.clock.now()).await?;
    let audit = log::open(parts, &node, records.as_ref()).await?;
    let openings = openings.follow(audit.clone()).await.map_err(|error| StartError::Other(error.to_string()))?;
    let openings = Arc::new(openings);
    let now = parts.clock.now();
    let restored = restored::told(config, &audit, now).await?;
    let restored_until = restored.as_ref().map_or(0, |word| word.size);
    let found = recover::recover(&audit, records.as_ref(), now, restored_until).await.map_err(StartError::Other)?;
    if let Some(word) = restored {
        restored::carry_out(
            config,
            &restored::Parts { audit: &audit, records: records.as_ref(), keys: &keys },
            &word,
            now,
        )
        .await?;
    }
    tracing::info!(leaves = found.leaves, open = found.open, leases = found.leases, "recovered");
    Ok(Stores { lock, audit, records, openings, vault, keys, sessions })
}

/// The id of the node that a data folder is of; none where no gateway has been.
///
/// # Errors
/// It can't be read.
pub fn node(config: &Config) -> Result<Option<String>, StartError> {
    belonging::read(&belonging::path(config))
}

/// Starts a gateway: stores, plugins, governance. It serves once a listener is bound to it.
pub async fn start(parts: Parts) -> Result<Arc<Gateway>, StartError> {
    let Stores { lock, audit, records, openings, vault, keys, sessions } = open_stores(&parts).await?;
    let Parts { config, clock, disk } = parts;
    let (tls, host, authority) = (tls(&config)?, host(&config, &vault, &clock)?, authority(&vault).await?);
    let (media, shelf) = (media(&config)?, plugins::shelf(&config)?);
    let governance = applied(&config, records.as_ref(), &audit, &shelf, clock.as_ref()).await?;
    let from = Loading { host: &host, shelf: &shelf, governance: &governance };
    let (components, releases, registry) = from.routed(&config, records.as_ref(), clock.as_ref()).await?;
    let egress = Arc::new(egress(&config, &vault, &clock)?);
    let exports = Arc::new(exports(&config, &audit, &vault, &egress, &clock).await?);
    let witnesses = witnesses(&config, &audit, &vault, &egress, &clock, &disk).await?;
    erase(&audit, &records, &openings, &media, &clock).await?;
    let started_ms = announce(&audit, &vault, clock.as_ref(), &components).await?;
    let (index, counters) = (Arc::new(index(&config, &audit)?), Arc::default());
    let metrics = measure(&audit, &exports, &index, &counters, &witnesses);
    let by = (&records, &egress, &clock);
    let (governance, notices) = notices(&config, governance, by, &vault, &audit, &metrics).await?;
    Ok(measured(Gateway {
        connections: Connections::measured(&egress, &metrics),
        unattempted: Unattempted::measured(&metrics),
        identities: Identities::new(Arc::clone(&egress), Arc::clone(&clock)),
        people: people(&config, &vault, records.as_ref()).await?,
        governance,
        governance_dir: config.governance.clone(),
        starts: RwLock::new(()),
        freezes: FreezeBook::load(records.as_ref()).await?,
        tls,
        authority,
        applying: Mutex::new(()),
        erasing: Mutex::new(()),
        host,
        shelf,
        registry,
        releases,
        facts: Default::default(),
        index,
        readings: Arc::default(),
        open_intents: OpenIntents::new(audit.clone()),
        records,
        openings,
        public_media: public_media(&config, &vault),
        vault,
        egress,
        exports,
        webhooks: Default::default(),
        connectors: Default::default(),
        notices,
        witnesses,
        keys,
        sessions,
        limits: limits(&config, &clock).await?,
        pauses: Default::default(),
        media: Arc::new(media),
        uploads: Default::default(),
        reveals: Default::default(),
        metrics,
        counters,
        started_ms,
        strangers: Default::default(),
        lives: Default::default(),
        attempts: Default::default(),
        due: Notify::new(),
        changed: Notify::new(),
        stopping: Default::default(),
        audit,
        clock,
        config,
        _lock: lock,
    }))
}

/// With what its plugins use up among what is measured.
fn measured(gateway: Gateway) -> Arc<Gateway> {
    let gateway = Arc::new(gateway);
    let shown = Arc::downgrade(&gateway);
    gateway.metrics.add(move |page| {
        if let Some(gateway) = shown.upgrade() {
            crate::releases::measures::show(page, &gateway.registry);
        }
    });
    gateway
}

/// A registry with what the parts measure that there are before the others.
fn measure(
    audit: &AuditLog,
    exports: &Arc<Exports>,
    index: &Arc<AuditIndex>,
    counters: &Arc<Counters>,
    witnesses: &Witnesses,
) -> Metrics {
    let metrics = pulse::metrics(audit, exports, index, counters);
    witnesses.measure(&metrics);
    metrics
}

/// What is known of people, with the secret that the company's issuer knows the gateway by.
async fn people(config: &Config, vault: &Vault, records: &dyn Records) -> Result<People, StartError> {
    let secret = config.sign_in.as_ref().and_then(|sign_in| sign_in.secret.as_ref()).map(|from| {
        let outside = match from {
            SecretFrom::File(path) => OutsideSecret::File(path.clone()),
            SecretFrom::Env(name) => OutsideSecret::Env(name.clone()),
        };
        outside.read().map_err(|error| StartError::Other(format!("sign_in.secret: {error}")))
    });
    Ok(People::load(vault.derive("people").as_bytes(), secret.transpose()?, records).await?)
}

fn public_media(config: &Config, vault: &Vault) -> PublicMedia {
    let settings = &config.media;
    PublicMedia::new(vault.derive("public media").as_bytes(), settings.public_url.clone(), settings.public_seconds)
}

fn media(config: &Config) -> Result<MediaStore, StartError> {
    MediaStore::open(&config.media_dir(), config.limits.media_bytes_max)
        .map_err(|error| files(&config.media_dir(), &error))
}

fn index(config: &Config, audit: &AuditLog) -> Result<AuditIndex, StartError> {
    let path = config.audit_index_path();
    AuditIndex::follow(audit.clone(), &path).map_err(|error| files(&path, &error))
}

/// The limits, connected where they are shared.
async fn limits(config: &Config, clock: &Arc<dyn Clock>) -> Result<Limits, StartError> {
    let standard = DefaultLimit { calls_per_minute: config.limits.calls_per_minute, burst: config.limits.burst };
    let limits = Limits::new(standard, Arc::clone(clock), place(config)?);
    limits.connect().await;
    Ok(limits)
}

/// Where limits are shared, with the password of that place.
fn place(config: &Config) -> Result<Option<Place>, StartError> {
    let Some(shared) = &config.limits.shared else { return Ok(None) };
    let mut url = shared.url.clone();
    if let Some(name) = &shared.password_env {
        let missing =
            || StartError::Other(format!("limits.shared.password_env: there is no `{name}` in the environment"));
        let password = std::env::var(name).map_err(|_| missing())?;
        url.set_password(Some(&password)).map_err(|()| missing())?;
    }
    let patience = std::time::Duration::from_millis(shared.timeout_ms);
    Ok(Some(Place { url: url.into(), nodes: shared.nodes, patience }))
}

/// Certificate and key of the listener for apps.
fn tls(config: &Config) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(tls) = config.listen.tls.clone() else { return Ok(None) };
    let ListenTls { certificate, key, client_ca } = tls;
    let loaded = Tls::load(TlsFiles { certificate, key, client_ca });
    loaded.map(Some).map_err(|error| StartError::Files(format!("listen.tls: {error}")))
}

/// The certificate authority of the forward door, where one was made.
///
/// # Errors
/// It can't be read.
async fn authority(vault: &Vault) -> Result<ArcSwapOption<Authority>, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Other(error.to_string());
    let Some(kept) = vault.authority().await.map_err(|error| failed(&error))? else {
        return Ok(ArcSwapOption::empty());
    };
    let authority = Authority::open(&kept).map_err(|error| failed(&error))?;
    Ok(ArcSwapOption::from_pointee(authority))
}

/// The log names what serves before it does, and says that the gateway starts. The result is when that was.
async fn announce(
    audit: &AuditLog,
    vault: &Vault,
    clock: &dyn Clock,
    components: &served::Components,
) -> Result<i64, StartError> {
    let failed = |error: OpsError| StartError::Other(error.to_string());
    served::note(audit, vault, clock.now(), components, None).await.map_err(failed)?;
    served::keep(vault, components).await.map_err(failed)?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let event = leaf::Lifecycle { event: leaf::LifecycleEvent::Start, version };
    let started_ms = clock.now().as_millisecond();
    audit.append(Leaf::new(started_ms, event)).await.map_err(|error| StartError::Other(error.to_string()))?;
    Ok(started_ms)
}

/// The exports, opened and named in the log.
async fn exports(
    config: &Config,
    audit: &AuditLog,
    vault: &Vault,
    egress: &Arc<Egress>,
    clock: &Arc<dyn Clock>,
) -> Result<Exports, StartError> {
    let parts = ExportParts { config, audit, egress, clock };
    let exports = Exports::open(&parts).map_err(|error| StartError::Other(error.to_string()))?;
    export::note(audit, vault, &config.export, clock.now()).await.map_err(StartError::Other)?;
    export::keep(vault, &config.export).await.map_err(StartError::Other)?;
    Ok(exports)
}

/// Carries on what was to be erased and is not yet.
async fn erase(
    audit: &AuditLog,
    records: &Arc<dyn Records>,
    openings: &Openings,
    media: &MediaStore,
    clock: &Arc<dyn Clock>,
) -> Result<(), StartError> {
    let carrier = Carrier { audit, records: records.as_ref(), openings, media, clock: clock.as_ref() };
    resume(&carrier).await.map_err(|error| StartError::Other(error.to_string()))
}

/// What people are told by, and the governance of each moment, which has their addresses.
async fn notices(
    config: &Config,
    governance: Governance,
    (records, egress, clock): (&Arc<dyn Records>, &Arc<Egress>, &Arc<dyn Clock>),
    vault: &Vault,
    audit: &AuditLog,
    metrics: &Metrics,
) -> Result<(Arc<ArcSwap<Governance>>, Arc<Notices>), StartError> {
    let governance = Arc::new(ArcSwap::from_pointee(governance));
    let known = Arc::clone(&governance);
    let parts = NoticeParts {
        records: Arc::clone(records),
        clock: Arc::clone(clock),
        egress: Arc::clone(egress),
        book: Arc::new(move |person| {
            known.load().people.get(person)?.notified_at().map(|address| address.as_str().to_owned())
        }),
        tell: tell_log(audit.clone(), Arc::clone(clock)),
    };
    let notices = Arc::new(Notices::open(config.notices.as_ref(), parts).map_err(StartError::Other)?);
    notices.begin(vault, audit).await.map_err(StartError::Other)?;
    let told = Arc::clone(&notices);
    metrics.add(move |page| told.show(page));
    Ok((governance, notices))
}

/// The witnesses, with what is kept of them, and named in the log.
async fn witnesses(
    config: &Config,
    audit: &AuditLog,
    vault: &Vault,
    egress: &Arc<Egress>,
    clock: &Arc<dyn Clock>,
    disk: &Arc<dyn Disk>,
) -> Result<Witnesses, StartError> {
    let parts = WitnessParts { config, audit, egress, clock, disk };
    let witnesses = Witnesses::open(&parts).map_err(StartError::Other)?;
    witness::note(audit, vault, &config.witness, clock.now()).await.map_err(StartError::Other)?;
    witness::keep(vault, &config.witness).await.map_err(StartError::Other)?;
    Ok(witnesses)
}

/// The governance that was applied last. Edits in the folder take effect when somebody applies them, not by a restart. The
/// first start applies what the folder holds.
async fn applied(
    config: &Config,
    records: &dyn Records,
    audit: &AuditLog,
    shelf: &Shelf,
    clock: &dyn Clock,
) -> Result<Governance, StartError> {
    if let Some(applied) = records.governance().await? {
        let governance =
            Governance::restart(&applied.files, shelf).map_err(|faults| StartError::Governance { faults })?;
        if Governance::read(&config.governance).is_ok_and(|files| crate::config::digest_of(&files) != governance.digest)
        {
            tracing::warn!(folder = %config.governance.display(), "the governance folder differs from what was applied; see `pressgate apply`");
        }
        return Ok(governance);
    }
    let governance =
        Governance::load(&config.governance, shelf, clock.now()).map_err(|faults| StartError::Governance { faults })?;
    let now = clock.now();
    let event = leaf::Change {
        what: leaf::Changed::Governance,
        action: "apply".into(),
        subject: "governance".into(),
        digest: Some(governance.digest.clone()),
        by: "first-start".into(),
    };
    audit.append(Leaf::new(now.as_millisecond(), event)).await.map_err(|error| StartError::Other(error.to_string()))?;
    let record = GovernanceRecord {
        digest: governance.digest.clone(),
        files: governance.files.clone(),
        applied_at: now,
        applied_by: "first-start".into(),
    };
    records.put_governance(record).await?;
    Ok(governance)
}

fn egress(config: &Config, vault: &Arc<Vault>, clock: &Arc<dyn Clock>) -> Result<Egress, StartError> {
    let mut extra_roots = Vec::new();
    for path in &config.egress.extra_roots {
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        extra_roots.extend(certificates.map_err(|error| files(path, &error))?);
    }
    let request_timeout = Duration::from_millis(config.egress.timeout_ms);
    let options = EgressOptions { extra_roots, request_timeout, ..EgressOptions::default() };
    Egress::new(options, Arc::clone(vault), Arc::clone(clock)).map_err(|error| StartError::Other(error.to_string()))
}

/// Where the configuration says that the key-encryption key is.
pub fn kek_source(config: &Config) -> KekSource {
    match &config.kek {
        Kek::File(path) => KekSource::File(path.clone()),
        Kek::Env(name) => KekSource::Env(name.clone()),
        Kek::Command(command) => KekSource::Command(command.clone()),
    }
}

/// One process a data folder: takes its lock, making the folder where it is missing.
///
/// # Errors
/// Another process has it, or others may write to the folder.
pub fn lock_data(data: &Path) -> Result<std::fs::File, StartError> {
    if !data.exists() {
        folders::private(data).map_err(|error| files(data, &error))?;
    }
    folders::only_mine(data).map_err(StartError::Files)?;
    let path = data.join(LOCK);
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(folders::PRIVATE_FILE_MODE)
        .open(&path)
        .map_err(|error| files(&path, &error))?;
    flock(&file, &path).map(|()| file)
}

fn flock(file: &std::fs::File, path: &Path) -> Result<(), StartError> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(StartError::Locked(path.parent().unwrap_or(path).display().to_string()))
        }
        Err(error) => Err(files(path, &error)),
    }
}

fn files(path: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::Files(format!("{}: {error}", path.display()))
}
