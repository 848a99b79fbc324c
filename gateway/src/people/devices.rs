//! Devices of people: a named key of one person on one device, that ends by itself and that they end whenever they like.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::note;
use crate::{
    audit::{AuditUnavailable, leaf::Changed},
    gateway::Gateway,
    model::{KeyId, PersonId, Principal},
    records::{Device, KeyRecord, RecordsError},
};

/// How long a device's key lasts.
pub const DEVICE_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Live devices of one person.
pub const DEVICES_MAX: usize = 20;
/// Longest name of a device, in characters.
pub const NAME_CHARS_MAX: usize = 40;

/// Why a device is not enrolled, or not ended.
#[derive(Debug, thiserror::Error)]
pub enum DeviceFailure {
    /// The person is no more, or somebody else at the issuer by now.
    #[error("the person is not in the governance any more")]
    Gone,
    /// The person has as many as there may be.
    #[error("the person has {DEVICES_MAX} live devices; end one first: `pressgate device list`")]
    TooMany,
    /// The person has no such device, or it ended.
    #[error("you have no live device of this id; `pressgate device list` shows them")]
    Missing,
    /// The log can't be written.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// The records fail.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// May a device be called so? Letters of any script, digits, and a few marks: what is shown to a person must not pretend anything.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_' | '.' | '\'' | '(' | ')');
    let trimmed = name.trim() == name && !name.is_empty();
    trimmed && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(fits)
}

/// Makes the key of a device that its person agreed to. The leaf is written first.
///
/// # Errors
/// [`DeviceFailure`].
pub async fn enrol(
    gateway: &Gateway,
    person: PersonId,
    device: Device,
) -> Result<(SecretString, KeyRecord), DeviceFailure> {
    let governance = gateway.governance.load_full();
    let known = governance.people.get(&person).and_then(|person| person.sign_in.as_ref());
    if known.is_none_or(|identity| identity.digest() != device.identity) {
        return Err(DeviceFailure::Gone);
    }
    let now = gateway.clock.now();
    if gateway.keys.devices_of(&person).iter().filter(|key| is_live(key, now)).count() >= DEVICES_MAX {
        return Err(DeviceFailure::TooMany);
    }
    let ends = now.saturating_add(DEVICE_FOR).unwrap_or(Timestamp::MAX);
    let (key, mut record) = gateway.keys.draft(Principal::Person(person.clone()), Some(ends), String::new(), now)?;
    record.device = Some(device);
    note(gateway, Changed::Key, "enrol", subject(&record), &person).await?;
    if let Err(error) = gateway.keys.keep(gateway.records.as_ref(), record.clone()).await {
        note(gateway, Changed::Key, "enrol-failed", subject(&record), &person).await?;
        return Err(error.into());
    }
    Ok((key, record))
}

/// Ends a device of the person's own. When it returns, no request with its key is accepted.
///
/// # Errors
/// [`DeviceFailure`].
pub async fn end(gateway: &Gateway, person: &PersonId, id: &str) -> Result<Arc<KeyRecord>, DeviceFailure> {
    let now = gateway.clock.now();
    let mut devices = gateway.keys.devices_of(person).into_iter();
    let device = devices.find(|key| key.id.as_str() == id && is_live(key, now)).ok_or(DeviceFailure::Missing)?;
    note(gateway, Changed::Key, "revoke", subject(&device), person).await?;
    let id = KeyId::new(id);
    if let Err(error) = gateway.keys.revoke(gateway.records.as_ref(), &id, now).await {
        note(gateway, Changed::Key, "revoke-failed", subject(&device), person).await?;
        return Err(error.into());
    }
    Ok(gateway.keys.record(&id).unwrap_or(device))
}

/// Does the key still open anything?
pub fn is_live(key: &KeyRecord, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// The log alone must tell whose it is; the device's name is the person's own and stays out of it.
fn subject(record: &KeyRecord) -> String {
    format!("{}/{}", record.holder, record.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_pretends_nothing() {
        for good in ["laptop", "Jana's phone (work)", "Ноутбук", "ci-2.example"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", " laptop", "lap\ntop", "<b>laptop</b>", "a\u{202e}b", "https://evil.example", &"x".repeat(41)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
