//! What the operator listener takes and answers; the command line prints the same values with `--json`.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use super::served::Components;
use crate::{
    config::Change, export::ExportStatus, model::PersonId, records::TrainingRecord, vault::SECRETS_MAX,
    witness::WitnessStatus,
};

/// A key that somebody wants.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// For this app…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// … or for this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Where it is used, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whose values are to go, and why. The confirmation names both again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// `editor-7`, `person:editor-7` or `app:newsroom`.
    pub subject: String,
    /// The legal basis, as a stable identifier: `gdpr-art-17`.
    pub basis: String,
}

/// An erasure as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErasureView {
    /// Its id, which the second operator confirms.
    pub id: String,
    /// Whose values.
    pub subject: String,
    /// The legal basis.
    pub basis: String,
    /// `waits`, `expired`, `under-way` or `done`.
    pub state: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// When the request ends by itself, if nobody confirms it.
    pub expires_at: Timestamp,
    /// Who confirmed.
    pub confirmed_by: Option<String>,
    /// Values that are gone.
    pub values: u64,
    /// Posts whose content is gone.
    pub posts: u64,
    /// Media that are gone.
    pub media: u64,
    /// Index of its leaf.
    pub leaf: Option<u64>,
    /// Values of the subject that are there now.
    pub values_left: u64,
    /// Posts of the subject whose content is there now.
    pub posts_left: u64,
}

/// Does a key open the door?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Yes.
    Live,
    /// Its time is over.
    Expired,
    /// An operator ended it.
    Revoked,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyView {
    /// Public part.
    pub id: String,
    /// `app:newsroom` or `person:ops-1`.
    pub holder: String,
    /// Does it open the door?
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// Where it is used.
    pub note: String,
    /// Of a device that a person enrolled: what they call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Courses that people passed, in one of two forms.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRequest {
    /// CSV with the columns `person,course,passed_at,expires_at`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
    /// … or the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<TrainingView>>,
}

/// A course that a person passed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingView {
    /// Who.
    pub person: String,
    /// What.
    pub course: String,
    /// When.
    pub passed_at: Timestamp,
    /// From then on it counts no more; none where it holds for good.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl TrainingView {
    /// Of a record.
    pub fn of(record: TrainingRecord) -> Self {
        let TrainingRecord { person, course, passed_at, expires_at } = record;
        Self { person: person.to_string(), course, passed_at, expires_at }
    }

    /// As it is kept.
    pub fn record(self) -> TrainingRecord {
        let Self { person, course, passed_at, expires_at } = self;
        TrainingRecord { person: PersonId::new(person), course, passed_at, expires_at }
    }
}

/// What was imported.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainingImported {
    /// How many records.
    pub records: usize,
    /// Of how many people.
    pub people: usize,
    /// SHA-256 of what was given, as the log has it.
    pub digest: String,
}

/// A fresh key, shown this once. No `Debug`: it holds the secret.
#[derive(Serialize, Deserialize)]
pub struct KeyMade {
    /// The key.
    pub key: String,
    /// What may be shown of it later.
    #[serde(flatten)]
    pub info: KeyView,
}

/// The values of a credential. No `Debug` and no `Serialize`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// By name, as the adapter's manifest lists them.
    #[serde(deserialize_with = "secrets")]
    pub secrets: BTreeMap<String, SecretString>,
}

/// What an account wants and has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CredentialView {
    /// The account.
    pub account: String,
    /// Which of its credentials.
    pub label: String,
    /// Names of its values.
    pub secrets: Vec<String>,
    /// False where no account wants it any more.
    pub wanted: bool,
    /// Counts up with each new value; none where it was never set.
    pub generation: Option<u64>,
    /// When it was set last.
    pub set_at: Option<Timestamp>,
    /// The origin that it was set for: it is never sent to another account's endpoint.
    #[serde(default)]
    pub origin: Option<String>,
    /// True where it must be set again, because the account points elsewhere now.
    #[serde(default)]
    pub again: bool,
    /// How it is put into requests: `bearer`, `oauth2`, …; empty where no account wants it any more.
    #[serde(default)]
    pub scheme: String,
    /// `missing`, `set`, `set-again`, `refused`, `not-connected`, `connected`, `reconnect-needed` or `unused`.
    #[serde(default)]
    pub state: String,
    /// When a person connected the account (`oauth2`).
    #[serde(default)]
    pub connected_at: Option<Timestamp>,
    /// When its tokens were renewed last.
    #[serde(default)]
    pub refreshed_at: Option<Timestamp>,
    /// When its access token runs out; it is renewed before.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Since when a person must connect the account again.
    #[serde(default)]
    pub reconnect_since: Option<Timestamp>,
}

/// An account that somebody wants to connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRequest {
    /// Where the network sends the browser back to: `/oauth/callback` of the operator listener, as browsers reach it.
    pub redirect_uri: String,
}

/// A connection that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionBegun {
    /// Its id.
    pub id: String,
    /// The account.
    pub account: String,
    /// Which of its credentials.
    pub label: String,
    /// What the operator opens in a browser.
    pub authorization_url: String,
    /// Where the browser is sent back to; the network must know it.
    pub redirect_uri: String,
    /// No answer counts after this.
    pub expires_at: Timestamp,
}

/// How far a connection is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Its id.
    pub id: String,
    /// `waiting`, `connected`, `failed` or `expired`.
    pub state: String,
    /// Why, where it failed.
    pub reason: Option<String>,
}

/// A credential that is deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokedView {
    /// The account.
    pub account: String,
    /// Which of its credentials.
    pub label: String,
    /// `revoked` where the network ended its tokens, `failed` where it did not, `not-asked` where it has no way or there were none.
    pub network: String,
    /// Why it failed.
    pub reason: Option<String>,
}

/// One difference between two governances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// `added`, `removed` or `changed`.
    pub kind: String,
    /// `grant`, `account`, …
    pub what: String,
    /// Its name.
    pub id: String,
    /// What it holds, or what of it changed.
    pub detail: String,
    /// All of it in one line: `+ grant newsroom-snacks: …`.
    pub text: String,
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        Self {
            kind: format!("{:?}", change.kind).to_lowercase(),
            what: change.what.to_owned(),
            id: change.id.clone(),
            detail: change.detail.clone(),
            text: change.to_string(),
        }
    }
}

/// What an apply would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffView {
    /// SHA-256 of the files that are applied; none before the first start.
    pub applied: Option<String>,
    /// SHA-256 of the files in the folder.
    pub folder: String,
    /// The differences.
    pub changes: Vec<ChangeView>,
    /// Files of what is applied that are missing or empty now; applied only where that is allowed.
    #[serde(default)]
    pub removals: Vec<String>,
    /// What operators must know besides: credentials to set again, keys that end, accounts without a policy, plugins that differ.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// An apply.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Apply only if the folder still has this digest: what was shown is what is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_digest: Option<String>,
    /// True where files that were applied may be missing or empty.
    #[serde(default)]
    pub allow_removal: bool,
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// SHA-256 of the files.
    pub digest: String,
    /// What changed.
    pub changes: Vec<ChangeView>,
    /// What operators must know besides; see [`DiffView::notes`].
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How the gateway is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusView {
    /// Its version.
    pub version: String,
    /// Can it do its work?
    pub ready: bool,
    /// `ready`, or the log's state and why it is in it: `slow: …`, `low-disk: …`, `blocked: …`.
    pub audit: String,
    /// Leaves in the log.
    pub leaves: u64,
    /// `ready`, or why the records can't be used.
    pub records: String,
    /// SHA-256 of the applied governance.
    pub governance: String,
    /// True where the folder holds something else.
    pub unapplied: bool,
    /// Plugins that serve, name and version.
    pub plugins: Vec<String>,
    /// The components that serve, by the plugin's name.
    #[serde(default)]
    pub components: Components,
    /// Where the log is exported to, and how far each has come.
    #[serde(default)]
    pub exports: Vec<ExportStatus>,
    /// Who cosigns its checkpoints, and what each cosigned last.
    #[serde(default)]
    pub witnesses: Vec<WitnessStatus>,
    /// Accounts with posts that are due and were not attempted.
    #[serde(default)]
    pub unattempted: Vec<UnattemptedView>,
}

/// An account with posts that are due and were not attempted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnattemptedView {
    /// The account.
    pub account: String,
    /// How many targets.
    pub targets: u32,
    /// Since when the first of them is due.
    pub since: Timestamp,
}

/// Reads values straight into secrets, and refuses a name that stands twice.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretString>, D::Error> {
    struct Values;
    impl<'de> Visitor<'de> for Values {
        type Value = BTreeMap<String, SecretString>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a text for each value")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut values = BTreeMap::new();
            while let Some(name) = fields.next_key::<String>()? {
                if values.len() == SECRETS_MAX {
                    return Err(A::Error::custom(format!("more than {SECRETS_MAX} values")));
                }
                let Text(value) = fields.next_value()?;
                if values.insert(name, value).is_some() {
                    return Err(A::Error::custom("a value is given twice"));
                }
            }
            Ok(values)
        }
    }
    deserializer.deserialize_map(Values)
}

/// A text that becomes a secret. Its errors do not quote it, as serde's own would.
pub(super) struct Text(pub(super) SecretString);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl Visitor<'_> for AsText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Text, E> {
                Err(E::custom("a value is not a text"))
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Text, E> {
                Err(E::custom("a value is not a text"))
            }
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Text, E> {
                Err(E::custom("a value is not a text"))
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Text, E> {
                Err(E::custom("a value is not a text"))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(SecretString::from(text)))
            }
            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(SecretString::from(text)))
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> String {
        match serde_json::from_str::<CredentialRequest>(body) {
            Ok(_) => panic!("{body} was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_are_texts_each_given_once_and_never_quoted() {
        assert!(serde_json::from_str::<CredentialRequest>(r#"{"secrets":{"a":"x","b":"y"}}"#).is_ok());
        assert!(fault(r#"{"secrets":{"a":"canary","a":"canary"}}"#).contains("twice"));
        for body in [r#"{"secrets":{"a":314159}}"#, r#"{"secrets":{"a":-1.5}}"#, r#"{"secrets":{"a":{"b":"canary"}}}"#]
        {
            let text = fault(body);
            assert!(!text.contains("314159") && !text.contains("1.5") && !text.contains("canary"), "{text}");
        }
        assert!(fault(r#"{"secrets":{},"more":1}"#).contains("more"));
        let many: Vec<String> = (0..=SECRETS_MAX).map(|n| format!("\"v{n}\":\"x\"")).collect();
        assert!(fault(&format!("{{\"secrets\":{{{}}}}}", many.join(","))).contains("more than"));
    }
}

/// The key that signs the log's checkpoints, public part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditKeyView {
    /// The verifier key (C2SP signed-note).
    pub key: String,
}
