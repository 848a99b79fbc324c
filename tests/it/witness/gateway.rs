//! The gateway's side: its log is cosigned, and what it does when it is not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::{Event, Leaf, leaf::Changed};
use pressgate::clock::SystemClock;
use pressgate::cosigner::{Cosigner, KnownLog, StateDir, serve};
use pressgate::stop::Stop;
use pressgate_audit::RealDisk;
use pressgate_audit::note::{Algorithm, Checkpoint, Signer};
use pressgate_audit::verify::{Report, VerifyError, VerifyOptions, verify};
use tests::harness::gate::clock;
use tests::harness::{Gate, GateProcess, network, until};
use tests::http;
use tests::networks::siem::{Mood, Siem};

use super::process::{Witness, entry, log_key};
use crate::cli::run_as;
use crate::samples::post;

/// What the log says of alarms: code, subject, raised.
fn alarms(leaves: &[Leaf]) -> Vec<(String, bool)> {
    let alarm = |leaf: &Leaf| match &leaf.event {
        Event::Alarm(alarm) => {
            assert_eq!(alarm.subject, "security");
            Some((alarm.code.clone(), alarm.raised))
        }
        _ => None,
    };
    leaves.iter().filter_map(alarm).collect()
}

fn raised(code: &str) -> (String, bool) {
    (code.to_owned(), true)
}

fn ended(code: &str) -> (String, bool) {
    (code.to_owned(), false)
}

/// The checkpoint that the witness cosigned last, as the gateway keeps it.
fn kept(gate: &GateProcess, witness: &Witness) -> Option<Checkpoint> {
    let file = gate.site.config().audit.dir.join("tree/witness/security");
    let (checkpoint, note) = Checkpoint::open(&std::fs::read(file).ok()?, &witness.key).expect("a good cosignature");
    assert!(note.verify(&log_key(&gate.site)).is_ok(), "with the log's own signature");
    Some(checkpoint)
}

/// Waits until so many leaves are cosigned.
async fn cosigned(gate: &GateProcess, witness: &Witness, leaves: u64) -> u64 {
    until(&format!("{leaves} leaves are cosigned"), || async {
        kept(gate, witness).map(|found| found.size).filter(|size| *size >= leaves)
    })
    .await
}

fn verified(gate: &GateProcess, witness: Option<&Witness>) -> Result<Report, VerifyError> {
    let witnesses = witness.iter().map(|witness| witness.key.clone()).collect();
    let options = VerifyOptions { witnesses, ..VerifyOptions::new(log_key(&gate.site)) };
    verify(&RealDisk, &gate.site.config().audit.dir, &options)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for item in std::fs::read_dir(from).expect("a folder") {
        let path = item.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target)
        } else {
            let _bytes = std::fs::copy(&path, &target).expect("copied");
        }
    }
    let mode = std::fs::metadata(from).expect("a folder").permissions();
    std::fs::set_permissions(to, mode).expect("as private");
}

async fn publish(gate: &GateProcess, name: &str, count: usize) {
    for number in 0..count {
        gate.publish(&post("acme-mastodon", &format!("{name} {number}"))).await.expect(201);
    }
}

fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in\n{page}"));
    line.trim().parse().expect("a number")
}

/// The log tells of its witness, is cosigned, and holds offline with the witness's key. The gateway is stopped afterwards.
async fn holds(gate: &mut GateProcess, witness: &Witness) {
    let leaves = gate.leaves();
    let change = |leaf: &Leaf| match &leaf.event {
        Event::Change(change) if change.what == Changed::Setting => {
            Some(format!("{} {}", change.action, change.subject))
        }
        _ => None,
    };
    assert_eq!(leaves.iter().filter_map(change).collect::<Vec<_>>(), ["add witness/security"]);
    let size = cosigned(gate, witness, leaves.len() as u64).await;
    let operators = std::fs::read_to_string(gate.log_file()).expect("a log");
    let operators = operators.lines().find_map(|line| line.strip_prefix("operator listens on ")).expect("an address");
    let page = http::get(&format!("{operators}/metrics"), "").await.text();
    assert!(metric(&page, "pressgate_witness_size{witness=\"security\"}") >= size as f64);
    assert!(metric(&page, "pressgate_witness_age_seconds{witness=\"security\"}") < 60.0);
    let told = run_as(gate, "person:ops-1", "doctor", "");
    assert!(told.out.contains("cosigned by security") && told.out.contains("leaves"), "{told:?}");

    // Offline, with the folder, the log's key and the witness's.
    assert_eq!(gate.terminate().await, Some(0));
    let report = verified(gate, Some(witness)).expect("the log holds");
    assert!(report.witnessed[0].size >= size && report.witnessed[0].size <= report.checkpoint.size);
    assert!(matches!(verified(gate, Some(&Witness::made())), Err(VerifyError::Unwitnessed { .. })));
    let folder = gate.site.config().audit.dir.display().to_string();
    let (log, security) = (log_key(&gate.site).to_string(), witness.key.to_string());
    let (code, told, _) = gate.command(&["audit", "verify", &folder, "--key", &log, "--witness", &security]).await;
    assert!(code == Some(0) && told.contains("witness.example/security"), "{code:?} {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_log_is_cosigned_and_a_rollback_and_a_fork_of_it_are_not() {
    let mut witness = Witness::made();
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("witness", &witness.setting(", alarm_seconds = 3"))
        .spawn()
        .await;
    witness.start(&[log_key(&gate.site).to_string()]).await;
    publish(&gate, "first", 3).await;
    holds(&mut gate, &witness).await;

    // A thief takes the folder as it was, and what the log says afterwards is gone: second checkpoint, witness's file and all.
    let (data, old, whole) = (gate.site.path("data"), gate.site.path("old"), gate.site.path("whole"));
    copy(&data, &old);
    gate.restart().await;
    publish(&gate, "second", 12).await;
    let seen = cosigned(&gate, &witness, gate.leaves().len() as u64).await;
    assert_eq!(gate.terminate().await, Some(0));
    let newest = std::fs::read(data.join("audit/tree/witness/security")).expect("kept");
    std::fs::rename(&data, &whole).expect("moved");
    copy(&old, &data);
    gate.restart().await;
    assert!((gate.leaves().len() as u64) < seen, "it is behind what was cosigned");
    until("the refusal is told", || async {
        alarms(&gate.leaves()).contains(&raised("witness-refused")).then_some(())
    })
    .await;
    publish(&gate, "third", 1).await;
    until("the absence is told", || async {
        alarms(&gate.leaves()).contains(&raised("witness-missing")).then_some(())
    })
    .await;
    let said = std::fs::read_to_string(gate.log_file()).expect("a log");
    assert!(said.contains("ALARM") && said.contains("rolled back"), "{said}");
    let told = run_as(&gate, "person:ops-1", "doctor", "");
    assert!(told.code == Some(1) && told.out.contains("witness-refused"), "{told:?}");

    // It grows beyond what was cosigned, with other leaves: a fork now.
    publish(&gate, "fourth", 14).await;
    assert!(gate.leaves().len() as u64 > seen);
    until("the fork is told", || async {
        std::fs::read_to_string(gate.log_file()).expect("a log").contains("forked").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let alarms_now = alarms(&gate.leaves());
    assert_eq!(alarms_now.len(), 2, "each alarm is one leaf, however often it is refused: {alarms_now:?}");
    assert!(kept(&gate, &witness).is_some_and(|kept| kept.size < seen), "nothing of this was cosigned");
    assert!(witness.said().contains("ALARM"), "the witness tells its own people");
    assert_eq!(gate.terminate().await, Some(0));
    assert!(verified(&gate, None).is_ok(), "by itself it looks whole");
    std::fs::write(data.join("audit/tree/witness/security"), &newest).expect("written");
    assert!(matches!(verified(&gate, Some(&witness)), Err(VerifyError::Fork { .. })));

    // The right folder is put back; that the cosignature is lost does not matter, the witness knows.
    std::fs::rename(&data, gate.site.path("forked")).expect("moved");
    std::fs::rename(&whole, &data).expect("moved");
    std::fs::remove_file(data.join("audit/tree/witness/security")).expect("removed");
    gate.restart().await;
    publish(&gate, "fifth", 1).await;
    cosigned(&gate, &witness, gate.leaves().len() as u64).await;
    assert!(alarms(&gate.leaves()).is_empty());
    assert_eq!(gate.terminate().await, Some(0));
    assert!(verified(&gate, Some(&witness)).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_an_alarm_outlives_a_restart_and_ends_with_a_cosignature() {
    let mut witness = Witness::made();
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("witness", &witness.setting(", alarm_seconds = 1"))
        .spawn()
        .await;
    // Nobody is there.
    until("the absence is told", || async { (alarms(&gate.leaves()) == [raised("witness-missing")]).then_some(()) })
        .await;
    // What is killed between leaf and note tells it again.
    let note = gate.site.path("data/witness/security.alarms");
    until("the absence is noted", || async {
        std::fs::read_to_string(&note).is_ok_and(|text| text.contains("witness-missing")).then_some(())
    })
    .await;
    gate.kill9().await;
    gate.restart().await;
    publish(&gate, "x", 2).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(alarms(&gate.leaves()), [raised("witness-missing")], "it is told once, and a restart ends nothing");
    // One that does not know the log, then one that does.
    witness.start(&[super::log("acme.example/audit/other", 1).verifier().to_string()]).await;
    until("404 is told", || async {
        std::fs::read_to_string(gate.log_file()).expect("a log").contains("does not know the log").then_some(())
    })
    .await;
    assert_eq!(witness.terminate().await, Some(0));
    let stranger = super::log(log_key(&gate.site).name(), 5);
    witness.start(&[stranger.verifier().to_string()]).await;
    until("403 is told", || async {
        std::fs::read_to_string(gate.log_file()).expect("a log").contains("does not take the log's key").then_some(())
    })
    .await;
    assert_eq!(witness.terminate().await, Some(0));
    witness.start(&[log_key(&gate.site).to_string()]).await;
    until("the end is told", || async {
        (alarms(&gate.leaves()) == [raised("witness-missing"), ended("witness-missing")]).then_some(())
    })
    .await;
    // Killed as often as one likes, it goes on.
    for round in 0..3 {
        witness.kill9().await;
        publish(&gate, &format!("round {round}"), 1).await;
        witness.start(&[log_key(&gate.site).to_string()]).await;
        cosigned(&gate, &witness, gate.leaves().len() as u64).await;
    }
    assert_eq!(gate.terminate().await, Some(0));
    assert!(verified(&gate, Some(&witness)).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_hangs_changes_no_call_and_is_an_alarm_after_a_minute() {
    let signer = Signer::generate("witness.example/security", Algorithm::Cosignature).expect("a key");
    let key = signer.verifier().clone();
    // Connections are taken by the system, and nobody answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let net = network().await;
    let time = clock();
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("witness", &format!("[{{ {} }}]", entry("security", &url, &key, "")))
        .clock(&time)
        .start()
        .await;
    let inside = Arc::clone(gate.gateway());
    let asking = tokio::spawn(async move { inside.witnesses.run(&inside.stopping).await });
    let began = std::time::Instant::now();
    for number in 0..5 {
        gate.publish(&post("acme-mastodon", &number.to_string())).await.expect(201);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "calls do not wait for a witness");
    let status = || gate.gateway().witnesses.status().remove(0);
    until("it was asked, in vain", || async { (status().failures > 0).then_some(()) }).await;
    time.advance(SignedDuration::from_secs(58));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(alarms(&gate.leaves()).is_empty(), "not before a minute");
    time.advance(SignedDuration::from_secs(3));
    until("the alarm is told", || async { (!alarms(&gate.leaves()).is_empty()).then_some(()) }).await;
    assert_eq!(status().alarms, ["witness-missing"]);
    assert!(gate.gateway().metrics.render().contains("pressgate_witness_age_seconds{witness=\"security\"} 61\n"));
    // Nothing feeds on itself: the alarm made a checkpoint, and that one waits too.
    time.advance(SignedDuration::from_secs(300));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let leaves = gate.leaves().len();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!((gate.leaves().len(), alarms(&gate.leaves()).len()), (leaves, 1));

    // It comes back.
    let origin = gate.gateway().audit.origin().to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    StateDir::make(&RealDisk, &folder.path().join("state"), &key).expect("made");
    let state = StateDir::open(Arc::new(RealDisk), &folder.path().join("state"), &key).expect("opened");
    let known = vec![KnownLog { origin, keys: vec![log_key(&gate.site)] }];
    let cosigner = Cosigner::open(signer, state, known, Arc::new(SystemClock)).expect("a witness");
    let stop = Arc::new(Stop::default());
    let serving = tokio::spawn(serve(cosigner, listener, Arc::clone(&stop)));
    until("the end is told", || async {
        (alarms(&gate.leaves()) == [raised("witness-missing"), ended("witness-missing")]).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let leaves = gate.leaves().len();
    tokio::time::sleep(Duration::from_millis(2000)).await;
    assert_eq!(gate.leaves().len(), leaves, "and that is all");
    assert_eq!(status().size, Some(leaves as u64));
    gate.stop().await;
    asking.await.expect("it ends with the gateway");
    stop.set();
    serving.await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_cosignature_count_for_nothing() {
    let generate = || Signer::generate("witness.example/security", Algorithm::Cosignature).expect("a key");
    let (keys, other): (Vec<_>, _) = ((0..9).map(|_| generate()).collect(), generate());
    let moods = [
        (Mood::Good(String::new()), "no signature"),
        (Mood::Good("hello\n".to_owned()), "malformed"),
        (Mood::Good(other.sign("text\n", 7)), "not signed with"),
        (Mood::Good(keys[3].sign("text\n", 7)), "is wrong"),
        (Mood::Good(format!("a\n\n{}", keys[4].sign("text\n", 7))), "more than signature lines"),
        (Mood::Refuse(409, Vec::new()), "without the size"),
        (Mood::Refuse(500, Vec::new()), "answered 500"),
        (Mood::Refuse(301, vec![("location".to_owned(), "http://127.0.0.1:1/".to_owned())]), "answered 301"),
        (Mood::Drop, ""),
    ];
    let mut siems = Vec::new();
    for (mood, _) in &moods {
        siems.push(Siem::start(mood.clone()).await);
    }
    let entries: Vec<String> = (0..9)
        .map(|number| {
            format!("{{ {} }}", entry(&format!("w{number}"), &siems[number].url, keys[number].verifier(), ""))
        })
        .collect();
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("witness", &format!("[{}]", entries.join(", ")))
        .start()
        .await;
    let inside = Arc::clone(gate.gateway());
    let asking = tokio::spawn(async move { inside.witnesses.run(&inside.stopping).await });
    for (number, (mood, part)) in moods.iter().enumerate() {
        let status = until(&format!("{mood:?} is told"), || async {
            let status = gate.gateway().witnesses.status().remove(number);
            (status.failures > 0).then_some(status)
        })
        .await;
        let told = status.last_error.expect("a reason");
        assert!(told.contains(part), "{mood:?}: {told}");
        assert_eq!((status.size, status.alarms), (None, Vec::new()), "{mood:?}");
        assert!(!gate.data().join(format!("audit/tree/witness/w{number}")).exists());
    }
    let request = siems[0].taken().remove(0);
    assert_eq!(request.path, "/add-checkpoint");
    assert!(request.body.starts_with(b"old 0\n\n"), "{request:?}");
    gate.stop().await;
    asking.await.expect("it ends with the gateway");
}
