//! Several lives of a log on one disk: segments and tree, with failing writes and syncs, killed processes and power cuts.
//!
//! What must hold after each: every acknowledged leaf is there, at its index, and what lies beside it until it was taken away; none is
//! there that nobody logged; the tree is the one that its checkpoints were signed for; and no start is refused after an honest crash.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::simulation::{Dice, SimDisk};
use super::{batch, count, options, read_all, seeds};
use crate::format::Entry;
use crate::merkle::root;
use crate::note::{Algorithm, Checkpoint, Signer};
use crate::plant::{Plant, plant};
use crate::tree::{CHECKPOINT, Frontier, Published, TREE_DIR, Tree, TreeError, TreeFiles, TreeOptions, remove_covered};
use crate::{Disk, LogReader, OpenError, Writer, WriterOptions};

/// What `PRESSGATE_SOAK` sets. The test counts them; there are a little more.
const POWER_CUTS: u64 = 100_000;
/// Stories for a hundred power cuts.
const STORIES_PER_100: u64 = 36;
/// A planted mistake must show within so many stories.
const STORIES_FOR_PLANT: u64 = 6_000;
const LOG: &str = "/log";

static KEY: LazyLock<Signer> =
    LazyLock::new(|| Signer::from_seed("acme/audit/node-1", Algorithm::Ed25519, [7; 32].into()).expect("a key"));

fn tree_options() -> TreeOptions {
    TreeOptions {
        log_dir: LOG.into(),
        second: "/second-checkpoint".into(),
        origin: options().origin,
        keys: vec![KEY.verifier().clone()],
    }
}

/// What was promised, and what may be there besides.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<Vec<u8>>,
    /// Batches that were refused as uncertain since the last promise.
    possible: Vec<Vec<Vec<u8>>>,
    /// The last checkpoint that somebody may have seen.
    seen: Option<Checkpoint>,
    /// What lies beside the leaves below this index was taken away.
    taken: u64,
}

impl Ledger {
    fn check(&mut self, disk: &SimDisk, story: u64) {
        let found = read_all(disk);
        let promised = self.acknowledged.len();
        assert!(found.len() >= promised, "story {story}: {} of {promised} acknowledged leaves are left", found.len());
        for (index, leaf) in self.acknowledged.iter().enumerate() {
            assert_eq!(&found[index], leaf, "story {story}: leaf {index}");
        }
        let more = &found[promised..];
        let known = more.is_empty() || self.possible.iter().any(|batch| batch.as_slice() == more);
        assert!(known, "story {story}: {} leaves appeared that nobody could have logged", more.len());
        self.acknowledged = found;
        self.possible.clear();
    }

    /// What lies beside the leaves that are there, from where it was taken away, is what was put there.
    fn check_besides(&self, disk: &SimDisk, story: u64) {
        let until = self.acknowledged.len() as u64;
        let mut reader = LogReader::with_besides(Arc::new(disk.clone()), Path::new(LOG), self.taken).until(until);
        let mut next = self.taken;
        while let Some((index, entry)) = reader.next_entry().expect("a log that is open can be read") {
            assert_eq!(index, next, "story {story}");
            assert_eq!(entry, with_beside(&self.acknowledged[index as usize]), "story {story}: beside leaf {index}");
            next += 1;
        }
        assert_eq!(next, until, "story {story}: all that lies beside leaves is there");
    }

    /// The tree on the disk is whole, and goes on from every checkpoint that was seen.
    fn check_tree(&self, disk: &SimDisk, published: &Published, story: u64) {
        let size = published.checkpoint.size;
        assert_eq!(size, self.acknowledged.len() as u64, "story {story}");
        let mut frontier = Frontier::default();
        self.acknowledged.iter().for_each(|leaf| frontier.push(leaf));
        assert_eq!(frontier.root(), published.checkpoint.root, "story {story}: the root is that of the leaves");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut files = TreeFiles::new(shared, &Path::new(LOG).join(TREE_DIR), size);
        assert_eq!(root(&mut files, size).unwrap(), published.checkpoint.root, "story {story}: root of the tiles");
        if let Some(seen) = &self.seen {
            assert_eq!(root(&mut files, seen.size).unwrap(), seen.root, "story {story}: an old checkpoint");
        }
        for bundle in 0..size.div_ceil(256) {
            let from = bundle as usize * 256;
            let leaves = files.leaves(bundle).unwrap();
            assert_eq!(leaves, self.acknowledged[from..self.acknowledged.len().min(from + 256)], "story {story}");
        }
    }
}

/// A log that was opened.
struct Open {
    writer: Writer,
    tree: Tree,
    reader: LogReader,
}

impl Open {
    /// As the gateway opens it; `None` where the disk failed.
    fn start(disk: &SimDisk, ledger: &mut Ledger, story: u64) -> Option<Self> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let refused = |error: &dyn std::fmt::Display| -> ! { panic!("story {story}: a start was refused: {error}") };
        let mut tree = match Tree::load(&tree_options(), Arc::clone(&shared)) {
            Ok(tree) => tree,
            Err(TreeError::Io { .. }) => return None,
            Err(error) => refused(&error),
        };
        let known = WriterOptions {
            covered: tree.size(),
            at_least: ledger.acknowledged.len() as u64,
            besides_from: ledger.taken,
            ..options()
        };
        let writer = match Writer::open(known, Arc::clone(&shared)) {
            Ok((writer, _)) => writer,
            Err(OpenError::Write { .. }) => return None,
            Err(error) => refused(&error),
        };
        match tree.catch_up(&tree_options(), writer.next_index()) {
            Ok(_) => {}
            Err(TreeError::Io { .. }) => return None,
            Err(error) => refused(&error),
        }
        ledger.check(disk, story);
        ledger.check_besides(disk, story);
        let reader = LogReader::new(shared, Path::new(LOG), tree.size());
        Some(Self { writer, tree, reader })
    }

    /// What the gateway does each second.
    fn publish(&mut self, disk: &SimDisk, ledger: &mut Ledger) -> Option<Published> {
        self.reader.follow(self.writer.next_index()).expect("the segments can be listed");
        while let Some((_, leaf)) = self.reader.next_bytes().expect("a log that is open can be read") {
            self.tree.push(&leaf);
        }
        let published = self.tree.publish(&[&KEY], 0).ok()?;
        ledger.seen = Some(published.checkpoint.clone());
        let done = self.tree.published().min(ledger.taken);
        remove_covered(disk, Path::new(LOG), done, &self.writer.active_segment()).expect("the segments can be read");
        Some(published)
    }
}

/// Several lives on one disk. Returns how often the power went, and the disk's operations.
fn story(seed: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed);
    let disk = SimDisk::new(seed);
    let mut ledger = Ledger::default();
    let mut serial = 0;
    for _ in 0..1 + dice.below(5) {
        if dice.one_in(2) {
            disk.set_faults(2 + dice.below(60));
        }
        if dice.one_in(2) {
            let fuse = dice.below(160);
            disk.set_fuse(Some(fuse));
        }
        live(seed, &disk, &mut dice, &mut ledger, &mut serial);
        // Either the power goes, or only the process: then what lies in the cache alone is still there to be believed.
        if disk.is_dark() || dice.one_in(2) {
            disk.power_cycle()
        } else {
            disk.kill()
        }
        disk.set_faults(0);
    }
    disk.power_cycle();
    let mut open = Open::start(&disk, &mut ledger, seed).expect("nothing fails any more");
    assert_eq!(open.writer.next_index(), ledger.acknowledged.len() as u64, "story {seed}");
    let seen = ledger.seen.clone();
    let published = open.publish(&disk, &mut ledger).expect("nothing fails any more");
    ledger.seen = seen;
    ledger.check_tree(&disk, &published, seed);
    let stated = disk.durable(&Path::new(LOG).join(TREE_DIR).join(CHECKPOINT));
    assert_eq!(stated, published.note.as_bytes(), "story {seed}");
    (disk.power_cuts(), disk.operations())
}

/// One life: open, check, commit, publish.
fn live(seed: u64, disk: &SimDisk, dice: &mut Dice, ledger: &mut Ledger, serial: &mut u64) {
    let Some(mut open) = Open::start(disk, ledger, seed) else { return };
    if dice.one_in(2) {
        open.publish(disk, ledger);
    }
    let often = 1 + dice.below(12);
    for _ in 0..dice.below(40) {
        if open.writer.wants_spare()
            && dice.one_in(2)
            && let Ok(spare) = open.writer.spare_maker().make()
        {
            open.writer.give_spare(spare);
        }
        let leaves = if dice.one_in(8) { many(dice, serial) } else { batch(dice, serial) };
        let entries: Vec<Entry> = leaves.iter().map(|leaf| with_beside(leaf)).collect();
        match open.writer.commit(&entries) {
            Ok(first) => {
                assert_eq!(first, ledger.acknowledged.len() as u64, "story {seed}");
                ledger.acknowledged.extend(leaves);
                ledger.possible.clear();
            }
            Err(error) if error.uncertain => ledger.possible.push(leaves),
            Err(_) => {}
        }
        if dice.one_in(often) {
            open.publish(disk, ledger);
        }
        if dice.one_in(4) {
            ledger.check_besides(disk, seed);
            ledger.taken = ledger.acknowledged.len() as u64;
        }
    }
}

/// A leaf with what always lies beside it, if anything does.
fn with_beside(leaf: &[u8]) -> Entry {
    let sum: usize = leaf.iter().map(|byte| usize::from(*byte)).sum();
    let beside = leaf.iter().rev().cycle().take((leaf.len() * (sum % 3)).min(300)).copied().collect();
    Entry { leaf: leaf.to_vec(), beside }
}

/// Enough short leaves to fill tiles.
fn many(dice: &mut Dice, serial: &mut u64) -> Vec<Vec<u8>> {
    let leaves = 60 + dice.below(120);
    (0..leaves)
        .map(|_| {
            *serial += 1;
            format!("short {serial}").into_bytes()
        })
        .collect()
}

fn tell(stories: std::ops::Range<u64>) -> (u64, u64) {
    stories.map(story).fold((0, 0), |(cuts, operations), (more, done)| (cuts + more, operations + done))
}

#[test]
fn counted_power_cuts_lose_nothing_and_refuse_no_start() {
    let wanted = count(POWER_CUTS);
    let stories = seeds(wanted * STORIES_PER_100 / 100);
    let (from, middle, until) = (stories.start, stories.start.midpoint(stories.end), stories.end);
    let (cuts, operations) = std::thread::scope(|scope| {
        let half = scope.spawn(move || tell(from..middle));
        let (cuts, operations) = tell(middle..until);
        let (more, done) = half.join().expect("the other half");
        (cuts + more, operations + done)
    });
    println!("seeds {from}..{until}: {} stories, {cuts} power cuts, {operations} disk operations", until - from);
    let alone = until - from == 1;
    assert!(cuts >= wanted || alone || wanted < 1_000, "{cuts} power cuts are too few");
}

#[test]
fn planted_mistakes_are_found() {
    let all = [
        Plant::Checksum,
        Plant::LastBatch,
        Plant::Beside,
        Plant::Override,
        Plant::TornTail,
        Plant::Covered,
        Plant::TilesUnsynced,
        Plant::TilesTrusted,
    ];
    // The failures are wanted; what they print would hide others.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = all.map(|mistake| {
        (0..STORIES_FOR_PLANT).find_map(|seed| {
            plant(Some(mistake));
            let told = std::panic::catch_unwind(|| story(seed));
            plant(None);
            let why = told.err()?;
            let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
            Some((seed, why.lines().next().unwrap_or_default().to_owned()))
        })
    });
    std::panic::set_hook(hook);
    for (mistake, found) in all.iter().zip(found) {
        let (seed, why) = found.unwrap_or_else(|| panic!("{mistake:?} was not found in {STORIES_FOR_PLANT} stories"));
        println!("{mistake:?}: story {seed}: {why}");
    }
}
