//! Credentials that stand in for others, and hosts under other names.

use super::*;

const ADAPTER: &str = r#"
[plugin]
name = "sample"
version = "0.1.0"
kind = "adapter"
wit = "0.1.0"
networks = ["sample"]

[[http]]
origin = "{account.endpoint}"
methods = ["GET"]
path_prefixes = ["/2"]
known_as = ["https://api.sample.example", "https://old.sample.example:8443"]

[[credential]]
label = "token"
scheme = "bearer"

[[credential]]
label = "keys"
scheme = "oauth1"
instead_of = "token"
"#;

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::from_toml(text, |_| Err(String::new()))
}

#[test]
fn keys_that_sign_may_stand_in_for_a_token() {
    let manifest = read(ADAPTER).unwrap();
    let keys = &manifest.credentials[1];
    assert_eq!((&keys.scheme, keys.instead_of.as_deref()), (&CredentialScheme::OAuth1, Some("token")));
    assert_eq!(keys.secrets, ["consumer_key", "consumer_secret", "access_token", "access_token_secret"]);
    assert_eq!((keys.scheme.word(), keys.scheme.connects()), ("oauth1", false));
    assert_eq!(manifest.http[0].known_as, ["https://api.sample.example", "https://old.sample.example:8443"]);
}

#[test]
fn what_stands_in_for_nothing_and_names_that_are_none_are_faults() {
    for (from, to, place) in [
        ("instead_of = \"token\"", "instead_of = \"keys\"", "credential[1].instead_of"),
        ("instead_of = \"token\"", "instead_of = \"other\"", "credential[1].instead_of"),
        ("scheme = \"oauth1\"", "scheme = \"oauth1\"\nsecrets = [\"one\"]", "credential[1].secrets"),
        ("scheme = \"bearer\"", "scheme = \"bearer\"\ninstead_of = \"keys\"", "credential[0].instead_of"),
        ("https://api.sample.example\"", "http://api.sample.example\"", "http[0].known_as[0]"),
        ("https://api.sample.example\"", "https://api.sample.example/2\"", "http[0].known_as[0]"),
        ("https://api.sample.example\"", "{account.endpoint}\"", "http[0].known_as[0]"),
        ("origin = \"{account.endpoint}\"", "origin = \"https://fixed.example\"", "http[0].known_as[0]"),
    ] {
        assert!(ADAPTER.contains(from));
        let fault = read(&ADAPTER.replacen(from, to, 1)).unwrap_err();
        assert_eq!(fault.place, place, "{to}: {fault}");
    }
}
