//! What can be set when the network starts.

use std::fmt;

/// Settings of the network.
#[derive(Clone)]
pub struct Config {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Bearer token that every API request must present.
    pub token: String,
    /// Title of the web page.
    pub page_title: String,
    /// Name of the one account.
    pub username: String,
    /// Longest text with content warning, in characters as Mastodon counts them.
    pub text_limit: usize,
    /// How often `GET /api/v1/media/{id}` answers 206 before it answers 200.
    pub media_polls: u32,
    /// Requests allowed in five minutes of the network's clock; 429 afterwards.
    pub rate_limit: u32,
}

impl Default for Config {
    /// Mastodon's usual limits, but a rate limit that a load test does not meet by accident.
    fn default() -> Self {
        Self {
            port: 0,
            token: "sample-token".to_owned(),
            page_title: "Sample network".to_owned(),
            username: "acme".to_owned(),
            text_limit: 500,
            media_polls: 1,
            rate_limit: 1_000_000,
        }
    }
}

impl fmt::Debug for Config {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("port", &self.port).field("username", &self.username).finish_non_exhaustive()
    }
}
