//! An event, and what one reader may see of it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::{EventType, Principal};

/// What an id begins with.
const PREFIX: &str = "evt_";

/// The leaf that an event's id names. A bare index will do.
pub fn event_index(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(PREFIX).unwrap_or(id);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|index| plain && i64::try_from(*index).is_ok())
}

/// Something that happened to a post.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The index of its leaf.
    pub index: u64,
    /// What happened.
    pub kind: EventType,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// To which post.
    pub post: String,
    /// On which account; none where it is about the post as a whole.
    pub account: Option<String>,
    /// The post's accounts, where it is about the post as a whole.
    pub accounts: Vec<String>,
    /// Of which brand.
    pub brand: Option<String>,
    /// The campaign that the author named.
    pub campaign: Option<String>,
    /// Who made the post, as far as it is known.
    pub author: Option<Principal>,
    /// What else the leaf says: ids, codes and digests; no content, and nobody's name.
    pub data: Map<String, Value>,
}

/// An event as an app reads it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// `evt_` and the index of the leaf in the audit log that tells the same.
    pub id: String,
    /// What happened: `post.held`, `target.published`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    pub time: String,
    /// To which post.
    pub post: String,
    /// On which account; left out where it is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Of which brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Of which campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// More, by type. There will be more fields.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

impl Event {
    /// Its id.
    pub fn id(&self) -> String {
        format!("{PREFIX}{}", self.index)
    }

    /// The accounts that it is about.
    pub fn about(&self) -> impl Iterator<Item = &str> {
        self.account.iter().chain(&self.accounts).map(String::as_str)
    }

    /// The event for who sees some accounts; none where it is about others only.
    pub fn shown(&self, sees: impl Fn(&str) -> bool) -> Option<EventView> {
        let visible: Vec<&str> = self.about().filter(|account| sees(account)).collect();
        if visible.is_empty() && self.about().next().is_some() {
            return None;
        }
        let only = match self.accounts.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let mut data = self.data.clone();
        if self.account.is_none() && !visible.is_empty() {
            data.insert("accounts".to_owned(), visible.into());
        }
        Some(EventView {
            id: self.id(),
            kind: self.kind.as_str(),
            time: Timestamp::from_millisecond(self.at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
            post: self.post.clone(),
            account: self.account.clone().or(only),
            brand: self.brand.clone(),
            campaign: self.campaign.clone(),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn held(accounts: &[&str]) -> Event {
        Event {
            index: 7,
            kind: EventType::PostHeld,
            at_ms: 0,
            post: "post_1".into(),
            account: None,
            accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
            brand: None,
            campaign: Some("spring".into()),
            author: None,
            data: Map::new(),
        }
    }

    #[test]
    fn a_reader_sees_the_accounts_that_it_may_see_and_no_others() {
        let event = held(&["a", "b"]);
        let shown = json!(event.shown(|account| account == "a").unwrap());
        let expected = json!({"id": "evt_7", "type": "post.held", "time": "1970-01-01T00:00:00Z", "post": "post_1",
            "campaign": "spring", "data": {"accounts": ["a"]}});
        assert_eq!(shown, expected);
        assert_eq!(event.shown(|account| account == "c"), None);
        assert_eq!(held(&["a"]).shown(|_| true).unwrap().account.as_deref(), Some("a"));
    }

    #[test]
    fn an_id_is_read_back() {
        for (text, index) in [("evt_0", Some(0)), ("evt_17", Some(17)), ("17", Some(17)), ("evt_", None), ("", None)] {
            assert_eq!(event_index(text), index, "{text}");
        }
        for text in ["evt_-1", "+1", "evt_1 ", "post_1", "18446744073709551615", "99999999999999999999"] {
            assert_eq!(event_index(text), None, "{text}");
        }
    }
}
