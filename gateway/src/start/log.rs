//! Opening the log: its signing key, its tree, what a crash left; and what a start says of that in the log itself.

use std::{sync::Arc, time::Duration};

use pressgate_audit::tree::{CHECKPOINT, TREE_DIR};

use super::{AUDIT_QUEUE_MAX, Parts, StartError, belonging, files};
use crate::{
    audit::{AuditLog, AuditOptions, AuditTree, Leaf, Recovered, SigningKeys, leaf},
    folders,
    records::Records,
};

/// Opens the log of a node.
pub(super) async fn open(parts: &Parts, node: &str, records: &dyn Records) -> Result<AuditLog, StartError> {
    let config = &parts.config;
    folders::private(&config.audit.dir).map_err(|error| files(&config.audit.dir, &error))?;
    let origin = belonging::origin(node);
    let has_checkpoint = [&config.audit.dir.join(TREE_DIR).join(CHECKPOINT), &config.audit.second_checkpoint];
    let has_checkpoint = has_checkpoint.iter().any(|file| file.exists());
    let signing = SigningKeys::open(&config.audit.signing_key, &origin, has_checkpoint).map_err(StartError::Files)?;
    let taken = records.openings_taken().await?;
    let options = AuditOptions {
        tree: Some(AuditTree { keys: signing, second: config.audit.second_checkpoint.clone() }),
        dir: config.audit.dir.clone(),
        segment_bytes: config.audit.segment_bytes,
        queue_max: AUDIT_QUEUE_MAX,
        origin,
        // The records never learn of a leaf before it is durable.
        at_least: records.applied_leaf().await?.max(taken.unwrap_or(0)),
        besides_from: taken.unwrap_or(u64::MAX),
        reserve_bytes: config.audit.reserve_bytes,
        slow_after: Duration::from_millis(config.audit.slow_ms),
        blocked_after: Duration::from_millis(config.audit.blocked_ms),
        low_disk_percent: config.audit.low_disk_percent,
    };
    let (audit, recovered) =
        AuditLog::open(options, Arc::clone(&parts.disk)).map_err(|error| StartError::Other(error.to_string()))?;
    say(parts, &audit, &recovered).await?;
    Ok(audit)
}

/// Says what was found.
async fn say(parts: &Parts, audit: &AuditLog, recovered: &Recovered) -> Result<(), StartError> {
    let config = &parts.config;
    let now = parts.clock.now();
    if let Some(torn) = &recovered.torn {
        tracing::warn!(
            segment = torn.segment,
            offset = torn.offset,
            bytes = torn.bytes,
            frames = torn.frames,
            next_leaf = recovered.next_index,
            "a torn tail was cut from the log: what a crash left of a batch that nobody was told about"
        );
    }
    if let Some(leaf) = recovered.leaf(now.as_millisecond()) {
        audit.append(leaf).await.map_err(|error| StartError::Other(error.to_string()))?;
    }
    if recovered.second_missing {
        let file = &config.audit.second_checkpoint;
        tracing::warn!(file = %file.display(), "the second checkpoint was missing: a log that was rolled back would not have been noticed");
        let event = leaf::Change {
            what: leaf::Changed::Log,
            action: "second-checkpoint-missing".into(),
            subject: "log".into(),
            digest: None,
            by: "start".into(),
        };
        let noted = audit.append(Leaf::new(now.as_millisecond(), event)).await;
        noted.map_err(|error| StartError::Other(error.to_string()))?;
    }
    Ok(())
}
