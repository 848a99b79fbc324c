//! The thread that makes the tree: each second it takes what is durable, signs a checkpoint, and gives back the room of segments
//! that are covered. A tree that can't be written stops nothing; the write-ahead log keeps the leaves until it can.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use pressgate_audit::note::Verifier;
use pressgate_audit::tree::{Published, Tree, remove_covered};
use pressgate_audit::{ActiveSegment, Disk, Leaf, LogReader, leaf};
use tokio::sync::watch;

use super::queue::Shared;
use super::signing::SigningKeys;
use crate::clock::{Clock, SystemClock};

/// How often there is a checkpoint, when something was written.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// So many bytes of tiles are written at most before the next checkpoint.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The tree of a log.
#[derive(Debug)]
pub struct AuditTree {
    /// The keys that sign its checkpoints.
    pub keys: SigningKeys,
    /// Where the last checkpoint is kept a second time.
    pub second: PathBuf,
}

/// How the tree stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeStatus {
    /// The last checkpoint.
    pub published: Option<Published>,
    /// Why the tree can't be written, and since when in milliseconds since 1970-01-01 UTC.
    pub failing: Option<(i64, String)>,
}

struct State {
    closed: bool,
    rotate: Option<Rotation>,
}

struct Rotation {
    by: String,
    answer: std::sync::mpsc::SyncSender<Result<Verifier, String>>,
}

/// What the thread and its callers share.
struct Turn {
    state: Mutex<State>,
    wake: Condvar,
}

impl Turn {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running thread; it ends with [`TreeThread::stop`].
pub(super) struct TreeThread {
    turn: Arc<Turn>,
    status: watch::Receiver<TreeStatus>,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread works on.
pub(super) struct Grower {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) tree: Tree,
    pub(super) keys: SigningKeys,
    pub(super) active: ActiveSegment,
}

impl TreeThread {
    /// Starts the thread; its first checkpoint comes at once.
    pub(super) fn start(grower: Grower) -> io::Result<Self> {
        let turn = Arc::new(Turn { state: Mutex::new(State { closed: false, rotate: None }), wake: Condvar::new() });
        let (sender, status) = watch::channel(TreeStatus::default());
        let theirs = Arc::clone(&turn);
        let reader = LogReader::new(Arc::clone(&grower.disk), &grower.dir, grower.tree.size());
        let worker = Worker { grower, reader, status: sender, change: None };
        let thread = Builder::new().name("audit-tree".into()).spawn(move || worker.run(&theirs))?;
        Ok(Self { turn, status, running: Mutex::new(Some(thread)) })
    }

    pub(super) fn status(&self) -> watch::Receiver<TreeStatus> {
        self.status.clone()
    }

    /// Changes the signing key. Blocks until the new one is in use.
    pub(super) fn rotate(&self, by: String) -> Result<Verifier, String> {
        let (answer, receiver) = std::sync::mpsc::sync_channel(1);
        {
            let mut state = self.turn.state();
            if state.closed || state.rotate.is_some() {
                return Err("the key is being changed already, or the log is closed".to_owned());
            }
            state.rotate = Some(Rotation { by, answer });
        }
        self.turn.wake.notify_all();
        receiver.recv().unwrap_or_else(|_| Err("the log was closed".to_owned()))
    }

    /// Publishes what is durable a last time and ends the thread. The writer has ended before.
    pub(super) fn stop(&self) {
        self.turn.state().closed = true;
        self.turn.wake.notify_all();
        let thread = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked leaves the tree as it was.
            let _ = thread.join();
        }
    }
}

struct Worker {
    grower: Grower,
    reader: LogReader,
    status: watch::Sender<TreeStatus>,
    /// The index of the leaf that tells of a change of key, while it is handed over.
    change: Option<u64>,
}

impl Worker {
    fn run(mut self, turn: &Turn) {
        self.resume_handover();
        self.publish();
        let mut next = Instant::now() + CHECKPOINT_EVERY;
        loop {
            let mut state = turn.state();
            while !state.closed && state.rotate.is_none() {
                let left = next.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = turn.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            let (closed, rotation) = (state.closed, state.rotate.take());
            drop(state);
            if let Some(Rotation { by, answer }) = rotation {
                // Who no longer listens needs no answer.
                let _ = answer.send(self.rotate(&by));
            }
            self.publish();
            if closed {
                return;
            }
            next = Instant::now() + CHECKPOINT_EVERY;
        }
    }

    /// A start finds two keys: the change goes on where a crash broke it off.
    fn resume_handover(&mut self) {
        if let Some(previous) = &self.grower.keys.previous {
            let from = previous.verifier().to_string();
            self.change = self.note_change(from, "recovery").ok();
        }
    }

    fn rotate(&mut self, by: &str) -> Result<Verifier, String> {
        let from = self.grower.keys.current.verifier().to_string();
        self.grower.keys.rotate()?;
        self.change = self.note_change(from, by).ok();
        Ok(self.grower.keys.current.verifier().clone())
    }

    fn note_change(&self, from: String, by: &str) -> Result<u64, String> {
        let to = self.grower.keys.current.verifier().to_string();
        let change = leaf::KeyChange { from, to, by: by.to_owned() };
        self.append(Leaf::new(SystemClock.now().as_millisecond(), change))
    }

    fn append(&self, leaf: Leaf) -> Result<u64, String> {
        let answer = self.grower.shared.submit(&[leaf], Vec::new()).map_err(|error| error.to_string())?;
        let index = answer.blocking_recv().map_err(|_| "the log was closed".to_owned())?;
        index.map_err(|error| error.to_string())
    }

    /// Publishes until the tree has all that is durable now.
    fn publish(&mut self) {
        let until = self.grower.shared.next_index();
        loop {
            match self.publish_some(until) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// One checkpoint. Is there more?
    fn publish_some(&mut self, until: u64) -> Result<bool, String> {
        let Grower { tree, keys, .. } = &mut self.grower;
        self.reader.follow(until).map_err(|error| error.to_string())?;
        while tree.waiting_bytes() < WAITING_BYTES_MAX
            && let Some((_, leaf)) = self.reader.next_bytes().map_err(|error| error.to_string())?
        {
            tree.push(&leaf);
        }
        let first = self.status.borrow().published.is_none();
        if tree.size() == tree.published() && !first && self.status.borrow().failing.is_none() {
            return Ok(false);
        }
        let time_s = u64::try_from(SystemClock.now().as_second()).unwrap_or(0);
        let published = tree.publish(&keys.all(), time_s).map_err(|error| error.to_string())?;
        let size = published.checkpoint.size;
        let note = published.note.clone();
        let Grower { disk, dir, active, .. } = &self.grower;
        // Segments that stay cost room, no more.
        let done = size.min(self.grower.shared.besides_from());
        if let Err(error) = remove_covered(&**disk, dir, done, active) {
            tracing::warn!(%error, "segments that the tree covers can't be removed");
        }
        self.status.send_replace(TreeStatus { published: Some(published), failing: None });
        self.hand_over(size, note);
        Ok(size < until)
    }

    /// Once a checkpoint that is signed with both keys covers the change, it goes into the log, and the old key goes.
    fn hand_over(&mut self, size: u64, checkpoint: String) {
        let Some(change) = self.change.filter(|change| *change < size) else { return };
        let leaf = Leaf::new(SystemClock.now().as_millisecond(), leaf::KeyHandover { change, checkpoint });
        match self.append(leaf) {
            Ok(_) => {
                self.change = None;
                self.grower.keys.forget_previous();
            }
            Err(error) => tracing::warn!(error, "the handover of the signing key can't be logged yet"),
        }
    }

    fn failed(&self, error: &str) {
        self.status.send_modify(|status| {
            if status.failing.is_none() {
                tracing::error!(
                    error,
                    "the log's tree can't be written; the write-ahead log keeps the leaves meanwhile"
                );
                status.failing = Some((SystemClock.now().as_millisecond(), error.to_owned()));
            }
        });
    }
}
