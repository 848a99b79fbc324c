//! Backups of a gateway that works, put back as somebody does after a disk was lost; and everything that must not pass for one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pressgate::audit::{Event, Leaf, leaf};
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, built, network, until};

use crate::cli::{Ran, run, run_as};
use crate::erasure::cast;
use crate::samples::{PNG, id, post};
use crate::secrets::needles::Needles;

/// In what a subject said who is erased later.
const MARK: &str = "cnry-B4ckup+me/9~Kd.V2_wTf8bLm3zE==";
/// How often a backup, and a restore, is killed.
const KILLS: u64 = 12;

async fn spawn(net: &sample_network::Running) -> GateProcess {
    Gate::new().account("acme-mastodon", net).govern(cast).spawn().await
}

/// Makes a backup with every key, beside the running gateway.
fn back_up(gate: &GateProcess, name: &str) -> PathBuf {
    run_as(gate, "person:ops-1", &format!("backup {name} --with-keys"), "").text(0);
    gate.site.path(name)
}

/// The data folder is lost, but what of it is named is kept.
fn lose(gate: &GateProcess, kept: &[&str]) -> PathBuf {
    let (data, away) = (gate.site.path("data"), gate.site.path(&format!("lost-{}", kept.len())));
    std::fs::rename(&data, &away).expect("moved");
    std::fs::create_dir(&data).expect("made");
    for name in kept {
        std::fs::copy(away.join(name), data.join(name)).expect("kept");
    }
    away
}

fn changes(leaves: &[Leaf], what: &str) -> Vec<leaf::Change> {
    let change = |leaf: &Leaf| match &leaf.event {
        Event::Change(change) if change.action == what => Some(change.clone()),
        _ => None,
    };
    leaves.iter().filter_map(change).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn copy_all(from: &Path, into: &Path) {
    for file in files(from) {
        let to = into.join(file.strip_prefix(from).expect("inside"));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(&file, to).expect("copied");
    }
}

fn restore(gate: &GateProcess, line: &str) -> Ran {
    run(gate.site.folder(), &format!("restore {line}"), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_point_and_comes_back() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    gate.upload("image/png", PNG).await;
    let first = gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    let caller = gate.caller("app:newsroom");
    let publishing = tokio::spawn(async move {
        let mut made = Vec::new();
        for number in 0..200 {
            made.push(id(&caller.publish(&post("acme-mastodon", &format!("load {number}"))).await.expect(201)));
        }
        made
    });
    let backups: Vec<PathBuf> = (0..3).map(|number| back_up(&gate, &format!("b{number}"))).collect();
    let made = publishing.await.expect("published");
    let leaves = gate.leaves();
    assert_eq!((changes(&leaves, "backup").len(), changes(&leaves, "backup-copied").len()), (3, 3));
    assert!(changes(&leaves, "backup").iter().all(|change| change.by == "ops-1"));
    gate.kill9().await;
    for (number, backup) in backups.iter().enumerate() {
        let told = restore(&gate, &format!("{} --check --json", backup.display())).json(0);
        assert_eq!(told["key_known"], true, "the signing key is where it was");
        let aside = gate.site.path(&format!("data-{number}"));
        std::fs::rename(gate.site.path("data"), &aside).expect("moved");
        restore(&gate, &backup.display().to_string()).text(0);
        gate.restart().await;
        assert_eq!(gate.read(&id(&first)).await["state"], "published");
        // What was accepted before the backup began is there whole; what came after is not, and nothing is half.
        let mut states = Vec::new();
        for post in &made {
            let answer = gate.get(&format!("/v1/posts/{post}")).await;
            states.push(if answer.status == 200 { answer.json::<Value>()["state"].clone() } else { Value::Null });
        }
        let until = states.iter().position(Value::is_null).unwrap_or(states.len());
        assert!(states[until..].iter().all(Value::is_null), "a prefix of what was made: {states:?}");
        let settled = states[..until].iter().filter(|state| **state == "published").count();
        assert!(settled + 1 >= until, "only the last one may be under way: {states:?}");
        gate.publish(&post("acme-mastodon", "goes on")).await.expect(201);
        let restored = changes(&gate.leaves(), "restored");
        assert_eq!(restored.len(), 1);
        assert!(restored[0].subject.starts_with("backup_") && restored[0].digest.is_none(), "{restored:?}");
        gate.kill9().await;
        gate.restart().await;
        assert_eq!(changes(&gate.leaves(), "restored").len(), 1, "told once");
        gate.kill9().await;
        std::fs::remove_dir_all(gate.site.path("data")).expect("removed");
        std::fs::rename(&aside, gate.site.path("data")).expect("moved back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_a_backup_is_made_too_and_nothing_is_written_over() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    let made = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    let told = run(gate.site.folder(), "backup b", "");
    assert!(told.text(1).contains("operator's key"), "beside a gateway the log says who");
    assert!(run_as(&gate, "person:editor-7", "backup b", "").text(1).contains("operator"));
    assert!(!gate.site.path("b").exists() && !gate.site.path("b.part").exists());
    assert_eq!(gate.terminate().await, Some(0));
    let told = run(gate.site.folder(), "backup b --without-subject-keys --json", "").json(0);
    assert_eq!(
        (&told["manifest"]["with_keys"], &told["manifest"]["with_subject_keys"]),
        (&json!(false), &json!(false))
    );
    let backup = gate.site.path("b");
    assert!(!backup.join("keys").exists() && !backup.join("subject-keys.sqlite").exists());
    let needles = Needles::of(&[("the kek", &std::fs::read_to_string(gate.site.path("data/kek")).expect("a key"))]);
    for file in files(&backup) {
        assert_eq!(needles.found_in(&std::fs::read(&file).expect("read")), None, "{}", file.display());
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("facts"));
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
    assert!(run(gate.site.folder(), "backup b", "").text(1).contains("there already"));
    assert_eq!(
        changes(&gate.leaves(), "backup").iter().map(|change| change.by.as_str()).collect::<Vec<_>>(),
        ["local"]
    );
    // Not into a folder that has something.
    let refused = restore(&gate, "b");
    assert!(refused.text(1).contains("not empty") && refused.text(1).contains("Nothing was changed"), "{refused:?}");
    // Keys were kept elsewhere, as they should be.
    lose(&gate, &["kek", "audit-key"]);
    let text = restore(&gate, "b");
    assert!(text.text(0).contains("no second checkpoint") && text.out.contains("no keys of subjects"), "{text:?}");
    run(gate.site.folder(), "doctor", "");
    gate.restart().await;
    assert_eq!(gate.read(&id(&made)).await, made);
    gate.publish(&post("acme-mastodon", "y")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_told_and_restored_only_on_purpose() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    back_up(&gate, "b");
    gate.publish(&post("acme-mastodon", "y")).await.expect(201);
    assert_eq!(gate.terminate().await, Some(0));
    let newer = gate.leaves().len();
    let away = lose(&gate, &["audit-checkpoint"]);
    let before = files(&gate.site.path("data"));
    let refused = restore(&gate, "b");
    let told = refused.text(1);
    assert!(
        told.contains("older than the log") && told.contains("--older") && told.contains("--erased-since"),
        "{told}"
    );
    assert!(told.contains(&format!("{newer}")), "{told}");
    let harmless = |path: &PathBuf| !path.ends_with("lock");
    assert_eq!(
        files(&gate.site.path("data")).into_iter().filter(harmless).collect::<Vec<_>>(),
        before,
        "nothing was changed"
    );
    let told = restore(&gate, "b --older --json").json(0);
    let evidence = PathBuf::from(told["older_than"]["file"].as_str().expect("evidence"));
    assert_eq!(std::fs::read(&evidence).expect("kept"), std::fs::read(away.join("audit-checkpoint")).expect("read"));
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "z")).await.expect(201);
    let restored = changes(&gate.leaves(), "restored");
    assert_eq!(restored[0].digest.as_deref(), told["older_than"]["sha256"].as_str(), "the log names the evidence");
    assert!(restored[0].subject.ends_with(&format!("after {newer} leaves")), "{restored:?}");
    assert!(changes(&gate.leaves(), "second-checkpoint-missing").is_empty());
    gate.kill9().await;
    // A second checkpoint of another log, or of another past, is never passed over.
    let other = spawn(&net).await;
    until("a checkpoint", || async { other.site.path("data/audit-checkpoint").exists().then_some(()) }).await;
    std::fs::remove_dir_all(gate.site.path("data")).expect("removed");
    std::fs::create_dir(gate.site.path("data")).expect("made");
    std::fs::copy(other.site.path("data/audit-checkpoint"), gate.site.path("data/audit-checkpoint")).expect("copied");
    let refused = restore(&gate, "b --older");
    assert!(refused.text(1).contains("does not fit this backup"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_or_revoked_since_does_not_come_back() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    gate.caller("person:editor-7").publish(&post("acme-mastodon", MARK)).await.expect(201);
    let key = run_as(&gate, "person:ops-1", "key create --app agency --json", "").json(0);
    let chief = gate.caller("person:chief-1");
    let feed = chief.post("/v1/calendar/feeds", &json!({})).await.expect(201);
    let feed_id = feed["feed"]["id"].as_str().expect("an id").to_owned();
    back_up(&gate, "b");
    chief.delete(&format!("/v1/calendar/feeds/{feed_id}")).await.expect(200);
    let ask = "audit erase --subject editor-7 --basis gdpr-art-17 --json";
    let asked = run_as(&gate, "person:ops-1", ask, "").json(0);
    let confirm = format!("{ask} --confirm {}", asked["id"].as_str().expect("an id"));
    run_as(&gate, "person:chief-1", &confirm, "").json(0);
    let key_id = key["id"].as_str().or(key["info"]["id"].as_str()).expect("an id").to_owned();
    run_as(&gate, "person:ops-1", &format!("key revoke {key_id}"), "").text(0);
    assert_eq!(gate.terminate().await, Some(0));
    let away = lose(&gate, &["audit-checkpoint"]);
    let log = away.join("audit");
    let told = restore(&gate, &format!("b --older --erased-since {} --json", log.display())).json(0);
    assert_eq!(told["erased"][0]["subject"], "person:editor-7");
    assert_eq!(told["revoked_keys"], json!([key_id]));
    assert_eq!(told["revoked_feeds"], json!([feed_id]));
    let needles = Needles::of(&[("the mark", MARK)]);
    let holding = |folder: &Path| {
        // What goes away while the gateway works is not there to be found.
        let holds = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| needles.found_in(&bytes).is_some());
        files(folder).into_iter().filter(holds).collect::<Vec<_>>()
    };
    assert!(!holding(&gate.site.path("data")).is_empty(), "posts in a backup are not encrypted");
    gate.restart().await;
    assert_eq!(holding(&gate.site.path("data")), Vec::<PathBuf>::new(), "gone before anything was served");
    let erased = gate.leaves().iter().filter(|leaf| matches!(&leaf.event, Event::Erasure(_))).count();
    assert_eq!(erased, 1, "and the log says so");
    let key_text = key["key"].as_str().expect("a key");
    let answer = tests::harness::Caller::new(&gate.url, key_text).get("/v1/me").await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    let read = format!("{}{}", gate.url, feed["url"].as_str().expect("an address"));
    assert_eq!(tests::http::get(&read, "").await.status, 404);
    gate.kill9().await;
    // A log that is another one tells nothing of this backup.
    lose(&gate, &[]);
    let other = spawn(&net).await;
    let other = other.site.path("data/audit");
    let refused = restore(&gate, &format!("b --older --erased-since {}", other.display()));
    assert!(refused.text(1).contains("is not the log that goes on"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_which_anything_was_changed_is_refused() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    gate.upload("image/png", PNG).await;
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    let backup = back_up(&gate, "b");
    assert_eq!(gate.terminate().await, Some(0));
    restore(&gate, "b --check").text(0);
    let apart = gate.site.path("apart.sqlite");
    for file in files(&backup) {
        let name = file.strip_prefix(&backup).expect("inside").display().to_string();
        let bytes = std::fs::read(&file).expect("read");
        for at in BTreeSet::from([0, bytes.len() / 2, bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&file, changed).expect("changed");
            let ran = restore(&gate, "b --check");
            // A byte of the manifest may stand for nothing that is relied on: layout, or the program's version.
            assert!(ran.code == Some(1) || name == "backup.json", "{name} at {at}: {ran:?}");
        }
        std::fs::remove_file(&file).expect("removed");
        let ran = restore(&gate, "b --check");
        assert_eq!(ran.code, Some(i32::from(name != "subject-keys.sqlite")), "{name} is missing: {ran:?}");
        if name == "subject-keys.sqlite" {
            std::fs::write(&apart, &bytes).expect("kept apart");
            restore(&gate, "b --check --subject-keys apart.sqlite").text(0);
            std::fs::write(&apart, &bytes[1..]).expect("changed");
            restore(&gate, "b --check --subject-keys apart.sqlite").text(1);
        }
        std::fs::write(&file, &bytes).expect("put back");
    }
    // Records of another moment, with a manifest that says so: the log does not.
    let manifest = backup.join("backup.json");
    let whole = std::fs::read_to_string(&manifest).expect("read");
    let mut told: Value = serde_json::from_str(&whole).expect("JSON");
    let media = backup.join(told["files"][0]["path"].as_str().expect("a path"));
    let old = std::fs::read(&media).expect("read");
    std::fs::write(&media, b"other").expect("changed");
    told["files"][0]["bytes"] = json!(5);
    told["files"][0]["sha256"] = json!(pressgate::call::digest::sha256_hex(b"other"));
    std::fs::write(&manifest, told.to_string()).expect("changed");
    let ran = restore(&gate, "b --check");
    assert!(ran.text(1).contains("does not tell of these files"), "{ran:?}");
    std::fs::write(&media, old).expect("put back");
    std::fs::write(&manifest, whole).expect("put back");
    let checked = restore(&gate, "b --check");
    assert!(!checked.text(0).contains("names itself"), "{checked:?}");
    std::fs::remove_file(gate.site.path("data/audit-key")).expect("removed");
    assert!(restore(&gate, "b --check").text(0).contains("names itself"), "nobody vouches for the key");
}

/// Starts a command and kills it after a while, unless it ended before. Says whether it was killed.
fn killed(folder: &Path, line: &str, after: Duration) -> bool {
    let mut child = Command::new(built::program())
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    std::thread::sleep(after);
    if child.try_wait().expect("a state").is_some() {
        return false;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_or_restore_that_is_killed_never_passes_for_a_whole_one() {
    let net = network().await;
    let mut gate = spawn(&net).await;
    for number in 0..20 {
        gate.upload("image/png", PNG).await;
        gate.publish(&post("acme-mastodon", &format!("x {number}"))).await.expect(201);
    }
    assert_eq!(gate.terminate().await, Some(0));
    let folder = gate.site.folder().to_owned();
    let mut kills = 0;
    for step in 0..KILLS {
        kills += u64::from(killed(&folder, "backup b", Duration::from_millis(20 + step * 60)));
        if gate.site.path("b").exists() {
            restore(&gate, "b --check").text(0);
            std::fs::remove_dir_all(gate.site.path("b")).expect("removed");
        }
        let part = gate.site.path("b.part");
        if part.exists() {
            // Killed between its check and its name it may be whole; else it is refused.
            let ran = restore(&gate, "b.part --check");
            assert!(ran.code == Some(0) || ran.text(1).contains("no backup, or one that was broken off"), "{ran:?}");
            let again = run(&folder, "backup b", "");
            assert!(again.text(1).contains("remove it"), "{again:?}");
            std::fs::remove_dir_all(part).expect("removed");
        }
    }
    assert!(kills > KILLS / 3, "{kills} of {KILLS} were killed in time");
    run(&folder, "backup b --with-keys", "").text(0);
    lose(&gate, &[]);
    let (mut marked, mut step) = (0, 0);
    // Later and later, until it is done before it is killed.
    loop {
        let was_killed = killed(&folder, "restore b", Duration::from_millis(5 + step * 25));
        step += 1;
        if !was_killed {
            break;
        }
        assert!(step < 400, "it never ends");
        if gate.site.path("data/restore-unfinished").exists() {
            marked += 1;
            let refused = run(&folder, "key list", "");
            assert!(refused.text(3).contains("Run `pressgate restore` again"), "{refused:?}");
            assert_eq!(run(&folder, "doctor", "").code, Some(1));
        } else if gate.site.path("data/records").exists() {
            // Killed after its last step.
            break;
        }
    }
    println!("{kills} backups and {marked} restores were killed half way");
    if gate.site.path("data/restore-unfinished").exists() {
        restore(&gate, "b").text(0);
    }
    copy_all(&gate.site.path("data"), &gate.site.path("copy"));
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "goes on")).await.expect(201);
    assert_eq!(changes(&gate.leaves(), "restored").len(), 1);
}
