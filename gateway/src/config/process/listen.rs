//! `[listen]`: where the process listens, and what its listener for apps bears.

use std::net::SocketAddr;

use serde::Deserialize;
use toml::Spanned;

use super::{
    Listen, ListenTls,
    raw::{Checker, Number, spanned},
};

/// Addresses of the two listeners.
const ADDRESS_DEFAULT: &str = "127.0.0.1:8420";
const OPERATOR_DEFAULT: &str = "127.0.0.1:8421";
/// Bounds and defaults of the numbers, in the unit that each name ends in. The first two have other defaults.
const CONNECTIONS: Number = Number { default: 0, allowed: 16..=1_000_000 };
const CONNECTIONS_PER_SOURCE: Number = Number { default: 0, allowed: 1..=1_000_000 };
const HEAD_TIMEOUT_MS: Number = Number { default: 15_000, allowed: 100..=120_000 };
const IDLE_TIMEOUT_MS: Number = Number { default: 60_000, allowed: 100..=3_600_000 };
const HEAD_BYTES: Number = Number { default: 32_768, allowed: 8_192..=65_536 };
const HEAD_FIELDS: Number = Number { default: 100, allowed: 20..=1_000 };
const STREAMS: Number = Number { default: 100, allowed: 1..=1_000 };
const STOP_ANNOUNCED_MS: Number = Number { default: 0, allowed: 0..=300_000 };
const STOP_TIMEOUT_MS: Number = Number { default: 30_000, allowed: 1_000..=600_000 };

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawListen {
    address: Option<Spanned<String>>,
    operator: Option<Spanned<String>>,
    connections_max: Option<Spanned<i64>>,
    connections_per_source_max: Option<Spanned<i64>>,
    head_timeout_ms: Option<Spanned<i64>>,
    idle_timeout_ms: Option<Spanned<i64>>,
    head_bytes_max: Option<Spanned<i64>>,
    head_fields_max: Option<Spanned<i64>>,
    streams_max: Option<Spanned<i64>>,
    stop_announced_ms: Option<Spanned<i64>>,
    stop_timeout_ms: Option<Spanned<i64>>,
    tls: Option<RawTls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    certificate: Spanned<String>,
    key: Spanned<String>,
    client_ca: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn listen(&mut self, raw: RawListen) -> Listen {
        let address = self.listener("listen.address", raw.address, ADDRESS_DEFAULT);
        let operator = self.listener("listen.operator", raw.operator, OPERATOR_DEFAULT);
        let connections_max =
            raw.connections_max.map(|given| self.small("listen.connections_max", Some(given), &CONNECTIONS));
        let connections_per_source_max = raw
            .connections_per_source_max
            .map(|given| self.small("listen.connections_per_source_max", Some(given), &CONNECTIONS_PER_SOURCE));
        Listen {
            address,
            operator,
            connections_max,
            connections_per_source_max,
            head_timeout_ms: self.number("listen.head_timeout_ms", raw.head_timeout_ms, &HEAD_TIMEOUT_MS),
            idle_timeout_ms: self.number("listen.idle_timeout_ms", raw.idle_timeout_ms, &IDLE_TIMEOUT_MS),
            head_bytes_max: self.small("listen.head_bytes_max", raw.head_bytes_max, &HEAD_BYTES),
            head_fields_max: self.small("listen.head_fields_max", raw.head_fields_max, &HEAD_FIELDS),
            streams_max: self.small("listen.streams_max", raw.streams_max, &STREAMS),
            stop_announced_ms: self.number("listen.stop_announced_ms", raw.stop_announced_ms, &STOP_ANNOUNCED_MS),
            stop_timeout_ms: self.number("listen.stop_timeout_ms", raw.stop_timeout_ms, &STOP_TIMEOUT_MS),
            tls: raw.tls.map(|raw| ListenTls {
                certificate: self.path("listen.tls.certificate", Some(raw.certificate), ""),
                key: self.path("listen.tls.key", Some(raw.key), ""),
                client_ca: raw.client_ca.map(|path| self.path("listen.tls.client_ca", Some(path), "")),
            }),
        }
    }

    pub(super) fn address(&mut self, key: &str, raw: Option<Spanned<String>>, default: &str) -> SocketAddr {
        let (text, at) = spanned(raw, default);
        text.parse().unwrap_or_else(|_| {
            self.fault(
                at,
                format!("{key}: `{text}` is not an IP address with a port, such as `{default}` or `[::1]:8420`"),
            );
            // Port 0 is passed over when the two addresses are compared; the fault ends the check anyway.
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }
}
