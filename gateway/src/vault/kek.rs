//! Where the key-encryption key comes from: 32 random bytes, written as base64.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{io::AsyncReadExt, process::Command};
use zeroize::Zeroizing;

use super::VaultError;

/// Length of every key here.
pub(super) const KEY_BYTES: usize = 32;
/// More text than a key can be.
const KEK_TEXT_BYTES_MAX: u64 = 1024;
/// How long a command may take to print the key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// A key that is wiped when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Where the key-encryption key is read from at start. In each case it is the base64 of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KekSource {
    /// A file that only its owner may read (mode 0600 or 0400).
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A command and its arguments, which prints the key (a KMS client, `systemd-creds cat`).
    Command(Vec<String>),
}

impl KekSource {
    /// Whether a key can be read.
    ///
    /// # Errors
    /// [`VaultError::Kek`] says why not.
    pub async fn check(&self) -> Result<(), VaultError> {
        read(self).await.map(drop)
    }
}

/// Makes a new key-encryption key: 32 random bytes as base64 in a file of mode 0600.
///
/// # Errors
/// The file exists already (it is never overwritten) or can't be written.
pub fn create_kek_file(path: &Path) -> Result<(), VaultError> {
    let shown = path.display();
    let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| VaultError::Kek("no random bytes".into()))?;
    let mut text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    text.push('\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| VaultError::Kek(format!("`{shown}` can't be made: {error}")))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| VaultError::Kek(format!("`{shown}` can't be written: {error}")))?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| VaultError::Kek(format!("the folder of `{shown}` can't be synced: {error}")))
}

/// Reads the key.
pub(super) async fn read(source: &KekSource) -> Result<Key, VaultError> {
    match source {
        KekSource::File(path) => from_file(path),
        KekSource::Env(name) => from_environment(name),
        KekSource::Command(words) => from_command(words).await,
    }
}

fn from_file(path: &Path) -> Result<Key, VaultError> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| VaultError::Kek(format!("`{shown}` can't be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(VaultError::Kek(format!("`{shown}` is not a file")));
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o777;
        return Err(VaultError::Kek(format!("others may use `{shown}` (mode {mode:04o}); run `chmod 600 {shown}`")));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(KEK_TEXT_BYTES_MAX as usize));
    file.take(KEK_TEXT_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
    decode(&text, &format!("`{shown}`"))
}

fn from_environment(name: &str) -> Result<Key, VaultError> {
    match std::env::var(name) {
        Ok(text) => decode(Zeroizing::new(text).as_bytes(), &format!("the environment variable `{name}`")),
        Err(std::env::VarError::NotPresent) => {
            Err(VaultError::Kek(format!("the environment variable `{name}` is not set")))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(VaultError::Kek(format!("the environment variable `{name}` is not base64")))
        }
    }
}

async fn from_command(words: &[String]) -> Result<Key, VaultError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(VaultError::Kek("the command that prints it is empty".into()));
    };
    let failed = |why: String| VaultError::Kek(format!("the command `{program}` {why}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("can't be started: {error}")))?;
    let mut text = Zeroizing::new(Vec::with_capacity(KEK_TEXT_BYTES_MAX as usize));
    let reading = async {
        if let Some(output) = child.stdout.take() {
            output.take(KEK_TEXT_BYTES_MAX).read_to_end(&mut text).await?;
        }
        child.wait().await
    };
    let status = match tokio::time::timeout(COMMAND_TIMEOUT, reading).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(failed(format!("can't be read: {error}"))),
        Err(_) => return Err(failed(format!("took longer than {} s", COMMAND_TIMEOUT.as_secs()))),
    };
    if !status.success() {
        return Err(failed(format!("failed ({status})")));
    }
    decode(&text, &format!("the output of `{program}`"))
}

fn decode(text: &[u8], place: &str) -> Result<Key, VaultError> {
    let wrong = || VaultError::Kek(format!("{place} does not hold the base64 of {KEY_BYTES} bytes"));
    let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
    // The decoder wants room for what the padding might have been.
    let mut room = Zeroizing::new([0_u8; KEY_BYTES + 4]);
    let length = STANDARD.decode_slice(text.trim_ascii(), room.as_mut_slice()).map_err(|_| wrong())?;
    let bytes = room.get(..length).filter(|bytes| bytes.len() == KEY_BYTES).ok_or_else(wrong)?;
    key.copy_from_slice(bytes);
    Ok(key)
}
