//! The demo's folder: configuration, governance, plugins, keys. Made anew at each start.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Failed;

/// Where the sample network is in the governance of the examples.
pub(crate) const USUAL_NETWORK: &str = "http://127.0.0.1:8480";
/// Plugins that the demo uses.
const PLUGINS: [&str; 2] = ["guidelines", "mastodon"];
/// Bytes of the token that the sample network wants to see.
const TOKEN_BYTES: usize = 24;

/// The folder and what was built.
pub(crate) struct Site {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The program `pressgate`.
    pub(crate) pressgate: PathBuf,
    /// The program `sample-network`.
    pub(crate) network: PathBuf,
    /// What the sample network gave for its account. Never shown.
    pub(crate) token: String,
    /// Held as long as the demo runs.
    _lock: File,
}

impl Site {
    /// Makes the folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, Failed> {
        let program = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        let profile = program.parent().ok_or("this program lies in no folder")?;
        let target = profile.parent().ok_or("this program lies in no folder of cargo's")?;
        let (pressgate, network) = (built(profile.join("pressgate"))?, built(profile.join("sample-network"))?);

        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        let folder = folder.canonicalize().map_err(|error| at(folder, &error))?;
        let lock = lock(&folder)?;
        for stale in ["data", "governance", "plugins", "keys"] {
            let stale = folder.join(stale);
            if stale.exists() {
                fs::remove_dir_all(&stale).map_err(|error| at(&stale, &error))?;
            }
        }
        fs::create_dir(folder.join("keys")).map_err(|error| at(&folder, &error))?;
        fs::create_dir(folder.join("plugins")).map_err(|error| at(&folder, &error))?;
        for plugin in PLUGINS {
            let name = format!("{plugin}.wasm");
            let from = built(target.join("plugins").join(&name))?;
            fs::copy(&from, folder.join("plugins").join(&name)).map_err(|error| at(&from, &error))?;
        }
        Ok(Self { folder, pressgate, network, token: token()?, _lock: lock })
    }

    /// Writes the governance of `examples/governance`, with the address at which the sample network really is.
    pub(crate) fn write_governance(&self, network: &str) -> Result<(), Failed> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance");
        copy(&from, &self.folder.join("governance"), &|text| text.replace(USUAL_NETWORK, network))
    }

    /// Writes `pressgate.toml` with the ports for apps and operators; 0 takes a free one.
    pub(crate) fn write_configuration(&self, apps: u16, operators: u16) -> Result<(), Failed> {
        let text = format!(
            "data = \"data\"\ngovernance = \"governance\"\n\n[listen]\naddress = \"127.0.0.1:{apps}\"\n\
             operator = \"127.0.0.1:{operators}\"\n\n[plugins]\ndir = \"plugins\"\n\n\
             # A trial takes little room, and need not stop on a disk that is nearly full.\n\
             [audit]\nsegment_bytes = 4194304\nlow_disk_percent = 0\n"
        );
        let path = self.folder.join("pressgate.toml");
        fs::write(&path, text).map_err(|error| at(&path, &error))
    }

    /// The file with somebody's Pressgate key.
    pub(crate) fn key_file(&self, holder: &str) -> PathBuf {
        self.folder.join("keys").join(holder)
    }

    /// Somebody's Pressgate key.
    pub(crate) fn key(&self, holder: &str) -> Result<String, Failed> {
        let path = self.key_file(holder);
        fs::read_to_string(&path).map(|key| key.trim().to_owned()).map_err(|error| at(&path, &error))
    }

    /// A path of the folder, to be typed.
    pub(crate) fn shown(&self, name: &str) -> String {
        shown(&self.folder.join(name))
    }
}

/// A path as a person would type it in the folder that they stand in.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn built(path: PathBuf) -> Result<PathBuf, Failed> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not built; run `make demo`, which builds it", path.display()))
    }
}

/// One demo a folder: the next one would take the data away under the feet of this one.
fn lock(folder: &Path) -> Result<File, Failed> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| at(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(format!("another demo runs in {}; stop it first", folder.display())),
    }
}

fn token() -> Result<String, Failed> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; TOKEN_BYTES];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| at(path, &error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(String) -> String) -> Result<(), Failed> {
    fs::create_dir_all(to).map_err(|error| at(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| at(from, &error))? {
        let entry = entry.map_err(|error| at(from, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target, change)?;
        } else {
            let text = fs::read_to_string(&source).map_err(|error| at(&source, &error))?;
            fs::write(&target, change(text)).map_err(|error| at(&target, &error))?;
        }
    }
    Ok(())
}

/// A file that can't be used.
pub(crate) fn at(path: &Path, error: &dyn std::fmt::Display) -> Failed {
    format!("{}: {error}", path.display())
}
