//! What a release may do, as its manifest asks for it: what is more than before waits for a person.

use std::collections::BTreeSet;

use crate::{
    host::{
        Manifest, PluginGrant,
        manifest::{HttpRule, Limits, Origin},
    },
    records::ReleaseRecord,
};

/// The address that stands for the account's own network.
const ENDPOINT: &str = "{account.endpoint}";

/// What `new` asks for and `before` does not have, a line for each, in order. Of hosts beyond the account's network `before` has those that
/// a person accepted, `granted`.
pub fn more(before: &Manifest, granted: &[String], new: &Manifest) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for rule in &new.http {
        for (method, prefix) in pairs(rule) {
            let line = request(rule, method, prefix);
            let has = |known: &&HttpRule| {
                known.origin == rule.origin
                    && known.methods.iter().any(|known| known == method)
                    && known.path_prefixes.iter().any(|known| covers(known, prefix))
            };
            let known = before.http.iter().any(|known| has(&known));
            let given = matches!(rule.origin, Origin::AccountEndpoint) || granted.contains(&line);
            if !(known && given) {
                lines.insert(line);
            }
        }
    }
    for credential in new.credentials.iter().filter(|credential| !before.credentials.contains(credential)) {
        let secrets = credential.secrets.join(", ");
        lines.insert(format!("credential `{}` ({}; {secrets})", credential.label, credential.scheme.word()));
    }
    for network in new.networks.iter().filter(|network| !before.networks.contains(network)) {
        lines.insert(format!("network `{network}`"));
    }
    lines.extend(limits(&before.limits, &new.limits));
    lines.into_iter().collect()
}

/// The hosts that a person granted by accepting these lines.
pub fn granted(manifest: &Manifest, accepted: &[String]) -> PluginGrant {
    let accepted = |rule: &&HttpRule| {
        pairs(rule).into_iter().all(|(method, prefix)| accepted.contains(&request(rule, method, prefix)))
    };
    let origin = |rule: &HttpRule| match &rule.origin {
        Origin::Fixed(origin) => Some(origin.clone()),
        Origin::AccountEndpoint => None,
    };
    PluginGrant { hosts: manifest.http.iter().filter(accepted).filter_map(origin).collect() }
}

/// What a release has accepted once a person accepted `more`: what was accepted of the release before goes on.
pub fn accepted(before: Option<&ReleaseRecord>, record: &ReleaseRecord, more: &[String]) -> Vec<String> {
    let known = before.map(|before| before.accepted.as_slice()).unwrap_or_default();
    let all: BTreeSet<&String> = record.accepted.iter().chain(known).chain(more).collect();
    all.into_iter().cloned().collect()
}

fn pairs(rule: &HttpRule) -> Vec<(&str, &str)> {
    let of_method = |method| rule.path_prefixes.iter().map(move |prefix| (method, prefix.as_str()));
    rule.methods.iter().flat_map(|method| of_method(method.as_str())).collect()
}

fn request(rule: &HttpRule, method: &str, prefix: &str) -> String {
    match &rule.origin {
        Origin::AccountEndpoint => format!("{method} {ENDPOINT}{prefix}"),
        Origin::Fixed(origin) => format!("{method} {origin}{prefix}"),
    }
}

fn covers(known: &str, prefix: &str) -> bool {
    match prefix.strip_prefix(known) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || known.ends_with('/'),
        None => false,
    }
}

fn limits(before: &Limits, new: &Limits) -> Vec<String> {
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let all = [
        ("guest_ms", before.guest_ms, new.guest_ms),
        ("wall_ms", before.wall_ms, new.wall_ms),
        ("memory_bytes", bytes(before.memory_bytes), bytes(new.memory_bytes)),
        ("host_call_bytes", bytes(before.host_call_bytes), bytes(new.host_call_bytes)),
        ("response_bytes_max", bytes(before.response_bytes_max), bytes(new.response_bytes_max)),
        ("concurrent", u64::from(before.concurrent), u64::from(new.concurrent)),
    ];
    let more = all.into_iter().filter(|(_, before, new)| new > before);
    more.map(|(name, before, new)| format!("limit {name} {new} ({before} before)")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "[plugin]\nname = \"a\"\nversion = \"0.1.0\"\nkind = \"adapter\"\nwit = \"0.1.0\"\nnetworks = [\"a\"]\n\
         [[http]]\norigin = \"{account.endpoint}\"\nmethods = [\"GET\"]\npath_prefixes = [\"/api/v1\"]\n\
         [[credential]]\nlabel = \"token\"\nscheme = \"bearer\"\nsecrets = [\"token\"]\n";
    const CDN: &str = "[[http]]\norigin = \"https://cdn.example\"\nmethods = [\"GET\"]\npath_prefixes = [\"/\"]\n";

    fn manifest(text: &str) -> Manifest {
        Manifest::from_toml(text, |_| Err(String::new())).unwrap()
    }

    #[test]
    fn every_kind_of_more_is_a_line() {
        let plain = manifest(PLAIN);
        assert!(more(&plain, &[], &plain).is_empty());
        let wider = PLAIN
            .replace("[\"GET\"]", "[\"GET\", \"DELETE\"]")
            .replace("[\"/api/v1\"]", "[\"/api/v1/statuses\", \"/api\"]")
            .replace("networks = [\"a\"]", "networks = [\"a\", \"b\"]")
            + CDN
            + "[[credential]]\nlabel = \"app\"\nscheme = \"basic\"\nsecrets = [\"id\", \"secret\"]\n[limits]\nguest_ms = 200\n";
        let told = more(&plain, &[], &manifest(&wider));
        assert_eq!(
            told,
            [
                "DELETE {account.endpoint}/api",
                "DELETE {account.endpoint}/api/v1/statuses",
                "GET https://cdn.example/",
                "GET {account.endpoint}/api",
                "credential `app` (basic; id, secret)",
                "limit guest_ms 200 (100 before)",
                "network `b`",
            ]
        );
        assert!(
            more(&manifest(&wider), &["GET https://cdn.example/".to_owned()], &plain).is_empty(),
            "less is no more"
        );
    }

    #[test]
    fn a_host_that_nobody_accepted_is_more_although_it_was_asked_for_before() {
        let with = manifest(&(PLAIN.to_owned() + CDN));
        let line = "GET https://cdn.example/".to_owned();
        assert_eq!(more(&with, &[], &with), std::slice::from_ref(&line));
        assert!(more(&with, std::slice::from_ref(&line), &with).is_empty());
        assert!(granted(&with, &[]).hosts.is_empty());
        assert_eq!(granted(&with, &[line]).hosts, ["https://cdn.example"]);
    }
}
