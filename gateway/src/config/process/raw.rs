//! The raw value of `pressgate.toml` and the checks that make a [`Config`] of it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    Audit, Config, Egress, Kek, Limits, Log, LogFormat, Native, Plugins, Posts, SharedLimits,
    export::RawExport,
    forward::RawForward,
    listen::RawListen,
    media::RawMedia,
    notices::RawNotices,
    sign_in::RawSignIn,
    telemetry::RawTelemetry,
    trust::{RawTrustedKey, Unsigned},
    witness::RawWitness,
};
use crate::{
    config::{Fault, fault::line_of},
    model::AccountId,
};

/// Bounds and defaults of the numbers, in the unit that each name ends in.
const JSON_BYTES: Number = Number { default: 1_048_576, allowed: 1_024..=16_777_216 };
const COMPILE_MS: Number = Number { default: 60_000, allowed: 100..=600_000 };
const COMPILE_BYTES: Number = Number { default: 1_073_741_824, allowed: 134_217_728..=17_179_869_184 };
const MEDIA_BYTES: Number = Number { default: 536_870_912, allowed: 1_024..=17_179_869_184 };
const MEDIA_UNUSED_BYTES: Number = Number { default: 2_147_483_648, allowed: 1_024..=1_099_511_627_776 };
const BODY_TIMEOUT_MS: Number = Number { default: 30_000, allowed: 100..=600_000 };
const UPLOAD_BYTES_PER_SECOND: Number = Number { default: 1_024, allowed: 0..=1_073_741_824 };
const SEGMENT_BYTES: Number = Number { default: 67_108_864, allowed: 1_048_576..=4_294_967_296 };
/// The default is four segments where that is less.
const RESERVE_BYTES: Number = Number { default: 268_435_456, allowed: 0..=1_099_511_627_776 };
/// Thirty years at most.
const RETENTION_DAYS: Number = Number { default: 0, allowed: 1..=11_000 };
const LOW_DISK_PERCENT: Number = Number { default: 5, allowed: 0..=50 };
const SLOW_MS: Number = Number { default: 50, allowed: 1..=60_000 };
const BLOCKED_MS: Number = Number { default: 2_000, allowed: 100..=60_000 };
const UNATTEMPTED_SECONDS: Number = Number { default: 60, allowed: 1..=86_400 };
const HEARTBEAT_SECONDS: Number = Number { default: 30, allowed: 1..=3_600 };
const CALLS_PER_MINUTE: Number = Number { default: 600, allowed: 1..=6_000_000 };
const BURST: Number = Number { default: 60, allowed: 1..=6_000_000 };
const NODES: Number = Number { default: 1, allowed: 1..=1_000 };
const SHARED_TIMEOUT_MS: Number = Number { default: 100, allowed: 5..=5_000 };
const EGRESS_TIMEOUT_MS: Number = Number { default: 30_000, allowed: 100..=600_000 };

/// Checks a text; see [`Config::parse`].
pub(super) fn parse(text: &str, file: &str, base: &Path) -> Result<Config, Vec<Fault>> {
    let raw: Raw = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        vec![Fault::new(file, line, error.message())]
    })?;
    let mut checker = Checker { text, file, base, faults: Vec::new(), listeners: Vec::new() };
    let config = checker.config(raw);
    if checker.faults.is_empty() { Ok(config) } else { Err(checker.faults) }
}

/// Length of `native.domain`: a label for the account goes before it.
const DOMAIN_BYTES_MAX: usize = 189;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    listen: RawListen,
    data: Option<Spanned<String>>,
    governance: Option<Spanned<String>>,
    kek: Option<Spanned<RawKek>>,
    audit: RawAudit,
    plugins: RawPlugins,
    native: RawNative,
    forward: RawForward,
    sign_in: Option<Spanned<RawSignIn>>,
    notices: Option<Spanned<RawNotices>>,
    posts: RawPosts,
    limits: RawLimits,
    media: RawMedia,
    egress: RawEgress,
    export: Vec<Spanned<RawExport>>,
    witness: Vec<Spanned<RawWitness>>,
    log: RawLog,
    telemetry: RawTelemetry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawKek {
    file: Option<Spanned<String>>,
    env: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAudit {
    dir: Option<Spanned<String>>,
    segment_bytes: Option<Spanned<i64>>,
    retention_days: Option<Spanned<i64>>,
    second_checkpoint: Option<Spanned<String>>,
    signing_key: Option<Spanned<String>>,
    reserve_bytes: Option<Spanned<i64>>,
    low_disk_percent: Option<Spanned<i64>>,
    slow_ms: Option<Spanned<i64>>,
    blocked_ms: Option<Spanned<i64>>,
    heartbeat_seconds: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPlugins {
    dir: Option<Spanned<String>>,
    compile_ms_max: Option<Spanned<i64>>,
    compile_bytes_max: Option<Spanned<i64>>,
    pub(super) trusted_keys: Vec<Spanned<RawTrustedKey>>,
    pub(super) revoked_keys: Vec<Spanned<String>>,
    pub(super) unsigned: Option<Spanned<Unsigned>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawNative {
    domain: Option<Spanned<String>>,
    listeners: BTreeMap<String, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPosts {
    unattempted_alarm_seconds: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    json_bytes_max: Option<Spanned<i64>>,
    media_bytes_max: Option<Spanned<i64>>,
    media_unused_bytes_max: Option<Spanned<i64>>,
    body_timeout_ms: Option<Spanned<i64>>,
    upload_bytes_per_second_min: Option<Spanned<i64>>,
    calls_per_minute: Option<Spanned<i64>>,
    burst: Option<Spanned<i64>>,
    shared: Option<Spanned<RawShared>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShared {
    url: Spanned<String>,
    password_env: Option<Spanned<String>>,
    nodes: Spanned<i64>,
    timeout_ms: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEgress {
    extra_roots: Vec<Spanned<String>>,
    timeout_ms: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: LogFormat,
    filter: Option<Spanned<String>>,
}

/// A number's default and bounds.
pub(super) struct Number {
    pub(super) default: u64,
    pub(super) allowed: RangeInclusive<u64>,
}

/// Collects what is wrong.
pub(super) struct Checker<'a> {
    text: &'a str,
    file: &'a str,
    base: &'a Path,
    faults: Vec<Fault>,
    listeners: Vec<Place>,
}

/// An address that something listens at.
struct Place {
    key: String,
    address: SocketAddr,
    /// Where it is written; none for a default.
    at: Option<usize>,
}

impl Place {
    /// Can't both listen? An address of all interfaces takes those of each.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (self.address, other.address);
        let both = one.ip() == two.ip() || one.ip().is_unspecified() || two.ip().is_unspecified();
        one.port() == two.port() && both
    }
}

impl Checker<'_> {
    fn config(&mut self, raw: Raw) -> Config {
        let data = self.path("data", raw.data, "data");
        let kek = self.kek(raw.kek, &data);
        let listen = self.listen(raw.listen);
        let config = Config {
            forward: self.forward(raw.forward),
            listen,
            governance: self.path("governance", raw.governance, "governance"),
            kek,
            audit: self.audit(raw.audit, &data),
            plugins: self.plugins(raw.plugins),
            native: Native { domain: self.domain(raw.native.domain), listeners: self.listeners(raw.native.listeners) },
            sign_in: self.sign_in(raw.sign_in),
            notices: self.notices(raw.notices),
            posts: Posts {
                unattempted_alarm_seconds: self.number(
                    "posts.unattempted_alarm_seconds",
                    raw.posts.unattempted_alarm_seconds,
                    &UNATTEMPTED_SECONDS,
                ),
            },
            limits: Limits {
                json_bytes_max: self.number("limits.json_bytes_max", raw.limits.json_bytes_max, &JSON_BYTES),
                media_bytes_max: self.number("limits.media_bytes_max", raw.limits.media_bytes_max, &MEDIA_BYTES),
                media_unused_bytes_max: self.number(
                    "limits.media_unused_bytes_max",
                    raw.limits.media_unused_bytes_max,
                    &MEDIA_UNUSED_BYTES,
                ),
                body_timeout_ms: self.number("limits.body_timeout_ms", raw.limits.body_timeout_ms, &BODY_TIMEOUT_MS),
                upload_bytes_per_second_min: self.number(
                    "limits.upload_bytes_per_second_min",
                    raw.limits.upload_bytes_per_second_min,
                    &UPLOAD_BYTES_PER_SECOND,
                ),
                calls_per_minute: self.small("limits.calls_per_minute", raw.limits.calls_per_minute, &CALLS_PER_MINUTE),
                burst: self.small("limits.burst", raw.limits.burst, &BURST),
                shared: raw.limits.shared.and_then(|shared| self.shared(shared.into_inner())),
            },
            media: self.media(raw.media),
            egress: Egress {
                extra_roots: raw
                    .egress
                    .extra_roots
                    .into_iter()
                    .map(|path| self.path("egress.extra_roots", Some(path), ""))
                    .collect(),
                timeout_ms: self.number("egress.timeout_ms", raw.egress.timeout_ms, &EGRESS_TIMEOUT_MS),
            },
            export: self.exports(raw.export),
            witness: self.witnesses(raw.witness),
            log: Log { format: raw.log.format, filter: self.filter(raw.log.filter) },
            telemetry: self.telemetry(raw.telemetry),
            data,
        };
        self.apart();
        config
    }

    /// An address of a listener. No other may have it.
    pub(super) fn listener(&mut self, key: &str, raw: Option<Spanned<String>>, default: &str) -> SocketAddr {
        let at = raw.as_ref().map(|raw| raw.span().start);
        let address = self.address(key, raw, default);
        // Port 0 is any that is free, and what stands for an address that is none.
        if address.port() != 0 {
            self.listeners.push(Place { key: key.to_owned(), address, at });
        }
        address
    }

    /// Two listeners need two addresses.
    fn apart(&mut self) {
        let places = std::mem::take(&mut self.listeners);
        for (index, later) in places.iter().enumerate() {
            let Some(first) = places.iter().take(index).find(|first| first.meets(later)) else { continue };
            let Place { key, address, .. } = later;
            let message = format!(
                "{key}: {address} is taken by `{}` ({}) already; two listeners need different ports",
                first.key, first.address
            );
            self.fault(later.at.or(first.at).unwrap_or_default(), message);
        }
    }

    fn plugins(&mut self, mut raw: RawPlugins) -> Plugins {
        let (trusted_keys, revoked_keys, unsigned) = self.trust(&mut raw);
        Plugins {
            dir: self.path("plugins.dir", raw.dir, "plugins"),
            compile_ms_max: self.number("plugins.compile_ms_max", raw.compile_ms_max, &COMPILE_MS),
            compile_bytes_max: self.number("plugins.compile_bytes_max", raw.compile_bytes_max, &COMPILE_BYTES),
            trusted_keys,
            revoked_keys,
            unsigned,
        }
    }

    fn audit(&mut self, raw: RawAudit, data: &Path) -> Audit {
        let segment_bytes = self.number("audit.segment_bytes", raw.segment_bytes, &SEGMENT_BYTES);
        let usual = RESERVE_BYTES.default.min(segment_bytes.saturating_mul(4));
        let reserve = Number { default: usual, ..RESERVE_BYTES };
        let percent = self.number("audit.low_disk_percent", raw.low_disk_percent, &LOW_DISK_PERCENT);
        let days = Number { default: 0, ..RETENTION_DAYS };
        let retention_days = raw.retention_days.map(|given| self.number("audit.retention_days", Some(given), &days));
        let mut place = |key: &str, given: Option<Spanned<String>>, usual: &str| match given {
            Some(path) => self.path(key, Some(path), ""),
            None => data.join(usual),
        };
        Audit {
            dir: place("audit.dir", raw.dir, "audit"),
            second_checkpoint: place("audit.second_checkpoint", raw.second_checkpoint, "audit-checkpoint"),
            signing_key: place("audit.signing_key", raw.signing_key, "audit-key"),
            retention_days,
            segment_bytes,
            reserve_bytes: self.number("audit.reserve_bytes", raw.reserve_bytes, &reserve),
            low_disk_percent: u8::try_from(percent).unwrap_or(u8::MAX),
            slow_ms: self.number("audit.slow_ms", raw.slow_ms, &SLOW_MS),
            blocked_ms: self.number("audit.blocked_ms", raw.blocked_ms, &BLOCKED_MS),
            heartbeat_seconds: self.number("audit.heartbeat_seconds", raw.heartbeat_seconds, &HEARTBEAT_SECONDS),
        }
    }

    pub(super) fn fault(&mut self, offset: usize, message: String) {
        self.faults.push(Fault::new(self.file, line_of(self.text, offset), message));
    }

    pub(super) fn path(&mut self, key: &str, raw: Option<Spanned<String>>, default: &str) -> PathBuf {
        let (text, at) = spanned(raw, default);
        if text.is_empty() || text.contains('\0') {
            self.fault(at, format!("{key}: a path must not be empty or contain a NUL"));
        }
        self.base.join(text)
    }

    pub(super) fn number(&mut self, key: &str, raw: Option<Spanned<i64>>, number: &Number) -> u64 {
        let Some(raw) = raw else { return number.default };
        match u64::try_from(*raw.get_ref()) {
            Ok(value) if number.allowed.contains(&value) => value,
            _ => {
                let (low, high) = (number.allowed.start(), number.allowed.end());
                self.fault(raw.span().start, format!("{key}: {} is not within {low} and {high}", raw.get_ref()));
                number.default
            }
        }
    }

    pub(super) fn small(&mut self, key: &str, raw: Option<Spanned<i64>>, number: &Number) -> u32 {
        u32::try_from(self.number(key, raw, number)).unwrap_or(u32::MAX)
    }

    fn kek(&mut self, raw: Option<Spanned<RawKek>>, data: &Path) -> Kek {
        let default = Kek::File(data.join("kek"));
        let Some(raw) = raw else { return default };
        let at = raw.span().start;
        match raw.into_inner() {
            RawKek { file: None, env: None, command: None } => default,
            RawKek { file: Some(file), env: None, command: None } => Kek::File(self.path("kek.file", Some(file), "")),
            RawKek { file: None, env: Some(env), command: None } => {
                let name = env.get_ref();
                if name.is_empty() || name.contains(['=', '\0']) {
                    self.fault(env.span().start, "kek.env: this is not the name of an environment variable".to_owned());
                }
                Kek::Env(env.into_inner())
            }
            RawKek { file: None, env: None, command: Some(command) } => {
                if command.get_ref().first().is_none_or(String::is_empty) {
                    self.fault(command.span().start, "kek.command: the first entry must name a program".to_owned());
                }
                Kek::Command(command.into_inner())
            }
            _ => {
                self.fault(at, "kek: give only one of `file`, `env` and `command`".to_owned());
                default
            }
        }
    }

    fn domain(&mut self, raw: Option<Spanned<String>>) -> Option<String> {
        let raw = raw?;
        let text = raw.get_ref().to_ascii_lowercase();
        let label = |label: &str| {
            let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
        };
        // A resolver takes a name for an address whose last label is a number.
        if text
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let message = format!(
                "native.domain: `{}` is an IP address, and no account has a name below one; give a domain whose names lead here, or a port for each account in native.listeners",
                raw.get_ref()
            );
            self.fault(raw.span().start, message);
            return Some(text);
        }
        if text.len() > DOMAIN_BYTES_MAX || !text.split('.').all(label) {
            let message = format!(
                "native.domain: `{}` is not a host name, such as `social.example.com`; each account is then reached at `<account>.social.example.com`",
                raw.get_ref()
            );
            self.fault(raw.span().start, message);
        }
        Some(text)
    }

    fn listeners(&mut self, raw: BTreeMap<String, Spanned<String>>) -> BTreeMap<AccountId, SocketAddr> {
        let address = |(account, written): (String, Spanned<String>)| {
            let key = format!("native.listeners.{account}");
            let address = self.listener(&key, Some(written), "127.0.0.1:8431");
            (AccountId::new(account), address)
        };
        raw.into_iter().map(address).collect()
    }

    fn shared(&mut self, raw: RawShared) -> Option<SharedLimits> {
        let at = raw.url.span().start;
        let nodes = self.small("limits.shared.nodes", Some(raw.nodes), &NODES);
        let timeout_ms = self.number("limits.shared.timeout_ms", raw.timeout_ms, &SHARED_TIMEOUT_MS);
        let url = match raw.url.get_ref().parse::<Url>() {
            Ok(url) if ["redis", "unix"].contains(&url.scheme()) => url,
            _ => {
                self.fault(
                    at,
                    "limits.shared.url: write `redis://host:port/0` or `unix:///path/of/the/socket`".to_owned(),
                );
                return None;
            }
        };
        if url.password().is_some() || url.query().is_some() {
            // The value is not shown: it holds a secret.
            self.fault(
                at,
                "limits.shared.url: put the password into an environment variable, and its name into `password_env`"
                    .to_owned(),
            );
            return None;
        }
        if let Some(name) = raw
            .password_env
            .as_ref()
            .filter(|name| name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) || url.scheme() != "redis")
        {
            let rule = "limits.shared.password_env: the name of an environment variable, for a `redis://` address";
            self.fault(name.span().start, rule.to_owned());
        }
        Some(SharedLimits { url, password_env: raw.password_env.map(Spanned::into_inner), nodes, timeout_ms })
    }

    fn filter(&mut self, raw: Option<Spanned<String>>) -> String {
        let (text, at) = spanned(raw, "info");
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&text) {
            self.fault(at, format!("log.filter: {error}; write `info` or `pressgate=debug,warn`"));
        }
        text
    }
}

/// A value and the byte at which it starts; a default has no place.
pub(super) fn spanned(raw: Option<Spanned<String>>, default: &str) -> (String, usize) {
    raw.map_or_else(|| (default.to_owned(), 0), |raw| (raw.get_ref().clone(), raw.span().start))
}
