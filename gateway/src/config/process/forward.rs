//! `[forward]`: where the proxy for clients with a fixed host listens.

use serde::Deserialize;
use toml::Spanned;

use super::{Forward, raw::Checker};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForward {
    addr: Option<Spanned<String>>,
}

/// What an address looks like, in the text of a fault.
const EXAMPLE: &str = "127.0.0.1:8422";

impl Checker<'_> {
    pub(super) fn forward(&mut self, raw: RawForward) -> Forward {
        Forward { addr: raw.addr.map(|given| self.listener("forward.addr", Some(given), EXAMPLE)) }
    }
}
