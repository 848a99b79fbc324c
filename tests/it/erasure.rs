//! Erasing a subject: nothing of what they said is left in any file, whatever backup of the keys comes back, and the log is as it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate::audit::{Event, Leaf, LogReader, RealDisk, leaf};
use pressgate::gateway::Gateway;
use pressgate::model::{AccountId, Action, Draft, GrantId, KeyId, Part, PersonId, PostId, Principal, TargetState};
use pressgate::operator::{By, Ops, OpsError, erasures, wire::ErasureRequest};
use pressgate::records::{Author, Commitment, NewPost, NewTarget};
use pressgate_audit::proof::TlogProof;
use pressgate_audit::tree::TreeFiles;
use pressgate_audit::verify::{VerifyOptions, verify};
use serde_json::{Value, json};
use tests::harness::{Caller, Gate, Governance, Running, network, problem};

use crate::reveal::{AUDITORS, reveal};
use crate::samples::{PNG, id, post};
use crate::secrets::needles::Needles;
use crate::tree::{covered, key as log_key};

/// In every record of the subject, with characters that every way of escaping changes.
const MARK: &str = "cnry-Er4se+me/9~Kd.V2_wTf8bLm3zE==";
/// In what another subject said.
const OTHER: &str = "cnry-0ther-stays";
/// The subject of the tests.
const EDITOR: &str = "person:editor-7";
/// Posts that are made by the stores themselves: the network is not what is tested.
const BULK: u64 = 10_000;
/// How many of them wait for the disk at once.
const AT_ONCE: u64 = 500;

/// Two operators, two auditors, and people who publish for themselves.
pub fn cast(governance: &mut Governance) {
    let people =
        governance.files()["people.toml"].replace("roles = [\"approver\"]", "roles = [\"approver\", \"operator\"]");
    governance.file("people.toml", &people);
    for person in ["editor-7", "editor-8"] {
        governance.grant(
            &format!("own-{person}"),
            &format!("person:{person}"),
            "brand:acme",
            &tests::harness::governance::USUAL_ACTIONS,
        );
    }
    let grants = governance.files()["grants.toml"].clone() + AUDITORS;
    governance.file("grants.toml", &grants);
}

fn by(person: &str) -> By {
    By::Person(PersonId::new(person))
}

fn wish(subject: &str) -> ErasureRequest {
    ErasureRequest { subject: subject.into(), basis: "gdpr-art-17".into() }
}

/// Asks and confirms.
pub async fn erase(gate: &Running, subject: &str) -> pressgate::operator::wire::ErasureView {
    let asked = erasures::ask(gate.gateway(), &by("ops-1"), wish(subject)).await.expect("asked");
    assert_eq!((asked.state.as_str(), asked.leaf), ("waits", None));
    let done = erasures::confirm(gate.gateway(), &by("chief-1"), &asked.id, wish(subject)).await.expect("erased");
    assert_eq!((done.state.as_str(), done.values_left, done.posts_left), ("done", 0, 0));
    done
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The files of the data folder that hold the text in any form, by name.
fn holding(gate: &Running, text: &str) -> Vec<String> {
    let needles = Needles::of(&[("the mark", text)]);
    let found = files(&gate.data()).into_iter().filter_map(|path| {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // The gateway works on: a partial tile or an unfinished file may go meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        needles.found_in(&bytes).map(|found| format!("{}: {found}", path.display()))
    });
    found.collect()
}

/// The leaves' bytes below an index, as they lie on the disk.
fn hashes(gate: &Running, end: u64) -> Vec<String> {
    let mut reader = LogReader::new(Arc::new(RealDisk), &gate.site.config().audit.dir, 0);
    let mut all = Vec::new();
    while let Some((index, bytes)) = reader.next_bytes().expect("a readable log") {
        if index >= end {
            break;
        }
        // The hash of a leaf in RFC 6962: over a zero byte and the leaf. Every root and every proof follows from these.
        let whole = [&[0], bytes.as_slice()].concat();
        all.push(pressgate::call::digest::sha256_hex(&whole));
    }
    all
}

/// The erasures that the log tells of.
fn told(leaves: &[Leaf]) -> Vec<leaf::Erasure> {
    let erasures = leaves.iter().filter_map(|leaf| match &leaf.event {
        Event::Erasure(erasure) => Some((**erasure).clone()),
        _ => None,
    });
    erasures.collect()
}

/// One post that was rejected, with its leaf, by the same operations of the stores that a call uses.
async fn bulk(gateway: Arc<Gateway>, number: u64, text: &str) -> Vec<Commitment> {
    let text = format!("{number} {text}");
    let id = PostId::fresh(gateway.clock.now());
    let values = [("text", text.as_str()), ("source", "2001:db8::7"), ("reply-to", text.as_str())];
    let committed = gateway.openings.commit(EDITOR, id.as_str(), &values).await.expect("committed");
    let draft = Draft {
        action: Action::POST_CREATE,
        parts: vec![Part { text: text.clone(), media: Vec::new() }],
        language: None,
        target: Some(text.clone()),
        options: Default::default(),
        labels: vec![text.clone()],
        campaign: Some(text.clone()),
    };
    let target = NewTarget {
        account: AccountId::new("acme-mastodon"),
        state: TargetState::Rejected,
        draft,
        digest: "00".repeat(32),
        call_key: "00".repeat(32),
        grant: GrantId::new("own-editor-7"),
        lease_until: None,
        commitments: committed.commitments.clone(),
        release: None,
    };
    let author =
        Author { principal: Principal::Person(PersonId::new("editor-7")), key: KeyId::new("bulk"), on_behalf_of: None };
    let post = NewPost {
        id: id.clone(),
        created_at: gateway.clock.now(),
        subject: author.subject(),
        author,
        digest: "00".repeat(32),
        salt: "00".repeat(32),
        request: json!({"content": {"text": text}}).to_string(),
        targets: vec![target],
        idempotency: None,
        verdicts: Vec::new(),
        media: Vec::new(),
        openings: committed.openings,
        life: None,
    };
    gateway.records.accept_post(post).await.expect("kept");
    let refused = leaf::Refused {
        stage: "review".into(),
        problem: "policy-denied".into(),
        person: Some("editor-7".into()),
        post: Some(id.to_string()),
        commitments: committed.commitments.clone(),
        ..leaf::Refused::default()
    };
    gateway.audit.append(Leaf::new(0, refused)).await.expect("logged");
    committed.commitments
}

/// What a person says in every place where one can.
pub async fn say_everything(gate: &Running, caller: &Caller, mark: &str) -> Vec<Value> {
    let media = caller.upload("image/png", PNG).await;
    let mut said = Vec::new();
    let first = json!({
        "accounts": ["acme-mastodon"],
        "content": {"text": format!("one {mark}"), "media": [{"id": media, "alt": format!("alt {mark}")}],
            "thread": [{"text": format!("two {mark}")}]},
        "options": {"mastodon": {"content_warning": format!("warning {mark}")}},
        "labels": [format!("label {mark}")], "campaign": format!("campaign {mark}"),
    });
    let first = caller.publish_once(&format!("key-{}", mark.len()), &first).await.expect(201);
    let reference = first["targets"][0]["platform_id"].as_str().expect("published").to_owned();
    said.push(first);
    let reply = json!({"accounts": ["acme-mastodon"], "content": {"text": format!("reply {mark}")},
        "reply_to": {"account": "acme-mastodon", "ref": reference}});
    said.push(caller.publish(&reply).await.expect(201));
    // Refused, and stored without a post that uses it.
    problem(&caller.publish(&post("acme-mastodon", &format!("{mark} {}", "x".repeat(600)))).await, "content-invalid");
    caller.upload("image/png", PNG).await;
    // Held, voted on with a note that quotes it, and rejected.
    let held = caller.publish(&post("acme-mastodon", &format!("cheap {mark}"))).await.expect(202);
    let vote = json!({"decision": "reject", "note": format!("do not say {mark}")});
    gate.caller("person:chief-1").post(&format!("/v1/posts/{}/votes", id(&held)), &vote).await.expect(200);
    said.push(held);
    said
}

pub async fn gate(net: &sample_network::Running) -> Running {
    let rules = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    Gate::new().account("acme-mastodon", net).guidelines(&rules).govern(cast).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_subject_of_10_000_records_is_erased() {
    let net = network().await;
    let mut gate = gate(&net).await;
    let editor = gate.caller(EDITOR);
    let said = say_everything(&gate, &editor, MARK).await;
    say_everything(&gate, &gate.caller("person:editor-8"), OTHER).await;
    let some = ten_thousand(&gate).await;
    let intent =
        (0..).zip(gate.leaves()).find(|(_, leaf)| matches!(leaf.event, Event::Intent(_))).expect("an intent").0;
    let shown = reveal(&gate, intent).await;
    assert!(shown["values"][0]["value"].as_str().expect("opened").contains(MARK), "before it could be revealed");
    assert!(!holding(&gate, MARK).is_empty(), "the search finds what is there");
    assert_eq!(files(&gate.data().join("media")).len(), 4);
    // A backup of the keys alone, and the log as it is.
    gate.gateway().openings.gather_keys().await.expect("one file");
    let keys = gate.data().join("subject-keys.sqlite");
    let backup = gate.folder().join("keys-of-before");
    std::fs::copy(&keys, &backup).expect("copied");
    let end = gate.gateway().audit.next_index();
    let before = hashes(&gate, end);
    let leaves = gate.leaves();
    let proofs = proofs(&gate, &leaves).await;

    let done = erase(&gate, EDITOR).await;
    assert_eq!((done.posts, done.media), (BULK + 3, 2));
    // Two leaves of the thread and one of the reply with text and source, the reply's reference, a refusal.
    assert!(done.values >= BULK * 3 + 7, "{done:?}");
    let said_so = told(&gate.leaves());
    let [erasure] = said_so.as_slice() else { panic!("{said_so:?}") };
    let own = leaves
        .iter()
        .filter(|leaf| leaf.event.subject().as_deref() == Some(EDITOR) && !leaf.event.commitments().is_empty());
    assert_eq!((erasure.leaves, erasure.values), (own.count() as u64, done.values));
    assert_eq!(
        (erasure.subject.as_str(), erasure.by.as_slice()),
        (EDITOR, &["ops-1".to_owned(), "chief-1".to_owned()][..])
    );
    assert_eq!(hashes(&gate, end), before, "no leaf was touched");

    // Nothing in any file, while it runs, after a stop, and with the old keys back.
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
    assert!(!holding(&gate, OTHER).is_empty(), "what others said stays");
    assert_eq!(files(&gate.data().join("media")).len(), 2, "and their media");
    let shown = reveal(&gate, intent).await;
    assert_eq!((&shown["values"][0]["state"], &shown["values"][0]["value"]), (&json!("erased"), &Value::Null));
    gate.stop().await;
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
    std::fs::copy(&backup, &keys).expect("restored");
    gate.restart().await;
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
    let shown = reveal(&gate, intent).await;
    assert_eq!(shown["values"][0]["state"], "erased", "the keys are back and what they open is gone");
    let opened = gate.gateway().openings.open("", &some).await.expect("read");
    assert!(opened.iter().all(|opened| opened.value.is_none()));
    assert_eq!(hashes(&gate, end), before);
    assert_eq!(told(&gate.leaves()).len(), 1);
    hold(&gate, &proofs).await;

    let key = gate.gateway().openings.key_of(EDITOR).await.expect("read");
    assert_eq!(key, None, "and the key is destroyed once more");
    goes_on(&gate, &said[1]).await;
}

/// Many posts of the subject, and what the log commits to of one of them.
async fn ten_thousand(gate: &Running) -> Vec<Commitment> {
    let mut some = Vec::new();
    for start in (0..BULK).step_by(AT_ONCE as usize) {
        let mut all = tokio::task::JoinSet::new();
        for number in start..start + AT_ONCE {
            all.spawn(bulk(Arc::clone(gate.gateway()), number, MARK));
        }
        some = all.join_next().await.expect("one").expect("made");
        all.join_all().await;
    }
    some
}

/// The proofs of every tenth leaf and of the last, as whoever keeps them has them: texts.
async fn proofs(gate: &Running, leaves: &[Leaf]) -> Vec<(Vec<u8>, String)> {
    covered(gate).await;
    let published = gate.gateway().audit.tree().expect("a tree").borrow().published.clone().expect("a checkpoint");
    let tree = gate.data().join("audit/tree");
    let mut files = TreeFiles::new(Arc::new(RealDisk), &tree, published.checkpoint.size);
    let last = leaves.len() - 1;
    let some = (0..leaves.len()).step_by(10).chain([last]);
    some.map(|index| {
        let made = TlogProof::make(&mut files, index as u64, &published.note).expect("the tree can be read");
        (leaves[index].to_bytes().expect("the logged bytes"), made.expect("a proof").to_string())
    })
    .collect()
}

/// The proofs from before hold, and so does the whole log.
async fn hold(gate: &Running, proofs: &[(Vec<u8>, String)]) {
    let signer = log_key(gate);
    for (leaf, proof) in proofs {
        let proof = TlogProof::parse(proof.as_bytes()).expect("a proof");
        proof.verify(leaf, &signer).expect("a proof from before the erasure holds");
    }
    covered(gate).await;
    verify(&RealDisk, &gate.data().join("audit"), &VerifyOptions::new(signer)).expect("the log verifies");
}

/// After an erasure the person's posts can be seen and taken back, and the person goes on.
async fn goes_on(gate: &Running, reply: &Value) {
    // What is out can still be seen, without what it said, and taken back.
    let view = gate.caller(EDITOR).get(&format!("/v1/posts/{}", id(reply))).await.expect(200);
    assert_eq!(
        (&view["state"], &view["targets"][0]["platform_id"]),
        (&json!("published"), &reply["targets"][0]["platform_id"])
    );
    gate.caller(EDITOR).delete(&format!("/v1/posts/{}", id(reply))).await.expect(200);
    // The same person goes on, under a new key.
    gate.caller(EDITOR).publish(&post("acme-mastodon", "again")).await.expect(201);
    let again = erase(gate, EDITOR).await;
    assert!((1..10).contains(&again.values) && again.posts == 1, "{again:?}");
    assert_eq!(told(&gate.leaves()).last().map(|erasure| erasure.leaves), Some(2), "of after the first erasure");
    assert_eq!(erase(gate, EDITOR).await.values, 0, "again is harmless");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_crash_broke_off_is_carried_on_and_told_once() {
    let net = network().await;
    let mut gate = gate(&net).await;
    gate.caller(EDITOR).publish(&post("acme-mastodon", MARK)).await.expect(201);
    // Confirmed, and nothing after it: as a crash leaves it.
    let asked = erasures::ask(gate.gateway(), &by("ops-1"), wish(EDITOR)).await.expect("asked");
    let (records, now, next) = (&gate.gateway().records, gate.gateway().clock.now(), gate.gateway().audit.next_index());
    assert!(records.confirm_erasure(asked.id.clone(), PersonId::new("chief-1"), now, next).await.expect("kept"));
    gate.restart().await;
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
    let view = erasures::show(&Ops::running(gate.gateway()), &asked.id).await.expect("there");
    assert_eq!((view.state.as_str(), view.posts, told(&gate.leaves()).len()), ("done", 1, 1));

    // Everything but the last word in the records: the leaf is there already.
    gate.caller(EDITOR).publish(&post("acme-mastodon", MARK)).await.expect(201);
    let asked = erasures::ask(gate.gateway(), &by("ops-1"), wish(EDITOR)).await.expect("asked");
    let (records, now, next) = (&gate.gateway().records, gate.gateway().clock.now(), gate.gateway().audit.next_index());
    assert!(records.confirm_erasure(asked.id.clone(), PersonId::new("chief-1"), now, next).await.expect("kept"));
    let event = leaf::Erasure {
        subject: EDITOR.into(),
        basis: "gdpr-art-17".into(),
        by: vec!["ops-1".into(), "chief-1".into()],
        leaves: 1,
        values: 2,
        ranges: Vec::new(),
    };
    let index = gate.gateway().audit.append(Leaf::new(now.as_millisecond(), event)).await.expect("logged");
    gate.restart().await;
    let view = erasures::show(&Ops::running(gate.gateway()), &asked.id).await.expect("there");
    assert_eq!((view.leaf, told(&gate.leaves()).len()), (Some(index), 2));
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
    gate.restart().await;
    assert_eq!(told(&gate.leaves()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_from_before_an_erasure_are_erased_when_they_come_back() {
    let net = network().await;
    let mut gate = gate(&net).await;
    gate.caller(EDITOR).publish(&post("acme-mastodon", MARK)).await.expect(201);
    gate.stop().await;
    let (records, backup) = (gate.data().join("records"), gate.folder().join("records-of-before"));
    gate.site.stores().await.audit.close();
    std::fs::copy(&records, &backup).expect("copied");
    gate.restart().await;
    erase(&gate, EDITOR).await;
    gate.stop().await;
    for name in ["records-wal", "records-shm"] {
        let _ = std::fs::remove_file(gate.data().join(name));
    }
    std::fs::copy(&backup, &records).expect("restored");
    assert!(!holding(&gate, MARK).is_empty(), "the posts of a backup are not encrypted");
    gate.restart().await;
    assert_eq!(holding(&gate, MARK), Vec::<String>::new(), "the log tells of it");
    assert_eq!(told(&gate.leaves()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_are_needed_and_open_posts_stay() {
    let net = network().await;
    let gate = gate(&net).await;
    let gateway = gate.gateway();
    let refused = |outcome: Result<_, OpsError>| match outcome {
        Err(OpsError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    };
    let held = gate.caller(EDITOR).publish(&post("acme-mastodon", &format!("cheap {MARK}"))).await.expect(202);
    let open = refused(erasures::ask(gateway, &by("ops-1"), wish(EDITOR)).await);
    assert!(open.contains(&id(&held)) && open.contains("nothing was erased"), "{open}");
    gate.caller(EDITOR).delete(&format!("/v1/posts/{}", id(&held))).await.expect(200);
    for local in [By::Local, By::LocalSignal] {
        assert!(refused(erasures::ask(gateway, &local, wish(EDITOR)).await).contains("two operators"));
    }
    assert!(refused(erasures::ask(gateway, &by("ops-1"), wish("ops-1")).await).contains("their own"));
    let asked = erasures::ask(gateway, &by("ops-1"), wish("editor-7")).await.expect("asked");
    assert_eq!((asked.subject.as_str(), asked.values_left > 0), (EDITOR, true));
    let (own, other) = (by("ops-1"), by("chief-1"));
    assert!(refused(erasures::confirm(gateway, &own, &asked.id, wish(EDITOR)).await).contains("another operator"));
    assert!(refused(erasures::confirm(gateway, &other, &asked.id, wish("editor-8")).await).contains("another subject"));
    assert!(matches!(erasures::confirm(gateway, &other, "none", wish(EDITOR)).await, Err(OpsError::Missing(_))));
    assert!(!holding(&gate, MARK).is_empty() && told(&gate.leaves()).is_empty(), "nothing happened yet");
    erasures::confirm(gateway, &other, &asked.id, wish(EDITOR)).await.expect("erased");
    let again = erasures::confirm(gateway, &other, &asked.id, wish(EDITOR)).await.expect("it is done");
    assert_eq!((again.state.as_str(), told(&gate.leaves()).len()), ("done", 1));
    let story: Vec<String> = gate
        .leaves()
        .into_iter()
        .filter_map(|leaf| match leaf.event {
            Event::Change(change) if change.action.starts_with("erasure") => {
                Some(format!("{} {}", change.action, change.by))
            }
            Event::Erasure(_) => Some("erased".into()),
            _ => None,
        })
        .collect();
    assert_eq!(story, ["erasure-ask ops-1", "erasure-confirm chief-1", "erased"]);
    assert_eq!(holding(&gate, MARK), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_confirms_ends() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).govern(cast).clock(&clock).start().await;
    let asked = erasures::ask(gate.gateway(), &by("ops-1"), wish(EDITOR)).await.expect("asked");
    clock.advance(jiff::SignedDuration::from_hours(25));
    assert_eq!(erasures::show(&Ops::running(gate.gateway()), &asked.id).await.expect("there").state, "expired");
    let late = erasures::confirm(gate.gateway(), &by("chief-1"), &asked.id, wish(EDITOR)).await;
    assert!(matches!(late, Err(OpsError::Invalid(text)) if text.contains("24 hours")));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_erase_by_command() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).govern(cast).spawn().await;
    gate.caller(EDITOR).publish(&post("acme-mastodon", MARK)).await.expect(201);
    let folder = gate.site.folder().to_owned();
    for person in ["ops-1", "chief-1"] {
        let path = folder.join(person);
        std::fs::write(&path, gate.site.key(&format!("person:{person}"))).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changed");
    }
    let erase = ["audit", "erase", "--subject", "editor-7", "--basis", "gdpr-art-17", "--json", "--key-file"];
    for (subject, meant) in [("newsroom", "app:newsroom"), ("editr-7", EDITOR)] {
        let slip = ["audit", "erase", "--subject", subject, "--basis", "b", "--key-file", "ops-1"];
        let (code, out, err) = gate.command(&slip).await;
        let told = err.contains(&format!("did you mean `{meant}`")) && err.contains("A subject is");
        assert!(code == Some(1) && told, "{out}{err}");
    }
    let (code, out, err) = gate.command(&[&erase[..], &["ops-1"]].concat()).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let asked: Value = serde_json::from_str(&out).expect("JSON");
    let asked = asked["id"].as_str().expect("an id");
    let (code, out, _) = gate.command(&[&erase[..], &["ops-1", "--confirm", asked]].concat()).await;
    assert!(code == Some(1) && out.contains("another operator"), "{out}");
    let (code, out, err) = gate.command(&[&erase[..], &["chief-1", "--confirm", asked]].concat()).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let done: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&done["state"], &done["posts"]), (&json!("done"), &json!(1)));
    // An operator sees what there is; while no gateway runs too.
    let listed = |(code, out, err): (Option<i32>, String, String)| {
        assert_eq!(code, Some(0), "{out}{err}");
        serde_json::from_str::<Value>(&out).expect("JSON")
    };
    let all = listed(gate.command(&["audit", "erasures", "--json", "--key-file", "ops-1"]).await);
    assert_eq!(
        (all.as_array().map(Vec::len), &all[0]["id"], &all[0]["state"]),
        (Some(1), &json!(asked), &json!("done"))
    );
    assert_eq!(gate.terminate().await, Some(0));
    assert_eq!(told(&gate.leaves()).len(), 1);
    assert_eq!(listed(gate.command(&["audit", "erasures", asked, "--json"]).await), all[0]);
    let (code, out, _) = gate.command(&[&erase[..], &["ops-1"]].concat()).await;
    assert!(code == Some(3) && out.contains("no gateway runs"), "{out}");
    let needles = Needles::of(&[("the mark", MARK)]);
    for file in files(&folder.join("data")) {
        assert_eq!(needles.found_in(&std::fs::read(&file).expect("readable")), None, "{}", file.display());
    }
}
