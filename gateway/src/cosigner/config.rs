//! The configuration of a witness: a file of its own, or the command line.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use pressgate_audit::note::{Algorithm, Verifier};
use serde::Deserialize;

/// Logs of one witness.
const LOGS_MAX: usize = 1024;
/// Keys of one log.
const KEYS_MAX: usize = 16;
/// The longest origin, in bytes (C2SP tlog-cosignature).
const ORIGIN_BYTES_MAX: usize = 255;
/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a witness works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file of its key.
    pub key: PathBuf,
    /// The folder of what it cosigned.
    pub state: PathBuf,
    /// The logs that it knows.
    pub logs: Vec<KnownLog>,
}

/// A log that a witness knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// Its name, the first line of its checkpoints.
    pub origin: String,
    /// The keys that may sign it; several while a key is changed.
    pub keys: Vec<Verifier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: SocketAddr,
    key: PathBuf,
    state: PathBuf,
    #[serde(default)]
    log: Vec<RawLog>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    origin: Option<String>,
    keys: Vec<String>,
}

impl CosignerConfig {
    /// Reads a file; relative paths start at its folder.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let facts = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
        if facts.len() > FILE_BYTES_MAX {
            return Err(format!("{shown}: the file has more than {FILE_BYTES_MAX} bytes"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, base).map_err(|error| format!("{shown}: {error}"))
    }

    fn parse(text: &str, base: &Path) -> Result<Self, String> {
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut logs = Vec::new();
        for RawLog { origin, keys } in raw.log {
            let keys = keys.iter().map(|key| log_key(key)).collect::<Result<Vec<_>, _>>()?;
            let first = keys.first().ok_or("a log without keys; give the verifier key of each log")?;
            let origin = origin.unwrap_or_else(|| first.name().to_owned());
            logs.push(KnownLog { origin, keys });
        }
        let config = Self { listen: raw.listen, key: base.join(raw.key), state: base.join(raw.state), logs };
        config.checked()
    }

    /// From the command line: keys of the same name are keys of one log.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn of_keys(listen: SocketAddr, key: PathBuf, state: PathBuf, keys: &[String]) -> Result<Self, String> {
        let mut logs: BTreeMap<String, Vec<Verifier>> = BTreeMap::new();
        for key in keys {
            let key = log_key(key)?;
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        let logs = logs.into_iter().map(|(origin, keys)| KnownLog { origin, keys }).collect();
        Self { listen, key, state, logs }.checked()
    }

    fn checked(self) -> Result<Self, String> {
        if self.logs.is_empty() {
            return Err("no log is named; a witness cosigns only logs that it knows".to_owned());
        }
        if self.logs.len() > LOGS_MAX {
            return Err(format!("more than {LOGS_MAX} logs"));
        }
        let mut origins: Vec<&str> = self.logs.iter().map(|log| log.origin.as_str()).collect();
        origins.sort_unstable();
        if let Some(twice) = origins.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first())) {
            return Err(format!("the log `{}` is there twice; give all its keys in one place", twice.unwrap_or(&"")));
        }
        for log in &self.logs {
            let fits = !log.origin.is_empty()
                && log.origin.len() <= ORIGIN_BYTES_MAX
                && !log.origin.chars().any(|letter| letter.is_control());
            if !fits {
                return Err(format!("`{}` can't be the name of a log", log.origin.escape_debug()));
            }
            if log.keys.len() > KEYS_MAX {
                return Err(format!("the log `{}` has more than {KEYS_MAX} keys", log.origin));
            }
        }
        Ok(self)
    }
}

fn log_key(text: &str) -> Result<Verifier, String> {
    let key = Verifier::parse(text).map_err(|error| error.to_string())?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(format!("{key} is the key of a witness, not of a log"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use pressgate_audit::note::Signer;

    use super::*;

    fn key(name: &str, seed: u8) -> String {
        Signer::from_seed(name, Algorithm::Ed25519, [seed; 32].into()).unwrap().verifier().to_string()
    }

    #[test]
    fn a_file_and_the_command_line_say_the_same() {
        let (one, two, other) = (key("acme/audit/n1", 1), key("acme/audit/n1", 2), key("acme/audit/n2", 3));
        let text = format!(
            "listen = \"127.0.0.1:8430\"\nkey = \"w.key\"\nstate = \"state\"\n[[log]]\nkeys = [\"{one}\", \"{two}\"]\n[[log]]\norigin = \"acme/audit/n2\"\nkeys = [\"{other}\"]\n"
        );
        let read = CosignerConfig::parse(&text, Path::new("/etc/w")).unwrap();
        let listen = "127.0.0.1:8430".parse().unwrap();
        let given = [one, other, two];
        let built = CosignerConfig::of_keys(listen, "/etc/w/w.key".into(), "/etc/w/state".into(), &given).unwrap();
        assert_eq!(read, built);
        assert_eq!((read.logs.len(), read.logs[0].keys.len()), (2, 2));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let start = "listen = \"127.0.0.1:8430\"\nkey = \"w.key\"\nstate = \"state\"\n";
        let (one, two) = (key("a", 1), key("a", 2));
        let cosigns = Signer::from_seed("w", Algorithm::Cosignature, [1; 32].into()).unwrap().verifier().to_string();
        for (more, part) in [
            (String::new(), "no log"),
            ("colour = 1\n".to_owned(), "unknown field"),
            ("[[log]]\nkeys = []\n".to_owned(), "without keys"),
            ("[[log]]\nkeys = [\"x\"]\n".to_owned(), "not a key"),
            (format!("[[log]]\nkeys = [\"{cosigns}\"]\n"), "of a witness"),
            (format!("[[log]]\norigin = \"\"\nkeys = [\"{one}\"]\n"), "name of a log"),
            (format!("[[log]]\nkeys = [\"{one}\"]\n[[log]]\nkeys = [\"{two}\"]\n"), "twice"),
        ] {
            let told = CosignerConfig::parse(&format!("{start}{more}"), Path::new("")).unwrap_err();
            assert!(told.contains(part), "{more}: {told}");
        }
        assert!(CosignerConfig::parse("listen = \"x\"\n", Path::new("")).is_err());
    }
}
