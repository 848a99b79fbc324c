//! Notices that wait, and those that were given up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OpsError;
use crate::{
    gateway::Gateway,
    records::{NoticeRecord, NoticeState},
};

/// Notices of each state that are listed, the newest.
const LISTED_MAX: u32 = 500;

/// A notice on one channel: whom it is for, not where it goes, nor what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// Its number.
    pub id: u64,
    /// `waiting` or `given-up`.
    pub state: String,
    /// `mail` or `webhook`.
    pub channel: String,
    /// Whom it is for: `person:editor-7`, `external:agency-1`.
    pub to: String,
    /// What it is: `vote-wanted`.
    pub kind: String,
    /// About which post.
    pub post: Option<String>,
    /// About which account.
    pub account: Option<String>,
    /// Since when it is to be sent.
    pub since: Timestamp,
    /// When it was given up.
    pub ended_at: Option<Timestamp>,
    /// Why it was given up.
    pub why: Option<String>,
}

impl From<NoticeRecord> for NoticeRow {
    fn from(record: NoticeRecord) -> Self {
        Self {
            id: record.id,
            state: record.state.as_str().to_owned(),
            channel: record.channel.as_str().to_owned(),
            to: record.text.addressee,
            kind: record.text.kind,
            post: record.text.post.map(|post| post.to_string()),
            account: record.text.account.map(|account| account.to_string()),
            since: record.put_at,
            ended_at: record.ended_at,
            why: record.why,
        }
    }
}

/// Those that wait, then those that were given up; the newest of each first.
///
/// # Errors
/// The records'.
pub async fn list(gateway: &Gateway) -> Result<Vec<NoticeRow>, OpsError> {
    let mut rows = Vec::new();
    for state in [NoticeState::Waiting, NoticeState::GivenUp] {
        rows.extend(gateway.notices.list(state, LISTED_MAX).await?.into_iter().map(NoticeRow::from));
    }
    Ok(rows)
}
