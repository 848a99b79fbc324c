//! Whose plugins may run: signatures over a component with its manifest, and what the configuration trusts.
//!
//! A signature section holds a signed note (C2SP signed-note) whose text is [`text`] of everything before the section. The text is made
//! anew from the bytes and must be the same, so what was checked is what is loaded: [`crate::host`] compiles those bytes and no others.

mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use pressgate_audit::note::{Note, SignatureLine, Verifier};

use crate::{
    config::process::{Plugins, TrustedKey, Unsigned},
    host::manifest::{Manifest, Split, SplitError, extract, split},
    model::{PluginName, hex::hex},
};
pub use sign::sign;

/// Begins what is signed, so that no signature over anything else is one over a plugin.
const DOMAIN: &str = "pressgate plugin signature v1";
/// As much of a key's name is shown as people need; a note may hold a longer one.
const SHOWN_CHARS_MAX: usize = 80;

/// What a key signs for a component without its signature section.
pub fn text(content: &[u8]) -> String {
    format!("{DOMAIN}\nsha256 {}\n", hex(digest(&SHA256, content).as_ref()))
}

/// Whose signatures count.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    revoked: Vec<Verifier>,
    unsigned: Unsigned,
}

/// Without keys everything may run.
impl Default for Trust {
    fn default() -> Self {
        Self { keys: Vec::new(), revoked: Vec::new(), unsigned: Unsigned::Allow }
    }
}

/// Why a component may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No component.
    #[error("this is not a WebAssembly component: {0}. Build it with `pressgate plugin build`")]
    NotAComponent(&'static str),
    /// The signature section is not one.
    #[error(
        "its signature is damaged: {0}. Take the file from where it was signed once more, or build and sign it anew"
    )]
    Damaged(String),
    /// The note is over other bytes.
    #[error(
        "its signature is over other bytes: the component or its manifest was changed after it was signed. Take the file from where it was \
         signed once more, or build and sign it anew"
    )]
    OtherBytes,
    /// A signature of a known key that is none.
    #[error(
        "the signature of the key {0} is wrong: it was never made with that key, or was changed since. Sign it anew"
    )]
    Wrong(String),
    /// Nobody signed it.
    #[error("it is not signed, and `plugins.trusted_keys` asks for a signature. Sign it with `pressgate plugin sign`")]
    Unsigned,
    /// Only unknown keys signed it.
    #[error(
        "it is signed by {0}, which this gateway does not trust. If that is right, add the public key to `plugins.trusted_keys` and restart; \
         else have it signed with a key that is there"
    )]
    Unknown(String),
    /// Only revoked keys signed it.
    #[error(
        "it is signed by {0}, which was revoked (`plugins.revoked_keys`). Have the component judged and signed with another key"
    )]
    Revoked(String),
    /// The keys that signed it may not sign this plugin.
    #[error(
        "it is signed by {key}, which may not sign `{plugin}`, only {only}. Sign it with another key, or add the plugin to that key in \
         `plugins.trusted_keys` and restart"
    )]
    Restricted {
        /// The key.
        key: String,
        /// The plugin that it signed.
        plugin: String,
        /// Those that it may sign.
        only: String,
    },
}

impl TrustError {
    /// In a word, for the log; nothing of the file is in it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotAComponent(_) => "no component",
            Self::Damaged(_) => "damaged signature",
            Self::OtherBytes => "signature over other bytes",
            Self::Wrong(_) => "wrong signature",
            Self::Unsigned => "not signed",
            Self::Unknown(_) => "unknown key",
            Self::Revoked(_) => "revoked key",
            Self::Restricted { .. } => "key of another plugin",
        }
    }
}

impl From<SplitError> for TrustError {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::NotAComponent(why) => Self::NotAComponent(why),
            SplitError::Section(why) => Self::Damaged(why.to_owned()),
        }
    }
}

/// One signature of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Name and id of the key that it claims to be of.
    pub key: String,
    /// What it is worth.
    pub worth: Worth,
}

/// What a signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// Good, and of a trusted key.
    Trusted,
    /// Good, of a key that is trusted for these plugins only.
    Restricted(BTreeSet<PluginName>),
    /// Good, of a key that was revoked.
    Revoked,
    /// Of a known key, and wrong.
    Wrong,
    /// Of a key that is not known here: it can't be checked.
    Unknown,
}

/// A component that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// These trusted keys signed it.
    Signed(Vec<String>),
    /// No trusted key did; it runs because the configuration lets such run. Who is said to have signed it.
    Unverified(Vec<String>),
}

impl Standing {
    /// The trusted keys that signed it.
    pub fn signers(self) -> Vec<String> {
        match self {
            Self::Signed(keys) => keys,
            Self::Unverified(_) => Vec::new(),
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signed(keys) => write!(f, "signed by {}", keys.join(", ")),
            Self::Unverified(keys) if keys.is_empty() => f.write_str("not signed"),
            Self::Unverified(keys) => {
                write!(f, "not verified: signed by {}, which is not trusted here", keys.join(", "))
            }
        }
    }
}

impl Trust {
    /// As the configuration says.
    pub fn new(plugins: &Plugins) -> Self {
        Self { keys: plugins.trusted_keys.clone(), revoked: plugins.revoked_keys.clone(), unsigned: plugins.unsigned }
    }

    /// The same where nothing unsigned may run.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { unsigned: Unsigned::Refuse, ..self }
    }

    /// Trusts these keys, for any plugin, in place of those of the configuration.
    #[must_use]
    pub fn only(self, keys: Vec<Verifier>) -> Self {
        Self { keys: keys.into_iter().map(|key| TrustedKey { key, plugins: None }).collect(), ..self }
    }

    /// What operators should be told of at a start, where plugins run that nobody vouches for.
    pub fn warning(&self) -> Option<&'static str> {
        match (self.unsigned, self.keys.is_empty()) {
            (Unsigned::Refuse, _) => None,
            (Unsigned::Allow, true) => Some(
                "PLUGINS ARE NOT VERIFIED: `plugins.trusted_keys` is empty, so whatever lies in the plugin folder or is installed runs. That \
                 is for development; see docs/plugins/signing.md",
            ),
            (Unsigned::Allow, false) => Some(
                "UNSIGNED PLUGINS RUN: `plugins.unsigned` is \"allow\", so the trusted keys keep nothing out. That is for development; take \
                 the line away",
            ),
        }
    }

    /// How many keys are trusted, and how many revoked.
    pub fn counts(&self) -> (usize, usize) {
        (self.keys.len(), self.revoked.len())
    }

    /// May the component run here?
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn judge(&self, component: &[u8]) -> Result<Standing, TrustError> {
        let seen = self.look(component)?;
        let of = |wanted: &dyn Fn(&Worth) -> bool| -> Vec<String> {
            seen.iter().filter(|seen| wanted(&seen.worth)).map(|seen| seen.key.clone()).collect()
        };
        if let Some(wrong) = of(&|worth| *worth == Worth::Wrong).into_iter().next() {
            return Err(TrustError::Wrong(wrong));
        }
        // The name is read once a trusted signature covers it.
        let restricted = seen.iter().find_map(|seen| match &seen.worth {
            Worth::Restricted(only) => Some((seen.key.clone(), only)),
            _ => None,
        });
        let name = restricted.as_ref().and_then(|_| name(component));
        let may = |worth: &Worth| match worth {
            Worth::Trusted => true,
            Worth::Restricted(only) => name.as_ref().is_some_and(|name| only.contains(name)),
            _ => false,
        };
        let good = of(&may);
        if !good.is_empty() {
            return Ok(Standing::Signed(good));
        }
        if let Some((key, only)) = restricted {
            let only = only.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let plugin = name.map_or_else(|| "what has no name".to_owned(), |name| name.to_string());
            return Err(TrustError::Restricted { key, plugin, only });
        }
        let revoked = of(&|worth| *worth == Worth::Revoked);
        if !revoked.is_empty() {
            return Err(TrustError::Revoked(revoked.join(", ")));
        }
        let unknown = of(&|_| true);
        match self.unsigned {
            Unsigned::Allow => Ok(Standing::Unverified(unknown)),
            Unsigned::Refuse if unknown.is_empty() => Err(TrustError::Unsigned),
            Unsigned::Refuse => Err(TrustError::Unknown(unknown.join(", "))),
        }
    }

    /// Every signature of a component, and what it is worth.
    ///
    /// # Errors
    /// It is no component, or the signatures are over something else.
    pub fn look(&self, component: &[u8]) -> Result<Vec<Seen>, TrustError> {
        let Some(note) = note(split(component)?)? else { return Ok(Vec::new()) };
        let seen = |line: &SignatureLine| Seen { key: shown(line), worth: self.worth(&note.text, line) };
        Ok(note.signatures.iter().map(seen).collect())
    }

    fn worth(&self, text: &str, line: &SignatureLine) -> Worth {
        let trusted = self.keys.iter().find(|known| known.key.is_of(line));
        let revoked = self.revoked.iter().find(|key| key.is_of(line));
        let Some(key) = revoked.or(trusted.map(|known| &known.key)) else { return Worth::Unknown };
        if key.verify(text, &line.signature).is_err() {
            return Worth::Wrong;
        }
        // A key that was given another name is revoked all the same.
        if self.revoked.iter().any(|revoked| revoked.is_same_key(key)) {
            return Worth::Revoked;
        }
        match trusted.and_then(|known| known.plugins.clone()) {
            Some(only) => Worth::Restricted(only),
            None => Worth::Trusted,
        }
    }
}

/// The note of a component, which is over its bytes; none where it has none.
fn note(parts: Split<'_>) -> Result<Option<Note>, TrustError> {
    let Some(signature) = parts.signature else { return Ok(None) };
    let damaged = |error: &dyn std::fmt::Display| TrustError::Damaged(error.to_string());
    let note = Note::parse(signature).map_err(|error| damaged(&error))?;
    if note.to_string().as_bytes() != signature {
        return Err(damaged(&"it is not written as this gateway writes it"));
    }
    let mut keys = BTreeSet::new();
    if !note.signatures.iter().all(|line| keys.insert(line.label())) {
        return Err(damaged(&"one key signed twice"));
    }
    if note.text == text(parts.content) { Ok(Some(note)) } else { Err(TrustError::OtherBytes) }
}

fn shown(line: &SignatureLine) -> String {
    line.label().escape_debug().take(SHOWN_CHARS_MAX).collect()
}

fn name(component: &[u8]) -> Option<PluginName> {
    let manifest = extract(split(component).ok()?.content).ok().flatten()?;
    Manifest::from_json(manifest).ok().map(|manifest| manifest.name)
}
