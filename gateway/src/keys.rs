//! API keys: what an app or a person shows to prove who it is.
//!
//! A key reads `pgk_<id>_<secret>_<checksum>`: a prefix that scanners for leaked secrets can look for, a public id of 12
//! characters, 256 random bits in base 62, and a CRC-32C over everything before it, so that a mistyped key is told from a wrong
//! one. Only an HMAC of the secret is kept; the key itself is shown once.

mod sessions;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
pub use sessions::{Session, SessionRefused, Sessions, Tokens, Use};
use subtle::ConstantTimeEq;

use crate::{
    model::{KeyId, PersonId, Principal},
    records::{KeyRecord, Records, RecordsError},
};

const PREFIX: &str = "pgk";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;
/// `pgk_<id>_<secret>_<checksum>`.
const KEY_CHARS: usize = PREFIX.len() + ID_CHARS + SECRET_CHARS + CHECK_CHARS + 3;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a key does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Not of the form, or mistyped.
    #[error("this is not a Pressgate key, or it was copied wrongly")]
    Malformed,
    /// No such key, or another secret. One text for both, so that ids can't be probed.
    #[error("the key is not known")]
    Unknown,
    /// Past its time.
    #[error("the key has expired")]
    Expired,
    /// Ended by an operator.
    #[error("the key was revoked")]
    Revoked,
}

impl KeyRefused {
    /// Text for the caller.
    pub fn public(self) -> &'static str {
        match self {
            Self::Malformed => {
                "This is not a Pressgate key, or it was copied wrongly: it reads `pgk_…` and ends in a checksum."
            }
            Self::Unknown => "The key is not known here.",
            Self::Expired => {
                "The key has expired. Ask an operator for a new one; a person enrols a device with `pressgate login`."
            }
            Self::Revoked => {
                "The key was revoked. Ask an operator for a new one; a person enrols a device with `pressgate login`."
            }
        }
    }
}

/// All keys, in memory; the records keep them.
pub struct Keys {
    pepper: hmac::Key,
    live: RwLock<HashMap<KeyId, Arc<KeyRecord>>>,
}

impl Keys {
    /// Loads the keys. `pepper` is derived from the key-encryption key.
    pub async fn load(pepper: &[u8; 32], records: &dyn Records) -> Result<Self, RecordsError> {
        let keys = records.keys().await?;
        let live = keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect();
        Ok(Self { pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper), live: RwLock::new(live) })
    }

    /// Makes a key and returns it, this once, with its record.
    pub async fn create(
        &self,
        records: &dyn Records,
        holder: Principal,
        expires_at: Option<Timestamp>,
        note: String,
        now: Timestamp,
    ) -> Result<(SecretString, KeyRecord), RecordsError> {
        let (key, record) = self.draft(holder, expires_at, note, now)?;
        self.keep(records, record.clone()).await?;
        Ok((key, record))
    }

    /// A key that opens nothing until its record is [kept](Self::keep), so that its id can be logged first.
    pub fn draft(
        &self,
        holder: Principal,
        expires_at: Option<Timestamp>,
        note: String,
        now: Timestamp,
    ) -> Result<(SecretString, KeyRecord), RecordsError> {
        let (id, secret) = (random(ID_CHARS)?, random(SECRET_CHARS)?);
        let record = KeyRecord {
            id: KeyId::new(id.clone()),
            holder,
            mac: self.mac(&secret),
            created_at: now,
            expires_at,
            revoked_at: None,
            note,
            made_by: None,
            device: None,
        };
        let unchecked = format!("{PREFIX}_{id}_{secret}");
        Ok((SecretString::from(format!("{unchecked}_{}", checksum(&unchecked))), record))
    }

    /// Keeps a drafted key: from now on it counts.
    pub async fn keep(&self, records: &dyn Records, record: KeyRecord) -> Result<(), RecordsError> {
        records.put_key(record.clone()).await?;
        self.live.write().unwrap_or_else(PoisonError::into_inner).insert(record.id.clone(), Arc::new(record));
        Ok(())
    }

    /// Ends a key. False where there is none or it had ended.
    pub async fn revoke(&self, records: &dyn Records, id: &KeyId, now: Timestamp) -> Result<bool, RecordsError> {
        let ended = records.revoke_key(id.clone(), now).await?;
        if let Some(key) = self.live.write().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            Arc::make_mut(key).revoked_at.get_or_insert(now);
        }
        Ok(ended)
    }

    /// The keys of the devices that a person enrolled, ended ones too, oldest first.
    pub fn devices_of(&self, person: &PersonId) -> Vec<Arc<KeyRecord>> {
        let of = |key: &&Arc<KeyRecord>| {
            key.device.is_some() && matches!(&key.holder, Principal::Person(holder) if holder == person)
        };
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let mut devices: Vec<_> = live.values().filter(of).map(Arc::clone).collect();
        devices.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        devices
    }

    /// The record of a key, live or not.
    pub fn record(&self, id: &KeyId) -> Option<Arc<KeyRecord>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)
    }

    /// Whose key is this?
    pub fn verify(&self, presented: &str, now: Timestamp) -> Result<Arc<KeyRecord>, KeyRefused> {
        let (id, secret) = parse(presented).ok_or(KeyRefused::Malformed)?;
        let key = self.live.read().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone);
        // An unknown id costs the same as a known one.
        let mac = key.as_ref().map_or([0; 32], |key| key.mac);
        let same = bool::from(self.mac(secret).ct_eq(&mac));
        let key = key.filter(|_| same).ok_or(KeyRefused::Unknown)?;
        lives(&key, now)?;
        Ok(key)
    }

    /// The key that a session was opened with, if it still opens anything.
    pub fn of_session(&self, id: &KeyId, now: Timestamp) -> Result<Arc<KeyRecord>, KeyRefused> {
        let key = self.record(id).ok_or(KeyRefused::Unknown)?;
        lives(&key, now)?;
        Ok(key)
    }

    fn mac(&self, secret: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.pepper, secret.as_bytes());
        tag.as_ref().try_into().unwrap_or([0; 32])
    }
}

fn lives(key: &KeyRecord, now: Timestamp) -> Result<(), KeyRefused> {
    if key.revoked_at.is_some() {
        return Err(KeyRefused::Revoked);
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyRefused::Expired);
    }
    Ok(())
}

/// Shows a fresh key to its one reader.
pub fn reveal(key: &SecretString) -> &str {
    key.expose_secret()
}

fn parse(presented: &str) -> Option<(&str, &str)> {
    let (unchecked, check) = presented.rsplit_once('_')?;
    let mut fields = unchecked.split('_');
    let (prefix, id, secret) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = prefix == PREFIX && fields.next().is_none() && id.len() == ID_CHARS && secret.len() == SECRET_CHARS;
    (whole && checksum(unchecked) == check).then_some((id, secret))
}

/// Is there a Pressgate key in this text, whoever's it is? It is told from other words by its checksum.
pub fn stands_in(text: &str) -> bool {
    let starts = memchr::memmem::find_iter(text.as_bytes(), b"pgk_");
    starts.into_iter().any(|start| text.get(start..start + KEY_CHARS).is_some_and(|word| parse(word).is_some()))
}

fn checksum(text: &str) -> String {
    let mut rest = crc32c_of(text);
    let mut digits = [b'0'; CHECK_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

fn crc32c_of(text: &str) -> u32 {
    crc32c::crc32c(text.as_bytes())
}

/// Text of 256 random bits or a little more, in base 62: for what only its holder is to know.
///
/// # Errors
/// The system gives no random numbers.
pub fn unguessable() -> Result<String, RecordsError> {
    random(SECRET_CHARS)
}

/// Random characters of base 62, without bias: bytes from 248 on are thrown away.
fn random(length: usize) -> Result<String, RecordsError> {
    let generator = SystemRandom::new();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0u8; 64];
        generator
            .fill(&mut bytes)
            .map_err(|_| RecordsError::Unavailable("the system gives no random numbers".into()))?;
        let digits = bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        text.extend(digits.take(length - text.len()).map(|digit| char::from(*digit)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> String {
        let unchecked = format!("{PREFIX}_{}_{}", random(ID_CHARS).unwrap(), random(SECRET_CHARS).unwrap());
        format!("{unchecked}_{}", checksum(&unchecked))
    }

    #[test]
    fn a_key_parses_and_a_mistyped_one_does_not() {
        let key = key();
        assert!(parse(&key).is_some());
        for position in 0..key.len() {
            let mut wrong = key.clone().into_bytes();
            wrong[position] = if wrong[position] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(parse(&wrong).is_none(), "{wrong}");
        }
        assert!(parse(&key[..key.len() - 1]).is_none());
        assert!(stands_in(&key) && stands_in(&format!("my pgk_ key: {key}x")) && !stands_in(&key[1..]));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*|pgk_[0-9A-Za-z_]{0,80}") {
            let _ = parse(&text);
        }
    }
}
