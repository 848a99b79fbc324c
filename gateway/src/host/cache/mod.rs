//! Compiled plugins on disk, so that a start does not compile.
//!
//! Compiled code is native code: whoever can write here can run anything as the gateway. So the folder is the gateway's alone,
//! every file is authenticated with a key from the vault before a byte of it is used, and what does not fit — another engine,
//! another key, a changed byte, a link — is compiled anew and replaced.

mod precompiled;

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{digest, hmac};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::HostError;
use crate::model::hex::hex;

/// Numbers this process's unfinished files, so that no two writers share one.
static DRAFTS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

const MAGIC: &[u8] = b"pressgate compiled 1\n";
const TAG_BYTES: usize = 32;
/// Longest compiled file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The cache's folder, its key and the engine that it serves.
pub(super) struct CodeCache {
    folder: PathBuf,
    key: hmac::Key,
    engine_hash: [u8; 32],
}

/// How a component was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the cache.
    Cache,
    /// Compiled now.
    Compiler,
}

impl CodeCache {
    /// Opens the folder, making it where it is not there.
    ///
    /// # Errors
    /// The folder can't be made, or others than the gateway's user may write to it.
    pub(super) fn open(folder: &Path, key: &[u8; 32], engine: &Engine) -> Result<Self, HostError> {
        let fault = |reason: String| HostError::CacheFolder { folder: folder.to_owned(), reason };
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(|error| fault(error.to_string()))?;
        }
        let found = fs::symlink_metadata(folder).map_err(|error| fault(error.to_string()))?;
        if !found.is_dir() {
            return Err(fault("it is not a folder; choose another".into()));
        }
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
            return Err(fault("it must belong to the gateway's user and have mode 0700".into()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            engine_hash: engine_hash(engine),
        })
    }

    /// The compiled component, where the cache has it whole and unchanged.
    pub(super) fn get(&self, engine: &Engine, wasm_digest: &str) -> Option<Component> {
        let bytes = self.read(wasm_digest)?;
        let compiled = self.verified(&bytes, wasm_digest);
        if compiled.is_none() {
            tracing::warn!(plugin_digest = wasm_digest, "a cached compiled plugin is not authentic; compiling anew");
        }
        match precompiled::load(engine, compiled?) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(plugin_digest = wasm_digest, %error, "a cached compiled plugin does not fit; compiling anew");
                None
            }
        }
    }

    /// Keeps a compiled component. A cache that can't be written only costs time, so the fault is logged.
    pub(super) fn put(&self, component: &Component, wasm_digest: &str) {
        let written = component
            .serialize()
            .map_err(|error| std::io::Error::other(format!("{error:#}")))
            .and_then(|compiled| self.write(wasm_digest, &compiled));
        if let Err(error) = written {
            tracing::warn!(plugin_digest = wasm_digest, %error, "a compiled plugin can't be cached");
        }
    }

    fn path(&self, wasm_digest: &str) -> PathBuf {
        let engine: String = hex(&self.engine_hash).chars().take(16).collect();
        self.folder.join(format!("{wasm_digest}-{engine}.compiled"))
    }

    fn read(&self, wasm_digest: &str) -> Option<Vec<u8>> {
        let mut options = File::options();
        options.read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(self.path(wasm_digest)).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.len() > FILE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()?);
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The tag covers what the code was compiled from and for, so that no file stands in for another.
    fn context(&self, wasm_digest: &str) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(MAGIC);
        context.update(&self.engine_hash);
        context.update(wasm_digest.as_bytes());
        context
    }

    fn verified<'a>(&self, bytes: &'a [u8], wasm_digest: &str) -> Option<&'a [u8]> {
        let (tag, compiled) = bytes.strip_prefix(MAGIC)?.split_at_checked(TAG_BYTES)?;
        let mut context = self.context(wasm_digest);
        context.update(compiled);
        aws_lc_rs::constant_time::verify_slices_are_equal(context.sign().as_ref(), tag).ok()?;
        Some(compiled)
    }

    fn write(&self, wasm_digest: &str, compiled: &[u8]) -> std::io::Result<()> {
        let mut context = self.context(wasm_digest);
        context.update(compiled);
        let path = self.path(wasm_digest);
        let number = DRAFTS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}.part", std::process::id()));
        let tag = context.sign();
        let write = || {
            let mut options = File::options();
            options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(&draft)?;
            file.write_all(MAGIC)?;
            file.write_all(tag.as_ref())?;
            file.write_all(compiled)?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&draft)))
    }
}

/// What this program's own compiler wrote a moment ago, through a pipe that nobody else has.
pub(super) fn fresh(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    precompiled::load(engine, compiled)
}

/// SHA-256 over everything that makes compiled code fit this engine: version, settings, the machine's features.
fn engine_hash(engine: &Engine) -> [u8; 32] {
    struct Sha256(digest::Context);
    impl Hasher for Sha256 {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(&(bytes.len() as u64).to_be_bytes());
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha256(digest::Context::new(&digest::SHA256));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finish().as_ref().try_into().unwrap_or([0; 32])
}
