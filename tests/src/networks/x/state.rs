//! What the network holds, and how it counts.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use sample_network::Recorded;
use serde_json::{Value, json};

use super::{ACCOUNT_ID, Trouble};

/// All windows have this length: <https://docs.x.com/x-api/fundamentals/rate-limits>.
const WINDOW_S: i64 = 15 * 60;

#[derive(Debug, Default)]
pub(super) struct State {
    pub posts: Vec<Post>,
    pub media: BTreeMap<String, Medium>,
    pub recorded: Vec<Recorded>,
    pub troubles: Vec<(String, String, usize, Trouble)>,
    pub windows: Windows,
    pub over: usize,
    pub polls: u32,
    pub check_after_s: Option<u32>,
    pub ahead: Duration,
    last_id: u64,
    last_nonces: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Post {
    pub id: String,
    pub text: String,
    pub answers: Option<String>,
    pub media_ids: Vec<String>,
    pub alts: Vec<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Medium {
    pub total_bytes: u64,
    pub pieces: BTreeMap<u32, Vec<u8>>,
    pub done: bool,
    pub polls_left: u32,
    pub alt: String,
}

impl Medium {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.pieces.values().flatten().copied().collect()
    }
}

/// Requests of the account by class: when the window began, and how many came.
#[derive(Debug)]
pub(super) struct Windows {
    pub posts_max: u32,
    pub(super) counted: HashMap<&'static str, (i64, u32)>,
}

impl Default for Windows {
    fn default() -> Self {
        Self { posts_max: 100, counted: HashMap::new() }
    }
}

/// Where a request stands in its window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub limit: u32,
    pub remaining: u32,
    pub reset_s: i64,
    pub over: bool,
}

impl Windows {
    /// Each kind of request has a window of its own, which begins with its first request.
    pub(super) fn count(&mut self, method: &str, path: &str, now_s: i64) -> Counted {
        let (class, limit) = match (method, path) {
            ("POST", "/2/tweets") => ("post", self.posts_max),
            ("DELETE", _) => ("delete", 50),
            ("POST", path) if path.ends_with("/append") => ("append", 1875),
            ("POST", path) if path.ends_with("/finalize") => ("finalize", 1875),
            ("POST", path) if path.ends_with("/initialize") => ("initialize", 1875),
            ("POST", _) => ("upload", 500),
            ("GET", "/2/users/me") => ("me", 75),
            ("GET", path) if path.ends_with("/mentions") => ("mentions", 300),
            _ => ("read", 900),
        };
        let (began_s, count) = self.counted.entry(class).or_insert((now_s, 0));
        if now_s - *began_s >= WINDOW_S {
            (*began_s, *count) = (now_s, 0);
        }
        let over = *count >= limit;
        *count += u32::from(!over);
        Counted { limit, remaining: limit - *count, reset_s: *began_s + WINDOW_S, over }
    }
}

impl State {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    pub(super) fn next_id(&mut self) -> String {
        self.last_id += 1;
        (1_900_000_000_000_000_000 + self.last_id).to_string()
    }

    /// A nonce serves once (RFC 5849 §3.3).
    pub(super) fn is_fresh(&mut self, nonce: &str) -> bool {
        let fresh = !self.last_nonces.iter().any(|known| known == nonce);
        self.last_nonces.push(nonce.to_owned());
        fresh
    }

    /// The trouble that is meant for a request; it is used up.
    pub(super) fn trouble(&mut self, method: &str, path: &str) -> Option<Trouble> {
        let at = self.troubles.iter().position(|(of, prefix, ..)| of == method && path.starts_with(prefix))?;
        if self.troubles[at].2 > 0 {
            self.troubles[at].2 -= 1;
            return None;
        }
        Some(self.troubles.remove(at).3)
    }
}

impl Post {
    /// As the API shows it: links are shortened, one for the media is added, and three signs are escaped.
    pub(super) fn shown(&self) -> Value {
        let (mut text, mut urls) = (String::new(), Vec::new());
        for (number, word) in self.text.split(' ').enumerate() {
            if number > 0 {
                text.push(' ');
            }
            if word.starts_with("https://") {
                let url = format!("https://t.co/{}{}", self.id.split_at(9).1, urls.len());
                let (start, end) = (text.chars().count(), text.chars().count() + url.len());
                urls.push(json!({ "start": start, "end": end, "url": url, "expanded_url": word }));
                text.push_str(&url);
            } else {
                text.push_str(&word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
            }
        }
        let mut post = json!({ "id": self.id, "author_id": ACCOUNT_ID, "created_at": self.created_at.to_string() });
        if !self.media_ids.is_empty() {
            let keys: Vec<String> = self.media_ids.iter().map(|id| format!("3_{id}")).collect();
            let url = format!("https://t.co/m{}", self.id.split_at(9).1);
            let start = text.chars().count() + 1;
            urls.push(json!({ "start": start, "end": start + url.len(), "url": url, "media_key": keys[0],
                "expanded_url": format!("https://x.com/acme/status/{}/photo/1", self.id) }));
            text.push_str(&format!(" {url}"));
            post["attachments"] = json!({ "media_keys": keys });
        }
        if !urls.is_empty() {
            post["entities"] = json!({ "urls": urls });
        }
        if let Some(answers) = &self.answers {
            post["referenced_posts"] = json!([{ "type": "replied_to", "id": answers }]);
            post["in_reply_to_user_id"] = json!(ACCOUNT_ID);
        }
        post["text"] = json!(text);
        post
    }

    /// For tests.
    pub(super) fn told(&self) -> Value {
        let Self { id, text, answers, media_ids, alts, .. } = self;
        json!({ "id": id, "text": text, "answers": answers, "media_ids": media_ids, "alts": alts })
    }
}
