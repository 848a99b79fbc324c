//! What a test wants its gateway to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate::audit::{Disk, FaultyDisk, RealDisk};
use pressgate::clock::{Clock, ManualClock, SystemClock};
use serde_json::Value;

use super::governance::{Account, Files, Governance};
use super::process::Place;
use super::site::{Credential, Site};
use super::{Endpoint, GateProcess, Running, TOKEN};

/// The plan of a gateway. [`Gate::start`] makes it run.
pub struct Gate {
    pub(super) governance: Governance,
    settings: BTreeMap<String, String>,
    credentials: Vec<Credential>,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    parent: PathBuf,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A gateway without accounts, with the cast of [`Governance`].
    pub fn new() -> Self {
        Self {
            governance: Governance::new(),
            settings: BTreeMap::new(),
            credentials: Vec::new(),
            clock: Arc::new(SystemClock),
            disk: Arc::new(RealDisk),
            parent: std::env::temp_dir(),
        }
    }

    /// Adds an account of `acme/snacks` on a sample network.
    #[must_use]
    pub fn account(self, id: &str, network: &impl Endpoint) -> Self {
        self.account_of("acme/snacks", id, network)
    }

    /// Adds an account of a brand on a sample network.
    #[must_use]
    pub fn account_of(self, brand: &str, id: &str, network: &impl Endpoint) -> Self {
        let secrets = vec![("token".to_owned(), TOKEN.to_owned())];
        self.account_on("mastodon", brand, id, network.address(), "token", secrets)
    }

    /// Adds an account on any network, with its credential.
    #[must_use]
    pub fn account_on(
        mut self,
        network: &str,
        brand: &str,
        id: &str,
        url: &str,
        label: &str,
        secrets: Vec<(String, String)>,
    ) -> Self {
        let account = Account { id: id.into(), network: network.into(), endpoint: url.into(), brand: brand.into() };
        self.governance.account(account);
        self.credentials.push((id.to_owned(), label.to_owned(), secrets));
        self
    }

    /// Adds a credential of an account, or of a connector that [`Self::govern`] adds.
    #[must_use]
    pub fn credential(mut self, of: &str, label: &str, secrets: &[(&str, &str)]) -> Self {
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.credentials.push((of.to_owned(), label.to_owned(), secrets));
        self
    }

    /// Leaves an account without its credential.
    #[must_use]
    pub fn without_credential(mut self, account: &str) -> Self {
        self.credentials.retain(|(id, ..)| id != account);
        self
    }

    /// Judges every post by the policy `guidelines` with this configuration.
    #[must_use]
    pub fn guidelines(mut self, config: &Value) -> Self {
        self.governance.policy("house-rules", "guidelines", config);
        self
    }

    /// Takes the standard grant away.
    #[must_use]
    pub fn without_grants(mut self) -> Self {
        self.governance.without_grants();
        self
    }

    /// Adds a grant, see [`Governance::grant`].
    #[must_use]
    pub fn grant(mut self, id: &str, holder: &str, place: &str, actions: &[&str]) -> Self {
        self.governance.grant(id, holder, place, actions);
        self
    }

    /// Changes the governance in any way.
    #[must_use]
    pub fn govern(mut self, change: impl FnOnce(&mut Governance)) -> Self {
        change(&mut self.governance);
        self
    }

    /// Sets a key of `pressgate.toml`, dotted, to a TOML value.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Opens the forward door on a free port.
    #[must_use]
    pub fn forward(self) -> Self {
        self.setting("forward.addr", "\"127.0.0.1:0\"")
    }

    /// Runs on a clock that only the test moves.
    #[must_use]
    pub fn clock(mut self, clock: &Arc<ManualClock>) -> Self {
        self.clock = Arc::clone(clock) as _;
        self
    }

    /// Writes the log to a disk that fails when the test says so.
    #[must_use]
    pub fn disk(mut self, disk: &FaultyDisk) -> Self {
        self.disk = Arc::new(disk.clone());
        self
    }

    /// Puts its folder into this one, which lies on a disk that the test chose.
    #[must_use]
    pub fn within(mut self, parent: &Path) -> Self {
        self.parent = parent.to_owned();
        self
    }

    /// Starts the gateway within the test.
    pub async fn start(self) -> Running {
        let site = Site::make(&self.parent, &self.governance.files(), &self.settings, &self.credentials).await;
        Running::start(site, self.governance, self.clock, self.disk).await
    }

    /// Starts the program.
    pub async fn spawn(self) -> GateProcess {
        let site = Site::make(&self.parent, &self.governance.files(), &self.settings, &self.credentials).await;
        GateProcess::start(site, self.governance, Place::default()).await
    }

    /// Starts the program on these processors only, as `taskset -c` takes them.
    pub async fn spawn_on(self, cores: &str) -> GateProcess {
        let site = Site::make(&self.parent, &self.governance.files(), &self.settings, &self.credentials).await;
        GateProcess::start(site, self.governance, Place { cores: Some(cores.to_owned()), ..Place::default() }).await
    }

    /// Starts the program as another user; only root can.
    pub async fn spawn_as(self, user: u32) -> GateProcess {
        let site = Site::make(&self.parent, &self.governance.files(), &self.settings, &self.credentials).await;
        GateProcess::start(site, self.governance, Place { user: Some(user), ..Place::default() }).await
    }

    /// The governance files as they are planned.
    pub fn files(&self) -> Files {
        self.governance.files()
    }
}

/// A clock that stands at the machine's present until the test moves it.
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.now()))
}
