//! Which exports there are: a leaf for each that is another than at the last start. To export the log is a decision of whoever
//! configures the gateway, so the log tells of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    audit::{AuditLog, Leaf, leaf},
    config::process::Export,
    vault::Vault,
};

/// Who, where the configuration was read.
const BY_START: &str = "start";

/// A list of the configuration whose changes the log tells of: exports, witnesses.
pub(crate) struct Settings {
    /// Name of the note in the vault.
    pub(crate) note: &'static str,
    /// What the subject of a leaf begins with.
    pub(crate) kind: &'static str,
    /// Digests by name.
    pub(crate) digests: Set,
}

/// Digests by name.
type Set = BTreeMap<String, String>;

/// Writes a leaf for each export that was added, changed or removed since [`keep`] was called last.
///
/// # Errors
/// A sentence; nothing may be exported then that the log does not name.
pub async fn note(audit: &AuditLog, vault: &Vault, exports: &[Export], now: Timestamp) -> Result<(), String> {
    note_settings(audit, vault, &settings(exports), now).await
}

/// Remembers the exports, for the next [`note`].
///
/// # Errors
/// A sentence.
pub async fn keep(vault: &Vault, exports: &[Export]) -> Result<(), String> {
    keep_settings(vault, &settings(exports)).await
}

fn settings(exports: &[Export]) -> Settings {
    let digests = exports.iter().map(|export| (export.name.clone(), export.digest())).collect();
    Settings { note: "exports", kind: "export", digests }
}

/// Writes a leaf for each entry that was added, changed or removed since [`keep_settings`] was called last.
///
/// # Errors
/// A sentence.
pub(crate) async fn note_settings(
    audit: &AuditLog,
    vault: &Vault,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), String> {
    let text = vault.note(settings.note).await.map_err(|error| error.to_string())?;
    let old: Set = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let changes = changes(settings.kind, &old, &settings.digests);
    let leaves: Vec<Leaf> = changes.into_iter().map(|change| Leaf::new(now.as_millisecond(), change)).collect();
    if !leaves.is_empty() {
        audit.append_all(leaves).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Remembers the entries, for the next [`note_settings`].
///
/// # Errors
/// A sentence.
pub(crate) async fn keep_settings(vault: &Vault, settings: &Settings) -> Result<(), String> {
    let failed = |error: crate::vault::VaultError| error.to_string();
    let before = vault.note(settings.note).await.map_err(failed)?;
    let text = serde_json::to_string(&settings.digests).map_err(|error| error.to_string())?;
    // Whoever never had one has no note.
    if before.as_ref() == Some(&text) || (before.is_none() && settings.digests.is_empty()) {
        return Ok(());
    }
    vault.keep_note(settings.note, &text).await.map_err(failed)
}

fn changes(kind: &str, old: &Set, new: &Set) -> Vec<leaf::Change> {
    let change = |action: &str, name: &str, digest: Option<&String>| leaf::Change {
        what: leaf::Changed::Setting,
        action: action.to_owned(),
        subject: format!("{kind}/{name}"),
        digest: digest.cloned(),
        by: BY_START.to_owned(),
    };
    let come = new.iter().filter_map(|(name, digest)| match old.get(name) {
        None => Some(change("add", name, Some(digest))),
        Some(before) if before == digest => None,
        Some(_) => Some(change("change", name, Some(digest))),
    });
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| change("remove", name, None));
    come.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_changed_and_removed_is_told() {
        let set = |all: &[(&str, &str)]| -> Set {
            all.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect()
        };
        let (old, new) = (set(&[("a", "1"), ("b", "1"), ("c", "1")]), set(&[("a", "1"), ("b", "2"), ("d", "1")]));
        let told: Vec<_> = changes("export", &old, &new)
            .into_iter()
            .map(|change| format!("{} {}", change.action, change.subject))
            .collect();
        assert_eq!(told, ["change export/b", "add export/d", "remove export/c"]);
        assert!(changes("export", &new, &new).is_empty());
    }
}
