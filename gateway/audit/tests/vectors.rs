//! The tree's primitives against what others publish: proofs good and bad, a log of another implementation, and large logs that
//! crate `tlog_tiles` makes and reads.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::RealDisk;
use pressgate_audit::merkle::{
    Hash, Subtrees, check_consistency, check_inclusion, consistency_proof, empty_root, inclusion_proof, leaf_hash,
    node_hash, root,
};
use pressgate_audit::note::{Algorithm, Checkpoint, Note, Signer, Verifier};
use pressgate_audit::proof::TlogProof;
use pressgate_audit::tile::{Kind, Tile, entries, hashes};
use pressgate_audit::tree::TreeFiles;
use pressgate_audit::verify::{VerifyOptions, verify};
use proptest::prelude::*;
use serde::Deserialize;
use support::skip::skipped;
use support::{Files, LOG_DIR, ORIGIN, leaves, log, log_key, naive_root, options, signed, tree, tree_path};

/// The folder of published specifications, or none with a line that says so.
fn specs(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("PRESSGATE_SPECS").map(PathBuf::from) else {
        skipped("PRESSGATE_SPECS does not name a folder of published specifications");
        return None;
    };
    let folder = folder.join(name);
    if !folder.is_dir() {
        skipped(&format!("there is no {}", folder.display()));
        return None;
    }
    Some(folder)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|kind| kind == "json") {
            files.push(path);
        }
    }
    files
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InclusionCase {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsistencyCase {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The hashes; none where one is not a hash, which is an error too.
fn proof(texts: &Option<Vec<String>>) -> Option<Vec<Hash>> {
    texts.iter().flatten().map(|text| Hash::from_base64(text)).collect()
}

/// A root. Some of these are words, such as "don't care"; equal ones stay equal, and no tree has them.
fn stand_in(text: &str) -> Option<Hash> {
    if text.is_empty() { None } else { Some(Hash::from_base64(text).unwrap_or_else(|| leaf_hash(text.as_bytes()))) }
}

#[test]
fn published_proofs_are_judged_as_they_should_be() {
    let Some(folder) = specs("merkle/testdata") else { return };
    let (mut good, mut bad) = (0, 0);
    let mut count = |path: &Path, holds: bool, want_err: bool| {
        assert_eq!(holds, !want_err, "{}", path.display());
        if holds { good += 1 } else { bad += 1 }
    };
    for path in json_files(&folder.join("inclusion")) {
        let case: InclusionCase = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let holds = || {
            let (leaf, root) = (Hash::from_base64(&case.leaf_hash)?, Hash::from_base64(&case.root)?);
            check_inclusion(case.leaf_idx, case.tree_size, leaf, &proof(&case.proof)?, root).ok()
        };
        count(&path, holds().is_some(), case.want_err);
    }
    for path in json_files(&folder.join("consistency")) {
        let case: ConsistencyCase = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // That every tree goes on from the empty one needs no proof. These vectors call the question an error; RFC 9162 leaves it out.
        if case.size1 == 0
            && case.size2 > 0
            && stand_in(&case.root1) == Some(empty_root())
            && case.proof.iter().flatten().count() == 0
        {
            continue;
        }
        let holds = || {
            let (old, new) = (stand_in(&case.root1)?, stand_in(&case.root2)?);
            check_consistency(case.size1, case.size2, old, new, &proof(&case.proof)?).ok()
        };
        count(&path, holds().is_some(), case.want_err);
    }
    println!("{good} good proofs, {bad} bad ones");
    assert!(good >= 10 && bad >= 150, "{good} {bad}");
}

#[test]
fn a_log_of_another_implementation_is_read() {
    let Some(folder) = specs("tessera-log/testdata/log") else { return };
    let key =
        Verifier::parse("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx").unwrap();
    let disk: Arc<RealDisk> = Arc::new(RealDisk);
    let whole = VerifyOptions::new(key.clone());
    let report = verify(&*disk, &folder, &whole).unwrap();
    assert_eq!(report.checkpoint.size, 15);
    let mut past = Vec::new();
    for size in 0..=15 {
        let bytes = std::fs::read(folder.join(format!("checkpoint.{size}"))).unwrap();
        let (checkpoint, _) = Checkpoint::open(&bytes, &key).unwrap();
        assert_eq!(checkpoint.size, size);
        let since = VerifyOptions { since: Some(bytes), ..whole.clone() };
        assert_eq!(verify(&*disk, &folder, &since).unwrap().since, Some(size));
        past.push(checkpoint);
    }
    for old in &past {
        for new in &past[old.size as usize..] {
            let mut files = TreeFiles::new(disk.clone(), &folder, new.size);
            assert_eq!(root(&mut files, new.size).unwrap(), new.root);
            let proof = consistency_proof(&mut files, old.size, new.size).unwrap();
            check_consistency(old.size, new.size, old.root, new.root, &proof).unwrap();
        }
    }
    let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
    let mut files = TreeFiles::new(disk, &folder, 15);
    for (index, leaf) in (0..).zip(files.leaves(0).unwrap()) {
        let proof = TlogProof::make(&mut files, index, &note).unwrap().unwrap();
        TlogProof::parse(proof.to_string().as_bytes()).unwrap().verify(&leaf, &key).unwrap();
    }
}

/// Hashes by a position in `tlog_tiles`' own numbering.
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

const LARGE: u64 = 70_123;

/// The tree of short leaves, as `tlog_tiles` makes it: its files, and all hashes.
fn theirs() -> (Files, Stored, Vec<Vec<u8>>) {
    let leaves: Vec<Vec<u8>> = (0..LARGE).map(|number| format!("{{\"n\":{number}}}").into_bytes()).collect();
    let mut stored = Stored(Vec::new());
    for (index, leaf) in (0..).zip(&leaves) {
        let more = tlog_tiles::stored_hashes(index, leaf, &stored).unwrap();
        stored.0.extend(more);
    }
    let mut files = Files::default();
    for tile in tlog_tiles::Tile::new_tiles(8, 0, LARGE) {
        let path = tile.path().replacen("tile/8/", "tile/", 1);
        files.put(tree_path(&path), tile.read_data(&stored).unwrap());
    }
    for (index, bundle) in leaves.chunks(256).enumerate() {
        let bytes: Vec<u8> =
            bundle.iter().flat_map(|leaf| [&(leaf.len() as u16).to_be_bytes(), leaf.as_slice()].concat()).collect();
        let partial = if bundle.len() < 256 { format!(".p/{}", bundle.len()) } else { String::new() };
        files.put(tree_path(&format!("tile/entries/{index:03}{partial}")), bytes);
    }
    (files, stored, leaves)
}

#[test]
fn a_large_log_of_theirs_is_verified_by_ours_and_ours_by_theirs_heavy() {
    let (mut files, stored, leaves) = theirs();
    let whole = tlog_tiles::tree_hash(LARGE, &stored).unwrap();
    files.put(tree_path("checkpoint"), signed(LARGE, Hash(whole.0), &[&log_key()]));
    let report = verify(&files, Path::new(LOG_DIR), &options()).unwrap();
    assert_eq!(report.checkpoint.size, LARGE);

    // Proofs of each are checked by the other.
    let mut ours = TreeFiles::new(Arc::new(files.clone()), &tree_path(""), LARGE);
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_999, LARGE - 1] {
        let proof = inclusion_proof(&mut ours, index, LARGE).unwrap();
        let hash = leaf_hash(&leaves[index as usize]);
        let mine: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect();
        tlog_tiles::check_record(&mine, LARGE, whole, index, tlog_tiles::Hash(hash.0)).unwrap();
        let theirs = tlog_tiles::prove_record(LARGE, index, &stored).unwrap();
        let theirs: Vec<_> = theirs.iter().map(|hash| Hash(hash.0)).collect();
        assert_eq!(theirs, proof);
        check_inclusion(index, LARGE, hash, &theirs, Hash(whole.0)).unwrap();
    }
    for old in [1, 2, 255, 256, 300, 65_536, 65_537, 70_000] {
        let proof = consistency_proof(&mut ours, old, LARGE).unwrap();
        let old_root = tlog_tiles::tree_hash(old, &stored).unwrap();
        let mine: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect();
        tlog_tiles::check_tree(&mine, LARGE, whole, old, old_root).unwrap();
        let theirs = tlog_tiles::prove_tree(LARGE, old, &stored).unwrap();
        assert_eq!(theirs.iter().map(|hash| Hash(hash.0)).collect::<Vec<_>>(), proof);
        check_consistency(old, LARGE, Hash(old_root.0), Hash(whole.0), &proof).unwrap();
    }

    // The files that our code makes of the same leaves are theirs, byte for byte.
    let (mut mine, root) = tree(&leaves);
    assert_eq!(root, Hash(whole.0));
    for (path, bytes) in &mine.0 {
        assert_eq!(files.get(path), Some(bytes.as_slice()), "{}", path.display());
    }
    mine.put(tree_path("checkpoint"), signed(LARGE, root, &[&log_key()]));
    let vkey = log_key().verifier().to_string();
    let azul = support::azul::Azul::start(&vkey, &Files::default());
    assert_eq!(azul.verify(&mine), Ok(LARGE));

    // One leaf of the third level of tiles.
    let path = tree_path("tile/entries/180");
    files.edit(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let error = verify(&files, Path::new(LOG_DIR), &options()).unwrap_err();
    assert_eq!((error.first_bad_index(), error.file()), (Some(180 * 256 + 255), Some(path.as_path())));
    files.edit(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    // Hashes above the lowest level, one of them in a full tile that only the level above authenticates.
    for (tile, place, index) in
        [("tile/1/000", 200, 200 * 256), ("tile/1/001.p/17", 3, (256 + 3) * 256), ("tile/2/000.p/1", 0, 0)]
    {
        let mut evil = files.clone();
        evil.edit(tree_path(tile), |bytes| bytes[place * 32] ^= 1);
        let error = verify(&evil, Path::new(LOG_DIR), &options()).unwrap_err();
        assert_eq!((error.first_bad_index(), error.file()), (Some(index), Some(tree_path(tile).as_path())), "{error}");
    }
    // Changes in three files of one line of descent, none of which explains the others.
    for (tile, place) in [("tile/1/000", 100), ("tile/0/090", 7), ("tile/entries/080", 5)] {
        files.edit(tree_path(tile), |bytes| bytes[place * 32] ^= 1);
    }
    let error = verify(&files, Path::new(LOG_DIR), &options()).unwrap_err();
    assert_eq!(error.file(), Some(tree_path("tile/entries/080").as_path()), "{error}");
}

struct Naive<'a>(&'a [Hash]);

impl Subtrees for Naive<'_> {
    type Error = std::convert::Infallible;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let from = (index << level) as usize;
        Ok(naive_root(&self.0[from..from + (1 << level)]))
    }
}

/// RFC 6962, section 2.1.1, by recursion.
fn naive_path(index: usize, hashes: &[Hash]) -> Vec<Hash> {
    if hashes.len() <= 1 {
        return vec![];
    }
    let split = hashes.len().next_power_of_two() / 2;
    let (left, right) = hashes.split_at(split);
    let (mut path, other) = match index < split {
        true => (naive_path(index, left), right),
        false => (naive_path(index - split, right), left),
    };
    path.push(naive_root(other));
    path
}

/// RFC 6962, section 2.1.2, by recursion.
fn naive_consistency(old: usize, hashes: &[Hash], whole: bool) -> Vec<Hash> {
    if old == hashes.len() {
        return if whole { vec![] } else { vec![naive_root(hashes)] };
    }
    let split = hashes.len().next_power_of_two() / 2;
    let (left, right) = hashes.split_at(split);
    let (mut proof, other) = match old <= split {
        true => (naive_consistency(old, left, whole), right),
        false => (naive_consistency(old - split, right, false), left),
    };
    proof.push(naive_root(other));
    proof
}

fn some_hashes(count: usize) -> Vec<Hash> {
    (0..count as u64).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

proptest! {
    // A failure prints its input, which then becomes a test.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proofs_are_those_of_the_definition(size in 1_usize..700, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>()) {
        let all = some_hashes(size);
        let (index, old) = (at.index(size), 1 + old.index(size));
        let whole = naive_root(&all);
        prop_assert_eq!(root(&mut Naive(&all), size as u64).unwrap(), whole);
        let path = inclusion_proof(&mut Naive(&all), index as u64, size as u64).unwrap();
        prop_assert_eq!(&path, &naive_path(index, &all));
        prop_assert!(check_inclusion(index as u64, size as u64, all[index], &path, whole).is_ok());
        let proof = consistency_proof(&mut Naive(&all), old as u64, size as u64).unwrap();
        prop_assert_eq!(&proof, &naive_consistency(old, &all, true));
        let before = naive_root(&all[..old]);
        prop_assert!(check_consistency(old as u64, size as u64, before, whole, &proof).is_ok());
        // Any other hash, or one fewer, or one more, is refused.
        for (proof, included) in [(path, true), (proof, false)] {
            if proof.is_empty() {
                continue;
            }
            let place = flip.index(proof.len());
            let (mut wrong, mut short, mut long) = (proof.clone(), proof.clone(), proof);
            wrong[place] = node_hash(&wrong[place], &whole);
            short.remove(place);
            long.insert(place, whole);
            for wrong in [wrong, short, long] {
                let held = match included {
                    true => check_inclusion(index as u64, size as u64, all[index], &wrong, whole),
                    false => check_consistency(old as u64, size as u64, before, whole, &wrong),
                };
                prop_assert!(held.is_err());
            }
        }
    }

    #[test]
    fn tiles_have_one_path_each(level in 0_u8..8, index in 0_u64..1 << 40, width in 1_u16..=256) {
        for kind in [Kind::Hashes(level), Kind::Entries] {
            let tile = Tile::new(kind, index, width);
            prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
        }
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false);
        prop_assert_eq!(theirs.path().replacen("tile/8/", "tile/", 1), Tile::new(Kind::Hashes(level), index, width).path());
    }

    #[test]
    fn notes_come_back_as_they_were_written(name in "[a-z.]{1,20}(/[a-z0-9]{1,9})?", lines in prop::collection::vec("[ -~é—]{0,40}", 1..6), time in any::<u32>(), seed in any::<u8>()) {
        let text = lines.join("\n") + "\n";
        let (log, witness) = (support::key(&name, Algorithm::Ed25519, seed), support::key("w", Algorithm::Cosignature, seed));
        let whole = format!("{text}\n{}{}", log.sign(&text, 0), witness.sign(&text, u64::from(time)));
        let note = Note::parse(whole.as_bytes()).unwrap();
        prop_assert_eq!(note.to_string(), whole.clone());
        prop_assert_eq!(note.verify(log.verifier()), Ok(None));
        prop_assert_eq!(note.verify(witness.verifier()), Ok(Some(u64::from(time))));
        prop_assert!(note.verify(support::key(&name, Algorithm::Ed25519, seed ^ 1).verifier()).is_err());
        let other = Note { text: format!("{text}x\n"), ..note };
        prop_assert!(other.verify(log.verifier()).is_err() && other.verify(witness.verifier()).is_err());
        prop_assert_eq!(Verifier::parse(&log.verifier().to_string()).unwrap(), log.verifier().clone());
        let again = Signer::parse(&log.secret_text()).unwrap();
        prop_assert_eq!(again.verifier(), log.verifier());
    }

    #[test]
    fn no_bytes_disturb_the_parsers(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in any::<prop::sample::Index>(), width in 1_u16..=256) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (Note::parse(&bytes), Checkpoint::parse(&text), Verifier::parse(&text), Signer::parse(&text).is_ok());
        let _ = (Tile::parse(&text), entries(&bytes, width), hashes(&bytes, width), TlogProof::parse(&bytes));
        // Something almost right.
        let mut note = signed(7, leaf_hash(b"x"), &[&log_key()]).into_bytes();
        let at = cut.index(note.len());
        note.splice(at..at, bytes.iter().copied().take(3));
        let _ = Note::parse(&note).map(|note| (Checkpoint::parse(&note.text).is_ok(), note.verify(log_key().verifier()).is_ok()));
        let mut proof = format!("c2sp.org/tlog-proof@v1\nindex 3\n{}\n\n", leaf_hash(b"y")).into_bytes();
        proof.extend_from_slice(&note);
        let _ = TlogProof::parse(&proof);
    }

    #[test]
    fn no_files_disturb_the_verifier(size in 1_u64..600, stated in any::<u64>(), path in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut files = log(&leaves(0, size));
        let names: Vec<PathBuf> = files.0.keys().cloned().collect();
        files.put(names[path.index(names.len())].clone(), bytes);
        prop_assert!(verify(&files, Path::new(LOG_DIR), &options()).is_err());
        files.put(tree_path("checkpoint"), signed(stated, leaf_hash(b"z"), &[&log_key()]));
        prop_assert!(verify(&files, Path::new(LOG_DIR), &options()).is_err());
    }
}

#[test]
fn the_name_of_the_log_is_that_of_its_key() {
    let files = log(&leaves(0, 3));
    let named = VerifyOptions { origin: Some(ORIGIN.to_owned()), ..options() };
    verify(&files, Path::new(LOG_DIR), &named).unwrap();
    let other = VerifyOptions { origin: Some("other.example".to_owned()), ..options() };
    assert_eq!(verify(&files, Path::new(LOG_DIR), &other).unwrap_err().code(), "origin");
}
