//! The first start after a restore: the log says what was restored, and what was erased or revoked since the backup goes again
//! before anything is served.

use jiff::Timestamp;

use super::StartError;
use crate::{
    audit::{AuditLog, Leaf, leaf},
    backup::{self, Restored},
    config::Config,
    keys::Keys,
    model::PersonId,
    records::{ErasedCounts, ErasureRecord, Records},
};

/// Who leaves say did it: whoever may write to the data folder.
const BY: &str = "local";

/// The stores that it works on.
pub(super) struct Parts<'a> {
    pub(super) audit: &'a AuditLog,
    pub(super) records: &'a dyn Records,
    pub(super) keys: &'a Keys,
}

/// Reads the word of a restore and says it in the log; none where there is no news.
pub(super) async fn told(config: &Config, audit: &AuditLog, now: Timestamp) -> Result<Option<Restored>, StartError> {
    let word = Restored::read(&config.data).map_err(|error| StartError::Files(error.to_string()))?;
    let Some(word) = word else { return Ok(None) };
    tracing::warn!(backup = word.backup, leaves = word.size, "this log and these records came out of a backup");
    let evidence = word.older_than.as_ref();
    if let Some(evidence) = evidence {
        let file = evidence.file.display();
        tracing::warn!(%file, leaves = evidence.size, "the log had been further; its last checkpoint is kept as evidence");
    }
    let event = leaf::Change {
        what: leaf::Changed::Log,
        action: backup::RESTORED.into(),
        subject: word.subject(),
        digest: evidence.map(|evidence| evidence.sha256.clone()),
        by: BY.into(),
    };
    note(audit, now, event).await?;
    Ok(Some(word))
}

/// Has erasures carried out, keys and feeds revoked once more, and takes the word away.
pub(super) async fn carry_out(
    config: &Config,
    parts: &Parts<'_>,
    word: &Restored,
    now: Timestamp,
) -> Result<(), StartError> {
    for erased in &word.erased {
        let id = format!("erasure_of_{}_{}", word.backup, erased.leaf);
        if parts.records.erasure(id.clone()).await?.is_some() {
            continue;
        }
        let mut by = erased.by.iter().map(|person| PersonId::new(person.clone()));
        let mut person = || by.next().unwrap_or_else(|| PersonId::new(""));
        let record = ErasureRecord {
            id,
            subject: erased.subject.clone(),
            basis: erased.basis.clone(),
            asked_by: person(),
            asked_at: now,
            confirmed: Some((person(), now)),
            log_from: parts.audit.next_index(),
            erased: ErasedCounts::default(),
            leaf: None,
        };
        parts.records.ask_erasure(record).await?;
    }
    for id in &word.revoked_keys {
        let Some(key) = parts.records.key(id.clone()).await?.filter(|key| key.revoked_at.is_none()) else { continue };
        let event = leaf::Change {
            what: leaf::Changed::Key,
            action: "revoke".into(),
            subject: format!("{}/{id}", key.holder),
            digest: None,
            by: BY.into(),
        };
        note(parts.audit, now, event).await?;
        parts.keys.revoke(parts.records, id, now).await?;
    }
    revoke_feeds(parts, word, now).await?;
    Restored::forget(&config.data).map_err(|error| StartError::Files(error.to_string()))
}

async fn revoke_feeds(parts: &Parts<'_>, word: &Restored, now: Timestamp) -> Result<(), StartError> {
    let there = if word.revoked_feeds.is_empty() { Vec::new() } else { parts.records.feeds(None).await? };
    for feed in there.into_iter().filter(|feed| word.revoked_feeds.contains(&feed.id)) {
        let event = leaf::Change {
            what: leaf::Changed::Feed,
            action: "revoke".into(),
            subject: format!("{}/{}", feed.holder, feed.id),
            digest: None,
            by: BY.into(),
        };
        note(parts.audit, now, event).await?;
        parts.records.end_feed(feed.id).await?;
    }
    Ok(())
}

async fn note(audit: &AuditLog, now: Timestamp, event: leaf::Change) -> Result<(), StartError> {
    let noted = audit.append(Leaf::new(now.as_millisecond(), event)).await;
    noted.map(drop).map_err(|error| StartError::Other(error.to_string()))
}
