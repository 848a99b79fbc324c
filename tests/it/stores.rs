//! Log and records that do not fit each other any more: a start says so and changes nothing, and so does `doctor`.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pressgate::start::{Parts, open_stores};
use tests::harness::{Gate, GateProcess, Running, Site, network, story};

use crate::samples::{id, post};

/// What a start says that does not succeed.
async fn refusal(site: &Site) -> String {
    match open_stores(&Parts::real(site.config())).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.insert(entry.clone(), std::fs::read(&entry).expect("a file"));
        }
    }
    found
}

fn segments(site: &Site) -> Vec<PathBuf> {
    let all = files(&site.path("data/audit")).into_keys();
    all.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect()
}

/// A gateway that published something and was stopped.
async fn stopped() -> (Running, sample_network::Running) {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "y")).await.expect(201);
    gate.stop().await;
    // Whoever opens the stores brings the mark to the end of the log.
    let stores = gate.site.stores().await;
    stores.audit.close();
    (gate, net)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_refused_until_it_is_back() {
    let (gate, _net) = stopped().await;
    let site = &gate.site;
    let whole = files(&site.path("data/audit"));
    // The last segments, one after the other, down to none at all.
    for segment in segments(site).into_iter().rev() {
        std::fs::remove_file(segment).expect("removed");
        let before = segments(site);
        let told = refusal(site).await;
        assert!(told.contains("are missing") && told.contains("Restore") | told.contains("restore"), "{told}");
        assert_eq!(segments(site), before, "a refused start leaves the folder to be restored into");
    }
    std::fs::remove_dir_all(site.path("data/audit")).expect("removed");
    assert!(refusal(site).await.contains("are missing"));
    for (path, bytes) in whole {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("restored");
    }
    site.stores().await.audit.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_gone_are_not_made_anew() {
    let (gate, _net) = stopped().await;
    let site = &gate.site;
    let (records, away) = (site.path("data/records"), site.path("away"));
    std::fs::rename(&records, &away).expect("moved");
    let told = refusal(site).await;
    assert!(told.contains("is missing") && told.contains("Restore the records"), "{told}");
    assert!(!records.exists(), "nothing stands in the way of the backup");
    std::fs::write(&records, "").expect("an empty file");
    assert!(refusal(site).await.contains("is empty"));
    std::fs::remove_file(&records).expect("removed");
    std::fs::rename(&away, &records).expect("moved back");
    std::fs::write(site.path("data/node"), "another\n").expect("written");
    let told = refusal(site).await;
    assert!(told.contains("another") && told.contains("from the same backup"), "{told}");
    // The id alone is known to the records too.
    std::fs::remove_file(site.path("data/node")).expect("removed");
    site.stores().await.audit.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_older_than_the_log_are_refused() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    gate.stop().await;
    let (records, backup) = (gate.site.path("data/records"), gate.site.path("backup"));
    std::fs::copy(&records, &backup).expect("a copy of the one file");
    gate.restart().await;
    let made = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    gate.stop().await;
    let newest = std::fs::read(&records).expect("read");
    std::fs::copy(&backup, &records).expect("restored");
    let told = refusal(&gate.site).await;
    assert!(told.contains(&id(&made)) && told.contains("older than the log"), "{told}");
    std::fs::write(&records, newest).expect("restored");
    gate.restart().await;
    assert_eq!(gate.read(&id(&made)).await, made);
}

/// Spoils the log as a crash in the middle of a write does: bytes after the last batch.
fn tear(site: &Site) -> u64 {
    let last = segments(site).pop().expect("a segment");
    let bytes = std::fs::read(&last).expect("read");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("something") as u64;
    let mut file = std::fs::OpenOptions::new().write(true).open(last).expect("opened");
    file.seek(SeekFrom::Start((used + 1).next_multiple_of(4096))).expect("a place");
    file.write_all(&[7; 10]).expect("written");
    10
}

async fn doctor(gate: &GateProcess) -> (Option<i32>, String) {
    let (code, out, err) = gate.command(&["doctor"]).await;
    (code, format!("{out}{err}"))
}

/// The data folder without what SQLite makes anew for each reader.
fn data(site: &Site) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(&site.path("data"));
    files.remove(&site.path("data/records-shm"));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_doctor_tells_what_a_start_would_do_and_does_nothing() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    gate.kill9().await;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(gate.site.path("data"), private).expect("changed");
    let torn = tear(&gate.site);
    let before = data(&gate.site);
    let (code, told) = doctor(&gate).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("cut a torn tail of {torn} bytes")) && told.contains("into the records"), "{told}");
    assert!(data(&gate.site) == before, "doctor changes nothing");

    let kek = std::fs::read(gate.site.path("data/kek")).expect("read");
    for garbage in ["", "not a key\n"] {
        std::fs::write(gate.site.path("data/kek"), garbage).expect("written");
        let (code, told) = doctor(&gate).await;
        assert_eq!(code, Some(1), "{told}");
        let faults: Vec<_> = told.lines().filter(|line| line.starts_with("FAULT")).collect();
        assert!(faults.len() == 1 && faults[0].contains("key-encryption"), "{told}");
    }
    std::fs::write(gate.site.path("data/kek"), kek).expect("written");

    let node = std::fs::read(gate.site.path("data/node")).expect("read");
    std::fs::remove_file(gate.site.path("data/node")).expect("removed");
    doctor(&gate).await;
    assert!(!gate.site.path("data/node").exists(), "doctor makes no id");
    std::fs::write(gate.site.path("data/node"), node).expect("written");

    gate.restart().await;
    let log = std::fs::read_to_string(gate.log_file()).expect("a log");
    assert!(log.contains("a torn tail was cut"), "{log}");
    assert!(story(&gate.leaves()).contains(&"recovery".to_owned()));
    assert_eq!(gate.terminate().await, Some(0));
    let segment = segments(&gate.site).pop().expect("a segment");
    std::fs::remove_file(segment).expect("removed");
    let before = data(&gate.site);
    let (code, told) = doctor(&gate).await;
    assert!(code == Some(1) && told.contains("are missing"), "{told}");
    assert!(data(&gate.site) == before, "doctor changes nothing");
}
