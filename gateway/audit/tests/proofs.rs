//! Proofs that travel, receipts, changes of the key, and what retention leaves.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;

use pressgate_audit::Leaf;
use pressgate_audit::leaf::{
    EffectKind, Event, Intent, KeyChange, KeyHandover, Outcome, OutcomeResult, Retention, VerdictNote, Vote,
};
use pressgate_audit::merkle::{Hash, leaf_hash};
use pressgate_audit::note::{Algorithm, Signer};
use pressgate_audit::proof::{TlogProof, TlogProofError};
use pressgate_audit::receipt::{HandedOver, Receipt, ReceiptError};
use pressgate_audit::tile::Kind;
use pressgate_audit::tree::TreeFiles;
use pressgate_audit::verify::{VerifyError, VerifyOptions, verify};
use serde_json::{Value, json};
use support::{
    Files, LOG_DIR, ORIGIN, key, leaf, leaves, log, log_key, naive_root, options, signed, tile_path, tree, tree_path,
};

fn files_of(files: &Files, size: u64) -> TreeFiles {
    TreeFiles::new(Arc::new(files.clone()), &tree_path(""), size)
}

fn note_of(files: &Files) -> String {
    String::from_utf8(files.get(tree_path("checkpoint")).unwrap().to_vec()).unwrap()
}

#[test]
fn a_proof_is_the_text_that_the_specification_shows() {
    let all = leaves(0, 5);
    let files = log(&all);
    let (key, mut tree) = (log_key(), files_of(&files, 5));
    let proof = TlogProof::make(&mut tree, 4, &note_of(&files)).unwrap().unwrap();
    let left = naive_root(&all[..4].iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
    assert_eq!(proof.to_string(), format!("c2sp.org/tlog-proof@v1\nindex 4\n{left}\n\n{}", note_of(&files)));
    let with = TlogProof { extra: Some(b"beside".to_vec()), ..proof.clone() };
    assert!(with.to_string().starts_with("c2sp.org/tlog-proof@v1\nextra YmVzaWRl\nindex 4\n"));
    assert_eq!(TlogProof::parse(with.to_string().as_bytes()).unwrap(), with);
    // A log of one leaf: no hash at all.
    let one = log(&all[..1]);
    let proof = TlogProof::make(&mut files_of(&one, 1), 0, &note_of(&one)).unwrap().unwrap();
    assert_eq!(proof.to_string(), format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", note_of(&one)));
    TlogProof::parse(proof.to_string().as_bytes()).unwrap().verify(&all[0], key.verifier()).unwrap();
}

#[test]
fn a_proof_holds_for_its_leaf_and_for_nothing_else() {
    let all = leaves(0, 700);
    let files = log(&all);
    let (key, mut tree) = (log_key(), files_of(&files, 700));
    for index in [0, 1, 255, 256, 511, 512, 698, 699] {
        let text = TlogProof::make(&mut tree, index, &note_of(&files)).unwrap().unwrap().to_string();
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), text);
        let (checkpoint, _) = proof.verify(&all[index as usize], key.verifier()).unwrap();
        assert_eq!(checkpoint.size, 700);
        assert!(matches!(proof.verify(&leaf(index + 1), key.verifier()), Err(TlogProofError::Inclusion { .. })));
        let other = TlogProof { index: index ^ 1, ..proof.clone() };
        assert!(other.verify(&all[index as usize], key.verifier()).is_err());
        let stranger = support::key(ORIGIN, Algorithm::Ed25519, 44);
        assert!(matches!(proof.verify(&all[index as usize], stranger.verifier()), Err(TlogProofError::Checkpoint(_))));
        // Every flipped bit of the text is noticed, but those that mean nothing in base64.
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 2;
            let held = TlogProof::parse(&bytes).and_then(|proof| proof.verify(&all[index as usize], key.verifier()));
            assert!(held.is_err(), "byte {at} of {text}");
        }
    }
    let beyond = TlogProof::make(&mut tree, 700, &note_of(&files)).unwrap();
    assert!(matches!(beyond, Err(TlogProofError::Inclusion { index: 700, .. })));
}

fn post() -> Vec<Vec<u8>> {
    let verdicts = vec![VerdictNote {
        policy: "words".into(),
        plugin: "guidelines 0.1.0".into(),
        plugin_digest: "00".into(),
        outcome: "hold".into(),
        codes: vec!["phrase".into()],
    }];
    let vote = |person: &str| Vote {
        post: "post_a".into(),
        person: person.into(),
        key: "k2".into(),
        decision: "approve".into(),
        content_digest: "sha256:10".into(),
        brand: Some("acme".into()),
    };
    let intent = Intent {
        post: "post_a".into(),
        account: "acme-net".into(),
        action: "post.create".into(),
        step: "create".into(),
        attempt: 1,
        effect_kind: EffectKind::Effect,
        safety: "native-key".into(),
        app: Some("newsroom".into()),
        person: None,
        on_behalf_of: Some("editor-7".into()),
        key: "k1".into(),
        grant: "grant-3".into(),
        content_digest: "sha256:11".into(),
        post_digest: Some("sha256:10".into()),
        request_digest: "sha256:12".into(),
        brand: Some("acme".into()),
        door: None,
        session: None,
        commitments: vec![],
        adapter: "net 0.1.0".into(),
        adapter_digest: "13".into(),
        verdicts,
        approvals: vec!["chief-1".into(), "chief-2".into()],
    };
    let outcome = Outcome {
        intent: 302,
        post: "post_a".into(),
        account: "acme-net".into(),
        brand: None,
        action: None,
        step: "create".into(),
        result: OutcomeResult::Answered,
        status: Some(201),
        response_digest: None,
        target_state: Some("published".into()),
        platform_ids: vec!["at://1".into()],
        recovered: false,
    };
    let events: [Event; 4] = [vote("chief-1").into(), vote("chief-2").into(), intent.into(), outcome.into()];
    events.into_iter().zip(1..).map(|(event, at)| Leaf::new(at, event).to_bytes().unwrap()).collect()
}

fn receipt() -> (Receipt, Files) {
    receipt_of(post())
}

/// Of these leaves from index 300 on.
fn receipt_of(post: Vec<Vec<u8>>) -> (Receipt, Files) {
    let mut all = leaves(0, 300);
    all.extend(post.clone());
    all.extend(leaves(all.len() as u64, 330));
    let files = log(&all);
    let of_post: Vec<(u64, Vec<u8>)> = (300..).zip(post).collect();
    let mut tree = files_of(&files, all.len() as u64);
    (Receipt::make(&mut tree, "post_a", &of_post, &note_of(&files)).unwrap().unwrap(), files)
}

#[test]
fn a_receipt_says_who_what_by_which_grant_and_what_came_of_it() {
    let (receipt, _) = receipt();
    let text = serde_json::to_vec_pretty(&receipt).unwrap();
    let read = Receipt::parse(&text).unwrap();
    assert_eq!(read.verify(log_key().verifier(), &[]).unwrap().size, 330);
    let effect = &read.says.effects[0];
    assert_eq!((effect.intent, effect.grant.as_str(), effect.content_digest.as_str()), (302, "grant-3", "sha256:11"));
    assert_eq!((effect.app.as_deref(), effect.on_behalf_of.as_deref()), (Some("newsroom"), Some("editor-7")));
    assert_eq!((effect.post_digest.as_deref(), effect.votes.as_slice()), (Some("sha256:10"), &[300, 301][..]));
    assert_eq!(read.says.unsupported().count(), 0);
    assert_eq!((effect.approvals.len(), effect.verdicts[0].policy.as_str()), (2, "words"));
    let ended = effect.outcome.as_ref().unwrap();
    assert_eq!((ended.leaf, ended.platform_ids[0].as_str()), (303, "at://1"));
    assert_eq!(read.says.votes.iter().map(|vote| vote.person.as_str()).collect::<Vec<_>>(), ["chief-1", "chief-2"]);
}

#[test]
fn an_approval_of_other_content_is_found_and_a_vote_that_is_gone_is_told() {
    let verify = |leaves: Vec<Vec<u8>>| {
        let (receipt, _) = receipt_of(leaves);
        receipt.verify(log_key().verifier(), &[]).map(|_| receipt)
    };
    let changed = |from: &str, to: &str| {
        let mut leaves = post();
        let vote = String::from_utf8(leaves[1].clone()).unwrap();
        assert!(vote.contains(from), "{vote}");
        leaves[1] = vote.replacen(from, to, 1).into_bytes();
        leaves
    };
    // What is in the log is what was logged, and still nobody approved what was sent.
    for leaves in [changed("sha256:10", "sha256:19"), changed("\"approve\"", "\"reject\"")] {
        let error = verify(leaves).unwrap_err();
        assert!(matches!(&error, ReceiptError::NotApproved { intent: 302, person } if person == "chief-2"), "{error}");
    }
    // Its entry may be gone: then nothing is said against it, and that it is not shown is said.
    let mut without = post();
    without.remove(1);
    let receipt = verify(without.clone()).unwrap();
    assert_eq!(receipt.says.unsupported().collect::<Vec<_>>(), [(301, "chief-2", false)]);
    // A vote that came after what was sent is none for it.
    without.push(post().remove(1));
    assert_eq!(verify(without).unwrap().says.effects[0].votes, [300]);
    // Leaves from before the digest was stated say as little as they did.
    let old = post()
        .into_iter()
        .map(|leaf| String::from_utf8(leaf).unwrap().replace(",\"post_digest\":\"sha256:10\"", "").into_bytes());
    let receipt = verify(old.collect()).unwrap();
    assert_eq!((receipt.says.unsupported().count(), receipt.says.effects[0].votes.len()), (0, 0));
}

/// Every scalar of a JSON value, as a path.
fn scalars(value: &Value, path: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| scalars(value, format!("{path}/{name}"), into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| scalars(value, format!("{path}/{at}"), into))
        }
        _ => into.push(path),
    }
}

#[test]
fn an_edited_receipt_is_refused_whatever_was_edited() {
    let (receipt, _) = receipt();
    let (whole, key) = (serde_json::to_value(&receipt).unwrap(), log_key());
    let mut paths = Vec::new();
    scalars(&whole, String::new(), &mut paths);
    assert!(paths.len() > 50, "{}", paths.len());
    for path in paths {
        let mut edited = whole.clone();
        let place = edited.pointer_mut(&path).unwrap();
        *place = match &*place {
            Value::String(text) if text == "answered" => json!("not-sent"),
            Value::String(text) if text == "effect" => json!("prepare"),
            Value::String(text) => json!(format!("{text} ")),
            Value::Number(number) => json!(number.as_u64().unwrap() ^ 1),
            Value::Bool(flag) => json!(!flag),
            _ => json!("x"),
        };
        let bytes = serde_json::to_vec(&edited).unwrap();
        let error = Receipt::parse(&bytes).and_then(|receipt| receipt.verify(key.verifier(), &[])).expect_err(&path);
        if let Some(field) = path.strip_prefix("/says/") {
            // A value of another type is refused when it is read, and the field is named there too.
            let name = field.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap();
            let told = error.to_string();
            let named = matches!(&error, ReceiptError::Said { field, .. } if field.contains(name));
            assert!(named || matches!(error, ReceiptError::Form(_)), "{path}: {told}");
        }
    }
    let told = |value: &Value| {
        let read = Receipt::parse(&serde_json::to_vec(value).unwrap());
        read.and_then(|receipt| receipt.verify(key.verifier(), &[])).unwrap_err()
    };
    let mut edited = whole.clone();
    edited["says"]["effects"][0]["grant"] = json!("grant-9");
    let text = told(&edited).to_string();
    let expected =
        "the receipt's `says.effects[0].grant` is \"grant-9\", and the leaves say \"grant-3\": the summary was edited";
    assert_eq!(text, expected);
    let mut edited = whole.clone();
    edited["says"]["votes"].as_array_mut().unwrap().pop();
    assert!(
        matches!(told(&edited), ReceiptError::Said { field, said, .. } if field == "says.votes[1]" && said == "nothing")
    );
    let mut edited = whole.clone();
    edited["says"]["effects"][0]["note"] = json!("trust me");
    assert!(told(&edited).to_string().contains("unknown field `note`"));
    let mut edited = whole.clone();
    edited["leaves"].as_array_mut().unwrap().swap(0, 1);
    assert!(matches!(told(&edited), ReceiptError::Place { .. }));
    // A name that stands twice: readers differ about which one counts.
    let twice = whole.to_string().replacen("\"grant\":", "\"grant\":\"grant-9\",\"grant\":", 1);
    assert!(matches!(Receipt::parse(twice.as_bytes()), Err(ReceiptError::Form(_))));
    // Leaves of another post.
    let (mut other, files) = (leaves(0, 2), log(&leaves(0, 2)));
    let of_other = vec![(1, other.pop().unwrap())];
    let made = Receipt::make(&mut files_of(&files, 2), "post_a", &of_other, &note_of(&files)).unwrap().unwrap();
    assert!(matches!(made.verify(key.verifier(), &[]), Err(ReceiptError::Place { .. })));
    let none = Receipt::make(&mut files_of(&files, 2), "post_a", &[], &note_of(&files)).unwrap();
    assert!(matches!(none, Err(ReceiptError::Empty(_))));
    let witness = support::key("w", Algorithm::Cosignature, 2);
    assert!(matches!(receipt.verify(key.verifier(), &[witness.verifier().clone()]), Err(ReceiptError::Checkpoint(_))));
}

/// A log whose key went from number 1 to number 2 and on to number 3. The names stay.
struct Changed {
    keys: Vec<Signer>,
    all: Vec<Vec<u8>>,
    /// A checkpoint of the time of each key.
    past: Vec<String>,
}

fn root(leaves: &[Vec<u8>]) -> Hash {
    naive_root(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>())
}

fn changed(forged: bool) -> Changed {
    let keys: Vec<Signer> = (1..=3).map(|number| key(ORIGIN, Algorithm::Ed25519, number)).collect();
    let mut all = leaves(0, 280);
    let mut past = Vec::new();
    for pair in keys.windows(2) {
        let [from, to] = pair else { unreachable!() };
        past.push(signed(all.len() as u64, root(&all), &[from]));
        let change = all.len() as u64;
        let text = |key: &Signer| key.verifier().to_string();
        let leaf = KeyChange { from: text(from), to: text(to), by: "operator-1".into() };
        all.push(Leaf::new(5, leaf).to_bytes().unwrap());
        // A thief of the later key alone can't sign with the earlier one.
        let signers: &[&Signer] = if forged { &[to] } else { &[from, to] };
        let handover = KeyHandover { change, checkpoint: signed(all.len() as u64, root(&all), signers) };
        all.push(Leaf::new(6, handover).to_bytes().unwrap());
        all.extend(leaves(all.len() as u64, all.len() as u64 + 40));
    }
    past.push(signed(all.len() as u64, root(&all), &[&keys[2]]));
    Changed { keys, all, past }
}

#[test]
fn whoever_trusts_an_earlier_key_is_led_to_the_one_in_use() {
    let Changed { keys, all, past } = changed(false);
    let mut files = tree(&all).0;
    files.put(tree_path("checkpoint"), past[2].clone());
    let dir = Path::new(LOG_DIR);
    for (number, handovers) in [(0, vec![281, 323]), (1, vec![323]), (2, vec![])] {
        for since in &past {
            let trusting = VerifyOptions {
                since: Some(since.clone().into_bytes()),
                ..VerifyOptions::new(keys[number].verifier().clone())
            };
            let report = verify(&files, dir, &trusting).unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!((&report.key, &report.handovers), (keys[2].verifier(), &handovers));
        }
    }
    // A change in a leaf is found and named also by whoever has the earliest key.
    let trusting = VerifyOptions::new(keys[0].verifier().clone());
    let mut evil = files.clone();
    evil.edit(tile_path(Kind::Entries, 0, all.len() as u64), |bytes| bytes[2] ^= 1);
    assert_eq!(verify(&evil, dir, &trusting).unwrap_err().first_bad_index(), Some(0));
    // The old key goes on signing after it has handed over.
    files.put(tree_path("checkpoint"), signed(all.len() as u64, root(&all), &[&keys[0]]));
    assert!(matches!(verify(&files, dir, &trusting), Err(VerifyError::Checkpoint { .. })));
    // A stranger's key leads nowhere.
    let stranger = VerifyOptions::new(key(ORIGIN, Algorithm::Ed25519, 9).verifier().clone());
    files.put(tree_path("checkpoint"), past[2].clone());
    assert!(matches!(verify(&files, dir, &stranger), Err(VerifyError::Checkpoint { .. })));
}

#[test]
fn a_key_that_was_not_handed_over_is_refused() {
    let Changed { keys, all, past } = changed(true);
    let mut files = tree(&all).0;
    files.put(tree_path("checkpoint"), past[2].clone());
    let trusting = VerifyOptions::new(keys[0].verifier().clone());
    let error = verify(&files, Path::new(LOG_DIR), &trusting).unwrap_err();
    assert!(matches!(error, VerifyError::Key { index: 281, .. }), "{error}");
}

/// A receipt of a post that was made before both changes of the key, in the tree of after them.
fn later_receipt(log: &Changed) -> Receipt {
    let mut files = tree(&log.all).0;
    files.put(tree_path("checkpoint"), log.past[2].clone());
    let mut tree = files_of(&files, log.all.len() as u64);
    let own: Vec<(u64, Vec<u8>)> = (0..).zip(log.all.clone()).filter(|(index, _)| (10..12).contains(index)).collect();
    let post = Leaf::from_bytes(&own[0].1).unwrap();
    let post = pressgate_audit::receipt::post_of(&post.event).unwrap().to_owned();
    let own: Vec<_> = own.into_iter().take(1).collect();
    let mut receipt = Receipt::make(&mut tree, &post, &own, &log.past[2]).unwrap().unwrap();
    for bytes in &log.all {
        let Ok(Event::KeyHandover(handover)) = Leaf::from_bytes(bytes).map(|leaf| leaf.event) else { continue };
        let change = &log.all[handover.change as usize];
        receipt.handovers.push(HandedOver::make(&mut tree, change, &handover, log.all.len() as u64).unwrap().unwrap());
    }
    Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap()
}

#[test]
fn a_receipt_of_after_a_change_of_the_key_holds_for_whoever_has_an_older_one() {
    let log = changed(false);
    let receipt = later_receipt(&log);
    for (number, steps) in [(0, vec![280, 322]), (1, vec![322]), (2, vec![])] {
        let trusted = log.keys[number].verifier();
        let checkpoint = receipt.verify(trusted, &[]).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(checkpoint.size, log.all.len() as u64);
        assert_eq!(receipt.signing_key(trusted).unwrap(), (log.keys[2].verifier().clone(), steps));
    }
    let newest = log.keys[2].verifier().to_string();
    let asked = |receipt: &Receipt, key: &Signer| match receipt.verify(key.verifier(), &[]).unwrap_err() {
        ReceiptError::Key { given, by } => {
            assert_eq!(given, key.verifier().to_string());
            assert!(newest.starts_with(&by), "{by}");
        }
        error => panic!("{error}"),
    };
    asked(&receipt, &key(ORIGIN, Algorithm::Ed25519, 9));
    // Without the first step, or without any, the oldest key leads nowhere.
    let mut less = receipt.clone();
    less.handovers.remove(0);
    asked(&less, &log.keys[0]);
    less.verify(log.keys[1].verifier(), &[]).unwrap();
    less.handovers.clear();
    asked(&less, &log.keys[1]);
}

#[test]
fn nothing_in_a_change_of_the_key_goes_unchecked() {
    let log = changed(false);
    let receipt = later_receipt(&log);
    let trusted = log.keys[0].verifier();
    let whole = serde_json::to_value(&receipt).unwrap();
    for at in 0..2 {
        for field in ["index", "leaf", "proof", "consistency"] {
            let mut edited = whole.clone();
            let other = edited["handovers"][1 - at][field].clone();
            edited["handovers"][at][field] = other;
            let edited = Receipt::parse(edited.to_string().as_bytes()).unwrap();
            for key in &log.keys {
                assert!(edited.verify(key.verifier(), &[]).is_err(), "{field} of {at}");
            }
        }
        let text = whole["handovers"][at]["leaf"].as_str().unwrap();
        for byte in 0..text.len() {
            let mut leaf = text.as_bytes().to_vec();
            leaf[byte] ^= 1;
            let mut edited = receipt.clone();
            edited.handovers[at].leaf = String::from_utf8(leaf).unwrap();
            assert!(edited.verify(trusted, &[]).is_err(), "byte {byte} of {text}");
        }
    }
    let mut swapped = receipt.clone();
    swapped.handovers.swap(0, 1);
    assert!(matches!(swapped.verify(trusted, &[]), Err(ReceiptError::Place { .. })));
    // A thief of the later keys, who can't sign with the first one, makes a log of their own.
    let error = later_receipt(&changed(true)).verify(trusted, &[]).unwrap_err();
    assert!(matches!(error, ReceiptError::Leaf { index: 280, .. }), "{error}");
    // A log of another past, signed with the newest key, does not go on from what the old key signed.
    let mut other = changed(false);
    other.all[20] = leaf(7_777);
    other.past[2] = signed(other.all.len() as u64, root(&other.all), &[&other.keys[2]]);
    let forked = Receipt { handovers: receipt.handovers, ..later_receipt(&other) };
    forked.verify(other.keys[2].verifier(), &[]).unwrap_err();
    let error = forked.verify(trusted, &[]).unwrap_err();
    assert!(matches!(error, ReceiptError::Leaf { index: 280, .. }), "{error}");
}

#[test]
fn bundles_may_be_gone_as_far_as_the_log_says_so() {
    let mut all = leaves(0, 1_100);
    let leaf = |below| Leaf::new(9, Retention { below, bundles: 1 }).to_bytes().unwrap();
    all.push(leaf(256));
    all.push(leaf(768));
    let size = all.len() as u64;
    let whole = log(&all);
    let dir = Path::new(LOG_DIR);
    let mut files = whole.clone();
    for bundle in 0..3 {
        files.remove(tile_path(Kind::Entries, bundle, size));
        let since = signed(500, root(&all[..500]), &[&log_key()]);
        let report = verify(&files, dir, &VerifyOptions { since: Some(since.into_bytes()), ..options() }).unwrap();
        assert_eq!(report.pruned_bundles, bundle + 1);
        // The proofs of what is gone still hold.
        let proof = TlogProof::make(&mut files_of(&files, size), 700, &note_of(&files)).unwrap().unwrap();
        proof.verify(&all[700], log_key().verifier()).unwrap();
    }
    let mut further = files.clone();
    further.remove(tile_path(Kind::Entries, 3, size));
    assert_eq!(verify(&further, dir, &options()).unwrap_err().first_bad_index(), Some(768));
    let mut hashes = files.clone();
    hashes.remove(tile_path(Kind::Hashes(0), 1, size));
    assert_eq!(verify(&hashes, dir, &options()).unwrap_err().first_bad_index(), Some(256));
    files.edit(tile_path(Kind::Hashes(0), 2, size), |bytes| bytes[40 * 32] ^= 1);
    let error = verify(&files, dir, &options()).unwrap_err();
    // Nothing says which of the tile's hashes it was: the leaves are gone.
    assert_eq!(error.first_bad_index(), Some(512), "{error}");
}
