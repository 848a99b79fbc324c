//! `[forward]`: where the proxy for clients with a fixed host listens.

use std::net::SocketAddr;

use serde::Deserialize;
use toml::Spanned;

use super::{Forward, Listen, raw::Checker};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForward {
    addr: Option<Spanned<String>>,
}

/// What an address looks like, in the text of a fault.
const EXAMPLE: &str = "127.0.0.1:8422";

impl Checker<'_> {
    pub(super) fn forward(&mut self, raw: RawForward, listen: &Listen) -> Forward {
        let Some(given) = raw.addr else { return Forward::default() };
        let at = given.span().start;
        let addr: SocketAddr = self.address("forward.addr", Some(given), EXAMPLE);
        if addr.port() != 0 && [listen.address, listen.operator].contains(&addr) {
            self.fault(at, format!("forward.addr: another listener has {addr} already; it needs a port of its own"));
        }
        Forward { addr: Some(addr) }
    }
}
