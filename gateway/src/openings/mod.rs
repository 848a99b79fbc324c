//! Openings of commitments: what leaves commit to, kept beside the log where it can be erased.
//!
//! Each value is sealed with AES-256-GCM under a key of its own, which follows from the subject's key and the commitment. The
//! subject's key is random, wrapped by the vault and kept in a file apart from the values: without it, no copy of the records
//! gives a value. A leaf stays as it is when its opening is gone: nobody can tell any more what it commits to.
//!
//! ```text
//! value key   HMAC-SHA-256(subject key, "pressgate opening 1" ‖ commitment)
//! sealed      AES-256-GCM(value key, nonce 0, salt ‖ value)
//! associated  origin, commitment, field, key id, each after its length (8 bytes, big-endian)
//! ```
//! A commitment is made once, with a fresh salt, so each value key seals one message and the nonce may stand still.

mod beside;
pub mod check;
mod found;
mod ring;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use jiff::Timestamp;
use pressgate_audit::leaf::{COMMITMENT_BYTES, Place, SALT_BYTES};
use zeroize::Zeroizing;

use self::{
    beside::Keeper,
    ring::{Ring, SubjectKey},
};
use crate::{
    audit::{AuditLog, Disk, LogReader, ReadError, RealDisk, segments_from},
    clock::Clock,
    records::{Commitment, Opening, Records, RecordsError, SubjectKeys},
    vault::{Vault, VaultError},
};

/// The content, as canonical JSON.
pub const TEXT: &str = "text";
/// What is answered: the platform's reference.
pub const REPLY_TO: &str = "reply-to";
/// The address that the call came from.
pub const SOURCE: &str = "source";
/// Every field that leaves commit to.
pub const FIELDS: [&str; 3] = [TEXT, REPLY_TO, SOURCE];

/// How often openings are taken from beside the leaves.
const SETTLE_EVERY: Duration = Duration::from_millis(200);
/// What a value key is for.
const PURPOSE: &[u8] = b"pressgate opening 1";

/// Why values can't be kept or opened. It says nothing about them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpeningsError {
    /// One of the two stores.
    #[error(transparent)]
    Store(#[from] RecordsError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log, beside whose leaves they lie at first.
    #[error("what lies beside the log's leaves can't be read: {0}")]
    Beside(String),
    /// No random bytes, or the cipher refuses; neither happens on a sane machine.
    #[error("the machine gives no random bytes or refuses AES-256-GCM")]
    Cipher,
    /// It was changed, or moved from another commitment.
    #[error("the opening of a commitment to `{0}` is not what was kept")]
    Changed(String),
}

/// Commitments with what they stand for. The leaf gets the first, the records the second.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// For the leaf.
    pub commitments: Vec<Commitment>,
    /// To be durable when the leaf is.
    pub openings: Vec<Opening>,
}

/// A commitment with what it stands for, where that is still there. No `Debug`: it holds the value.
pub struct Opened {
    /// The commitment.
    pub commitment: Commitment,
    /// Salt and value; none where they were erased.
    pub value: Option<Value>,
}

/// A salt and the value under it.
type Value = (Zeroizing<[u8; SALT_BYTES]>, Zeroizing<String>);

/// Commits to values, and opens them again.
pub struct Openings {
    origin: String,
    records: Arc<dyn Records>,
    ring: Ring,
    keeper: Option<Keeper>,
    /// Those that only the log has, where nobody takes them from there.
    ahead: HashMap<[u8; 32], Opening>,
}

impl Openings {
    /// For the log of this name.
    pub fn new(
        origin: String,
        records: Arc<dyn Records>,
        keys: Arc<dyn SubjectKeys>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { origin, records, ring: Ring::new(keys, vault, clock), keeper: None, ahead: HashMap::new() }
    }

    /// Follows the log, so that openings may lie beside its leaves. Those that an earlier process left there are in the records when
    /// this returns.
    ///
    /// # Errors
    /// One of the two stores.
    pub async fn follow(mut self, audit: AuditLog) -> Result<Self, OpeningsError> {
        self.keeper = Some(Keeper::start(audit, Arc::clone(&self.records)).await?);
        Ok(self)
    }

    /// Looks at a log in a folder, which nobody or another process writes: what lies beside its leaves counts as kept. Gives the index
    /// up to which it looked.
    ///
    /// # Errors
    /// One of the two stores.
    pub async fn look_ahead(&mut self, dir: &Path) -> Result<u64, OpeningsError> {
        let told = |error: ReadError| OpeningsError::Beside(error.to_string());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let from = self.records.openings_taken().await?.unwrap_or(u64::MAX);
        let from = from.max(segments_from(&*disk, dir).map_err(told)?);
        let mut reader = LogReader::with_besides(Arc::clone(&disk), dir, from);
        loop {
            let before = LogReader::position(&reader);
            let (openings, next) = beside::read(&mut reader)?;
            self.ahead.extend(openings.into_iter().map(|opening| (opening.commitment, opening)));
            if next == before {
                return Ok(next);
            }
        }
    }

    /// When it returns, the records have the openings of every leaf that was durable when it was called.
    ///
    /// # Errors
    /// One of the two stores.
    pub async fn settle(&self) -> Result<(), OpeningsError> {
        match &self.keeper {
            Some(keeper) => keeper.settle().await,
            None => Ok(()),
        }
    }

    /// Takes openings from beside the leaves into the records, again and again, until `stopped`.
    pub async fn keep_up(&self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut failing = false;
        loop {
            let settled = self.settle().await;
            if let Err(error) = &settled
                && !failing
            {
                tracing::error!(%error, "openings stay beside the log's leaves, and segments with them");
            }
            failing = settled.is_err();
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(SETTLE_EVERY) => {}
            }
        }
    }

    /// Openings as they are to lie beside the leaf that commits to them. What is too large for that is kept before this returns, and
    /// nothing lies beside the leaf.
    ///
    /// # Errors
    /// The records can't be written.
    pub async fn beside(&self, openings: Vec<Opening>) -> Result<Vec<u8>, RecordsError> {
        if openings.is_empty() {
            return Ok(Vec::new());
        }
        match beside::pack(&openings).filter(|_| self.keeper.is_some()) {
            Some(packed) => Ok(packed),
            None => self.keep(openings).await.map(|()| Vec::new()),
        }
    }

    /// The openings of these commitments that are there.
    async fn kept(&self, names: Vec<[u8; 32]>) -> Result<Vec<Opening>, RecordsError> {
        let ahead: Vec<Opening> = names.iter().filter_map(|name| self.ahead.get(name)).cloned().collect();
        let mut kept = self.records.openings(names).await?;
        let known = |opening: &Opening, kept: &[Opening]| kept.iter().any(|one| one.commitment == opening.commitment);
        for opening in ahead {
            if !known(&opening, &kept) {
                kept.push(opening);
            }
        }
        Ok(kept)
    }

    /// The name of the log that the commitments are for.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Commits to values of a subject, by field. `call` is the post's id, or empty. The subject gets its key where it has none.
    ///
    /// # Errors
    /// [`OpeningsError`]; nothing is kept then.
    pub async fn commit(&self, subject: &str, call: &str, values: &[(&str, &str)]) -> Result<Committed, OpeningsError> {
        let mut committed = Committed::default();
        if values.is_empty() {
            return Ok(committed);
        }
        let key = self.ring.of(subject).await?;
        for (field, value) in values {
            let mut salt = Zeroizing::new([0; SALT_BYTES]);
            SystemRandom::new().fill(salt.as_mut_slice()).map_err(|_| OpeningsError::Cipher)?;
            let commitment = Commitment::of(Place { origin: &self.origin, call, field }, &salt, value.as_bytes());
            committed.openings.push(self.seal(subject, &key, &commitment, &salt, value)?);
            committed.commitments.push(commitment);
        }
        Ok(committed)
    }

    /// Keeps what leaves commit to.
    ///
    /// # Errors
    /// The records can't be written.
    pub async fn keep(&self, openings: Vec<Opening>) -> Result<(), RecordsError> {
        if openings.is_empty() {
            return Ok(());
        }
        self.records.put_openings(openings).await
    }

    /// Opens commitments of one leaf. What was erased has no value.
    ///
    /// # Errors
    /// The stores can't be read, or an opening is not what was kept.
    pub async fn open(&self, call: &str, commitments: &[Commitment]) -> Result<Vec<Opened>, OpeningsError> {
        self.settle().await?;
        let names: Vec<_> = commitments.iter().filter_map(Commitment::bytes).collect();
        let kept = self.kept(names).await?;
        let mut opened = Vec::with_capacity(commitments.len());
        for commitment in commitments {
            let opening = kept.iter().find(|opening| Some(opening.commitment) == commitment.bytes());
            let value = match opening {
                Some(opening) => self.unseal(call, commitment, opening).await?,
                None => None,
            };
            opened.push(Opened { commitment: commitment.clone(), value });
        }
        Ok(opened)
    }

    /// The key that a subject has now, by its name.
    ///
    /// # Errors
    /// The key store can't be read.
    pub async fn key_of(&self, subject: &str) -> Result<Option<String>, OpeningsError> {
        self.ring.name_of(subject).await
    }

    /// Destroys a subject's key: what was sealed under it can't be opened by anybody any more.
    ///
    /// # Errors
    /// The key store can't be written.
    pub async fn destroy_key(&self, subject: &str) -> Result<bool, OpeningsError> {
        self.ring.destroy(subject).await
    }

    /// The same where the key was made before that time: one that came back from a backup, say.
    ///
    /// # Errors
    /// The key store can't be written.
    pub async fn destroy_older_key(&self, subject: &str, than: Timestamp) -> Result<bool, OpeningsError> {
        self.ring.destroy_older(subject, than).await
    }

    /// Brings the file of the keys into one, so that a copy of it is whole. For a stop in order.
    ///
    /// # Errors
    /// The key store can't be written.
    pub async fn gather_keys(&self) -> Result<(), OpeningsError> {
        self.ring.gather().await
    }

    fn seal(
        &self,
        subject: &str,
        key: &SubjectKey,
        commitment: &Commitment,
        salt: &[u8; SALT_BYTES],
        value: &str,
    ) -> Result<Opening, OpeningsError> {
        let bytes = commitment.bytes().ok_or(OpeningsError::Cipher)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(SALT_BYTES + value.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(salt);
        sealed.extend_from_slice(value.as_bytes());
        let associated = self.associated(&bytes, &commitment.field, &key.id);
        cipher(key, &bytes)?
            .seal_in_place_append_tag(still(), Aad::from(associated), &mut *sealed)
            .map_err(|_| OpeningsError::Cipher)?;
        Ok(Opening {
            commitment: bytes,
            subject: subject.to_owned(),
            key: key.id.clone(),
            sealed: std::mem::take(&mut *sealed),
        })
    }

    /// None where the key is gone.
    async fn unseal(
        &self,
        call: &str,
        commitment: &Commitment,
        opening: &Opening,
    ) -> Result<Option<Value>, OpeningsError> {
        let Some(key) = self.ring.named(&opening.key).await? else { return Ok(None) };
        self.unseal_with(&key, call, commitment, opening).map(Some)
    }

    /// Opens an opening with its key, and compares it with the commitment.
    fn unseal_with(
        &self,
        key: &SubjectKey,
        call: &str,
        commitment: &Commitment,
        opening: &Opening,
    ) -> Result<Value, OpeningsError> {
        let changed = || OpeningsError::Changed(commitment.field.clone());
        let opened = self.decrypt(key, &commitment.field, opening)?;
        let (salt, value) = opened.split_first_chunk::<SALT_BYTES>().ok_or_else(changed)?;
        let place = Place { origin: &self.origin, call, field: &commitment.field };
        if !commitment.opens(place, salt, value) {
            return Err(changed());
        }
        let text = std::str::from_utf8(value).map_err(|_| changed())?;
        Ok((Zeroizing::new(*salt), Zeroizing::new(text.to_owned())))
    }

    /// Salt and value, one after the other. Only who had the key can have sealed them, and only for this commitment and field.
    fn decrypt(&self, key: &SubjectKey, field: &str, opening: &Opening) -> Result<Zeroizing<Vec<u8>>, OpeningsError> {
        let mut sealed = Zeroizing::new(opening.sealed.clone());
        let associated = self.associated(&opening.commitment, field, &opening.key);
        let opened = cipher(key, &opening.commitment)?
            .open_in_place(still(), Aad::from(associated), &mut sealed)
            .map_err(|_| OpeningsError::Changed(field.to_owned()))?;
        let length = opened.len();
        sealed.truncate(length);
        Ok(sealed)
    }

    fn associated(&self, commitment: &[u8], field: &str, key: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        for part in [self.origin.as_bytes(), commitment, field.as_bytes(), key.as_bytes()] {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// The key of one value.
fn cipher(key: &SubjectKey, commitment: &[u8; COMMITMENT_BYTES]) -> Result<LessSafeKey, OpeningsError> {
    let mut context = hmac::Context::with_key(&key.key);
    context.update(PURPOSE);
    context.update(commitment);
    let key = UnboundKey::new(&AES_256_GCM, context.sign().as_ref()).map_err(|_| OpeningsError::Cipher)?;
    Ok(LessSafeKey::new(key))
}

/// Each key seals one message.
fn still() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
