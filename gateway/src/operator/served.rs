//! Which components serve: a leaf for each plugin that is another than the last time (design §7).
//!
//! What served last is kept sealed in the vault, so that a component which was exchanged while the gateway stood still is told too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{By, OpsError};
use crate::{
    audit::{
        AuditLog, Leaf,
        leaf::{self, Changed},
    },
    host::Snapshot,
    plugins::{Serving, Shelf},
    vault::Vault,
};

/// Name of the note in the vault.
const NOTE: &str = "serving";
/// Who, where a start loads plugins.
const BY_START: &str = "start";

/// A component: what it calls itself, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Name and version: `guidelines 0.1.0`.
    pub label: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
}

/// Components by the plugin's name.
pub type Components = BTreeMap<String, Component>;

/// The components of the plugins that serve.
pub fn components(serving: &Serving) -> Components {
    serving
        .all()
        .map(|release| {
            let component = Component { label: release.label().to_owned(), digest: release.digest().to_owned() };
            (release.manifest().name.to_string(), component)
        })
        .collect()
}

/// The components that serve at this moment.
pub fn running(snapshot: &Snapshot) -> Components {
    components(&Serving::of(snapshot))
}

/// How the plugin folder differs from what serves, a sentence for each plugin.
pub fn differences(running: &Components, disk: &Shelf) -> Vec<String> {
    let difference = |(name, component): (&String, &Component)| match disk.digest(name) {
        Some(digest) if digest == component.digest => None,
        Some(_) => Some(format!(
            "the plugin `{name}` in the plugin folder is not what runs: plugins are read at the start, so restart to load it"
        )),
        None => Some(format!("the plugin `{name}` runs and is not in the plugin folder any more: a start would fail")),
    };
    running.iter().filter_map(difference).collect()
}

/// Writes a leaf for each plugin that was not the same component when plugins were loaded last. Call [`keep`] when they serve.
///
/// # Errors
/// [`OpsError::Audit`] and [`OpsError::Vault`]; nothing may serve then that the log does not name.
pub async fn note(
    audit: &AuditLog,
    vault: &Vault,
    now: Timestamp,
    new: &Components,
    by: Option<&By>,
) -> Result<(), OpsError> {
    let text = vault.note(NOTE).await?;
    let old: Components = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let by = by.map_or_else(|| BY_START.to_owned(), ToString::to_string);
    let leaves: Vec<Leaf> =
        changes(&old, new, &by).into_iter().map(|change| Leaf::new(now.as_millisecond(), change)).collect();
    if !leaves.is_empty() {
        audit.append_all(leaves).await?;
    }
    Ok(())
}

/// Remembers what serves now, for the next [`note`].
///
/// # Errors
/// [`OpsError::Vault`].
pub async fn keep(vault: &Vault, new: &Components) -> Result<(), OpsError> {
    let text = serde_json::to_string(new).map_err(|error| OpsError::Internal(error.to_string()))?;
    if vault.note(NOTE).await?.as_ref() != Some(&text) {
        vault.keep_note(NOTE, &text).await?;
    }
    Ok(())
}

fn changes(old: &Components, new: &Components, by: &str) -> Vec<leaf::Change> {
    let change = |action: &str, component: &Component| leaf::Change {
        what: Changed::Plugin,
        action: action.to_owned(),
        subject: component.label.clone(),
        digest: Some(component.digest.clone()),
        by: by.to_owned(),
    };
    let come = new.iter().filter_map(|(name, component)| match old.get(name) {
        None => Some(change("load", component)),
        Some(before) if before == component => None,
        Some(_) => Some(change("replace", component)),
    });
    let gone =
        old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(_, component)| change("unload", component));
    come.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(all: &[(&str, &str, &str)]) -> Components {
        let component = |(name, version, digest): &(&str, &str, &str)| {
            ((*name).to_owned(), Component { label: format!("{name} {version}"), digest: (*digest).to_owned() })
        };
        all.iter().map(component).collect()
    }

    #[test]
    fn what_differs_in_version_or_digest_is_told_and_nothing_else() {
        let old = components(&[("a", "1", "aa"), ("b", "1", "bb"), ("c", "1", "cc"), ("d", "1", "dd")]);
        let new = components(&[("a", "1", "aa"), ("b", "1", "b2"), ("c", "2", "cc"), ("e", "1", "ee")]);
        let told: Vec<_> = changes(&old, &new, "start")
            .into_iter()
            .map(|change| format!("{} {} {}", change.action, change.subject, change.digest.unwrap_or_default()))
            .collect();
        assert_eq!(told, ["replace b 1 b2", "replace c 2 cc", "load e 1 ee", "unload d 1 dd"]);
        assert!(changes(&new, &new, "start").is_empty());
    }
}
