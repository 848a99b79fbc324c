//! A witness as logs see it, and a gateway whose log is cosigned, rolled back, forked, and left without an answer.

mod gateway;
mod log;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pressgate::audit::{Fault, FaultyDisk};
use pressgate::clock::{Clock, SystemClock};
use pressgate::cosigner::{Cosigner, KnownLog, StateDir, serve};
use pressgate::stop::Stop;
use pressgate_audit::RealDisk;
use pressgate_audit::merkle::Hash;
use pressgate_audit::note::{Algorithm, Note, Signer, Verifier};
use pressgate_audit::witness::{AddCheckpoint, REQUEST_BYTES_MAX, SIZE_TYPE, cosigned, parse_size};
use tests::http::{self, Answer, Client};

use self::log::{Branch, HONEST, log};
use self::process::Witness;

const ORIGIN: &str = "acme.example/audit/n1";
/// SHA-256 of it.
const ORIGIN_HASH: &str = "67b76fd1147676d067ab7900768c64be99ec9e596b78f376c21ab72ddd95f2e1";
/// Kills in CI; `PRESSGATE_SOAK` says how many otherwise.
const KILLS: u64 = 8;

async fn ask(url: &str, body: impl Into<bytes::Bytes>) -> Answer {
    http::call("POST", &format!("{url}/add-checkpoint"), &[], body).await
}

async fn asked(url: &str, request: &AddCheckpoint) -> Answer {
    ask(url, request.body()).await
}

fn vkeys(logs: &[&Signer]) -> Vec<String> {
    logs.iter().map(|log| log.verifier().to_string()).collect()
}

/// The time of the cosignature in a good answer.
#[track_caller]
fn good(answer: &Answer, request: &AddCheckpoint, key: &Verifier) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    assert!(text.starts_with("\u{2014} ") && text.ends_with('\n') && text.lines().count() == 1, "{text:?}");
    cosigned(&request.note, &answer.body, key).expect("a good cosignature").1
}

#[track_caller]
fn conflict(answer: &Answer, size: u64) {
    assert_eq!((answer.status, answer.header("content-type")), (409, Some(SIZE_TYPE)), "{}", answer.text());
    assert_eq!(answer.text(), format!("{size}\n"));
    assert_eq!(parse_size(&answer.body), Some(size));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_witness_is_that_of_the_specification() {
    let mut witness = Witness::made();
    let (mine, next, other) = (log(ORIGIN, 1), log(ORIGIN, 2), log("acme.example/audit/n2", 3));
    witness.start(&vkeys(&[&mine, &next])).await;
    let url = witness.url.clone();
    let status = |answer: Answer| answer.status;

    let unknown = HONEST.request(&other, 0, 5);
    assert_eq!(status(asked(&url, &unknown).await), 404, "a log that it does not know");
    let stranger = HONEST.request(&log(ORIGIN, 9), 0, 5);
    assert_eq!(status(asked(&url, &stranger).await), 403, "a key that it does not know");
    let forged = AddCheckpoint { note: HONEST.request(&mine, 0, 5).note.replacen("\n5\n", "\n6\n", 1), ..stranger };
    assert_eq!(status(asked(&url, &forged).await), 403, "a signature that is wrong");
    for bad in ["", "old 0\n", "old 0\n\nnonsense\n", "old 00\n\n", "old 0\nAAAA\n\n"] {
        assert_eq!(status(ask(&url, bad).await), 400, "{bad:?}");
    }
    assert_eq!(status(asked(&url, &AddCheckpoint { old_size: 6, ..HONEST.request(&mine, 5, 5) }).await), 400);
    conflict(&asked(&url, &HONEST.request(&mine, 3, 5)).await, 0);
    let none = format!("{url}/{}/checkpoint", ORIGIN_HASH);
    assert_eq!(status(http::get(&none, "").await), 404, "nothing was cosigned yet");

    let before = SystemClock.now().as_second().unsigned_abs();
    let first = HONEST.request(&mine, 0, 5);
    let told_s = good(&asked(&url, &first).await, &first, &witness.key);
    assert!((before..before + 60).contains(&told_s), "{told_s}");
    good(&asked(&url, &HONEST.request(&mine, 5, 5)).await, &first, &witness.key);
    conflict(&asked(&url, &HONEST.request(&mine, 0, 9)).await, 5);
    conflict(&asked(&url, &HONEST.request(&mine, 4, 4)).await, 5);
    let evil = Branch { fork: 4, name: 1 };
    assert_eq!(status(asked(&url, &evil.request(&mine, 5, 5)).await), 422, "another root of the same size");
    assert_eq!(status(asked(&url, &evil.request(&mine, 5, 9)).await), 422, "a proof that does not hold");
    let mut short = HONEST.request(&mine, 5, 9);
    short.proof.pop();
    assert_eq!(status(asked(&url, &short).await), 422);
    // A log that changes its key signs with the next one.
    let second = HONEST.request(&next, 5, 300);
    good(&asked(&url, &second).await, &second, &witness.key);

    // What was cosigned is there for monitors, whole.
    let note = http::get(&none, "").await;
    let note = Note::parse(&note.body).expect("a note");
    assert!(note.verify(&witness.key).is_ok() && note.verify(next.verifier()).is_ok());
    assert!(note.text.starts_with(&format!("{ORIGIN}\n300\n")));
    assert_eq!(status(http::get(&format!("{url}/{}/checkpoint", ORIGIN_HASH.replace('a', "b")), "").await), 404);

    // Limits.
    assert_eq!(status(ask(&url, vec![b'a'; REQUEST_BYTES_MAX + 1]).await), 413);
    assert_eq!(status(http::call("GET", &format!("{url}/add-checkpoint"), &[], "").await), 405);
    assert_eq!(status(http::get(&format!("{url}/nothing"), "").await), 404);

    // The proof of the fork is kept, both notes of it; the people of the witness are told.
    let said = witness.said();
    assert!(said.contains("ALARM") && said.contains("two roots"), "{said}");
    let evidence: Vec<_> = std::fs::read_dir(witness.folder.path().join("state/evidence")).expect("a folder").collect();
    assert_eq!(evidence.len(), 2);
    assert_eq!(witness.terminate().await, Some(0));
    witness.start(&vkeys(&[&mine])).await;
    conflict(&asked(&url, &HONEST.request(&mine, 0, 5)).await, 300);
}

#[test]
fn a_witness_says_what_keeps_it_from_starting() {
    let witness = Witness::made();
    let key = log(ORIGIN, 1).verifier().to_string();
    let serve = |more: &str| witness.command(&format!("audit witness --listen 127.0.0.1:0 {more}"));
    let again = witness.command("audit witness init --name w.example --state state --key-file key2");
    assert!(again.code == Some(1) && again.err.contains("already"), "{again:?}");
    assert!(!witness.folder.path().join("key2").exists());
    let again = witness.command("audit witness init --name w.example --state other --key-file key");
    assert!(again.code == Some(1) && again.err.contains("never overwrites"), "{again:?}");
    let shown = witness.command("audit witness key --key-file key");
    assert_eq!(shown.text(0).trim(), witness.key.to_string());
    let mode = std::fs::metadata(witness.folder.path().join("key")).expect("a key");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    for (more, code, part) in [
        (format!("--key-file key --log {key}"), 2, "--state"),
        ("--key-file key --state state".to_owned(), 2, "no log"),
        (format!("--key-file key --state nowhere --log {key}"), 1, "rolled back"),
        (format!("--key-file none --state state --log {key}"), 1, "none"),
        (format!("--key-file key --state state --log {}", witness.key), 2, "of a witness"),
    ] {
        let ran = serve(&more);
        assert!(ran.code == Some(code) && ran.err.contains(part), "{more}: {ran:?}");
    }
    std::fs::write(
        witness.folder.path().join("w.toml"),
        "listen = \"127.0.0.1:0\"\nkey = \"key\"\nstate = \"state\"\ncolour = 1\n",
    )
    .expect("written");
    let ran = witness.command("audit witness --config w.toml");
    assert!(ran.code == Some(1) && ran.err.contains("colour"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_is_not_cosigned() {
    let signer = Signer::generate("witness.example/security", Algorithm::Cosignature).expect("a key");
    let (key, mine) = (signer.verifier().clone(), log(ORIGIN, 1));
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("state");
    StateDir::make(&RealDisk, &dir, &key).expect("made");
    let disk = FaultyDisk::new();
    let state = StateDir::open(Arc::new(disk.clone()), &dir, &key).expect("opened");
    let known = vec![KnownLog { origin: ORIGIN.to_owned(), keys: vec![mine.verifier().clone()] }];
    let cosigner = Cosigner::open(signer, state, known, Arc::new(SystemClock)).expect("a witness");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = Arc::new(Stop::default());
    let serving = tokio::spawn(serve(cosigner, listener, Arc::clone(&stop)));
    let first = HONEST.request(&mine, 0, 5);
    good(&asked(&url, &first).await, &first, &key);
    for (number, fault) in
        [Fault::Full, Fault::ReadOnly, Fault::WriteError, Fault::SyncError, Fault::FullForNew].into_iter().enumerate()
    {
        disk.set(fault);
        for size in [5, 9] {
            let answer = asked(&url, &HONEST.request(&mine, 5 + number as u64, size.max(5 + number as u64))).await;
            assert_eq!(answer.status, 500, "{fault:?}: {}", answer.text());
            assert!(!answer.text().contains('\u{2014}'), "{fault:?}: no cosignature");
        }
        disk.set(Fault::None);
        // Nobody was told of more, so the witness goes on from what it told.
        let next = HONEST.request(&mine, 5 + number as u64, 6 + number as u64);
        good(&asked(&url, &next).await, &next, &key);
    }
    stop.set();
    serving.await.expect("it ends");
}

/// The first root that anybody saw cosigned, by log and size.
type Ledger = Arc<Mutex<BTreeMap<(String, u64), Hash>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_counted_a_witness_that_is_killed_never_cosigns_two_roots_of_one_size() {
    let kills = std::env::var("PRESSGATE_SOAK").map_or(KILLS, |count| count.parse().expect("a number"));
    let logs: Vec<Arc<Signer>> =
        (0..kills * 6).map(|number| Arc::new(log(&format!("acme.example/audit/{number}"), 7))).collect();
    let keys: Vec<String> = logs.iter().map(|log| log.verifier().to_string()).collect();
    let mut witness = Witness::made();
    let ledger = Ledger::default();
    for round in 0..kills {
        witness.start(&keys).await;
        // Each log is submitted by an honest gateway and by two thieves at once, all with the right key.
        let mut tasks = tokio::task::JoinSet::new();
        for log in logs.iter().skip(usize::try_from(round * 6).expect("small")).take(6) {
            for name in 1..=3 {
                let branch = Branch { fork: 3, name };
                tasks.spawn(grow(
                    witness.url.clone(),
                    Arc::clone(log),
                    branch,
                    witness.key.clone(),
                    Arc::clone(&ledger),
                ));
            }
        }
        tokio::time::sleep(Duration::from_millis(15 + (round * 37) % 160)).await;
        witness.kill9().await;
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no two roots");
        }
    }
    // Whatever was told, the witness still knows: each log goes on from there, and no other branch does.
    witness.start(&keys).await;
    let told = ledger.lock().expect("a whole ledger").clone();
    let mut largest: BTreeMap<&str, (u64, Hash)> = BTreeMap::new();
    for ((log, size), root) in &told {
        largest.insert(log, (*size, *root));
    }
    let mut branches = 0;
    for (name, (size, root)) in &largest {
        let log = logs.iter().find(|log| log.verifier().name() == *name).expect("a log");
        let answer = asked(&witness.url, &HONEST.request(log, 0, 500)).await;
        let known = if answer.status == 200 { 0 } else { parse_size(&answer.body).expect("a size") };
        assert!(known >= *size, "{name}: the witness told of {size} leaves and knows {known}");
        for branch in (1..=3).map(|name| Branch { fork: 3, name }) {
            let goes_on = asked(&witness.url, &branch.request(log, known, known + 1)).await.status == 200;
            let was_told = branch.root(*size) == *root;
            assert!(!goes_on || was_told, "{name}: a branch that was not cosigned");
            branches += u64::from(goes_on);
            if goes_on {
                break;
            }
        }
    }
    println!("{kills} kills, {} cosignatures of {} logs, {branches} go on", told.len(), largest.len());
    assert!(told.len() as u64 > kills && branches > 0, "there was a load");
}

/// Grows one branch as far as the witness lets it, until it is gone.
async fn grow(url: String, log: Arc<Signer>, branch: Branch, key: Verifier, ledger: Ledger) {
    let client = Client::with_timeout(Duration::from_secs(5));
    let mut old = 0;
    for size in 1.. {
        let request = branch.request(&log, old, size.max(old));
        let sent = client.send("POST", &format!("{url}/add-checkpoint"), &[], request.body()).await;
        let Ok(answer) = sent else { return };
        match answer.status {
            200 => {
                good(&answer, &request, &key);
                let size = size.max(old);
                let root = branch.root(size);
                let mut ledger = ledger.lock().expect("a whole ledger");
                let first = *ledger.entry((log.verifier().name().to_owned(), size)).or_insert(root);
                assert_eq!(first, root, "two roots of {size} leaves of {}", log.verifier().name());
                old = size;
            }
            409 => old = parse_size(&answer.body).expect("a size"),
            422 => return,
            other => panic!("{other}: {}", answer.text()),
        }
    }
}
