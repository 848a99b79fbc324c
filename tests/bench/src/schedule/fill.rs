//! Posts that wait: one that an app scheduled, and copies of its rows with ids, effect keys and times of their own. To keep each of them
//! as the program keeps a new post would take most of an hour.

use std::fs::File;

use jiff::SignedDuration;
use pressgate::clock::{Clock, SystemClock};
use pressgate::model::PostId;
use rusqlite::{Connection, params};
use serde_json::json;
use tests::harness::GateProcess;
use tokio::time::Instant;

use super::schedule;

/// The first of the copies is due after this, the last within a year more.
const FIRST_AFTER: SignedDuration = SignedDuration::from_hours(24);
const SPREAD: SignedDuration = SignedDuration::from_hours(365 * 24);
/// The time of the one that is copied.
const TEMPLATE_AFTER: SignedDuration = SignedDuration::from_hours(48);
const TEXT: &str = "Od pondělí v obchodech: chipsy Letní zahrada s pažitkou a koprem. Váš Acme";

/// Nobody else has the file, and a run that breaks off begins anew.
const FAST: &str = "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    PRAGMA foreign_keys = OFF; PRAGMA cache_size = -400000;";
/// The copies: an id as of a post a millisecond, in growing order as they come in life; a time in whole seconds.
const COPIES: &str = "CREATE TEMP TABLE copies AS
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1),
        times AS (SELECT n, ?3 + ?4 * n / ?1 AS due_s FROM numbers)
    SELECT n, printf('post_%012x7%03x8%015x', ?2 - ?1 + n, n % 4096, n) AS id, due_s,
        strftime('%Y-%m-%dT%H:%M:%SZ', due_s, 'unixepoch') AS due FROM times";
/// The copied post is `?1`. Its effect key is another in each copy.
const TARGETS: &str = "INSERT INTO targets (post, account, position, state, purpose, attempt, lease_until, retry_at,
        due_at, leaf, post_state, campaign, digest, call_key, grant_id, unknown_step, published, draft, commitments)
    SELECT c.id, account, position, state, purpose, attempt, lease_until, retry_at, due_at, leaf,
        post_state, campaign, digest, printf('%064x', n), grant_id, unknown_step, published, draft, commitments
    FROM copies c CROSS JOIN targets t WHERE t.post = ?1 ORDER BY n";
/// Its id and its time, `?2`, are replaced wherever they stand.
const POSTS: &str =
    "INSERT INTO posts (id, created_at, updated_at, state, digest, salt, author, verdicts, request, subject)
    SELECT c.id, created_at, updated_at, state, digest, salt, author, verdicts, replace(request, ?2, c.due), subject
    FROM copies c CROSS JOIN posts p WHERE p.id = ?1 ORDER BY n";
const LIVES: &str = "INSERT INTO lives (post, seq, life, plan, due_at, wake_at)
    SELECT c.id, seq, replace(replace(life, ?1, c.id), ?2, c.due), replace(plan, ?2, c.due), due_s * 1000000,
        due_s * 1000000
    FROM copies c CROSS JOIN lives l WHERE l.post = ?1 ORDER BY n";
const EVENTS: &str = "INSERT INTO life_events (post, seq, event)
    SELECT c.id, seq, replace(replace(event, ?1, c.id), ?2, c.due)
    FROM copies c CROSS JOIN life_events e WHERE e.post = ?1 ORDER BY n, seq";

/// Schedules the one that is copied. It may be moved within two years, so that the digest which an approval would cover is the same for
/// each copy.
pub(super) async fn template(gate: &GateProcess) -> PostId {
    let now = SystemClock.now();
    let times = json!({
        "at": (now + TEMPLATE_AFTER).to_string(),
        "earliest": now.to_string(),
        "latest": (now + SPREAD + SPREAD).to_string(),
    });
    schedule(gate, TEXT, &times).await
}

/// Puts so many copies of a post into the records of a gateway that does not run.
pub(super) fn copies(gate: &GateProcess, template: &PostId, count: u64) {
    let start = Instant::now();
    let path = gate.site.path("data/records");
    let connection = Connection::open(&path).expect("the records");
    connection.execute_batch(FAST).expect("settings");
    let of = "SELECT json_extract(life, '$.due') FROM lives WHERE post = ?1";
    let due: String = connection.query_row(of, [template.as_str()], |row| row.get(0)).expect("a time");
    let (count, now) = (i64::try_from(count).expect("a number"), SystemClock.now());
    let numbers = params![count, now.as_millisecond(), (now + FIRST_AFTER).as_second(), SPREAD.as_secs()];
    connection.execute(COPIES, numbers).expect("copies");
    connection.execute_batch("BEGIN").expect("a transaction");
    connection.execute(TARGETS, [template.as_str()]).expect("targets");
    for rows in [POSTS, LIVES, EVENTS] {
        connection.execute(rows, [template.as_str(), &due]).expect("rows");
    }
    connection.execute_batch("COMMIT").expect("kept");
    let kept: i64 = connection.query_row("SELECT count(*) FROM lives", [], |row| row.get(0)).expect("a number");
    assert_eq!(kept, count + 1, "each copy has an id of its own");
    connection.close().expect("closed");
    // What is still to be written would slow the program down.
    File::open(&path).and_then(|file| file.sync_all()).expect("on the disk");
    println!("{count} scheduled posts were kept in {:.0} s", start.elapsed().as_secs_f64());
}
