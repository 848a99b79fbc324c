//! The keys of subjects: made when they are first needed, held in memory while they are used, destroyed by an erasure.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use jiff::Timestamp;

use super::OpeningsError;
use crate::{
    clock::Clock,
    model::hex::hex,
    records::{SubjectKeyRecord, SubjectKeys},
    vault::{DerivedKey, Vault},
};

/// Random bytes of a key's name.
const ID_BYTES: usize = 16;
/// Keys held in memory.
const HELD_MAX: usize = 4_096;

/// A subject's key, ready for use. It has no `Debug`.
pub(super) struct SubjectKey {
    pub(super) id: String,
    /// Whose it is.
    pub(super) subject: String,
    pub(super) key: hmac::Key,
}

impl SubjectKey {
    fn new(id: String, subject: &str, key: &DerivedKey) -> Arc<Self> {
        Arc::new(Self { id, subject: subject.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()) })
    }
}

/// Every subject's key.
pub(super) struct Ring {
    store: Arc<dyn SubjectKeys>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    /// Held while a key is made or destroyed, so that a destroyed one is not remembered by somebody who read it before.
    changing: tokio::sync::Mutex<()>,
    held: Mutex<HashMap<String, Arc<SubjectKey>>>,
}

impl Ring {
    pub(super) fn new(store: Arc<dyn SubjectKeys>, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { store, vault, clock, changing: Default::default(), held: Default::default() }
    }

    /// The key of a subject; a fresh one where there is none.
    pub(super) async fn of(&self, subject: &str) -> Result<Arc<SubjectKey>, OpeningsError> {
        if let Some(key) = self.held().get(subject) {
            return Ok(Arc::clone(key));
        }
        let _changing = self.changing.lock().await;
        if let Some(key) = self.held().get(subject) {
            return Ok(Arc::clone(key));
        }
        let key = match self.store.subject_key(subject.to_owned()).await? {
            Some(record) => self.opened(&record)?,
            None => self.fresh(subject).await?,
        };
        let mut held = self.held();
        if held.len() >= HELD_MAX {
            held.clear();
        }
        held.insert(subject.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// A key by its name; none where it was destroyed.
    pub(super) async fn named(&self, id: &str) -> Result<Option<Arc<SubjectKey>>, OpeningsError> {
        let record = self.store.subject_key_named(id.to_owned()).await?;
        record.map(|record| self.opened(&record)).transpose()
    }

    pub(super) async fn name_of(&self, subject: &str) -> Result<Option<String>, OpeningsError> {
        Ok(self.store.subject_key(subject.to_owned()).await?.map(|record| record.id))
    }

    pub(super) async fn destroy(&self, subject: &str) -> Result<bool, OpeningsError> {
        let _changing = self.changing.lock().await;
        self.held().remove(subject);
        Ok(self.store.destroy_subject_key(subject.to_owned()).await?)
    }

    /// Destroys a key that was made before.
    pub(super) async fn destroy_older(&self, subject: &str, than: Timestamp) -> Result<bool, OpeningsError> {
        let key = self.store.subject_key(subject.to_owned()).await?;
        if key.is_none_or(|key| key.created_at > than) {
            return Ok(false);
        }
        self.destroy(subject).await
    }

    pub(super) async fn gather(&self) -> Result<(), OpeningsError> {
        Ok(self.store.gather_keys().await?)
    }

    async fn fresh(&self, subject: &str) -> Result<Arc<SubjectKey>, OpeningsError> {
        let now = self.clock.now();
        let mut bytes = [0; ID_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| OpeningsError::Cipher)?;
        let id = hex(&bytes);
        let (key, wrapped) = self.vault.wrap_fresh(&name(subject, &id))?;
        let record = SubjectKeyRecord { subject: subject.to_owned(), id: id.clone(), wrapped, created_at: now };
        self.store.put_subject_key(record).await?;
        Ok(SubjectKey::new(id, subject, &key))
    }

    fn opened(&self, record: &SubjectKeyRecord) -> Result<Arc<SubjectKey>, OpeningsError> {
        let key = self.vault.unwrap_key(&name(&record.subject, &record.id), &record.wrapped)?;
        Ok(SubjectKey::new(record.id.clone(), &record.subject, &key))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Arc<SubjectKey>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the envelope is bound to.
fn name(subject: &str, id: &str) -> String {
    format!("subject-key/{subject}/{id}")
}
