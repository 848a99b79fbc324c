//! Requests, answers and the rule, case by case, and a log that grows against a witness by chance.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::merkle::{Subtrees, consistency_proof, leaf_hash, node_hash, root};
use crate::note::{Algorithm, Signer};

const ORIGIN: &str = "log.example/audit/node-1";

fn key(name: &str, algorithm: Algorithm, seed: u8) -> Signer {
    Signer::from_seed(name, algorithm, [seed; 32].into()).unwrap()
}

fn log() -> Signer {
    key(ORIGIN, Algorithm::Ed25519, 1)
}

/// A tree of leaves that are numbers; from `fork` on they are others.
#[derive(Clone, Copy)]
struct Grown {
    fork: u64,
}

impl Subtrees for Grown {
    type Error = Infallible;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            let leaf = if index < self.fork { index } else { index + 1_000_000 };
            return Ok(leaf_hash(&leaf.to_be_bytes()));
        }
        let (left, right) = (self.subtree(level - 1, index * 2)?, self.subtree(level - 1, index * 2 + 1)?);
        Ok(node_hash(&left, &right))
    }
}

const HONEST: Grown = Grown { fork: u64::MAX };

fn root_of(mut tree: Grown, size: u64) -> Hash {
    root(&mut tree, size).unwrap()
}

fn request(mut tree: Grown, old_size: u64, size: u64, keys: &[&Signer]) -> AddCheckpoint {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: root_of(tree, size) };
    let proof = consistency_proof(&mut tree, old_size, size).unwrap();
    AddCheckpoint { old_size, proof, note: checkpoint.sign(keys, 0) }
}

fn ask(request: &AddCheckpoint, keys: &[Verifier], last: Option<(u64, Hash)>) -> Result<Accepted, Refusal> {
    let read = AddCheckpoint::parse(request.body().as_bytes()).unwrap();
    assert_eq!(&read, request);
    let (found, note) = checkpoint(&read)?;
    judge(&read, found, note, keys, last)
}

#[test]
fn the_example_of_the_specification_is_read() {
    let body = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
        example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!((request.old_size, request.proof.len()), (20_852_014, 4));
    let (found, note) = checkpoint(&request).unwrap();
    assert_eq!((found.origin.as_str(), found.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(note.signatures.len(), 2);
    assert_eq!(request.body(), body);
}

#[test]
fn what_is_no_request_is_told() {
    let hash = root_of(HONEST, 1);
    let note = request(HONEST, 0, 1, &[&log()]).note;
    let many = format!("{hash}\n").repeat(PROOF_LINES_MAX + 1);
    for (head, part) in [
        (String::new(), "first line"),
        ("old\n".into(), "first line"),
        ("old -1\n".into(), "first line"),
        ("old 01\n".into(), "first line"),
        ("old +1\n".into(), "first line"),
        ("old 1 \n".into(), "first line"),
        ("old  1\n".into(), "first line"),
        ("Old 1\n".into(), "first line"),
        ("old 18446744073709551616\n".into(), "first line"),
        ("old 1\r\n".into(), "first line"),
        ("old 1\nAAAA\n".into(), "no hash"),
        (format!("old 1\n{hash} \n"), "no hash"),
        (format!("old 1\n{}\n", hash.to_string().trim_end_matches('=')), "no hash"),
        (format!("old 1\n{many}"), "more than 63"),
    ] {
        let told = AddCheckpoint::parse(format!("{head}\n{note}").as_bytes()).unwrap_err().to_string();
        assert!(told.contains(part), "{head:?}: {told}");
    }
    assert!(AddCheckpoint::parse(b"old 0\n").is_err() && AddCheckpoint::parse(b"old 0\n\n\xff").is_err());
    assert!(AddCheckpoint::parse(&vec![b'a'; REQUEST_BYTES_MAX + 1]).is_err());
    let full = AddCheckpoint { old_size: u64::MAX, proof: vec![hash; PROOF_LINES_MAX], note };
    assert_eq!(AddCheckpoint::parse(full.body().as_bytes()).unwrap(), full);
}

#[test]
fn each_refusal_is_that_of_the_specification() {
    let (signer, other) = (log(), key(ORIGIN, Algorithm::Ed25519, 2));
    let keys = [signer.verifier().clone()];
    let last = Some((5, root_of(HONEST, 5)));
    let mine = [&signer];
    assert!(ask(&request(HONEST, 5, 9, &mine), &keys, last).is_ok());
    assert!(ask(&request(HONEST, 5, 5, &mine), &keys, last).is_ok());
    assert!(ask(&request(HONEST, 0, 9, &mine), &keys, None).is_ok());
    let told = |request: AddCheckpoint, last| ask(&request, &keys, last).unwrap_err();
    assert!(matches!(told(request(HONEST, 5, 9, &[&other]), last), Refusal::NotSigned(NoteError::NotSigned(..))));
    let forged = AddCheckpoint {
        note: request(HONEST, 5, 9, &mine).note.replacen("\n9\n", "\n8\n", 1),
        ..request(HONEST, 5, 9, &mine)
    };
    assert!(matches!(told(forged, last), Refusal::NotSigned(NoteError::Signature(_))));
    assert!(matches!(told(request(HONEST, 9, 5, &mine), last), Refusal::Malformed(_)), "before the sizes are compared");
    assert_eq!(told(request(HONEST, 4, 9, &mine), last), Refusal::Conflict(5));
    assert_eq!(told(request(HONEST, 0, 4, &mine), last), Refusal::Conflict(5), "a rollback");
    assert_eq!(told(request(HONEST, 4, 4, &mine), last), Refusal::Conflict(5), "a rollback");
    let evil = Grown { fork: 4 };
    assert_eq!(told(request(evil, 5, 5, &mine), last), Refusal::Forked);
    assert_eq!(told(request(evil, 5, 9, &mine), last), Refusal::Inconsistent(ProofError::Root));
    let mut long = request(HONEST, 0, 9, &mine);
    long.proof.push(root_of(HONEST, 1));
    assert_eq!(told(long, None), Refusal::Inconsistent(ProofError::Length), "a proof from nothing is empty");
    let mut short = request(HONEST, 5, 9, &mine);
    short.proof.pop();
    assert_eq!(told(short, last), Refusal::Inconsistent(ProofError::Length));
    // The empty tree has one root only.
    let empty = Checkpoint { origin: ORIGIN.to_owned(), size: 0, root: root_of(HONEST, 1) };
    let empty = AddCheckpoint { old_size: 0, proof: Vec::new(), note: empty.sign(&mine, 0) };
    assert!(matches!(told(empty, None), Refusal::Forked));
    assert!(ask(&request(HONEST, 0, 0, &mine), &keys, None).is_ok());
    // While the key is changed both sign; either will do, and a line of a third is not kept.
    let both = request(HONEST, 5, 9, &[&other, &signer]);
    let accepted = ask(&both, &keys, last).unwrap();
    assert_eq!(accepted.note.signatures.len(), 1);
    let keys = [signer.verifier().clone(), other.verifier().clone()];
    assert_eq!(ask(&both, &keys, last).unwrap().note.signatures.len(), 2);
    assert!(ask(&request(HONEST, 5, 9, &[&other]), &keys, last).is_ok());
}

#[test]
fn only_a_good_cosignature_of_the_key_is_taken() {
    let note = request(HONEST, 0, 9, &[&log()]).note;
    let text = Note::parse(note.as_bytes()).unwrap().text;
    let (mine, stranger) = (key("w.example", Algorithm::Cosignature, 3), key("x.example", Algorithm::Cosignature, 4));
    let answer = format!("{}{}{}", stranger.sign(&text, 7), mine.sign(&text, 1_700), mine.sign(&text, 1_800));
    let (kept, time_s) = cosigned(&note, answer.as_bytes(), mine.verifier()).unwrap();
    assert_eq!(time_s, 1_800);
    let kept = Note::parse(kept.as_bytes()).unwrap();
    assert_eq!((kept.signatures.len(), kept.verify(mine.verifier())), (2, Ok(Some(1_800))));
    assert!(kept.verify(log().verifier()).is_ok() && kept.verify(stranger.verifier()).is_err());
    // What was cosigned once and is again has one line of it.
    let (again, _) = cosigned(&kept.to_string(), mine.sign(&text, 1_900).as_bytes(), mine.verifier()).unwrap();
    assert_eq!(Note::parse(again.as_bytes()).unwrap().signatures.len(), 2);

    let impostor = key("w.example", Algorithm::Cosignature, 5);
    let of_other_text = mine.sign(&format!("{text}x\n"), 1_700);
    for (bad, what) in [
        (String::new(), "nothing"),
        (stranger.sign(&text, 7), "a stranger's"),
        (impostor.sign(&text, 7), "of that name"),
        (mine.sign(&text, 0), "no time"),
        (of_other_text, "another text"),
        (format!("x\n\n{}", mine.sign(&text, 7)), "more text"),
        (mine.sign(&text, 7).trim_end().to_owned(), "no end"),
        (format!("{}oops\n", mine.sign(&text, 7)), "another line"),
    ] {
        assert!(cosigned(&note, bad.as_bytes(), mine.verifier()).is_err(), "{what}");
    }
}

#[test]
fn sizes_are_plain_numbers_with_a_newline() {
    assert_eq!(parse_size(size_body(20_852_014).as_bytes()), Some(20_852_014));
    assert_eq!(parse_size(b"0\n"), Some(0));
    for bad in [&b""[..], b"\n", b"7", b"07\n", b"7\n\n", b"-7\n", b" 7\n", b"7\r\n", b"\xff\n"] {
        assert_eq!(parse_size(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_gives_back_what_was_written(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(old [0-9]{0,3}\n)?([A-Za-z0-9+/=]{0,44}\n){0,3}\n?.{0,40}\n?") {
        for body in [&bytes[..], text.as_bytes()] {
            if let Ok(request) = AddCheckpoint::parse(body) {
                let written = request.body();
                prop_assert_eq!(written.as_bytes(), body);
                let _ = checkpoint(&request);
            }
        }
    }

    /// Whatever a log that lies asks for, in whatever order: the witness cosigns one tree only.
    #[test]
    fn a_witness_cosigns_one_past_only(asks in prop::collection::vec((0_u64..40, 0_u64..40, prop::sample::select(vec![3_u64, 17, 30, u64::MAX]), any::<bool>()), 1..60)) {
        let signer = log();
        let keys = [signer.verifier().clone()];
        let mut last: Option<(u64, Hash)> = None;
        let mut seen: BTreeMap<u64, Hash> = BTreeMap::new();
        for (old, size, fork, knows) in asks {
            let tree = Grown { fork };
            // A log that asks what the witness has, or guesses.
            let old = if knows { last.map_or(0, |last| last.0) } else { old };
            let asked = request(tree, old, size, &[&signer]);
            let Ok(accepted) = ask(&asked, &keys, last) else { continue };
            let found = accepted.checkpoint;
            prop_assert!(found.size >= last.map_or(0, |last| last.0), "rolled back");
            prop_assert_eq!(*seen.entry(found.size).or_insert(found.root), found.root, "two roots of one size");
            // Every size that was cosigned before is a beginning of this tree.
            for (size, root) in &seen {
                prop_assert_eq!(root_of(tree, *size), *root);
            }
            last = Some((found.size, found.root));
        }
    }
}
