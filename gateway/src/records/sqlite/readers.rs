//! A few threads that read, each with a connection of its own. They see what was committed.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connect::Location;
use crate::records::RecordsError;

/// Threads that read.
const READERS: usize = 3;
/// Reads that may wait for a thread.
const QUEUE_MAX: usize = 4_096;
/// How long a read waits for a place in the queue.
const QUEUE_WAIT_MS: u64 = 5_000;

type Job = Box<dyn FnOnce(&mut Slot) + Send>;

/// A thread's connection, opened when it is first needed and again after a fault.
struct Slot {
    location: Location,
    connection: Option<Connection>,
}

/// Hands reads to the threads, which end when this is dropped and the queue is done.
#[derive(Debug)]
pub(super) struct Readers {
    queue: mpsc::Sender<Job>,
}

impl Readers {
    /// Starts the threads.
    pub(super) fn start(location: &Location) -> Result<Self, RecordsError> {
        let (queue, jobs) = mpsc::channel::<Job>(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..READERS {
            let jobs = Arc::clone(&jobs);
            let mut slot = Slot { location: location.clone(), connection: None };
            thread::Builder::new()
                .name(format!("records-reader-{number}"))
                .spawn(move || {
                    while let Some(job) = next(&jobs) {
                        job(&mut slot);
                    }
                })
                .map_err(|error| RecordsError::Unavailable(format!("no thread for a reader: {error}")))?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on one snapshot of what was committed.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |slot| {
            // A read that nobody waits for is not worth its time.
            if !reply.is_closed() {
                let _ = reply.send(slot.read(work));
            }
        });
        match self.queue.send_timeout(job, Duration::from_millis(QUEUE_WAIT_MS)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(RecordsError::Unavailable("too many reads wait for the disk".to_owned()))
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(stopped()),
        }
    }
}

fn stopped() -> RecordsError {
    RecordsError::Unavailable("the readers have stopped: restart Pressgate".to_owned())
}

/// The next read, or none when the store is being closed. One idle thread waits in the queue, the others for the lock.
fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.blocking_recv()
}

impl Slot {
    fn read<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, RecordsError>) -> Result<T, RecordsError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.location.reader()?),
        };
        let result = snapshot(connection, work);
        if matches!(result, Err(RecordsError::Unavailable(_) | RecordsError::Corrupt(_))) {
            self.connection = None;
        }
        result
    }
}

/// Several statements that must agree read inside one transaction.
fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, RecordsError>,
) -> Result<T, RecordsError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = work(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    result
}
