//! `[telemetry]`: where traces, metrics and the process's own log are pushed to.

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    SecretFrom,
    export::RawSecret,
    raw::{Checker, Number},
};

const METRICS_SECONDS: Number = Number { default: 60, allowed: 1..=3_600 };
/// Shares are kept in millionths.
const WHOLE: u32 = 1_000_000;

/// Where telemetry goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector; `/v1/traces` and the like are added.
    pub otlp: Url,
    /// Permits plain HTTP and addresses that are not global.
    pub private_endpoint: bool,
    /// A header that opens the collector: its name and where its value is.
    pub header: Option<(String, SecretFrom)>,
    /// Are traces sent?
    pub traces: bool,
    /// Are metrics sent?
    pub metrics: bool,
    /// Is the process's own log sent?
    pub logs: bool,
    /// The share of calls without a sampled parent that are traced, in millionths.
    pub traces_millionths: u32,
    /// How often metrics are sent.
    pub metrics_seconds: u64,
    /// Networks get a `traceparent`.
    pub send_traceparent: bool,
}

impl Telemetry {
    /// The share of calls without a sampled parent that are traced.
    pub fn traces_ratio(&self) -> f64 {
        f64::from(self.traces_millionths) / f64::from(WHOLE)
    }
}

/// `[telemetry]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelemetry {
    otlp: Option<Spanned<String>>,
    private_endpoint: Option<Spanned<bool>>,
    header: Option<Spanned<String>>,
    secret: Option<Spanned<RawSecret>>,
    traces: Option<Spanned<bool>>,
    metrics: Option<Spanned<bool>>,
    logs: Option<Spanned<bool>>,
    traces_ratio: Option<Spanned<f64>>,
    metrics_seconds: Option<Spanned<i64>>,
    send_traceparent: Option<Spanned<bool>>,
}

impl Checker<'_> {
    pub(super) fn telemetry(&mut self, raw: RawTelemetry) -> Option<Telemetry> {
        let Some(otlp) = raw.otlp else {
            self.nothing_without(&raw);
            return None;
        };
        let on = |key: Option<Spanned<bool>>, default| key.map_or(default, Spanned::into_inner);
        let private_endpoint = on(raw.private_endpoint, false);
        let at = otlp.span().start;
        let header = self.secret_header("telemetry", raw.secret, raw.header);
        let metrics_seconds = self.number("telemetry.metrics_seconds", raw.metrics_seconds, &METRICS_SECONDS);
        let traces_millionths = self.share(raw.traces_ratio);
        let otlp = self.url("telemetry", at, Some(otlp), private_endpoint)?;
        if otlp.query().is_some() {
            self.fault(at, "telemetry.otlp: an address has no query here".to_owned());
        }
        Some(Telemetry {
            otlp,
            private_endpoint,
            header,
            traces: on(raw.traces, true),
            metrics: on(raw.metrics, true),
            logs: on(raw.logs, true),
            traces_millionths,
            metrics_seconds,
            send_traceparent: on(raw.send_traceparent, false),
        })
    }

    fn share(&mut self, raw: Option<Spanned<f64>>) -> u32 {
        let Some(raw) = raw else { return WHOLE };
        let share = *raw.get_ref();
        if !(0.0..=1.0).contains(&share) {
            self.fault(raw.span().start, format!("telemetry.traces_ratio: {share} is not within 0 and 1"));
            return WHOLE;
        }
        // Between 0 and a million.
        (share * f64::from(WHOLE)).round() as u32
    }

    /// Keys that do nothing are a mistake, not a decoration.
    fn nothing_without(&mut self, raw: &RawTelemetry) {
        let left = [
            ("private_endpoint", raw.private_endpoint.as_ref().map(Spanned::span)),
            ("header", raw.header.as_ref().map(Spanned::span)),
            ("secret", raw.secret.as_ref().map(Spanned::span)),
            ("traces", raw.traces.as_ref().map(Spanned::span)),
            ("metrics", raw.metrics.as_ref().map(Spanned::span)),
            ("logs", raw.logs.as_ref().map(Spanned::span)),
            ("traces_ratio", raw.traces_ratio.as_ref().map(Spanned::span)),
            ("metrics_seconds", raw.metrics_seconds.as_ref().map(Spanned::span)),
            ("send_traceparent", raw.send_traceparent.as_ref().map(Spanned::span)),
        ];
        for (key, span) in left {
            if let Some(span) = span {
                self.fault(span.start, format!("telemetry.{key}: there is no `telemetry.otlp` to send anything to"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Option<Telemetry>, String> {
        Config::parse(text, "p.toml", Path::new("/etc/p"))
            .map(|config| config.telemetry)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn without_an_address_it_is_off() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("[telemetry]\n"), Ok(None));
        for key in ["traces = true", "traces_ratio = 0.5", "metrics_seconds = 5", "secret = { env = \"A\" }"] {
            assert!(parse(&format!("[telemetry]\n{key}\n")).is_err_and(|fault| fault.contains("no `telemetry.otlp`")));
        }
    }

    #[test]
    fn it_is_read_and_checked() {
        let read = parse("telemetry.otlp = \"https://c:4318/x\"\n").unwrap().unwrap();
        assert!(read.traces && read.metrics && read.logs && !read.send_traceparent && read.header.is_none());
        assert_eq!((read.traces_ratio(), read.metrics_seconds), (1.0, 60));
        let more = "[telemetry]\notlp = \"http://127.0.0.1:4318\"\nprivate_endpoint = true\ntraces_ratio = 0.25\nlogs = false\nsecret = { env = \"A\" }\n";
        let read = parse(more).unwrap().unwrap();
        assert!(!read.logs && read.private_endpoint);
        assert_eq!(read.traces_ratio(), 0.25);
        assert_eq!(read.header, Some(("authorization".to_owned(), SecretFrom::Env("A".to_owned()))));
        assert_eq!(
            parse("[telemetry]\notlp = \"https://c\"\ntraces_ratio = 0\n").unwrap().unwrap().traces_ratio(),
            0.0
        );
        for bad in [
            "otlp = \"http://c\"",
            "otlp = \"c:4318\"",
            "otlp = \"https://u:p@c\"",
            "otlp = \"https://c?a=b\"",
            "otlp = \"https://c\"\ntraces_ratio = 1.1",
            "otlp = \"https://c\"\ntraces_ratio = -0.1",
            "otlp = \"https://c\"\ntraces_ratio = nan",
            "otlp = \"https://c\"\nmetrics_seconds = 0",
            "otlp = \"https://c\"\nheader = \"x-key\"",
            "otlp = \"https://c\"\nheader = \"host\"\nsecret = { env = \"A\" }",
            "otlp = \"https://c\"\nmore = 1",
        ] {
            assert!(parse(&format!("[telemetry]\n{bad}\n")).is_err(), "{bad}");
        }
    }
}
