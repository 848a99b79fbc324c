//! Class (b): whoever has the signing key makes the log another past. Without anything that somebody else kept nobody can find it;
//! with an earlier checkpoint, or a witness's cosignature, it is found.

use std::path::Path;

use pressgate_audit::merkle::{Hash, leaf_hash};
use pressgate_audit::note::{Algorithm, Signer};
use pressgate_audit::verify::{VerifyError, VerifyOptions, verify};

use crate::support::{
    Dice, Files, LOG_DIR, count, key, leaf, leaves, log_key, naive_root, options, seed, signed, tree, tree_path,
};
use crate::{CLASS_LEAST, Tally};

const KINDS: [&str; 8] = [
    "rollback: the end is gone",
    "rollback: the end is gone, and other leaves came",
    "fork: a leaf changed",
    "fork: a leaf dropped",
    "fork: a leaf inserted",
    "fork: two leaves swapped",
    "an old checkpoint signed anew over all files",
    "an old checkpoint signed anew, in the folder of its time",
];

fn witness() -> Signer {
    key("witness.example/w1", Algorithm::Cosignature, 9)
}

fn root(leaves: &[Vec<u8>]) -> Hash {
    naive_root(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>())
}

/// What the thief makes of a log of which `kept` leaves were seen by others.
fn evil(all: &[Vec<u8>], kept: usize, kind: &str, dice: &mut Dice) -> Files {
    let mut leaves = all.to_vec();
    let mut older = None;
    let at = dice.below(kept);
    match kind {
        "rollback: the end is gone" => leaves.truncate(at),
        "rollback: the end is gone, and other leaves came" => {
            leaves.truncate(at);
            leaves.extend((0..kept - at + dice.below(200)).map(|number| leaf(5_000_000 + number as u64)));
        }
        "fork: a leaf changed" => leaves[at] = leaf(6_000_000 + at as u64),
        "fork: a leaf dropped" => drop(leaves.remove(at)),
        "fork: a leaf inserted" => leaves.insert(at, leaf(6_000_000)),
        "fork: two leaves swapped" => {
            let other = (at + 1 + dice.below(leaves.len() - 1)) % leaves.len();
            leaves.swap(at, other);
        }
        "an old checkpoint signed anew over all files" => older = Some(at),
        _ => leaves.truncate(at),
    }
    let (mut files, whole) = tree(&leaves);
    let (mut size, mut hash) = (leaves.len(), whole);
    if let Some(old) = older {
        let (part, old_root) = tree(&all[..old]);
        files.0.extend(part.0);
        (size, hash) = (old, old_root);
    }
    files.put(tree_path("checkpoint"), signed(size as u64, hash, &[&log_key()]));
    files
}

#[test]
fn counted_rollbacks_and_forks_are_found_with_what_somebody_kept() {
    let mut dice = Dice::new(seed() ^ 2);
    let total = count(CLASS_LEAST);
    let all = leaves(0, 700);
    let dir = Path::new(LOG_DIR);
    let (thief, honest) = (log_key(), witness());
    let alone = options();
    let witnessed = VerifyOptions { witnesses: vec![honest.verifier().clone()], ..options() };
    let mut tally = Tally::default();
    for number in 0..total {
        let kind = KINDS[number % KINDS.len()];
        let size = 300 + dice.below(400);
        let kept = 1 + dice.below(size);
        let seen = signed(kept as u64, root(&all[..kept]), &[&thief, &honest]);
        let files = evil(&all[..size], kept, kind, &mut dice);
        let told = format!("{kind} (log of {size}, {kept} seen, number {number})");

        let found = verify(&files, dir, &alone);
        assert!(found.is_ok(), "without anything kept nobody can find it: {told}: {:?}", found.err());

        let since = VerifyOptions { since: Some(seen.clone().into_bytes()), ..options() };
        let error = verify(&files, dir, &since).expect_err(&told);
        assert!(matches!(error, VerifyError::Rollback { .. } | VerifyError::Fork { .. }), "{told}: {error}");

        // The thief leaves what the witness signed, or takes it away, or signs as somebody of that name.
        let mut files = files;
        match number % 3 {
            0 => files.put(tree_path("witness/w1"), seen),
            1 => {}
            _ => {
                let text = String::from_utf8(files.get(tree_path("checkpoint")).unwrap().to_vec()).unwrap();
                let other = key("witness.example/w1", Algorithm::Cosignature, 66);
                let body = text.split_once("\n\n").unwrap().0.to_owned() + "\n";
                files.put(tree_path("checkpoint"), text + &other.sign(&body, 1_800_000_000));
            }
        }
        let error = verify(&files, dir, &witnessed).expect_err(&told);
        let right = match number % 3 {
            0 => matches!(error, VerifyError::Rollback { .. } | VerifyError::Fork { .. }),
            _ => matches!(error, VerifyError::Unwitnessed { .. }),
        };
        assert!(right, "{told}: {error}");
        tally.add(kind);
    }
    tally.print("rollback, fork, an old checkpoint signed anew", total);
}

#[test]
fn honest_growth_is_accepted_with_what_somebody_kept() {
    let all = leaves(0, 900);
    let dir = Path::new(LOG_DIR);
    let (thief, honest) = (log_key(), witness());
    let (whole, now) = tree(&all);
    for kept in [0, 1, 255, 256, 257, 511, 512, 600, 768, 899, 900] {
        let past = signed(kept as u64, root(&all[..kept]), &[&thief, &honest]);
        let mut files = whole.clone();
        files.put(tree_path("checkpoint"), signed(900, now, &[&thief]));
        files.put(tree_path("witness/w1"), past.clone());
        files.put(tree_path("witness/w2"), "not a note");
        let options = VerifyOptions {
            since: Some(past.clone().into_bytes()),
            witnesses: vec![honest.verifier().clone()],
            second: Some(tree_path("second")),
            cosigned_after_s: Some(1_700_000_000),
            ..options()
        };
        files.put(tree_path("second"), past);
        let report = verify(&files, dir, &options).unwrap_or_else(|error| panic!("{kept}: {error}"));
        assert_eq!((report.since, report.second), (Some(kept as u64), Some(kept as u64)));
        assert_eq!((report.witnessed[0].size, report.witnessed[0].time_s), (kept as u64, 1_700_000_000));
        let late = VerifyOptions { cosigned_after_s: Some(1_700_000_001), ..options };
        assert!(matches!(verify(&files, dir, &late), Err(VerifyError::Stale { .. })));
    }
}

#[test]
fn a_checkpoint_to_compare_with_must_be_signed_and_of_this_log() {
    let all = leaves(0, 300);
    let mut files = tree(&all).0;
    files.put(tree_path("checkpoint"), signed(300, root(&all), &[&log_key()]));
    let stranger = key(crate::support::ORIGIN, Algorithm::Ed25519, 50);
    let text = signed(200, root(&all[..200]), &[&log_key()]);
    for (since, told) in [
        (signed(200, root(&all[..200]), &[&stranger]), "signed by a stranger"),
        (text.replacen("200", "201", 1), "changed"),
        ("nonsense".to_owned(), "no note"),
    ] {
        let options = VerifyOptions { since: Some(since.into_bytes()), ..options() };
        let error = verify(&files, Path::new(LOG_DIR), &options).expect_err(told);
        assert!(matches!(error, VerifyError::Past { .. }), "{told}: {error}");
    }
    let unsigned = VerifyOptions { key: stranger.verifier().clone(), ..options() };
    let error = verify(&files, Path::new(LOG_DIR), &unsigned).unwrap_err();
    assert!(matches!(error, VerifyError::Checkpoint { .. }), "{error}");
    assert_eq!(error.first_bad_index(), Some(0));
}
