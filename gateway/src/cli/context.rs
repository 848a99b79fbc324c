//! What every command needs: the configuration, the clock, the caller's key.

use std::{
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{client::Client, login::Login, outcome::Failure};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    plugins::Shelf,
    start::Parts,
    trust::Trust,
};

/// The configuration's name where none is given.
pub const CONFIG_FILE: &str = "pressgate.toml";
/// More than a key file can hold.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// What every command needs.
pub struct Context {
    /// `pressgate.toml`, checked.
    pub config: Config,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answer in JSON.
    pub json: bool,
    /// The file of the configuration; none where there is none.
    pub config_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl Context {
    /// Reads the configuration: the file that was named, else the one at the default place, else the defaults.
    pub fn read(path: Option<&Path>, key_file: Option<PathBuf>, json: bool) -> Result<Self, Failure> {
        let config = config(path)?;
        let usual = Path::new(CONFIG_FILE);
        let config_file = path.or(usual.exists().then_some(usual)).map(Path::to_owned);
        Ok(Self { config, clock: Arc::new(SystemClock), json, config_file, key_file })
    }

    /// The parts for opening the stores.
    pub fn parts(&self) -> Parts {
        Parts::real(self.config.clone())
    }

    /// The plugins in the plugin folder.
    pub fn shelf(&self) -> Result<Shelf, Failure> {
        Shelf::read(&self.config.plugins.dir, &Trust::new(&self.config.plugins))
            .map_err(|error| Failure::refused(error.to_string()))
    }

    /// Speaks to the gate as a person: with the key that is given, to the gateway of the configuration; else as the device that
    /// `pressgate login` made this one, to its gate.
    pub fn person(&self, variable: &str) -> Result<Client, Failure> {
        if let Some(key) = self.key(variable)? {
            return Ok(Client::of_apps(&self.config, Some(key)));
        }
        let none = || {
            let text = "your own key is needed: run `pressgate login`, or give --key-file or";
            Failure::refused(format!("{text} {variable}"))
        };
        Login::read()?.ok_or_else(none)?.client()
    }

    /// The key of `--key-file`, where it is given.
    pub fn named_key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        self.key_file.as_deref().map(key_from).transpose()
    }

    /// The caller's key: from `--key-file`, else from the environment.
    pub fn key(&self, variable: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.key_file {
            Some(path) => key_from(path).map(Some),
            None => Ok(std::env::var(variable)
                .ok()
                .map(|key| Zeroizing::new(key.trim().to_owned()))
                .filter(|key| !key.is_empty())),
        }
    }
}

/// The configuration at the path, or at the default place where there is one.
pub fn config(path: Option<&Path>) -> Result<Config, Failure> {
    let read = match path {
        Some(path) => Config::read(path),
        None if Path::new(CONFIG_FILE).exists() => Config::read(Path::new(CONFIG_FILE)),
        None => Config::default_in(Path::new("")),
    };
    read.map_err(|faults| Failure::faults(&faults))
}

fn key_from(path: &Path) -> Result<Zeroizing<String>, Failure> {
    Ok(Zeroizing::new(private_text(path)?.trim().to_owned()))
}

/// The text of a small file that nobody else may use.
pub fn private_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Failure::file(path, &"it is no file; give the file that holds the key"));
    }
    let mode = facts.mode();
    if mode & 0o077 != 0 {
        let shown = path.display();
        return Err(Failure::refused(format!(
            "others may use {shown} (mode {:04o}); run `chmod 600 {shown}`",
            mode & 0o777
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "pgk_x\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let failure = key_from(&path).unwrap_err();
        assert!(failure.to_string().contains("chmod 600"), "{failure}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(*key_from(&path).unwrap(), "pgk_x");
        let failure = key_from(folder.path()).unwrap_err().to_string();
        assert!(failure.contains("it is no file") && !failure.contains("chmod"), "{failure}");
    }

    #[test]
    fn faults_of_the_configuration_are_refusals_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pressgate.toml");
        std::fs::write(&path, "data = \"data\"\nnonsense = 1\n").unwrap();
        let failure = config(Some(&path)).unwrap_err();
        assert!(failure.code() == 1 && failure.to_string().contains("pressgate.toml:2: "), "{failure}");
        assert!(config(Some(&folder.path().join("none.toml"))).is_err(), "a file that was named must exist");
    }
}
