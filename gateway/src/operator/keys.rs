//! Keys: made, listed, ended.

use secrecy::SecretString;

use super::{
    By, Ops, OpsError,
    ops::leaf_of,
    wire::{KeyMade, KeyRequest, KeyState, KeyView},
};
use crate::{
    audit::leaf::Changed,
    config::{Governance, Person, did_you_mean},
    keys::reveal,
    model::{AppId, KeyId, PersonId, Principal},
    records::KeyRecord,
};

/// Longest note of a key, in characters.
const NOTE_CHARS_MAX: usize = 200;

impl Ops<'_> {
    /// Makes a key for an app or a person of the governance. The answer holds the key itself, this once.
    ///
    /// # Errors
    /// [`OpsError::Missing`] for an unknown holder, [`OpsError::Invalid`] for a wish that can't be, and what the stores say.
    pub async fn create_key(&self, by: &By, governance: &Governance, wish: KeyRequest) -> Result<KeyMade, OpsError> {
        let holder = holder(governance, wish.app.as_deref(), wish.person.as_deref())?;
        let now = self.clock.now();
        if let Some(end) = wish.expires_at.filter(|end| *end <= now) {
            return Err(OpsError::Invalid(format!("the key would have expired already: {end} is in the past")));
        }
        let note = wish.note.unwrap_or_default();
        if note.chars().count() > NOTE_CHARS_MAX || note.chars().any(char::is_control) {
            return Err(OpsError::Invalid(format!("a note is one line of at most {NOTE_CHARS_MAX} characters")));
        }
        let (key, mut record): (SecretString, KeyRecord) = self.keys.draft(holder, wish.expires_at, note, now)?;
        record.made_by = match by {
            By::Person(person) => Some(person.clone()),
            By::Local | By::LocalSignal | By::Gate => None,
        };
        let info = view(&record, self);
        let change = leaf_of(Changed::Key, "create", subject(&record), None, by);
        self.change(change, self.keys.keep(self.records, record)).await?;
        Ok(KeyMade { key: reveal(&key).to_owned(), info })
    }

    /// All keys without their secrets, oldest first.
    ///
    /// # Errors
    /// The record store's.
    pub async fn list_keys(&self) -> Result<Vec<KeyView>, OpsError> {
        let mut keys = self.records.keys().await?;
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys.iter().map(|key| view(key, self)).collect())
    }

    /// Ends a key. When it returns, no request with it is accepted.
    ///
    /// # Errors
    /// [`OpsError::Missing`] where there is none, [`OpsError::Invalid`] where it had ended, and what the stores say.
    pub async fn revoke_key(&self, by: &By, id: &KeyId) -> Result<KeyView, OpsError> {
        let known = self.records.key(id.clone()).await?;
        let Some(mut record) = known else {
            return Err(OpsError::Missing(format!("there is no key `{}`; `pressgate key list` shows them", shown(id))));
        };
        if let Some(at) = record.revoked_at {
            return Err(OpsError::Invalid(format!("the key `{id}` was revoked at {at}")));
        }
        let now = self.clock.now();
        let change = leaf_of(Changed::Key, "revoke", subject(&record), None, by);
        self.change(change, self.keys.revoke(self.records, id, now)).await?;
        record.revoked_at = Some(now);
        Ok(view(&record, self))
    }
}

/// The log alone must tell for whom a key was made: `app:newsroom/<id>`.
fn subject(record: &KeyRecord) -> String {
    format!("{}/{}", record.holder, record.id)
}

/// What a person typed in place of an id, safe to show.
fn shown(id: &KeyId) -> String {
    escaped(id.as_str())
}

fn escaped(id: &str) -> String {
    id.chars().take(64).flat_map(char::escape_debug).collect()
}

/// Somebody names what the governance does not have: what it is, and where it would be added.
pub(super) fn unknown<'a>(what: &str, id: &str, known: impl Iterator<Item = &'a str>, file: &str) -> OpsError {
    OpsError::Missing(format!(
        "no {what} `{}` in the governance that is applied{}: add it to {file} and run `pressgate apply`",
        escaped(id),
        did_you_mean(id, known).trim_end_matches('?'),
    ))
}

fn holder(governance: &Governance, app: Option<&str>, person: Option<&str>) -> Result<Principal, OpsError> {
    match (app, person) {
        (Some(app), None) if governance.apps.contains_key(app) => Ok(Principal::App(AppId::new(app))),
        (None, Some(person)) if governance.people.contains_key(person) => Ok(Principal::Person(PersonId::new(person))),
        (Some(app), None) => Err(unknown("app", app, governance.apps.keys().map(AppId::as_str), "apps.toml")),
        (None, Some(person)) => {
            Err(unknown("person", person, governance.people.keys().map(PersonId::as_str), "people.toml"))
        }
        _ => Err(OpsError::Invalid("a key is for one app or for one person".into())),
    }
}

/// Is this person an operator under the governance?
pub fn is_operator(governance: &Governance, person: &str) -> bool {
    governance.people.get(person).is_some_and(Person::is_operator)
}

fn view(record: &KeyRecord, ops: &Ops<'_>) -> KeyView {
    let state = if record.revoked_at.is_some() {
        KeyState::Revoked
    } else if record.expires_at.is_some_and(|end| end <= ops.clock.now()) {
        KeyState::Expired
    } else {
        KeyState::Live
    };
    KeyView {
        id: record.id.to_string(),
        holder: record.holder.to_string(),
        state,
        created_at: record.created_at,
        expires_at: record.expires_at,
        revoked_at: record.revoked_at,
        note: record.note.clone(),
        device: record.device.as_ref().map(|device| device.name.clone()),
    }
}
