//! The thread that takes leaves into the index, many in one transaction.

use std::{collections::HashMap, time::Duration};

use rusqlite::{Connection, params};

use super::{
    Facets, Shared,
    schema::{self, SPAN_LEAVES, Unfit},
};
use crate::{
    audit::{LogReader, Place},
    model::BrandPath,
};

/// Leaves of one transaction, at most.
const BATCH_LEAVES: usize = 4_096;
/// How often the thread looks for new leaves once it has them all.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it waits after a fault before it begins anew.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a batch was not taken in.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the index: {0}")]
    Index(#[from] rusqlite::Error),
    #[error("a search met damage")]
    Damaged,
    #[error("the log: {0}")]
    Log(#[from] crate::audit::ReadError),
}

/// Follows the log until the index is closed.
pub(super) fn follow(shared: &Shared) {
    while !stopped(shared) {
        match open(shared).map(|feed| feed.run(shared)) {
            Ok(Ok(())) => return,
            Ok(Err(error @ (Fault::Index(_) | Fault::Damaged))) => {
                tracing::warn!(%error, "the search index failed and is made anew");
                shared.begin_anew();
                if let Err(error) = schema::remove(&shared.path) {
                    tracing::error!(%error, "the damaged search index can't be removed");
                }
            }
            Ok(Err(Fault::Log(error))) => {
                tracing::error!(%error, "the search index can't read the log");
                shared.state().mark = None;
            }
            Err(error) => {
                tracing::error!(file = %shared.path.display(), error, "the search index can't be made; searches are refused");
            }
        }
        wait(shared, RETRY_AFTER);
    }
}

fn stopped(shared: &Shared) -> bool {
    shared.state().stop
}

/// Waits for the time, or until the index is closed.
fn wait(shared: &Shared, time: Duration) {
    let mut state = shared.state();
    // Asked for while the last leaves were taken in: what came since is looked at now.
    if !state.stop && !std::mem::take(&mut state.wanted) {
        // Woken or not, the caller looks again.
        drop(shared.wake.wait_timeout(state, time));
    }
}

fn open(shared: &Shared) -> Result<Feed, String> {
    let (connection, mark) = match schema::take_up(&shared.path, &shared.log) {
        Ok(found) => found,
        Err(unfit) => {
            if let Unfit::Bad(why) = unfit {
                tracing::warn!(file = %shared.path.display(), why, "the search index is made anew from the log");
            }
            shared.begin_anew();
            (schema::create(&shared.path, &shared.log)?, 0)
        }
    };
    let terms = terms(&connection).map_err(|error| error.to_string())?;
    Ok(Feed { connection, terms, mark, reader: shared.log.reader(mark) })
}

fn terms(connection: &Connection) -> rusqlite::Result<HashMap<String, Term>> {
    let mut statement = connection.prepare("SELECT name, id, count FROM term")?;
    let term =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Term { id: row.get(1)?, count: row.get(2)?, changed: false }));
    statement.query_map([], term)?.collect()
}

/// A term that is known, so that it needs no look into the file.
struct Term {
    id: i64,
    count: i64,
    changed: bool,
}

struct Feed {
    connection: Connection,
    terms: HashMap<String, Term>,
    /// The index of the next leaf.
    mark: u64,
    reader: LogReader,
}

impl Feed {
    fn run(mut self, shared: &Shared) -> Result<(), Fault> {
        shared.state().mark = Some(self.mark);
        while !stopped(shared) {
            if shared.state().damaged {
                return Err(Fault::Damaged);
            }
            let end = shared.log.next_index();
            if self.mark >= end {
                wait(shared, LOOK_EVERY);
                continue;
            }
            self.reader.follow(end)?;
            self.take_in()?;
            shared.state().mark = Some(self.mark);
            shared.moved.notify_all();
        }
        Ok(schema::end(&self.connection)?)
    }

    /// Takes some leaves in, all of them or none.
    fn take_in(&mut self) -> Result<(), Fault> {
        let Self { connection, terms, mark, reader } = self;
        let transaction = connection.transaction()?;
        let (mut next, mut last) = (*mark, None);
        for _ in 0..BATCH_LEAVES {
            let Some((index, bytes)) = reader.next_bytes()? else { break };
            put(&transaction, terms, index, reader.place(), &Facets::of(&bytes))?;
            (next, last) = (index + 1, Some(bytes));
        }
        let Some(last) = last else { return Ok(()) };
        let mut count = transaction.prepare_cached("UPDATE term SET count = ?2 WHERE id = ?1")?;
        for term in terms.values_mut().filter(|term| term.changed) {
            count.execute([term.id, term.count])?;
            term.changed = false;
        }
        drop(count);
        schema::set(&transaction, "mark", signed(next))?;
        schema::set(&transaction, "last", schema::digest_of(&last))?;
        transaction.commit()?;
        *mark = next;
        Ok(())
    }
}

/// SQLite counts with signs; no log reaches that far.
fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn put(
    connection: &Connection,
    terms: &mut HashMap<String, Term>,
    index: u64,
    place: Option<Place>,
    facets: &Facets,
) -> rusqlite::Result<()> {
    let idx = signed(index);
    connection
        .prepare_cached("INSERT INTO leaf (idx, at_ms, segment, batch, offset) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            idx,
            facets.at_ms,
            place.map(|place| signed(place.segment)),
            place.map(|place| signed(place.batch)),
            place.map(|place| signed(place.offset)),
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO span (block, min_ms, max_ms) VALUES (?1, ?2, ?2) ON CONFLICT (block) DO UPDATE SET
             min_ms = min(min_ms, excluded.min_ms), max_ms = max(max_ms, excluded.max_ms)",
        )?
        .execute([signed(index / SPAN_LEAVES), facets.at_ms])?;
    for name in names(facets) {
        let id = match terms.get_mut(&name) {
            Some(term) => {
                (term.count, term.changed) = (term.count + 1, true);
                term.id
            }
            None => {
                let mut insert = connection.prepare_cached("INSERT INTO term (name, count) VALUES (?1, 1)")?;
                let id = insert.insert([&name])?;
                terms.insert(name, Term { id, count: 1, changed: false });
                id
            }
        };
        connection.prepare_cached("INSERT INTO posting (term, idx) VALUES (?1, ?2)")?.execute([id, idx])?;
    }
    connection
        .prepare_cached("INSERT INTO word (rowid, text) VALUES (?1, ?2)")?
        .execute(params![idx, facets.words.join(" ")])
        .map(drop)
}

/// The terms under which a leaf is found. A brand stands for those above it too, so that a subtree is one term.
fn names(facets: &Facets) -> impl Iterator<Item = String> {
    let several = |kind: &'static str, values: &[String]| {
        values.iter().map(move |value| format!("{kind}:{value}")).collect::<Vec<_>>()
    };
    let brands: Vec<String> =
        facets.brand.iter().flat_map(BrandPath::lineage).map(|brand| format!("brand:{brand}")).collect();
    let single = [
        Some(format!("kind:{}", facets.kind)),
        facets.action.as_ref().map(|action| format!("action:{action}")),
        facets.outcome.map(|outcome| format!("outcome:{outcome}")),
    ];
    let named = several("actor", &facets.actors).into_iter().chain(several("account", &facets.accounts));
    named.chain(brands).chain(single.into_iter().flatten())
}
