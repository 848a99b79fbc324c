//! `[[witness]]`: who cosigns the audit log's checkpoints, on a machine that is not the gateway's.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use pressgate_audit::note::{Algorithm, Verifier};
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;
use url::Url;

use super::raw::{Checker, Number};
use crate::model::hex::hex;

/// Witnesses of one gateway.
const WITNESSES_MAX: usize = 16;
/// Bounds and defaults, in the unit that each name ends in.
const TIMEOUT_MS: Number = Number { default: 10_000, allowed: 100..=60_000 };
const ALARM_SECONDS: Number = Number { default: 60, allowed: 1..=86_400 };

/// One witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name here; its newest cosignature is kept in a file of this name.
    pub name: String,
    /// Its submission prefix (C2SP tlog-witness), which ends in a slash.
    pub url: Url,
    /// The key of its cosignatures.
    pub key: Verifier,
    /// Permits plain HTTP and addresses that are not global.
    pub private_endpoint: bool,
    /// Longest wait for one answer.
    pub timeout_ms: u64,
    /// So long without a cosignature on a newer checkpoint, an alarm is raised.
    pub alarm_seconds: u64,
}

impl Witness {
    /// Digest of the whole configuration, for the log: another digest, another witness.
    pub fn digest(&self) -> String {
        let key = self.key.to_string();
        let parts =
            json!([self.name, self.url.as_str(), key, self.private_endpoint, self.timeout_ms, self.alarm_seconds]);
        hex(digest(&SHA256, parts.to_string().as_bytes()).as_ref())
    }
}

/// `[[witness]]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWitness {
    name: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    private_endpoint: bool,
    timeout_ms: Option<Spanned<i64>>,
    alarm_seconds: Option<Spanned<i64>>,
}

impl Checker<'_> {
    pub(super) fn witnesses(&mut self, raw: Vec<Spanned<RawWitness>>) -> Vec<Witness> {
        let mut witnesses = Vec::new();
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for (number, raw) in raw.into_iter().enumerate() {
            let at = raw.span().start;
            if number == WITNESSES_MAX {
                self.fault(at, format!("witness: more than {WITNESSES_MAX}"));
                break;
            }
            let Some(witness) = self.witness(at, raw.into_inner()) else { continue };
            if !names.insert(witness.name.clone()) {
                self.fault(at, format!("witness.name: two witnesses are called `{}`", witness.name));
            }
            // One machine that is asked twice is not two witnesses.
            if !keys.insert(witness.key.to_string()) {
                self.fault(at, format!("witness.key: `{}` has the key of another witness", witness.name));
            }
            witnesses.push(witness);
        }
        witnesses
    }

    fn witness(&mut self, at: usize, raw: RawWitness) -> Option<Witness> {
        let name = self.short_name("witness", at, raw.name);
        let private_endpoint = raw.private_endpoint;
        let timeout_ms = self.number("witness.timeout_ms", raw.timeout_ms, &TIMEOUT_MS);
        let alarm_seconds = self.number("witness.alarm_seconds", raw.alarm_seconds, &ALARM_SECONDS);
        let url_at = raw.url.as_ref().map_or(at, |url| url.span().start);
        let mut url = self.url("witness", at, raw.url, private_endpoint);
        if url.as_ref().is_some_and(|url| url.query().is_some()) {
            self.fault(url_at, "witness.url: the address of a witness has no query".to_owned());
        }
        if let Some(url) = url.as_mut().filter(|url| !url.path().ends_with('/')) {
            // `add-checkpoint` comes below it.
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let key = self.witness_key(at, raw.key);
        Some(Witness { name: name?, url: url?, key: key?, private_endpoint, timeout_ms, alarm_seconds })
    }

    fn witness_key(&mut self, at: usize, raw: Option<Spanned<String>>) -> Option<Verifier> {
        let Some(raw) = raw else {
            let told =
                "witness.key: the verifier key of the witness; `pressgate audit witness key` on its machine prints it";
            self.fault(at, told.to_owned());
            return None;
        };
        let at = raw.span().start;
        match Verifier::parse(raw.get_ref()) {
            Ok(key) if key.algorithm() == Algorithm::Cosignature => Some(key),
            Ok(_) => {
                self.fault(at, "witness.key: this is the key of a log, not one that cosigns".to_owned());
                None
            }
            Err(error) => {
                self.fault(at, format!("witness.key: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pressgate_audit::note::Signer;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Vec<Witness>, Vec<String>> {
        Config::parse(text, "p.toml", Path::new("/etc/p"))
            .map(|config| config.witness)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn key(algorithm: Algorithm, seed: u8) -> String {
        Signer::from_seed("w.example", algorithm, [seed; 32].into()).unwrap().verifier().to_string()
    }

    fn entry(name: &str, seed: u8) -> String {
        let key = key(Algorithm::Cosignature, seed);
        format!("[[witness]]\nname = \"{name}\"\nkey = \"{key}\"\n")
    }

    #[test]
    fn a_witness_is_read_with_its_defaults() {
        let text = format!(
            "{}url = \"https://w.example/pressgate\"\n{}url = \"http://10.0.0.9:8430\"\nprivate_endpoint = true\nalarm_seconds = 5\n",
            entry("team", 1),
            entry("other", 2)
        );
        let all = parse(&text).unwrap();
        assert_eq!(all[0].url.as_str(), "https://w.example/pressgate/");
        assert_eq!((all[0].timeout_ms, all[0].alarm_seconds, all[0].private_endpoint), (10_000, 60, false));
        assert_eq!((all[1].url.as_str(), all[1].alarm_seconds), ("http://10.0.0.9:8430/", 5));
        assert_ne!(all[0].digest(), all[1].digest());
        assert_eq!(all[0].digest(), parse(&text).unwrap()[0].digest());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let url = "url = \"https://w.example\"\n";
        let log = key(Algorithm::Ed25519, 1);
        for (text, line, part) in [
            (format!("[[witness]]\n{url}"), 1, "needs a name"),
            (format!("[[witness]]\nname = \"a\"\n{url}"), 1, "witness key"),
            (format!("[[witness]]\nname = \"a\"\nkey = \"{log}\"\n{url}"), 3, "key of a log"),
            (format!("[[witness]]\nname = \"a\"\nkey = \"w+00000000+AAAA\"\n{url}"), 3, "not a key"),
            (entry("a", 1), 1, "where to"),
            (format!("{}url = \"http://w.example\"\n", entry("a", 1)), 4, "private_endpoint"),
            (format!("{}url = \"https://w.example/?a\"\n", entry("a", 1)), 4, "no query"),
            (format!("{}{url}alarm_seconds = 0\n", entry("a", 1)), 5, "not within"),
            (format!("{}{url}timeout_ms = 1\n", entry("a", 1)), 5, "not within"),
            (format!("{}{url}secret = \"x\"\n", entry("a", 1)), 5, "unknown field"),
            (format!("{}{url}{}{url}", entry("a", 1), entry("a", 2)), 5, "two witnesses"),
            (format!("{}{url}{}{url}", entry("a", 1), entry("b", 1)), 5, "another witness"),
        ] {
            let faults = parse(&text).unwrap_err();
            assert!(
                faults.iter().any(|fault| fault.starts_with(&format!("p.toml:{line}: ")) && fault.contains(part)),
                "{text}: {faults:?}"
            );
        }
    }
}
