//! A disk in memory that can lose power and fail as disks and file systems do.
//!
//! - Writes go to a page cache. What was not synced may be lost, kept, kept in part (per 512-byte sector), or be garbage where it
//!   was being written, each page for itself, in any order.
//! - Names (creations, renames, removals) that were not synced may be lost, each for itself; a rename is atomic.
//! - A sync that fails keeps an arbitrary part and then calls everything clean: the next one succeeds and writes nothing, while
//!   readers still see the data.
//! - A write that fails may have written a part.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{Disk, DiskFile};

const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

/// Random numbers that the seed alone determines (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

#[derive(Debug, Default)]
struct Inode {
    cached: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    cut_to: Option<usize>,
    /// Changed since the power came.
    touched: bool,
}

#[derive(Debug, Clone)]
enum NameOp {
    Put(PathBuf, usize),
    Drop(PathBuf),
    Move(PathBuf, PathBuf, usize),
    Folder(PathBuf),
    DropFolder(PathBuf),
}

impl NameOp {
    /// The folder whose sync makes it durable.
    fn folder(&self) -> &Path {
        let (Self::Put(path, _)
        | Self::Drop(path)
        | Self::Move(_, path, _)
        | Self::Folder(path)
        | Self::DropFolder(path)) = self;
        path.parent().unwrap_or(Path::new("/"))
    }
}

/// What a folder tree looks like.
#[derive(Debug, Default, Clone)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, op: &NameOp) {
        match op {
            NameOp::Put(name, inode) => drop(self.files.insert(name.clone(), *inode)),
            NameOp::Drop(name) => drop(self.files.remove(name)),
            NameOp::Move(from, to, inode) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
            NameOp::Folder(name) => drop(self.folders.insert(name.clone())),
            NameOp::DropFolder(name) => drop(self.folders.remove(name)),
        }
    }

    fn reachable(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|above| above == Path::new("/") || self.folders.contains(above))
    }

    /// What lies in a folder that is not there is not there.
    fn drop_unreachable(&mut self) {
        let folders = self.folders.clone();
        self.folders.retain(|path| Self { files: BTreeMap::new(), folders: folders.clone() }.reachable(path));
        let kept = self.clone();
        self.files.retain(|path, _| kept.reachable(path));
    }
}

#[derive(Debug)]
struct State {
    dice: Dice,
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    pending: Vec<NameOp>,
    locked: bool,
    /// Operations until the power goes.
    fuse: Option<u64>,
    dark: bool,
    /// One operation in so many fails; 0 is never.
    fault_in: u64,
    /// Every operation fails while this many are left.
    outage: u64,
    operations: u64,
    power_cuts: u64,
}

enum Luck {
    Fine,
    Fails,
}

impl State {
    fn luck(&mut self) -> io::Result<Luck> {
        if self.dark {
            return Err(io::Error::other("no power"));
        }
        self.operations += 1;
        if let Some(fuse) = &mut self.fuse {
            if *fuse == 0 {
                self.dark = true;
                return Ok(Luck::Fails);
            }
            *fuse -= 1;
        }
        if self.outage > 0 {
            self.outage -= 1;
            return Ok(Luck::Fails);
        }
        if self.fault_in > 0 && self.dice.one_in(self.fault_in) {
            if self.dice.one_in(3) {
                self.outage = self.dice.below(20);
            }
            return Ok(Luck::Fails);
        }
        Ok(Luck::Fine)
    }

    fn failure(&mut self) -> io::Error {
        match self.dice.below(3) {
            0 => io::ErrorKind::StorageFull.into(),
            1 => io::ErrorKind::ReadOnlyFilesystem.into(),
            _ => io::Error::other("input/output error"),
        }
    }

    /// One page reaches the disk or not, whole or torn.
    fn settle_page(&mut self, inode: usize, page: usize, garbage: bool) {
        let fate = self.dice.below(if garbage { 4 } else { 3 });
        let from = page * PAGE_BYTES;
        let dice = &mut self.dice;
        let Inode { cached, durable, .. } = &mut self.inodes[inode];
        let to = (from + PAGE_BYTES).min(cached.len());
        if fate == 0 || from >= to {
            return;
        }
        if durable.len() < to {
            durable.resize(to, 0);
        }
        for sector in (from..to).step_by(SECTOR_BYTES) {
            let end = (sector + SECTOR_BYTES).min(to);
            match if fate == 1 { 0 } else { dice.below(if fate == 3 { 3 } else { 2 }) } {
                0 => durable[sector..end].copy_from_slice(&cached[sector..end]),
                1 => {}
                _ => durable[sector..end].iter_mut().for_each(|byte| *byte = dice.roll() as u8),
            }
        }
    }

    fn sync(&mut self, inode: usize) {
        let Inode { cached, durable, dirty, cut_to, .. } = &mut self.inodes[inode];
        if let Some(cut) = cut_to.take() {
            durable.truncate(cut);
        }
        durable.resize(cached.len(), 0);
        for page in std::mem::take(dirty) {
            let from = page * PAGE_BYTES;
            let to = (from + PAGE_BYTES).min(cached.len());
            durable[from..to].copy_from_slice(&cached[from..to]);
        }
    }

    fn name(&mut self, op: NameOp) {
        self.names.apply(&op);
        self.pending.push(op);
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.files.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed ^ 0x5eed),
            inodes: Vec::new(),
            names: Names::default(),
            durable_names: Names::default(),
            pending: Vec::new(),
            locked: false,
            fuse: None,
            dark: false,
            fault_in: 0,
            outage: 0,
            operations: 0,
            power_cuts: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The power goes after so many operations.
    pub fn set_fuse(&self, operations: Option<u64>) {
        self.state().fuse = operations;
    }

    /// One operation in so many fails from now on; 0 is never.
    pub fn set_faults(&self, one_in: u64) {
        let mut state = self.state();
        state.fault_in = one_in;
        state.outage = 0;
    }

    pub fn is_dark(&self) -> bool {
        self.state().dark
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The power goes, and comes back.
    pub fn power_cycle(&self) {
        let state = &mut *self.state();
        for inode in 0..state.inodes.len() {
            for page in std::mem::take(&mut state.inodes[inode].dirty) {
                state.settle_page(inode, page, true);
            }
            let keep = state.dice.one_in(2);
            let inode = &mut state.inodes[inode];
            if !std::mem::take(&mut inode.touched) {
                continue;
            }
            if let Some(cut) = inode.cut_to.take().filter(|_| keep) {
                inode.durable.truncate(cut);
            }
            inode.cached = inode.durable.clone();
        }
        for op in std::mem::take(&mut state.pending) {
            if state.dice.one_in(2) {
                state.durable_names.apply(&op);
            }
        }
        state.durable_names.drop_unreachable();
        state.names = state.durable_names.clone();
        state.power_cuts += 1;
        state.dark = false;
        state.fuse = None;
        state.locked = false;
        state.outage = 0;
    }

    /// The process that used the disk is gone; the machine runs on.
    pub fn kill(&self) {
        let mut state = self.state();
        state.fuse = None;
        state.outage = 0;
    }

    /// A file as it lies on the disk.
    pub fn durable(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.durable_names.files[path]].durable.clone()
    }

    /// Changes one bit of a file, on the disk and in the cache.
    pub fn flip(&self, path: &Path, offset: usize, bit: u8) {
        let state = &mut *self.state();
        let inode = &mut state.inodes[state.names.files[path]];
        inode.durable[offset] ^= 1 << bit;
        inode.cached[offset] ^= 1 << bit;
    }

    /// All files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.files.keys().cloned().collect()
    }

    /// The segments.
    pub fn segments(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "segment")).collect()
    }

    /// How often the power went.
    pub fn power_cuts(&self) -> u64 {
        self.state().power_cuts
    }

    /// A disk of its own with the same content.
    pub fn copy(&self) -> Self {
        let copy = Self::new(1);
        let state = self.state();
        {
            let mut other = copy.state();
            other.names = state.names.clone();
            other.durable_names = state.durable_names.clone();
            for inode in &state.inodes {
                let (cached, durable) = (inode.cached.clone(), inode.durable.clone());
                other.inodes.push(Inode { cached, durable, ..Inode::default() });
            }
        }
        drop(state);
        copy
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let missing: Vec<PathBuf> = dir
            .ancestors()
            .filter(|above| *above != Path::new("/") && !state.names.folders.contains(*above))
            .map(Path::to_owned)
            .collect();
        for folder in missing.into_iter().rev() {
            if let Luck::Fails = state.luck()? {
                return Err(state.failure());
            }
            state.name(NameOp::Folder(folder));
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if dir != Path::new("/") && !state.names.folders.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.files.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if let Luck::Fails = state.luck()? {
            return Err(state.failure());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        let folder = path.parent().unwrap_or(Path::new("/"));
        if folder != Path::new("/") && !state.names.folders.contains(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.name(NameOp::Put(path.to_owned(), inode));
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().inode(path)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(from)?;
        let luck = state.luck()?;
        let fails = matches!(luck, Luck::Fails);
        if !fails || state.dice.one_in(2) {
            state.name(NameOp::Move(from.to_owned(), to.to_owned(), inode));
        }
        if fails { Err(state.failure()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.inode(path)?;
        if let Luck::Fails = state.luck()? {
            return Err(state.failure());
        }
        state.name(NameOp::Drop(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.folders.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let used = state.names.files.keys().chain(&state.names.folders).any(|path| path.parent() == Some(dir));
        if used {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if let Luck::Fails = state.luck()? {
            return Err(state.failure());
        }
        state.name(NameOp::DropFolder(dir.to_owned()));
        Ok(())
    }

    fn truncate(&self, path: &Path, len_bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(path)?;
        if let Luck::Fails = state.luck()? {
            return Err(state.failure());
        }
        let len = len_bytes as usize;
        state.inodes[inode].cached.truncate(len);
        state.inodes[inode].cut_to = Some(len);
        state.inodes[inode].touched = true;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        if dir != Path::new("/") && !state.names.folders.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let fails = matches!(state.luck()?, Luck::Fails);
        let (here, elsewhere) = std::mem::take(&mut state.pending).into_iter().partition(|op| op.folder() == dir);
        state.pending = elsewhere;
        let here: Vec<NameOp> = here;
        for op in &here {
            // When it fails a part is durable, the rest never will be, and nobody will say so.
            if !fails || state.dice.one_in(2) {
                state.durable_names.apply(op);
            }
        }
        if fails { Err(state.failure()) } else { Ok(()) }
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(Guard(self.clone())))
    }
}

struct Guard(SimDisk);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = &state.inodes[self.inode].cached;
        let from = (offset_bytes as usize).min(bytes.len());
        let count = into.len().min(bytes.len() - from);
        into[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let luck = state.luck()?;
        let fails = matches!(luck, Luck::Fails);
        let count = if fails { state.dice.below(bytes.len() as u64 + 1) as usize } else { bytes.len() };
        let from = offset_bytes as usize;
        let inode = &mut state.inodes[self.inode];
        inode.touched = true;
        if inode.cached.len() < from + count {
            inode.cached.resize(from + count, 0);
        }
        inode.cached[from..from + count].copy_from_slice(&bytes[..count]);
        if count > 0 {
            inode.dirty.extend(from / PAGE_BYTES..=(from + count - 1) / PAGE_BYTES);
        }
        if fails { Err(state.failure()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        if let Luck::Fails = state.luck()? {
            for page in std::mem::take(&mut state.inodes[self.inode].dirty) {
                state.settle_page(self.inode, page, true);
            }
            return Err(state.failure());
        }
        state.sync(self.inode);
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].cached.len() as u64)
    }
}
