//! The search index of the audit log: what makes a search fast, and nothing that anybody must trust.
//!
//! It is made of the log alone and can be made again from it at any time: a file that is damaged, or that belongs to another log,
//! is dropped and rebuilt. One thread follows the log off the path of calls; a call never waits for it. A search answers from
//! what the index has reached and says how far that is. The leaves of an answer are read from the log itself and held against
//! the filter once more, so a wrong index can leave something out but never show what the reader may not see.

mod facets;
mod feed;
mod filter;
mod schema;
mod search;
mod words;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;

pub use facets::{Facets, KINDS, OUTCOMES};
pub use filter::{Filter, Reach};
pub use search::{Found, Order, Query, SearchError};
pub use words::{WORDS_MAX, Wanted};

use crate::audit::AuditLog;

/// So many leaves that are not indexed yet are waited for.
const CATCH_UP_LEAVES_MAX: u64 = 32;
/// Connections for reading that are kept open.
const READERS_MAX: usize = 4;
/// How much the thread of the index gives way, as `nice` counts.
const NICE: i32 = 10;

/// The index. It follows the log until it is dropped.
pub struct AuditIndex {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread and the searches share.
struct Shared {
    log: AuditLog,
    path: PathBuf,
    state: Mutex<State>,
    /// Wakes the thread when it is to stop, or to look at once.
    wake: Condvar,
    /// Told when leaves were taken in.
    moved: Condvar,
}

struct State {
    /// Counts the files: readers of an older one are not used any more.
    generation: u64,
    readers: Vec<Connection>,
    /// The index of the next leaf to take in; none while there is no usable file.
    mark: Option<u64>,
    stop: bool,
    /// Somebody waits for what is in the log by now.
    wanted: bool,
    /// A search met damage.
    damaged: bool,
}

impl AuditIndex {
    /// Follows a log with an index in this file. Comes back at once; what there is to read is read by the index's thread.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn follow(log: AuditLog, path: &Path) -> std::io::Result<Self> {
        let state =
            State { generation: 0, readers: Vec::new(), mark: None, stop: false, wanted: false, damaged: false };
        let shared = Arc::new(Shared {
            log,
            path: path.to_owned(),
            state: Mutex::new(state),
            wake: Condvar::default(),
            moved: Condvar::default(),
        });
        let followed = Arc::clone(&shared);
        let thread = Builder::new().name("audit-index".into()).spawn(move || {
            calls_first();
            feed::follow(&followed);
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// How many leaves from the first on can be found; none while there is no usable index.
    pub fn mark(&self) -> Option<u64> {
        self.shared.state().mark
    }

    /// Has the thread look at once, and waits until the index has the leaves below this one, or for that long. Where much is written
    /// the index is always a little behind, and nobody waits for it. Blocks.
    pub fn catch_up(&self, end: u64, at_most: Duration) {
        let behind = |state: &mut State| !state.stop && state.mark.is_some_and(|mark| mark < end);
        let mut state = self.shared.state();
        let few = state.mark.is_some_and(|mark| end.saturating_sub(mark) <= CATCH_UP_LEAVES_MAX);
        if few && behind(&mut state) {
            state.wanted = true;
            self.shared.wake.notify_all();
            let waited = self.shared.moved.wait_timeout_while(state, at_most, behind);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Searches. Blocks while it reads.
    ///
    /// # Errors
    /// [`SearchError`]: the index can't be used now.
    pub fn search(&self, query: &Query) -> Result<Found, SearchError> {
        search::search(&self.shared, query)
    }

    /// The bytes of the leaf with this index; none where the log does not reach so far. Blocks while it reads.
    ///
    /// # Errors
    /// [`SearchError`]: the log can't be read.
    pub fn leaf(&self, index: u64) -> Result<Option<Vec<u8>>, SearchError> {
        search::leaf(&self.shared, index)
    }

    /// An index below which no leaf has happened at this time or later, by what is indexed. Blocks while it reads.
    ///
    /// # Errors
    /// [`SearchError`]: the index can't be used now.
    pub fn first_at(&self, at_ms: i64) -> Result<u64, SearchError> {
        search::first_at(&self.shared, at_ms)
    }

    /// Stops the thread and leaves a file that the next start takes up. Blocks until it is done.
    pub fn close(&self) {
        self.shared.state().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A thread that panicked has stopped too; its file is judged by the next start.
            let _ = thread.join();
        }
    }
}

impl Drop for AuditIndex {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// The state is whole between any two statements that hold it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for reading, and the generation of its file.
    fn reader(&self) -> Result<(u64, Connection), SearchError> {
        let mut state = self.state();
        if state.mark.is_none() {
            return Err(SearchError::NotReady);
        }
        let generation = state.generation;
        if let Some(reader) = state.readers.pop() {
            return Ok((generation, reader));
        }
        drop(state);
        Ok((generation, schema::reader(&self.path)?))
    }

    /// Keeps a connection for the next search.
    fn give_back(&self, generation: u64, reader: Connection) {
        let mut state = self.state();
        if state.generation == generation && state.readers.len() < READERS_MAX {
            state.readers.push(reader);
        }
    }

    /// A search failed: its connection is not used again, and a damaged file is made anew.
    fn failed(&self, generation: u64, damaged: bool) {
        let mut state = self.state();
        if state.generation == generation {
            state.damaged |= damaged;
        }
    }

    /// A new file is about to take the place of the old one.
    fn begin_anew(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.readers.clear();
        state.damaged = false;
        state.mark = None;
    }
}

/// Where there is more to do than the processors can, calls come first and the index follows later. Linux keeps this for each thread.
fn calls_first() {
    // A system that does not know it, or does not allow it, shares the time evenly.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}
