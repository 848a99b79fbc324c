//! The witnesses of the log: is there one, and does it cosign?

use super::Findings;
use crate::{config::Config, witness::WitnessStatus};

/// What the configuration says of them.
pub fn configured(config: &Config, findings: &mut Findings) {
    if config.witness.is_empty() {
        let why = "none: whoever takes over this machine could make the log another past; see docs/audit/witness.md";
        return findings.skip("witnesses", why);
    }
    for witness in &config.witness {
        let at = witness.url.origin().ascii_serialization();
        findings.add(format!("witness {}", witness.name), Ok(format!("{} at {at}", witness.key.name())));
    }
}

/// How they are in the running gateway.
pub fn running(all: &[WitnessStatus], findings: &mut Findings) {
    for status in all {
        findings.add(format!("cosigned by {}", status.name), one(status));
    }
}

/// Behind for a moment is no fault: there is a new checkpoint each second. An alarm is one.
fn one(status: &WitnessStatus) -> Result<String, String> {
    let covered = match status.size {
        Some(size) => format!("{size} leaves"),
        None => "nothing yet".to_owned(),
    };
    let told = match &status.last_error {
        Some(why) => format!("{covered}; behind for {} s: {why}", status.behind_ms / 1000),
        None => covered,
    };
    if status.alarms.is_empty() { Ok(told) } else { Err(format!("{}: {told}", status.alarms.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alarm_is_a_fault() {
        let mut status = WitnessStatus {
            name: "team".into(),
            url: "https://w.example/".into(),
            key: "w.example+00000000+AAAA".into(),
            size: Some(7),
            time_s: Some(1),
            behind_ms: 0,
            alarm_ms: 60_000,
            failures: 0,
            last_error: None,
            alarms: Vec::new(),
        };
        assert_eq!(one(&status), Ok("7 leaves".into()));
        (status.behind_ms, status.last_error) = (61_000, Some("no answer".into()));
        assert_eq!(one(&status), Ok("7 leaves; behind for 61 s: no answer".into()));
        status.alarms.push("witness-missing".into());
        assert!(one(&status).unwrap_err().starts_with("witness-missing: 7 leaves"));
    }
}
