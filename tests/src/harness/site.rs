//! A gateway's folder: `pressgate.toml`, governance, data. It outlives the gateways that work on it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pressgate::clock::{Clock, SystemClock};
use pressgate::config::Config;
use pressgate::keys::reveal;
use pressgate::model::{AccountId, AppId, PersonId, Principal};
use pressgate::start::{Parts, Stores, open_stores};
use pressgate::vault::{Origins, SecretString, create_kek_file};
use tempfile::TempDir;
use url::Url;

use super::built;
use super::governance::{APPS, Files, PEOPLE};

/// Size of a segment: the least that is allowed, because segments are filled ahead.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// A credential to be set: account, label, values by name.
pub type Credential = (String, String, Vec<(String, String)>);

/// Where the account or the connector's system is, by the governance.
fn endpoint(governance: &Files, account: &str) -> Url {
    let all = [("accounts.toml", "account"), ("connectors.toml", "connector")].into_iter().flat_map(|(file, kind)| {
        let text = governance.get(file).map(String::as_str).unwrap_or_default();
        let entries: toml::Table = text.parse().expect("TOML");
        entries.get(kind).and_then(toml::Value::as_array).cloned().unwrap_or_default()
    });
    let found = all.into_iter().find(|known| known["id"].as_str() == Some(account)).expect("the account");
    found["endpoint"].as_str().expect("an endpoint").parse().expect("an address")
}

/// The folder.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    keys: HashMap<String, String>,
}

impl Site {
    /// Makes a folder below `parent` with a key for everybody of the cast (`app:newsroom`, `person:chief-1`), without a gateway having run.
    ///
    /// # Panics
    /// When something can't be made.
    pub async fn make(
        parent: &Path,
        governance: &Files,
        settings: &BTreeMap<String, String>,
        credentials: &[Credential],
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("pressgate-it-").tempdir_in(parent).expect("a temporary folder");
        let mut site = Self { folder, keys: HashMap::new() };
        std::fs::create_dir_all(site.path("data")).expect("the data folder");
        create_kek_file(&site.path("data/kek")).expect("a key");
        site.write_governance(governance);
        site.configure(settings);
        let stores = site.stores().await;
        for (account, label, values) in credentials {
            let values = values.iter().map(|(name, value)| (name.clone(), SecretString::from(value.clone()))).collect();
            let origins = Origins::new(&endpoint(governance, account), []);
            stores.vault.set_credential(&AccountId::new(account.clone()), label, &origins, values).await.expect("kept");
        }
        for app in APPS {
            site.add_key(&stores, Principal::App(AppId::new(app)), None).await;
        }
        for person in PEOPLE {
            site.add_key(&stores, Principal::Person(PersonId::new(person)), None).await;
        }
        stores.audit.close();
        site
    }

    async fn add_key(&mut self, stores: &Stores, holder: Principal, expires: Option<Timestamp>) {
        let now = SystemClock.now();
        let made = stores.keys.create(stores.records.as_ref(), holder.clone(), expires, "test".into(), now).await;
        let (key, _) = made.expect("kept");
        self.keys.insert(holder.to_string(), reveal(&key).to_owned());
    }

    /// The stores of the data folder, as long as no gateway has them.
    ///
    /// # Panics
    /// When they can't be opened.
    pub async fn stores(&self) -> Stores {
        open_stores(&Parts::real(self.config())).await.expect("the stores open")
    }

    /// The key of `app:…` or `person:…`.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn key(&self, holder: &str) -> &str {
        self.keys.get(holder).unwrap_or_else(|| panic!("`{holder}` is not in the cast"))
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes another user the owner of the folder and all in it.
    pub(super) fn give_to(&self, user: u32) {
        fn give(path: &Path, user: u32) {
            std::os::unix::fs::chown(path, Some(user), Some(user)).expect("given");
            if path.is_dir() {
                for entry in std::fs::read_dir(path).expect("a folder") {
                    give(&entry.expect("an entry").path(), user);
                }
            }
        }
        give(self.folder(), user);
    }

    /// `pressgate.toml`, read.
    ///
    /// # Panics
    /// When it is not valid.
    pub fn config(&self) -> Config {
        Config::read(&self.path("pressgate.toml")).expect("a valid configuration")
    }

    /// Writes `pressgate.toml`: what suits tests, and `settings` by dotted key over it.
    fn configure(&self, settings: &BTreeMap<String, String>) {
        let plugins = built::plugins();
        let mut all = BTreeMap::from([
            ("data".to_owned(), "\"data\"".to_owned()),
            ("governance".to_owned(), "\"governance\"".to_owned()),
            ("listen.address".to_owned(), "\"127.0.0.1:0\"".to_owned()),
            ("listen.operator".to_owned(), "\"127.0.0.1:0\"".to_owned()),
            ("audit.segment_bytes".to_owned(), SEGMENT_BYTES.to_string()),
            ("audit.reserve_bytes".to_owned(), SEGMENT_BYTES.to_string()),
            // A machine under load is no slow, hanging or full disk; tests of those say what they want.
            ("audit.slow_ms".to_owned(), "60000".to_owned()),
            ("audit.blocked_ms".to_owned(), "20000".to_owned()),
            ("audit.low_disk_percent".to_owned(), "0".to_owned()),
            ("plugins.dir".to_owned(), format!("{:?}", plugins.display().to_string())),
            // No test but one of the limits meets them.
            ("limits.calls_per_minute".to_owned(), "6000000".to_owned()),
            ("limits.burst".to_owned(), "6000000".to_owned()),
        ]);
        all.extend(settings.clone());
        let text: String = all.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        std::fs::write(self.path("pressgate.toml"), text).expect("written");
    }

    /// Writes the governance folder anew; nobody applies it yet.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write_governance(&self, files: &Files) {
        let dir = self.path("governance");
        if dir.exists() {
            std::fs::remove_dir_all(&dir).expect("removed");
        }
        for (name, text) in files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }
}
