//! Tests of the vault, and a store in memory for those of egress.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering},
};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    model::AccountId,
    records::{Answer, SealedRecord},
};

/// A store in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    rows: Mutex<BTreeMap<String, SealedRecord>>,
    reads: AtomicUsize,
}

impl SealedStore for MemoryStore {
    fn put(&self, sealed: SealedRecord) -> Answer<'_, ()> {
        self.rows.lock().expect("whole").insert(sealed.name.clone(), sealed);
        Box::pin(async { Ok(()) })
    }

    fn get(&self, name: String) -> Answer<'_, Option<SealedRecord>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.rows.lock().expect("whole").get(&name).cloned();
        Box::pin(async { Ok(found) })
    }

    fn list(&self, prefix: String) -> Answer<'_, Vec<SealedRecord>> {
        let rows = self.rows.lock().expect("whole");
        let found = rows.values().filter(|row| row.name.starts_with(&prefix)).cloned().collect();
        Box::pin(async { Ok(found) })
    }

    fn delete(&self, name: String) -> Answer<'_, bool> {
        let found = self.rows.lock().expect("whole").remove(&name).is_some();
        Box::pin(async move { Ok(found) })
    }
}

impl MemoryStore {
    fn row(&self, name: &str) -> SealedRecord {
        self.rows.lock().expect("whole").get(name).cloned().expect("a row")
    }

    fn set(&self, row: SealedRecord) {
        self.rows.lock().expect("whole").insert(row.name.clone(), row);
    }

    /// Everything that is stored, for searches.
    pub(crate) fn dump(&self) -> Vec<u8> {
        let rows = self.rows.lock().expect("whole");
        rows.values()
            .flat_map(|row| [format!("{:?}{:?}", row.name, row.public).into_bytes(), row.blob.clone()].concat())
            .collect()
    }
}

pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) vault: Arc<Vault>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        create_kek_file(&folder.path().join("kek")).expect("made");
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(480_000)));
        let vault = Self::open(&folder.path().join("kek"), &store, &clock).await.expect("opened");
        Self { folder, store, clock, vault }
    }

    pub(crate) async fn again(&self) -> Result<Arc<Vault>, VaultError> {
        Self::open(&self.folder.path().join("kek"), &self.store, &self.clock).await
    }

    async fn open(
        kek: &std::path::Path,
        store: &Arc<MemoryStore>,
        clock: &Arc<ManualClock>,
    ) -> Result<Arc<Vault>, VaultError> {
        let clock: Arc<dyn Clock> = clock.clone();
        Vault::open(&KekSource::File(kek.to_owned()), store.clone(), clock).await
    }

    /// Sets a credential for [`ORIGIN`].
    pub(crate) async fn set(&self, label: &str, secrets: &[(&str, &str)]) -> u64 {
        self.set_for(ORIGIN, label, secrets).await
    }

    /// Sets a credential for the account at `origin`.
    pub(crate) async fn set_for(&self, origin: &str, label: &str, secrets: &[(&str, &str)]) -> u64 {
        let origins = Origins::new(&origin.parse().expect("an address"), []);
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
        self.vault.set_credential(&account(), label, &origins, secrets).await.expect("set")
    }
}

/// Where the account is, in tests that do not care.
const ORIGIN: &str = "https://social.example";

pub(crate) fn account() -> AccountId {
    AccountId::new("acme-sample")
}

async fn value(vault: &Vault, label: &str, name: &str) -> Option<String> {
    let credential = vault.credential(&account(), label).await.expect("opens")?;
    credential.secrets.get(name).map(|value| value.expose_secret().to_owned())
}

#[tokio::test]
async fn credentials_are_kept_listed_and_revoked() {
    let fixture = Fixture::new().await;
    let vault = &fixture.vault;
    assert_eq!(fixture.set("token", &[("token", "first-canary")]).await, 1);
    assert_eq!(fixture.set("token", &[("token", "second-canary"), ("user", "šéf")]).await, 2);
    assert_eq!(fixture.set("other", &[("token", "third-canary")]).await, 1);
    assert_eq!(value(vault, "token", "token").await.as_deref(), Some("second-canary"));
    assert_eq!(value(vault, "token", "user").await.as_deref(), Some("šéf"));
    let list = vault.credentials().await.expect("listed");
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].label.as_str(), list[1].label.as_str()), ("other", "token"));
    assert_eq!(list[1].secrets, ["token", "user"]);
    assert_eq!((list[1].generation, list[1].account.as_str()), (2, "acme-sample"));
    for canary in ["first-canary", "second-canary", "third-canary", "šéf"] {
        let dump = fixture.store.dump();
        assert!(!dump.windows(canary.len()).any(|window| window == canary.as_bytes()));
    }
    assert!(vault.has_credential(&account(), "token").await.expect("asked"));
    assert!(vault.revoke_credential(&account(), "token").await.expect("revoked"));
    assert!(!vault.revoke_credential(&account(), "token").await.expect("asked"));
    assert!(value(vault, "token", "token").await.is_none(), "at once, although the clock stands still");
    assert!(!vault.has_credential(&account(), "token").await.expect("asked"));
    assert_eq!(value(vault, "other", "token").await.as_deref(), Some("third-canary"));
}

#[tokio::test]
async fn another_process_is_heard_within_a_second() {
    let fixture = Fixture::new().await;
    fixture.set("token", &[("token", "first")]).await;
    let other = fixture.again().await.expect("opened");
    assert_eq!(value(&other, "token", "token").await.as_deref(), Some("first"));
    let reads = fixture.store.reads.load(Ordering::Relaxed);
    assert_eq!(value(&other, "token", "token").await.as_deref(), Some("first"));
    assert_eq!(fixture.store.reads.load(Ordering::Relaxed), reads, "held open");
    fixture.set("token", &[("token", "second")]).await;
    fixture.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(value(&other, "token", "token").await.as_deref(), Some("second"));
    fixture.vault.revoke_credential(&account(), "token").await.expect("revoked");
    fixture.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(value(&other, "token", "token").await, None);
}

#[tokio::test]
async fn a_row_moved_to_another_name_or_generation_does_not_open() {
    let fixture = Fixture::new().await;
    fixture.set("a", &[("token", "secret-a")]).await;
    let old = fixture.store.row("credential/acme-sample/a");
    fixture.set("a", &[("token", "secret-a2")]).await;
    fixture.set("b", &[("token", "secret-b")]).await;
    let good = fixture.store.row("credential/acme-sample/b");
    let refused = async |row: SealedRecord| {
        fixture.store.set(row);
        let vault = fixture.again().await.expect("opened");
        let answer = vault.credential(&account(), "b").await;
        assert!(matches!(answer, Err(VaultError::Corrupt(name)) if name == "credential/acme-sample/b"));
    };
    let a = fixture.store.row("credential/acme-sample/a");
    refused(SealedRecord { name: good.name.clone(), ..a }).await;
    refused(SealedRecord { name: good.name.clone(), generation: good.generation, ..old.clone() }).await;
    refused(SealedRecord { generation: good.generation + 1, ..good.clone() }).await;
    let root = fixture.store.row("vault/root");
    refused(SealedRecord { blob: root.blob, ..good.clone() }).await;
    fixture.store.set(good);
    assert!(value(&fixture.again().await.expect("opened"), "b", "token").await.is_some());
    // The old generation of `a` can't be passed off as the new one.
    fixture.store.set(SealedRecord { generation: 2, ..old });
    let vault = fixture.again().await.expect("opened");
    assert!(vault.credential(&account(), "a").await.is_err());
}

#[tokio::test]
async fn generations_count_on_over_a_revocation() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.set("a", &[("token", "secret-a")]).await, 1);
    let old = fixture.store.row("credential/acme-sample/a");
    assert!(fixture.vault.revoke_credential(&account(), "a").await.expect("revoked"));
    assert!(!fixture.vault.revoke_credential(&account(), "a").await.expect("asked"));
    assert!(fixture.vault.credentials().await.expect("listed").is_empty());
    assert!(value(&fixture.again().await.expect("opened"), "a", "token").await.is_none());
    assert_eq!(fixture.set("a", &[("token", "secret-a2")]).await, 3, "the revocation is a generation");
    // The value from before the revocation is not that of any later generation.
    fixture.store.set(SealedRecord { generation: 3, ..old });
    let vault = fixture.again().await.expect("opened");
    assert!(matches!(vault.credential(&account(), "a").await, Err(VaultError::Corrupt(_))));
}

#[tokio::test]
async fn a_credential_is_sealed_with_the_origin_that_it_was_set_for() {
    let fixture = Fixture::new().await;
    let name = "credential/acme-sample/a";
    fixture.set_for("https://one.example", "a", &[("token", "secret-a")]).await;
    let good = fixture.store.row(name);
    let there = |text: &str| -> Url { text.parse().expect("an address") };
    let binding = async |url: &str| fixture.vault.binding(&account(), "a", &there(url)).await.expect("asked");
    assert_eq!(binding("https://one.example").await, Binding::Fits);
    assert_eq!(binding("https://two.example").await, Binding::Elsewhere("https://one.example".into()));
    let said = binding("https://two.example").await.fault("acme", "a", &there("https://two.example")).expect("a fault");
    for word in ["https://one.example", "https://two.example", "acme", "again"] {
        assert!(said.contains(word), "{said}");
    }
    // Who edits the row gives the credential to nobody: it does not open any more.
    for origins in ["https://two.example", "https://one.example https://two.example", ""] {
        let mut row = good.clone();
        row.public.insert(ORIGINS.into(), origins.into());
        fixture.store.set(row);
        let vault = fixture.again().await.expect("opened");
        assert!(matches!(vault.credential(&account(), "a").await, Err(VaultError::Corrupt(_))), "{origins}");
    }
    // A value that an earlier version sealed, without an origin.
    let label = envelope::Label { name, generation: good.generation, origins: None };
    let sealed = fixture.vault.wrapper.seal(&label, b"\0\0\0\x01a\0\0\0\x01b").expect("sealed");
    let mut row = SealedRecord { blob: sealed, ..good.clone() };
    row.public.remove(ORIGINS);
    fixture.store.set(row.clone());
    let vault = fixture.again().await.expect("opened");
    let Err(error) = vault.credential(&account(), "a").await.map(|_| ()) else { panic!("it opened") };
    assert!(error.to_string().contains("set it again"), "{error}");
    assert_eq!(vault.binding(&account(), "a", &there("https://one.example")).await.expect("asked"), Binding::Unbound);
    // Nor does such a value open under an origin that somebody gives it.
    row.public.insert(ORIGINS.into(), "https://two.example".into());
    fixture.store.set(row);
    assert!(fixture.again().await.expect("opened").credential(&account(), "a").await.is_err());
}

#[tokio::test]
async fn every_flipped_bit_is_found() {
    let fixture = Fixture::new().await;
    fixture.set("a", &[("token", "secret-a")]).await;
    let good = fixture.store.row("credential/acme-sample/a");
    let vault = fixture.again().await.expect("opened");
    for index in 0..good.blob.len() {
        for bit in 0..8 {
            let mut blob = good.blob.clone();
            blob[index] ^= 1 << bit;
            fixture.store.set(SealedRecord { blob, ..good.clone() });
            assert!(vault.credential(&account(), "a").await.is_err(), "byte {index} bit {bit}");
        }
        fixture.store.set(SealedRecord { blob: good.blob[..index].to_vec(), ..good.clone() });
        assert!(vault.credential(&account(), "a").await.is_err(), "cut at {index}");
    }
    fixture.store.set(SealedRecord { blob: [&good.blob[..], b"x"].concat(), ..good.clone() });
    assert!(vault.credential(&account(), "a").await.is_err());
    fixture.store.set(good);
    assert!(vault.credential(&account(), "a").await.is_ok());
}

#[tokio::test]
async fn a_wrong_key_is_found_at_start() {
    let fixture = Fixture::new().await;
    let other = fixture.folder.path().join("other");
    create_kek_file(&other).expect("made");
    let opened = Fixture::open(&other, &fixture.store, &fixture.clock).await;
    assert!(matches!(opened, Err(VaultError::WrongKek)));
    assert!(fixture.again().await.is_ok());
    // Nor does a store whose root was taken away become a new one.
    fixture.set("a", &[("token", "secret-a")]).await;
    fixture.store.delete(ROOT.into()).await.expect("deleted");
    assert!(matches!(fixture.again().await, Err(VaultError::Corrupt(_))));
}

#[tokio::test]
async fn derived_keys_are_stable_and_unrelated() {
    let fixture = Fixture::new().await;
    let again = fixture.again().await.expect("opened");
    assert_eq!(fixture.vault.derive("api-keys").as_bytes(), again.derive("api-keys").as_bytes());
    assert_ne!(again.derive("api-keys").as_bytes(), again.derive("plugin-cache").as_bytes());
    let stranger = Fixture::new().await;
    assert_ne!(stranger.vault.derive("api-keys").as_bytes(), again.derive("api-keys").as_bytes());
}

#[tokio::test]
async fn a_session_belongs_to_its_version_of_the_credential() {
    let fixture = Fixture::new().await;
    fixture.set("a", &[("token", "one")]).await;
    let credential = fixture.vault.credential(&account(), "a").await.expect("opens").expect("there");
    let session =
        Session { credential: credential.version, access: "at".into(), refresh: Some("rt".into()), connection: None };
    assert!(fixture.vault.save_session(&account(), "a", &session).await.expect("saved"));
    let kept = fixture.again().await.expect("opened").session(&account(), "a").await.expect("opens").expect("there");
    assert_eq!((kept.access.expose_secret(), kept.refresh.expect("there").expose_secret()), ("at", "rt"));
    fixture.set("a", &[("token", "two")]).await;
    assert!(fixture.vault.session(&account(), "a").await.expect("asked").is_none());
    assert!(!fixture.vault.save_session(&account(), "a", &session).await.expect("asked"));
    fixture.vault.revoke_credential(&account(), "a").await.expect("revoked");
    assert!(!fixture.vault.save_session(&account(), "a", &session).await.expect("asked"));
    assert!(fixture.vault.session(&account(), "a").await.expect("asked").is_none());
}

#[tokio::test]
async fn names_and_values_are_checked() {
    let fixture = Fixture::new().await;
    let secrets = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), SecretString::from(value))]);
    let origins = Origins::new(&ORIGIN.parse().expect("an address"), []);
    let long = "x".repeat(SECRET_BYTES_MAX + 1);
    for (who, label, secrets) in [
        ("", "a", secrets("n", "v")),
        ("a/b", "a", secrets("n", "v")),
        ("a", "", secrets("n", "v")),
        ("a", "b/c", secrets("n", "v")),
        ("a", "b", BTreeMap::new()),
        ("a", "b", secrets("", "v")),
        ("a", "b", secrets("n,m", "v")),
        ("a", "b", secrets("n", "")),
        ("a", "b", secrets("n", &long)),
    ] {
        let answer = fixture.vault.set_credential(&AccountId::new(who), label, &origins, secrets).await;
        assert!(matches!(answer, Err(VaultError::Invalid(_))), "{who} {label}");
    }
}

#[tokio::test]
async fn key_files_are_private_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kek");
    create_kek_file(&path).expect("made");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).expect("read");
    assert!(matches!(create_kek_file(&path), Err(VaultError::Kek(_))));
    assert_eq!(std::fs::read(&path).expect("read"), before);
    let source = KekSource::File(path.clone());
    assert!(kek::read(&source).await.is_ok());
    for mode in [0o640, 0o604, 0o644, 0o620, 0o610] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        let Err(error) = kek::read(&source).await.map(|_| ()) else { panic!("{mode:o} was read") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    assert!(kek::read(&KekSource::File(folder.path().join("none"))).await.is_err());
    assert!(kek::read(&KekSource::File(folder.path().to_owned())).await.is_err());
}

#[tokio::test]
async fn a_key_may_come_from_a_command_or_a_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("kek");
    create_kek_file(&path).expect("made");
    let command = |words: &[&str]| KekSource::Command(words.iter().map(|word| (*word).to_owned()).collect());
    let from_file = kek::read(&KekSource::File(path.clone())).await.expect("read");
    let from_command = kek::read(&command(&["cat", &path.to_string_lossy()])).await.expect("read");
    assert_eq!(from_file, from_command);
    for words in [&[][..], &["false"], &["true"], &["echo", "c2hvcnQ="], &["yes", "AAAA"], &["/no/such/program"]] {
        assert!(kek::read(&command(words)).await.is_err(), "{words:?}");
    }
    // PATH is set, and is no key.
    assert!(kek::read(&KekSource::Env("PATH".into())).await.is_err());
    assert!(kek::read(&KekSource::Env("PRESSGATE_NO_SUCH_VARIABLE".into())).await.is_err());
}
