//! The governance that a start would use, for commands that work without a running gateway.

use super::OpsError;
use crate::{
    config::{Catalogue, Config, Files, Governance, is_guideline},
    records::Records,
};

/// The files that say which apps and people there are.
pub const PRINCIPALS: &[&str] = &["brands.toml", "people.toml", "apps.toml"];
/// The files that say which accounts there are.
pub const ACCOUNTS: &[&str] = &["brands.toml", "people.toml", "accounts.toml"];

/// The files that say who may do what.
pub const RIGHTS: &[&str] = &["brands.toml", "people.toml", "apps.toml", "accounts.toml", "grants.toml"];

/// What was applied last, else what the folder holds: the first start applies that. Only the named files are read, so that a
/// key can be made before the plugins are there that the others need.
///
/// # Errors
/// [`OpsError::Governance`] with every fault in these files, [`OpsError::Records`].
pub async fn standing(
    config: &Config,
    records: &dyn Records,
    catalogue: &dyn Catalogue,
    only: &[&str],
) -> Result<Governance, OpsError> {
    let files = match records.governance().await? {
        Some(applied) => applied.files,
        None => Governance::read(&config.governance).map_err(OpsError::Governance)?,
    };
    cut(files, catalogue, only)
}

/// The named files of the governance folder, whatever was applied.
///
/// # Errors
/// [`OpsError::Governance`] with every fault in these files.
pub fn folder(config: &Config, catalogue: &dyn Catalogue, only: &[&str]) -> Result<Governance, OpsError> {
    cut(Governance::read(&config.governance).map_err(OpsError::Governance)?, catalogue, only)
}

fn cut(mut files: Files, catalogue: &dyn Catalogue, only: &[&str]) -> Result<Governance, OpsError> {
    // Roles and grants name guidelines.
    files.retain(|name, _| only.contains(&name.as_str()) || is_guideline(name));
    Governance::restart(&files, catalogue).map_err(OpsError::Governance)
}
