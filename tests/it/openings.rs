//! Class (c) of the changes of a log, the part that lies in databases: openings of commitments, and the keys that they are sealed
//! under. Whatever somebody changes there is found; what is gone by right is not mistaken for it.
//!
//! `PRESSGATE_SOAK=<count>` sets how many changes there are, `PRESSGATE_SEED=<seed>` tells the same ones again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate::audit::{Event, Leaf, RealDisk, leaf};
use pressgate::clock::{Clock, SystemClock};
use pressgate::config::Config;
use pressgate::openings::check::{Found, Why};
use pressgate::retention;
use pressgate::start::{Parts, values};
use pressgate_audit::reader::LogReader;
use pressgate_audit::tree::entries_from;
use rusqlite::{Connection, params};
use serde_json::json;
use tests::harness::{Running, network};

use crate::cli::run;
use crate::erasure::{erase, gate, say_everything};
use crate::samples::post;
use crate::tree::{append, covered};

/// Changes in CI.
const CHANGES: usize = 660;
const EDITOR: &str = "person:editor-7";
const OTHER: &str = "person:editor-8";

/// Numbers that a seed makes (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// An opening as it lies in the records.
#[derive(Clone)]
struct Row {
    commitment: Vec<u8>,
    subject: String,
    key: String,
    sealed: Vec<u8>,
    /// The leaf that commits to it.
    leaf: u64,
}

/// A data folder that no gateway works on, and how it was.
struct Kept {
    config: Config,
    records: PathBuf,
    keys: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
    rows: Vec<Row>,
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "synchronous", "off").expect("set");
    connection
}

/// Takes what a write-ahead file holds into the database.
fn gather(path: &Path) {
    let connection = open(path);
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("gathered");
}

impl Kept {
    /// Of a gateway that has stopped.
    fn of(gate: &Running, leaves: &[Leaf]) -> Self {
        let (records, keys) = (gate.data().join("records"), gate.data().join("subject-keys.sqlite"));
        [&records, &keys].into_iter().for_each(|path| gather(path));
        let files = [&records, &keys].map(|path| (path.clone(), std::fs::read(path).expect("read"))).into();
        let mut rows = Vec::new();
        let connection = open(&records);
        for (index, leaf) in (0..).zip(leaves) {
            for commitment in leaf.event.commitments() {
                let name = commitment.bytes().expect("a commitment").to_vec();
                let found = connection.query_row(
                    "SELECT subject, key, sealed FROM openings WHERE commitment = ?1",
                    [&name],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                );
                let Ok((subject, key, sealed)) = found else { continue };
                if rows.iter().all(|row: &Row| row.commitment != name) {
                    rows.push(Row { commitment: name, subject, key, sealed, leaf: index });
                }
            }
        }
        Self { config: gate.site.config(), records, keys, files, rows }
    }

    fn restore(&self) {
        for (path, bytes) in &self.files {
            std::fs::write(path, bytes).expect("written");
        }
    }

    async fn check(&self) -> Result<Found, String> {
        let values = values(&Parts::real(self.config.clone())).await.map_err(|error| error.to_string())?;
        let disk = Arc::new(RealDisk);
        let from = entries_from(&*disk, &self.config.audit.dir.join("tree"));
        let mut log = LogReader::new(disk, &self.config.audit.dir, from);
        values.openings.check(&mut || log.next_leaf()).await.map_err(|error| error.to_string())
    }
}

const KINDS: [&str; 19] = [
    "value: a bit flipped",
    "value: a bit flipped, in the file",
    "value: truncated",
    "value: lengthened",
    "value: two swapped",
    "value: written over another",
    "value: one of another subject written over it",
    "opening: two under each other's commitment",
    "opening: under a commitment that no leaf has",
    "opening: a copy under a commitment that no leaf has",
    "opening: dropped",
    "opening: all dropped",
    "opening: kept for another subject",
    "opening: with the key of another subject",
    "opening: with a key that there is not",
    "key: a bit flipped",
    "key: two swapped",
    "key: dropped",
    "key: of another subject",
];

/// Changes the data folder. What must be found, and at which leaf where it is one.
fn change(kept: &Kept, kind: &str, dice: &mut Dice) -> (Why, Option<u64>) {
    let row = &kept.rows[dice.below(kept.rows.len())];
    let (name, leaf) = (&row.commitment, Some(row.leaf));
    let near: Vec<&Row> =
        kept.rows.iter().filter(|other| other.subject == row.subject && other.commitment != *name).collect();
    let far: Vec<&Row> = kept.rows.iter().filter(|other| other.subject != row.subject).collect();
    let (near, far) = (near[dice.below(near.len())], far[dice.below(far.len())]);
    let records = open(&kept.records);
    let seal = |name: &[u8], sealed: &[u8]| {
        records
            .execute("UPDATE openings SET sealed = ?2 WHERE commitment = ?1", params![name, sealed])
            .expect("changed");
    };
    let mut strange = name.clone();
    strange[dice.below(32)] ^= 1 << dice.below(8);
    let mut sealed = row.sealed.clone();
    match kind {
        "value: a bit flipped" => {
            let at = dice.below(sealed.len());
            sealed[at] ^= 1 << dice.below(8);
            seal(name, &sealed);
        }
        "value: a bit flipped, in the file" => {
            drop(records);
            let mut bytes = std::fs::read(&kept.records).expect("read");
            // A long value goes over several pages; its start is on one.
            let start = &sealed[..sealed.len().min(32)];
            let at = bytes.windows(start.len()).position(|window| window == start).expect("the value is in the file");
            bytes[at + dice.below(start.len())] ^= 1 << dice.below(8);
            std::fs::write(&kept.records, bytes).expect("written");
        }
        "value: truncated" => seal(name, &sealed[..dice.below(sealed.len())]),
        "value: lengthened" => {
            sealed.extend((0..=dice.below(40)).map(|number| number as u8));
            seal(name, &sealed);
        }
        "value: two swapped" => {
            seal(name, &near.sealed);
            seal(&near.commitment, &sealed);
        }
        "value: written over another" => seal(name, &near.sealed),
        "value: one of another subject written over it" => seal(name, &far.sealed),
        _ => return change_of_row(&records, kept, kind, dice, (row, near, far)),
    }
    (Why::Changed, leaf)
}

fn change_of_row(
    records: &Connection,
    kept: &Kept,
    kind: &str,
    dice: &mut Dice,
    (row, near, far): (&Row, &Row, &Row),
) -> (Why, Option<u64>) {
    let (name, leaf) = (&row.commitment, Some(row.leaf));
    let mut strange = name.clone();
    strange[dice.below(32)] ^= 1 << dice.below(8);
    let rename = |from: &[u8], to: &[u8]| {
        records.execute("UPDATE openings SET commitment = ?2 WHERE commitment = ?1", [from, to]).expect("changed");
    };
    let set = |column: &str, value: &str| {
        let sql = format!("UPDATE openings SET {column} = ?2 WHERE commitment = ?1");
        records.execute(&sql, params![name, value]).expect("changed");
    };
    match kind {
        "opening: two under each other's commitment" => {
            rename(name, &strange);
            rename(&near.commitment, name);
            rename(&strange, &near.commitment);
            (Why::Changed, leaf)
        }
        "opening: under a commitment that no leaf has" => {
            rename(name, &strange);
            (Why::Missing, leaf)
        }
        "opening: a copy under a commitment that no leaf has" => {
            let sql = "INSERT INTO openings SELECT ?2, subject, key, sealed FROM openings WHERE commitment = ?1";
            records.execute(sql, [name, &strange]).expect("changed");
            (Why::Stray, None)
        }
        "opening: dropped" => {
            records.execute("DELETE FROM openings WHERE commitment = ?1", [name]).expect("changed");
            (Why::Missing, leaf)
        }
        "opening: all dropped" => {
            records.execute("DELETE FROM openings WHERE subject = ?1", [&row.subject]).expect("changed");
            (Why::Missing, leaf)
        }
        "opening: kept for another subject" => {
            set("subject", if dice.below(2) == 0 { &far.subject } else { "person:nobody" });
            (Why::Subject, leaf)
        }
        "opening: with the key of another subject" => {
            set("key", &far.key);
            (Why::Subject, leaf)
        }
        "opening: with a key that there is not" => {
            set("key", &format!("{:032x}", dice.below(usize::MAX)));
            (Why::KeyMissing, leaf)
        }
        _ => (change_of_key(kept, kind, dice, row, far), leaf),
    }
}

fn change_of_key(kept: &Kept, kind: &str, dice: &mut Dice, row: &Row, far: &Row) -> Why {
    let keys = open(&kept.keys);
    let wrapped = |id: &str| -> Vec<u8> {
        keys.query_row("SELECT wrapped FROM subject_keys WHERE id = ?1", [id], |row| row.get(0)).expect("a key")
    };
    let wrap = |id: &str, wrapped: &[u8]| {
        keys.execute("UPDATE subject_keys SET wrapped = ?2 WHERE id = ?1", params![id, wrapped]).expect("changed");
    };
    let (one, other) = (wrapped(&row.key), wrapped(&far.key));
    match kind {
        "key: a bit flipped" => {
            let mut bytes = one;
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
            wrap(&row.key, &bytes);
            Why::KeyDamaged
        }
        "key: two swapped" => {
            wrap(&row.key, &other);
            wrap(&far.key, &one);
            Why::KeyDamaged
        }
        "key: dropped" => {
            keys.execute("DELETE FROM subject_keys WHERE id = ?1", [&row.key]).expect("changed");
            Why::KeyMissing
        }
        _ => {
            keys.execute("UPDATE subject_keys SET subject = 'person:nobody' WHERE id = ?1", [&row.key])
                .expect("changed");
            Why::KeyDamaged
        }
    }
}

/// The leaf of a stop in order: without it the newest refusals may have been cut off.
async fn say_stop(gate: &Running) {
    let event = leaf::Lifecycle { event: leaf::LifecycleEvent::Stop, version: "0".into() };
    let at_ms = SystemClock.now().as_millisecond();
    gate.gateway().audit.append(Leaf::new(at_ms, event)).await.expect("logged");
}

/// A gateway on which three subjects said things, one of them was erased and went on, and which then stopped.
async fn stopped() -> (Running, Vec<Leaf>) {
    let net = network().await;
    let mut gate = gate(&net).await;
    for (subject, text) in [(EDITOR, "first"), (OTHER, "second")] {
        say_everything(&gate, &gate.caller(subject), text).await;
    }
    for number in 0..4 {
        gate.caller("app:newsroom").publish(&post("acme-mastodon", &format!("news {number}"))).await.expect(201);
    }
    erase(&gate, EDITOR).await;
    gate.caller(EDITOR).publish(&post("acme-mastodon", "again")).await.expect(201);
    say_stop(&gate).await;
    covered(&gate).await;
    let leaves = gate.leaves();
    gate.stop().await;
    (gate, leaves)
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_changes_of_openings_are_found() {
    let seed = setting("PRESSGATE_SEED").unwrap_or(20_261_123);
    let total = setting("PRESSGATE_SOAK").unwrap_or(CHANGES);
    println!("PRESSGATE_SEED={seed}");
    let mut dice = Dice(seed as u64);
    let (gate, leaves) = stopped().await;
    let kept = Kept::of(&gate, &leaves);
    let whole = kept.check().await.expect("checked");
    assert!(whole.holds(), "{whole:?}");
    assert_eq!(whole.values, kept.rows.len() as u64, "every value was opened: {whole:?}");
    assert!(whole.values >= 15 && whole.erased >= 7 && whole.unsent >= 2, "{whole:?}");
    let mut tally = BTreeMap::<&str, usize>::new();
    for number in 0..total {
        let kind = KINDS[number % KINDS.len()];
        kept.restore();
        let (why, leaf) = change(&kept, kind, &mut dice);
        let found = kept.check().await.expect("checked");
        let told = found.faults.iter().any(|fault| fault.why == why && fault.leaf == leaf);
        assert!(told && !found.holds(), "{kind} (number {number}): {why:?} at {leaf:?} is not in {found:?}");
        *tally.entry(kind).or_default() += 1;
    }
    println!("openings: {total} changed data folders, all found");
    tally.iter().for_each(|(kind, count)| println!("  {count:>6}  {kind}"));
    kept.restore();
    assert_eq!(kept.check().await.expect("checked"), whole, "and nothing was changed by looking");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_by_right_is_no_fault() {
    let net = network().await;
    let mut gate = gate(&net).await;
    gate.caller(EDITOR).publish(&post("acme-mastodon", "old")).await.expect(201);
    // Old leaves go: what they commit to still opens, and says so.
    append(&gate, 600, 40).await;
    gate.caller(OTHER).publish(&post("acme-mastodon", "new")).await.expect(201);
    let clock = SystemClock.now();
    append_old(&gate, clock.as_millisecond()).await;
    covered(&gate).await;
    gate.stop().await;
    let leaves = Vec::new();
    let kept = Kept::of(&gate, &leaves);
    let before = kept.check().await.expect("checked");
    assert!(before.holds() && before.from == 0 && before.values >= 4, "{before:?}");
    // While the gateway runs it can be checked too.
    gate.restart().await;
    let running = values(&Parts::real(kept.config.clone())).await.expect("opened beside it");
    assert!(running.running);
    drop(running);
    let below = retention::drop_older(gate.gateway(), 30).await.expect("dropped");
    let beside = kept.check().await.expect("checked beside a running gateway");
    assert!(beside.holds() && beside.from == below, "{below}: {beside:?}");
    // A key store of before an erasure comes back, and the records have nothing of it any more.
    erase(&gate, OTHER).await;
    gate.stop().await;
    let after = kept.check().await.expect("checked");
    assert!(after.holds() && after.erased >= 2, "{after:?}");
    std::fs::write(&kept.keys, &kept.files[&kept.keys]).expect("restored");
    let after = kept.check().await.expect("checked");
    assert!(after.holds(), "{after:?}");
    // Records of before it, with no key: noise, and the log says why.
    kept.restore();
    let keys = open(&kept.keys);
    keys.execute("DELETE FROM subject_keys WHERE subject = ?1", [OTHER]).expect("changed");
    drop(keys);
    let after = kept.check().await.expect("checked");
    assert!(after.holds() && after.erased >= 2, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_refusal_right_before_a_crash_may_be_without_its_value() {
    let net = network().await;
    let mut gate = gate(&net).await;
    gate.caller(OTHER).publish(&post("acme-mastodon", &"x".repeat(900))).await.expect(422);
    let drop_all = |kept: &Kept| {
        let records = open(&kept.records);
        assert!(records.execute("DELETE FROM openings", []).expect("changed") >= 2);
    };
    covered(&gate).await;
    gate.stop().await;
    let kept = Kept::of(&gate, &[]);
    drop_all(&kept);
    let found = kept.check().await.expect("checked");
    assert!(found.holds() && found.cut_off >= 2, "killed: {found:?}");
    // It stopped in order: then everything was written.
    kept.restore();
    gate.restart().await;
    gate.caller(OTHER).publish(&post("acme-mastodon", &"x".repeat(900))).await.expect(422);
    say_stop(&gate).await;
    covered(&gate).await;
    gate.stop().await;
    let kept = Kept::of(&gate, &[]);
    drop_all(&kept);
    let found = kept.check().await.expect("checked");
    assert!(!found.holds() && found.faults.iter().all(|fault| fault.why == Why::Missing), "{found:?}");
}

/// A leaf of today, so that retention has something to stop at.
async fn append_old(gate: &Running, at_ms: i64) {
    let event = leaf::Unauthenticated { source: "192.0.2.0/24".into(), second_ms: at_ms, count: 1 };
    gate.gateway().audit.append(Leaf::new(at_ms, event)).await.expect("logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_is_wrong_and_shows_no_value() {
    let (gate, leaves) = stopped().await;
    let kept = Kept::of(&gate, &leaves);
    let folder = gate.site.folder();
    let told = run(folder, "audit verify-openings", "");
    assert!(told.text(0).contains("are what the leaves") && told.out.contains("were erased"), "{told:?}");
    let row = kept.rows.iter().find(|row| row.subject == OTHER).expect("a value");
    let records = open(&kept.records);
    records.execute("DELETE FROM openings WHERE commitment = ?1", [&row.commitment]).expect("changed");
    drop(records);
    let told = run(folder, "audit verify-openings --json", "").json(1);
    assert_eq!((&told["holds"], &told["faults_total"]), (&json!(false), &json!(1)), "{told}");
    assert_eq!((&told["faults"][0]["leaf"], &told["faults"][0]["code"]), (&json!(row.leaf), &json!("missing")));
    let told = run(folder, "audit verify-openings", "");
    assert!(told.out.contains("log tells of no erasure") && !told.out.contains("second"), "{told:?}");
    assert_eq!(told.code, Some(1));
    std::fs::remove_file(&kept.keys).expect("gone");
    let told = run(folder, "audit verify-openings", "");
    assert!(told.text(3).contains("subject-keys.sqlite is not there"), "{told:?}");
    assert!(leaves.iter().any(|leaf| matches!(leaf.event, Event::Erasure(_))));
}
