//! `[media]`: where networks that take no bytes can fetch media from.

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::raw::{Checker, Number};

/// An hour at most: what is fetched is fetched at once.
const PUBLIC_SECONDS: Number = Number { default: 900, allowed: 60..=3_600 };

/// Media for networks that fetch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The gateway as the internet reaches `/media/` of it: scheme, host and port. Without it no network fetches media.
    pub public_url: Option<Url>,
    /// How long an address is good.
    pub public_seconds: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMedia {
    public_url: Option<Spanned<String>>,
    public_seconds: Option<Spanned<i64>>,
}

impl Checker<'_> {
    pub(super) fn media(&mut self, raw: RawMedia) -> Media {
        Media {
            public_url: raw.public_url.and_then(|url| self.base_url("media.public_url", &url)),
            public_seconds: self.number("media.public_seconds", raw.public_seconds, &PUBLIC_SECONDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn an_address_is_bare_and_on_tls() {
        let read = |text: &str| Config::parse(text, "pressgate.toml", Path::new("")).map(|config| config.media);
        assert_eq!(read("").unwrap().public_url, None);
        for good in ["https://media.acme.example", "https://media.acme.example:8443", "http://127.0.0.1:8420"] {
            let media = read(&format!("[media]\npublic_url = {good:?}\npublic_seconds = 60")).unwrap();
            assert!(media.public_url.is_some() && media.public_seconds == 60, "{good}");
        }
        for bad in ["http://media.acme.example", "https://a.example/media", "https://u:p@a.example", "a.example", ""] {
            let faults = read(&format!("[media]\npublic_url = {bad:?}")).unwrap_err();
            assert!(faults.len() == 1 && faults[0].to_string().contains("media.public_url"), "{bad}");
        }
        assert!(read("[media]\npublic_seconds = 3601").is_err() && read("[media]\npublic_seconds = 59").is_err());
    }
}
