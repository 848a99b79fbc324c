//! What the tests of the tree share: logs made in memory by code that is not the product's, and two verifiers that are not ours.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod azul;
pub mod go;
#[path = "../../../../tests/src/skip.rs"]
pub mod skip;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::leaf::{Outcome, OutcomeResult};
use pressgate_audit::merkle::{Hash, empty_root, leaf_hash, node_hash};
use pressgate_audit::note::{Algorithm, Checkpoint, Signer};
use pressgate_audit::tile::{Kind, Tile};
use pressgate_audit::verify::VerifyOptions;
use pressgate_audit::{Disk, DiskFile, Leaf};
use zeroize::Zeroizing;

/// The log's name.
pub const ORIGIN: &str = "log.example/audit/node-1";
/// Where a log lies in [`Files`].
pub const LOG_DIR: &str = "log";

/// Numbers that a seed makes (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Two different numbers below `end`, the smaller first.
    pub fn two_below(&mut self, end: usize) -> (usize, usize) {
        let (first, second) = (self.below(end), self.below(end - 1));
        let second = if second >= first { second + 1 } else { second };
        (first.min(second), first.max(second))
    }
}

/// How many stories a counted test tells.
pub fn count(default: usize) -> usize {
    std::env::var("PRESSGATE_SOAK").map_or(default, |count| count.parse().expect("PRESSGATE_SOAK is a number"))
}

/// The seed of a counted test, printed.
pub fn seed() -> u64 {
    let seed =
        std::env::var("PRESSGATE_SEED").map_or(20_261_123, |seed| seed.parse().expect("PRESSGATE_SEED is a number"));
    println!("PRESSGATE_SEED={seed}");
    seed
}

/// A disk in memory that can only be read. A copy costs nothing.
#[derive(Clone, Default)]
pub struct Files(pub BTreeMap<PathBuf, Arc<Vec<u8>>>);

impl Files {
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.0.get(path.as_ref()).map(|bytes| bytes.as_slice())
    }

    pub fn put(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), Arc::new(bytes.into()));
    }

    pub fn remove(&mut self, path: impl AsRef<Path>) {
        self.0.remove(path.as_ref()).expect("the file is there");
    }

    pub fn edit(&mut self, path: impl AsRef<Path>, change: impl FnOnce(&mut Vec<u8>)) {
        let bytes = self.0.get_mut(path.as_ref()).unwrap_or_else(|| panic!("{}", path.as_ref().display()));
        change(Arc::make_mut(bytes));
    }

    /// All files below a folder of the real disk.
    pub fn load(dir: &Path, as_dir: &str) -> Self {
        let mut files = Self::default();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = Path::new(as_dir).join(path.strip_prefix(dir).unwrap());
                    files.put(name, std::fs::read(&path).unwrap());
                }
            }
        }
        files
    }
}

/// The path of a file of the tree.
pub fn tree_path(path: &str) -> PathBuf {
    Path::new(LOG_DIR).join("tree").join(path)
}

pub fn tile_path(kind: Kind, index: u64, size: u64) -> PathBuf {
    tree_path(&Tile::of_size(kind, index, size).next().expect("the tree has the tile").path())
}

struct Held(Arc<Vec<u8>>);

impl DiskFile for Held {
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        let rest = self.0.get(offset_bytes as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

impl Disk for Files {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let below = self.0.range(dir.to_owned()..).map(|(path, _)| path).take_while(|path| path.starts_with(dir));
        let mut names: Vec<String> = below
            .filter_map(|path| path.strip_prefix(dir).ok()?.components().next())
            .map(|name| name.as_os_str().to_str().unwrap().to_owned())
            .collect();
        names.dedup();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.0.get(path) {
            Some(bytes) => Ok(Box::new(Held(Arc::clone(bytes)))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn truncate(&self, _: &Path, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// A signing key, the same for the same number.
pub fn key(name: &str, algorithm: Algorithm, number: u8) -> Signer {
    Signer::from_seed(name, algorithm, Zeroizing::new([number; 32])).unwrap()
}

/// The log's key.
pub fn log_key() -> Signer {
    key(ORIGIN, Algorithm::Ed25519, 1)
}

/// The options of whoever checks a log of [`log_key`].
pub fn options() -> VerifyOptions {
    VerifyOptions { threads: 2, ..VerifyOptions::new(log_key().verifier().clone()) }
}

/// A leaf like those that the gateway writes; another for each number.
pub fn leaf(number: u64) -> Vec<u8> {
    let outcome = Outcome {
        intent: number.saturating_sub(1),
        post: format!("post_{number:08}"),
        account: "acme-net".into(),
        brand: Some("acme".into()),
        action: Some("post.create".into()),
        step: "create".into(),
        result: OutcomeResult::Answered,
        status: Some(200),
        response_digest: Some("sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b".into()),
        target_state: Some("published".into()),
        platform_ids: vec!["x".repeat((number % 97) as usize)],
        recovered: false,
    };
    Leaf::new(1_700_000_000_000 + number as i64, outcome).to_bytes().unwrap()
}

/// Leaves `from..until`.
pub fn leaves(from: u64, until: u64) -> Vec<Vec<u8>> {
    (from..until).map(leaf).collect()
}

/// The root as RFC 6962, section 2.1 defines it, by recursion.
pub fn naive_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [hash] => *hash,
        _ => {
            let split = hashes.len().next_power_of_two() / 2;
            node_hash(&naive_root(&hashes[..split]), &naive_root(&hashes[split..]))
        }
    }
}

/// The files of a tree, made straight from the definition; the checkpoint is to be signed.
pub fn tree(leaves: &[Vec<u8>]) -> (Files, Hash) {
    let mut files = Files::default();
    let size = leaves.len() as u64;
    let mut hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    for tile in Tile::of_size(Kind::Entries, 0, size) {
        let from = tile.index as usize * 256;
        let mut bytes = Vec::new();
        for leaf in &leaves[from..from + usize::from(tile.width)] {
            bytes.extend_from_slice(&(leaf.len() as u16).to_be_bytes());
            bytes.extend_from_slice(leaf);
        }
        files.put(tree_path(&tile.path()), bytes);
    }
    let root = naive_root(&hashes);
    for level in 0.. {
        if hashes.is_empty() {
            break;
        }
        for tile in Tile::of_size(Kind::Hashes(level), 0, size) {
            let from = tile.index as usize * 256;
            let bytes: Vec<u8> = hashes[from..from + usize::from(tile.width)].iter().flat_map(|hash| hash.0).collect();
            files.put(tree_path(&tile.path()), bytes);
        }
        hashes = hashes.chunks_exact(256).map(naive_root).collect();
    }
    (files, root)
}

/// A signed checkpoint.
pub fn signed(size: u64, root: Hash, keys: &[&Signer]) -> String {
    Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(keys, 1_700_000_000)
}

/// A whole log of these leaves.
pub fn log(leaves: &[Vec<u8>]) -> Files {
    let (mut files, root) = tree(leaves);
    files.put(tree_path("checkpoint"), signed(leaves.len() as u64, root, &[&log_key()]));
    files
}
