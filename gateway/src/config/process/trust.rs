//! `plugins.trusted_keys`, `plugins.revoked_keys`, `plugins.unsigned`: whose plugins may run.

use std::collections::BTreeSet;

use pressgate_audit::note::{Algorithm, Verifier};
use serde::Deserialize;

use super::raw::{Checker, RawPlugins};
use crate::model::PluginName;

/// A key whose signature on a plugin counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: Verifier,
    /// The only plugins that it may sign; any, without.
    pub plugins: Option<BTreeSet<PluginName>>,
}

/// What becomes of a plugin that no trusted key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsigned {
    /// It runs. For development.
    Allow,
    /// It is refused.
    Refuse,
}

/// `"name+id+base64"`, or `{ key = "…", plugins = ["square"] }`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "write the public key as `pressgate plugin key` prints it, or { key = \"…\", plugins = [\"…\"] }"
)]
pub(super) enum RawTrustedKey {
    Any(String),
    Some(RawSome),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSome {
    key: String,
    plugins: Vec<String>,
}

impl Checker<'_> {
    /// Whose signatures count, whose no more, and what becomes of the rest.
    pub(super) fn trust(&mut self, raw: &mut RawPlugins) -> (Vec<TrustedKey>, Vec<Verifier>, Unsigned) {
        let mut trusted: Vec<TrustedKey> = Vec::new();
        for raw in std::mem::take(&mut raw.trusted_keys) {
            let at = raw.span().start;
            let (text, names) = match raw.into_inner() {
                RawTrustedKey::Any(text) => (text, None),
                RawTrustedKey::Some(RawSome { key, plugins }) => (key, Some(plugins)),
            };
            let Some(key) = self.plugin_key("plugins.trusted_keys", at, &text) else { continue };
            if trusted.iter().any(|known| known.key.is_same_key(&key)) {
                self.fault(at, format!("plugins.trusted_keys: {} is there twice", key.label()));
            }
            let plugins = names.map(|names| self.plugin_names(at, names));
            trusted.push(TrustedKey { key, plugins });
        }
        let mut revoked = Vec::new();
        for raw in std::mem::take(&mut raw.revoked_keys) {
            revoked.extend(self.plugin_key("plugins.revoked_keys", raw.span().start, raw.get_ref()));
        }
        let usual = if trusted.is_empty() { Unsigned::Allow } else { Unsigned::Refuse };
        let Some(unsigned) = raw.unsigned.take() else { return (trusted, revoked, usual) };
        if *unsigned.get_ref() == Unsigned::Refuse && trusted.is_empty() {
            let told = "plugins.unsigned: without a key in `trusted_keys` every plugin would be refused; add one (`pressgate plugin key` makes it)";
            self.fault(unsigned.span().start, told.to_owned());
        }
        (trusted, revoked, unsigned.into_inner())
    }

    fn plugin_names(&mut self, at: usize, names: Vec<String>) -> BTreeSet<PluginName> {
        if names.is_empty() {
            let told = "plugins.trusted_keys: `plugins` is empty, and the key could sign nothing; name plugins, or leave it out for any";
            self.fault(at, told.to_owned());
        }
        let mut known = BTreeSet::new();
        for name in names {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(fits) {
                let shown = name.escape_debug();
                self.fault(
                    at,
                    format!("plugins.trusted_keys: `{shown}` is no plugin's name; those are of a-z, 0-9 and -"),
                );
                continue;
            }
            known.insert(PluginName::new(name));
        }
        known
    }

    fn plugin_key(&mut self, name: &str, at: usize, text: &str) -> Option<Verifier> {
        match Verifier::parse(text) {
            Ok(key) if key.algorithm() == Algorithm::Ed25519 => return Some(key),
            Ok(_) => self.fault(at, format!("{name}: this is the key of a witness, not one that signs plugins")),
            // What was written is not shown: it may be the secret part by mistake.
            Err(error) => self.fault(at, format!("{name}: {error}, as `pressgate plugin key` prints it")),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pressgate_audit::note::Signer;

    use super::*;
    use crate::config::Config;

    fn key(seed: u8, algorithm: Algorithm) -> String {
        Signer::from_seed("acme", algorithm, [seed; 32].into()).unwrap().verifier().to_string()
    }

    fn parse(text: &str) -> Result<super::super::Plugins, String> {
        let config = Config::parse(&format!("[plugins]\n{text}\n"), "p.toml", Path::new(""));
        config.map(|config| config.plugins).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn unsigned_plugins_are_refused_as_soon_as_a_key_is_trusted() {
        let none = parse("").unwrap();
        assert!(none.trusted_keys.is_empty() && none.unsigned == Unsigned::Allow);
        let (one, two) = (key(1, Algorithm::Ed25519), key(2, Algorithm::Ed25519));
        let text =
            format!("trusted_keys = [\"{one}\", {{ key = \"{two}\", plugins = [\"x\"] }}]\nrevoked_keys = [\"{two}\"]");
        let some = parse(&text).unwrap();
        assert_eq!((some.unsigned, some.trusted_keys.len(), some.revoked_keys.len()), (Unsigned::Refuse, 2, 1));
        assert!(some.trusted_keys[0].plugins.is_none());
        assert_eq!(some.trusted_keys[1].plugins.as_ref().unwrap().first().unwrap().as_str(), "x");
        assert_eq!(parse(&format!("{text}\nunsigned = \"allow\"")).unwrap().unsigned, Unsigned::Allow);
    }

    #[test]
    fn what_is_no_key_is_told_with_its_line_and_never_shown() {
        let (good, witness) = (key(1, Algorithm::Ed25519), key(1, Algorithm::Cosignature));
        let signer = Signer::from_seed("acme", Algorithm::Ed25519, [1; 32].into()).unwrap();
        let secret = signer.secret_text().to_string();
        for (text, part) in [
            ("trusted_keys = [\"acme+00000000+AAAA\"]".to_owned(), "not a key"),
            (format!("trusted_keys = [\"{secret}\"]"), "not a key"),
            (format!("revoked_keys = [\"{witness}\"]"), "key of a witness"),
            (format!("trusted_keys = [\"{good}\", \"{good}\"]"), "twice"),
            (format!("trusted_keys = [{{ key = \"{good}\", plugins = [] }}]"), "could sign nothing"),
            (format!("trusted_keys = [{{ key = \"{good}\", plugins = [\"A b\"] }}]"), "no plugin's name"),
            ("trusted_keys = [1]".to_owned(), "write the public key"),
            ("unsigned = \"refuse\"".to_owned(), "every plugin would be refused"),
            ("unsigned = \"maybe\"".to_owned(), "unknown variant"),
        ] {
            let told = parse(&text).unwrap_err();
            assert!(told.starts_with("p.toml:2: ") && told.contains(part), "{text}: {told}");
            assert!(!told.contains(secret.rsplit('+').next().unwrap()), "{told}");
        }
    }
}
