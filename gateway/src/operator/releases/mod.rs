//! Releases of plugins: installed, put in place, tried on a share of the calls, taken back; and the watch that takes back by itself.
//!
//! Each change is in the log before it is made, with who made it. It is made where the routing is as whoever asked saw it; else they hear
//! what stands.

pub mod change;
pub mod http;
pub mod install;
pub mod view;
pub mod watch;

use super::OpsError;
use crate::{gateway::Gateway, records::ReleaseRecord};

/// The least that is taken for the beginning of a digest.
const PREFIX_CHARS_MIN: usize = 6;

/// The release that is meant: by its digest or the beginning of it, or by name and version (`square@0.2.0`) where one has those.
///
/// # Errors
/// [`OpsError::Missing`] where none is meant, [`OpsError::Invalid`] where several may be.
pub async fn find(gateway: &Gateway, wanted: &str) -> Result<ReleaseRecord, OpsError> {
    let all = gateway.records.releases().await?;
    let by_name = |record: &ReleaseRecord| format!("{}@{}", record.name, record.version) == wanted;
    let by_digest =
        |record: &ReleaseRecord| wanted.len() >= PREFIX_CHARS_MIN && record.digest.starts_with(&wanted.to_lowercase());
    let mut found = all.into_iter().filter(|record| by_name(record) || by_digest(record));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(OpsError::Missing(format!(
            "there is no release `{}`; `pressgate plugin list` shows them, by digest or as name@version",
            wanted.escape_debug()
        ))),
        (Some(one), Some(other)) => Err(OpsError::Invalid(format!(
            "`{wanted}` may be {} or {}; name one by its digest",
            one.digest, other.digest
        ))),
    }
}
