//! Credentials at rest (design §5): sealed in envelopes, opened only for egress.

mod authority;
mod connection;
mod credential;
mod envelope;
mod error;
mod kek;
mod origins;
mod outside;
mod process;
mod refused;
mod store;
mod webhook;
mod wrapped;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

pub use connection::Connection;
pub(crate) use credential::{Credential, Session};
pub use credential::{CredentialInfo, SECRET_BYTES_MAX, SECRET_NAME_BYTES_MAX, SECRETS_MAX};
pub use error::VaultError;
use jiff::{SignedDuration, Timestamp};
pub use kek::{KekSource, create_kek_file};
pub use origins::{Binding, Origins};
pub(crate) use origins::{elsewhere, unbound};
pub use outside::{OutsideError, OutsideSecret};
pub use process::harden_process;
pub(crate) use refused::unconnected;
pub use refused::{CredentialMark, Standing};
pub use secrecy::SecretString;
pub use store::SealedStore;
use url::Url;
pub use webhook::OVERLAP_HOURS;
use zeroize::Zeroizing;

use self::{
    credential::{check_name, check_secrets, read_secrets, read_session, write_secrets, write_session},
    envelope::{Label, OpenError, SealError, Wrapper},
    kek::{KEY_BYTES, Key},
};
use crate::{clock::Clock, model::AccountId, records::SealedRecord};

/// Name of the value that finds a wrong key at start and that keys for other purposes are derived from.
const ROOT: &str = "vault/root";
/// Where a value may go, in the open part of its row; what is sealed binds it.
const ORIGINS: &str = "origins";
/// How long a credential is used as it was read before the store is asked whether it is still the one, in milliseconds. Another
/// process (`pressgate credential revoke`) is heard after that time; a change made by this process at once.
const FRESH_MS: i64 = 1000;
/// Opened credentials held in memory.
const OPEN_MAX: usize = 4096;

/// A key for one purpose, wiped when dropped. It has no `Debug` and no `Serialize`.
#[derive(Clone)]
pub struct DerivedKey(Zeroizing<[u8; KEY_BYTES]>);

impl DerivedKey {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// Keeps credentials and sessions.
pub struct Vault {
    wrapper: Wrapper,
    root: Key,
    store: Arc<dyn SealedStore>,
    clock: Arc<dyn Clock>,
    /// Held while a value is replaced, so that generations count up and no session outlives its credential.
    writing: tokio::sync::Mutex<()>,
    open: Mutex<HashMap<String, Open>>,
    seen: Mutex<HashMap<String, Seen>>,
    refused: refused::Refused,
    changes: AtomicU64,
}

/// An opened credential, or the knowledge that there is none.
struct Open {
    credential: Option<Arc<Credential>>,
    looked_at: Timestamp,
}

/// A row as it was read last, sealed as it is.
struct Seen {
    row: Option<Arc<SealedRecord>>,
    looked_at: Timestamp,
}

impl Vault {
    /// Reads the key-encryption key and checks that it is the one of this store; on an empty store it becomes the one.
    ///
    /// # Errors
    /// [`VaultError::Kek`] where the key can't be read, [`VaultError::WrongKek`] where the store was sealed with another,
    /// [`VaultError::Corrupt`] where the store was tampered with.
    pub async fn open(
        source: &KekSource,
        store: Arc<dyn SealedStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Vault>, VaultError> {
        let kek = kek::read(source).await?;
        let wrapper = Wrapper::new(&kek).map_err(no_cipher)?;
        if store.get(ROOT.into()).await?.is_none() {
            // Values without the root mean that the root was taken away, not that the store is new.
            for prefix in ["credential/", "session/", "authority/", "webhook/"] {
                if !store.list(prefix.into()).await?.is_empty() {
                    return Err(VaultError::Corrupt(ROOT.into()));
                }
            }
            let root: Key = Zeroizing::new(envelope::random().map_err(no_cipher)?);
            let label = Label { name: ROOT, generation: 1, origins: None };
            let blob = wrapper.seal(&label, root.as_slice()).map_err(no_cipher)?;
            let created_at = clock.now();
            let public = BTreeMap::new();
            store.put(SealedRecord { name: ROOT.into(), generation: 1, blob, public, created_at }).await?;
        }
        // Read back also when just written: of two processes that start at once, one root stands.
        let sealed = store.get(ROOT.into()).await?.ok_or_else(|| VaultError::Corrupt(ROOT.into()))?;
        let label = Label { name: ROOT, generation: sealed.generation, origins: None };
        let opened = match wrapper.open(&label, &sealed.blob) {
            Ok(opened) => opened,
            Err(OpenError::OtherKek) => return Err(VaultError::WrongKek),
            Err(OpenError::Changed) => return Err(VaultError::Corrupt(ROOT.into())),
        };
        let bytes = <[u8; KEY_BYTES]>::try_from(opened.value.as_slice());
        let root = Zeroizing::new(bytes.map_err(|_| VaultError::Corrupt(ROOT.into()))?);
        let writing = tokio::sync::Mutex::new(());
        let (open, seen, refused) = (Mutex::default(), Mutex::default(), refused::Refused::default());
        let changes = AtomicU64::new(0);
        Ok(Arc::new(Vault { wrapper, root, store, clock, writing, open, seen, refused, changes }))
    }

    /// Sets an account's credential and answers its generation. It is sealed together with `origins`: to no other is it ever sent.
    /// Sessions of the one before are forgotten.
    ///
    /// # Errors
    /// [`VaultError::Invalid`] for a name or value that can't be kept; [`VaultError::Store`].
    pub async fn set_credential(
        &self,
        account: &AccountId,
        label: &str,
        origins: &Origins,
        secrets: BTreeMap<String, SecretString>,
    ) -> Result<u64, VaultError> {
        let name = name_of("credential", account, label)?;
        check_secrets(&secrets)?;
        let public = BTreeMap::from([
            ("account".to_owned(), account.as_str().to_owned()),
            ("label".to_owned(), label.to_owned()),
            ("secrets".to_owned(), secrets.keys().cloned().collect::<Vec<_>>().join(",")),
            (ORIGINS.to_owned(), origins.text()),
        ]);
        let _writing = self.writing.lock().await;
        let generation = self.put(name.clone(), public, &write_secrets(&secrets)).await?;
        self.remove(name_of("session", account, label)?).await?;
        self.changed();
        Ok(generation)
    }

    /// All credentials without their values, by account and label.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn credentials(&self) -> Result<Vec<CredentialInfo>, VaultError> {
        let mut list = Vec::new();
        for sealed in self.store.list("credential/".into()).await?.into_iter().filter(is_kept) {
            let Some((account, label)) = sealed.name.strip_prefix("credential/").and_then(|name| name.split_once('/'))
            else {
                continue;
            };
            let names = sealed.public.get("secrets").map(String::as_str).unwrap_or_default();
            list.push(CredentialInfo {
                account: AccountId::new(account),
                label: label.to_owned(),
                generation: sealed.generation,
                created_at: sealed.created_at,
                secrets: names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                origins: sealed.public.get(ORIGINS).and_then(|text| Origins::parse(text)),
            });
        }
        list.sort_by(|a, b| (&a.account, &a.label).cmp(&(&b.account, &b.label)));
        Ok(list)
    }

    /// Deletes a credential and its sessions; false where there was none. Its generation is kept, and goes on counting with the next
    /// one, so that no two values ever share name and generation.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn revoke_credential(&self, account: &AccountId, label: &str) -> Result<bool, VaultError> {
        let name = name_of("credential", account, label)?;
        let _writing = self.writing.lock().await;
        let kept = self.kept(&name).await?;
        if let Some(sealed) = &kept {
            let generation = next(sealed)?;
            let (blob, public) = (Vec::new(), BTreeMap::new());
            let created_at = self.clock.now();
            self.write(SealedRecord { name, generation, blob, public, created_at }).await?;
        }
        self.remove(name_of("session", account, label)?).await?;
        self.changed();
        Ok(kept.is_some())
    }

    /// True where the account has a credential of that label, wherever it points.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn has_credential(&self, account: &AccountId, label: &str) -> Result<bool, VaultError> {
        Ok(self.kept(&name_of("credential", account, label)?).await?.is_some())
    }

    /// How the account's credential of that label stands to the endpoint that the account has now.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn binding(&self, account: &AccountId, label: &str, endpoint: &Url) -> Result<Binding, VaultError> {
        let kept = self.kept(&name_of("credential", account, label)?).await?;
        Ok(binding_of(kept.as_ref(), endpoint))
    }

    /// Keeps a text that must be this gateway's own when it is read again: what it did last, say. `name` as for a label.
    ///
    /// # Errors
    /// [`VaultError::Invalid`], [`VaultError::Store`].
    pub async fn keep_note(&self, name: &str, text: &str) -> Result<(), VaultError> {
        check_name("note", name)?;
        let _writing = self.writing.lock().await;
        self.put(format!("note/{name}"), BTreeMap::new(), text.as_bytes()).await.map(drop)
    }

    /// The text that was kept last.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] where it is another than the gateway kept, [`VaultError::Store`].
    pub async fn note(&self, name: &str) -> Result<Option<String>, VaultError> {
        check_name("note", name)?;
        let Some(sealed) = self.kept(&format!("note/{name}")).await? else { return Ok(None) };
        let opened = self.open_sealed(&sealed, None)?;
        let text = std::str::from_utf8(&opened.value).map_err(|_| VaultError::Corrupt(sealed.name.clone()))?;
        Ok(Some(text.to_owned()))
    }

    /// A key for one purpose: the same at each start, unrelated to that of any other purpose.
    ///
    /// It follows from a random root that is sealed in the store, so that a new key-encryption key will not change it.
    pub fn derive(&self, purpose: &str) -> DerivedKey {
        let info = [b"purpose ".as_slice(), purpose.as_bytes()].concat();
        #[allow(clippy::expect_used, reason = "HKDF-SHA-256 fails only for outputs over 8,160 bytes; this is 32")]
        let key = envelope::expand(self.root.as_slice(), &info).expect("32 bytes of HKDF-SHA-256");
        DerivedKey(key)
    }

    /// Opens an account's credential. Only egress may call this.
    pub(crate) async fn credential(
        &self,
        account: &AccountId,
        label: &str,
    ) -> Result<Option<Arc<Credential>>, VaultError> {
        let name = name_of("credential", account, label)?;
        let now = self.clock.now();
        if let Some(known) = self.known(&name, now) {
            return Ok(known);
        }
        // The lock keeps an older read from being remembered after a newer write. One reads, and who waited meanwhile need not.
        let _writing = self.writing.lock().await;
        if let Some(known) = self.known(&name, now) {
            return Ok(known);
        }
        let sealed = self.kept(&name).await?;
        let credential = match sealed {
            None => None,
            Some(sealed) => {
                let (opened, origins) = self.open_bound(&sealed)?;
                let secrets = read_secrets(&opened.value).ok_or_else(|| VaultError::Corrupt(name.clone()))?;
                Some(Arc::new(Credential { version: opened.commitment, origins, secrets }))
            }
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(name, Open { credential: credential.clone(), looked_at: now });
        Ok(credential)
    }

    /// Keeps the session of a credential, unless the credential was replaced or revoked meanwhile.
    pub(crate) async fn save_session(
        &self,
        account: &AccountId,
        label: &str,
        session: &Session,
    ) -> Result<bool, VaultError> {
        let credential = name_of("credential", account, label)?;
        let _writing = self.writing.lock().await;
        let Some(sealed) = self.kept(&credential).await? else { return Ok(false) };
        let (opened, origins) = self.open_bound(&sealed)?;
        if opened.commitment != session.credential {
            return Ok(false);
        }
        // What it was got with may go nowhere else, and neither may it.
        let mut public = BTreeMap::from([(ORIGINS.to_owned(), origins.text())]);
        if let Some(connection) = &session.connection {
            connection.write(sealed.generation, &mut public);
        }
        self.put(name_of("session", account, label)?, public, &write_session(session)).await?;
        self.changed();
        Ok(true)
    }

    /// The session that was kept last.
    pub(crate) async fn session(&self, account: &AccountId, label: &str) -> Result<Option<Session>, VaultError> {
        let name = name_of("session", account, label)?;
        let Some(sealed) = self.store.get(name.clone()).await? else { return Ok(None) };
        let (opened, _) = self.open_bound(&sealed)?;
        read_session(&opened.value).map(Some).ok_or(VaultError::Corrupt(name))
    }

    /// The row of a value that was not revoked.
    async fn kept(&self, name: &str) -> Result<Option<SealedRecord>, VaultError> {
        Ok(self.store.get(name.to_owned()).await?.filter(is_kept))
    }

    /// Seals the next generation of a value. The caller holds `writing`.
    async fn put(&self, name: String, public: BTreeMap<String, String>, value: &[u8]) -> Result<u64, VaultError> {
        let before = self.store.get(name.clone()).await?;
        let generation = before.as_ref().map_or(Ok(1), next)?;
        let label = Label { name: &name, generation, origins: public.get(ORIGINS).map(String::as_str) };
        let blob = self.wrapper.seal(&label, value).map_err(no_cipher)?;
        let created_at = self.clock.now();
        self.write(SealedRecord { name, generation, blob, public, created_at }).await?;
        Ok(generation)
    }

    /// Writes a row. The caller holds `writing`.
    async fn write(&self, sealed: SealedRecord) -> Result<(), VaultError> {
        let name = sealed.name.clone();
        let written = self.store.put(sealed).await;
        // Also where it failed: it may have been written.
        self.forget(&name);
        Ok(written?)
    }

    /// Deletes a row. The caller holds `writing`.
    async fn remove(&self, name: String) -> Result<(), VaultError> {
        let removed = self.store.delete(name.clone()).await;
        self.forget(&name);
        Ok(removed.map(drop)?)
    }

    /// The row of a value that was not revoked, as it was a moment ago at most.
    async fn seen(&self, name: &str) -> Result<Option<Arc<SealedRecord>>, VaultError> {
        let now = self.clock.now();
        let known = |seen: &Seen| is_fresh(seen.looked_at, now).then(|| seen.row.clone());
        if let Some(row) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(known) {
            return Ok(row);
        }
        // The lock keeps an older read from being remembered after a newer write. One reads, and who waited meanwhile need not.
        let _writing = self.writing.lock().await;
        if let Some(row) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(known) {
            return Ok(row);
        }
        let row = self.kept(name).await?.map(Arc::new);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= OPEN_MAX {
            seen.clear();
        }
        seen.insert(name.to_owned(), Seen { row: row.clone(), looked_at: now });
        Ok(row)
    }

    /// Opens a value that is bound to origins. Those in the open part of the row are the right ones where it opens.
    fn open_bound(&self, sealed: &SealedRecord) -> Result<(envelope::Opened, Origins), VaultError> {
        let corrupt = || VaultError::Corrupt(sealed.name.clone());
        let text = sealed.public.get(ORIGINS).ok_or_else(|| VaultError::Unbound(sealed.name.clone()))?;
        let opened = self.open_sealed(sealed, Some(text))?;
        Ok((opened, Origins::parse(text).ok_or_else(corrupt)?))
    }

    fn open_sealed(&self, sealed: &SealedRecord, origins: Option<&str>) -> Result<envelope::Opened, VaultError> {
        let label = Label { name: &sealed.name, generation: sealed.generation, origins };
        self.wrapper.open(&label, &sealed.blob).map_err(|error| match error {
            OpenError::OtherKek => VaultError::WrongKek,
            OpenError::Changed => VaultError::Corrupt(sealed.name.clone()),
        })
    }

    fn known(&self, name: &str, now: Timestamp) -> Option<Option<Arc<Credential>>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(name)?;
        is_fresh(known.looked_at, now).then(|| known.credential.clone())
    }

    fn forget(&self, name: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn is_fresh(looked_at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(looked_at);
    age >= SignedDuration::ZERO && age < SignedDuration::from_millis(FRESH_MS)
}

/// How a row stands to an endpoint.
fn binding_of(kept: Option<&SealedRecord>, endpoint: &Url) -> Binding {
    match kept.map(|sealed| sealed.public.get(ORIGINS).and_then(|text| Origins::parse(text))) {
        None => Binding::Missing,
        Some(None) => Binding::Unbound,
        Some(Some(origins)) if origins.is_endpoint(&endpoint.origin()) => Binding::Fits,
        Some(Some(origins)) => Binding::Elsewhere(origins.endpoint().to_owned()),
    }
}

/// False for what only keeps the generation of a value that was revoked: it says nothing and has no ciphertext.
fn is_kept(sealed: &SealedRecord) -> bool {
    !(sealed.blob.is_empty() && sealed.public.is_empty())
}

/// The generation after this one.
fn next(sealed: &SealedRecord) -> Result<u64, VaultError> {
    sealed.generation.checked_add(1).ok_or_else(|| VaultError::Corrupt(sealed.name.clone()))
}

/// Name of a sealed value.
fn name_of(kind: &str, account: &AccountId, label: &str) -> Result<String, VaultError> {
    check_name("account", account.as_str())?;
    check_name("label", label)?;
    Ok(format!("{kind}/{account}/{label}"))
}

fn no_cipher(_: SealError) -> VaultError {
    VaultError::Kek("the machine gives no random bytes or refuses AES-256-GCM".into())
}
