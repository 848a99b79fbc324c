//! The exports of the log: can each begin, and how far has each come?

use super::Findings;
use crate::{
    config::Config,
    export::{self, ExportStatus},
};

/// What the configuration says of them: secrets that can be read, folders that are there.
pub fn configured(config: &Config, findings: &mut Findings) {
    for one in &config.export {
        findings.add(format!("export {}", one.name), export::check(one));
    }
}

/// How they are in the running gateway.
pub fn running(all: &[ExportStatus], findings: &mut Findings) {
    for status in all {
        findings.add(format!("exported {}", status.name), one(status));
    }
}

/// Behind is no fault: the log is the buffer. Behind for so long that an alarm stands is one.
fn one(status: &ExportStatus) -> Result<String, String> {
    let behind = match status.lag_leaves {
        0 => "has every leaf".to_owned(),
        leaves => format!("{leaves} leaves behind, the oldest since {} s", status.lag_ms / 1000),
    };
    let told = match &status.last_error {
        Some(why) => format!("{behind}; {why}"),
        None => behind,
    };
    if status.alarms.is_empty() { Ok(told) } else { Err(format!("{}: {told}", status.alarms.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alarm_is_a_fault() {
        let mut status = ExportStatus {
            name: "siem".into(),
            kind: "webhook".into(),
            cursor: 7,
            lag_leaves: 0,
            lag_ms: 0,
            lag_alarm_ms: 300_000,
            delivered: 7,
            rejected: 0,
            failures: 0,
            last_error: None,
            last_delivery_ms: Some(1),
            alarms: Vec::new(),
        };
        assert_eq!(one(&status), Ok("has every leaf".into()));
        (status.lag_leaves, status.lag_ms, status.last_error) = (3, 61_000, Some("no answer".into()));
        assert_eq!(one(&status), Ok("3 leaves behind, the oldest since 61 s; no answer".into()));
        status.alarms.push("export-lag".into());
        assert!(one(&status).unwrap_err().starts_with("export-lag: 3 leaves behind"));
    }
}
