//! How much may still be published today, as the network says itself.

use pressgate_sdk::http::{self, Kind, Request};
use pressgate_sdk::{Budget, Facts};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{TOKEN, check};

/// The quota moves with each post.
const FRESH_S: u32 = 60;
/// <https://developers.facebook.com/docs/threads/troubleshooting#retrieve-publishing-quota-limit>
const FIELDS: &str = "quota_usage,config,reply_quota_usage,reply_config,delete_quota_usage,delete_config";

/// Limits of the account, and what is used of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Longest text.
    pub characters_max: u64,
    /// Media of one post.
    pub media_max: u64,
    /// Posts in the window.
    pub posts: Quota,
    /// Replies in the window.
    pub replies: Quota,
    /// Deletions in the window.
    pub deletes: Quota,
}

/// One kind of call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// How many there were.
    pub used: u64,
    /// How many there may be; none where the network does not say.
    pub total: Option<u64>,
    /// Length of the window in seconds.
    pub window_s: Option<u64>,
}

impl Quota {
    fn read(body: &Value, used: &str, config: &str) -> Self {
        Self {
            used: body[used].as_u64().unwrap_or_default(),
            total: body[config]["quota_total"].as_u64(),
            window_s: body[config]["quota_duration"].as_u64(),
        }
    }

    fn budget(&self, class: &str) -> Option<Budget> {
        let calls = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let (limit, remaining) = (self.total.map(calls)?, self.left().map(calls));
        Some(Budget { class: class.to_owned(), limit: Some(limit), remaining, reset_at_ms: None })
    }

    /// How many more there may be; none where nobody knows.
    pub fn left(&self) -> Option<u64> {
        self.total.map(|total| total.saturating_sub(self.used))
    }
}

impl Limits {
    /// Reads what [`discover`] wrote.
    pub fn from_facts(facts: Option<&Facts>) -> Self {
        facts.and_then(|facts| serde_json::from_str(&facts.json).ok()).unwrap_or_default()
    }

    /// The windows of [`crate::Threads`]' rate classes as they stand.
    pub fn budgets(&self) -> Vec<Budget> {
        let all = [("posts", self.posts), ("replies", self.replies), ("deletes", self.deletes)];
        all.iter().filter_map(|(class, quota)| quota.budget(class)).collect()
    }

    /// Reads the quota endpoint.
    pub fn from_answer(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let quota = body["data"].get(0)?;
        Some(Self {
            characters_max: check::CHARACTERS_MAX as u64,
            media_max: check::MEDIA_MAX as u64,
            posts: Quota::read(quota, "quota_usage", "config"),
            replies: Quota::read(quota, "reply_quota_usage", "reply_config"),
            deletes: Quota::read(quota, "delete_quota_usage", "delete_config"),
        })
    }
}

/// The request for the quota.
pub fn request() -> Request {
    Request::get("/me/threads_publishing_limit").query("fields", FIELDS).credential(TOKEN)
}

/// Asks the network.
pub fn discover() -> Result<Facts, String> {
    let response = http::send("quota", Kind::Read, &request())
        .map_err(|error| format!("the network did not tell its limits: {error:?}"))?;
    if response.status != 200 {
        return Err(format!("the network answered {} to GET /me/threads_publishing_limit", response.status));
    }
    let limits = Limits::from_answer(&response.body).ok_or("the network's answer has no `data` with a quota")?;
    let json = serde_json::to_string(&limits).map_err(|error| error.to_string())?;
    Ok(Facts { budgets: limits.budgets(), ..Facts::new(json, FRESH_S) })
}
