//! The one writer: a thread that commits whatever queued while the last commit ran.
//!
//! Each operation runs inside a savepoint of the shared transaction, so that one that fails leaves no trace and harms no
//! other. Answers are given after the commit. After a fault of the disk the connection is dropped and opened again for the
//! next operation, so that the store works again as soon as the disk does.

use std::{collections::VecDeque, thread, time::Duration};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connect::Location;
use crate::records::RecordsError;

/// Operations that may wait for the writer.
const QUEUE_MAX: usize = 4_096;
/// Operations in one commit. More would make the first one wait long.
const BATCH_MAX: usize = 512;
/// How long an operation waits for a place in the queue.
const QUEUE_WAIT_MS: u64 = 5_000;

/// Hands operations to the writer's thread, which ends when this is dropped and the queue is done.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(location: Location, connection: Connection) -> Result<Self, RecordsError> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let mut desk = Desk { location, connection: Some(connection) };
        thread::Builder::new()
            .name("records-writer".to_owned())
            .spawn(move || desk.serve(jobs))
            .map_err(|error| RecordsError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue })
    }

    /// Runs `work` in a transaction and returns when it is durable. Once it is in the queue it happens, whether or not the
    /// caller still waits.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Operation { work: Some(work), result: None, reply });
        match self.queue.send_timeout(job, Duration::from_millis(QUEUE_WAIT_MS)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(RecordsError::Unavailable("too many operations wait for the disk".to_owned()))
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(stopped()),
        }
    }
}

fn stopped() -> RecordsError {
    RecordsError::Unavailable("the writer has stopped: restart Pressgate".to_owned())
}

/// How an operation went.
enum Ran {
    /// It changed what it should.
    Done,
    /// It must leave no trace.
    Failed,
    /// So must this one, and the connection is not to be trusted.
    Faulted,
}

/// An operation of any type.
trait Job: Send {
    /// Does it and keeps the result.
    fn run(&mut self, connection: &Connection) -> Ran;
    /// Gives the result to the caller, or the fault that undid it.
    fn answer(self: Box<Self>, fault: Option<RecordsError>);
}

struct Operation<T, F> {
    work: Option<F>,
    result: Option<Result<T, RecordsError>>,
    reply: oneshot::Sender<Result<T, RecordsError>>,
}

impl<T, F> Job for Operation<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, RecordsError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let result = self.work.take().map(|work| work(connection));
        let ran = match &result {
            Some(Ok(_)) => Ran::Done,
            Some(Err(RecordsError::Unavailable(_))) => Ran::Faulted,
            _ => Ran::Failed,
        };
        self.result = result;
        ran
    }

    fn answer(self: Box<Self>, fault: Option<RecordsError>) {
        let result = match (fault, self.result) {
            // Its own failure says more than that of the transaction, which it undid.
            (_, Some(Err(error))) => Err(error),
            (Some(fault), _) => Err(fault),
            (None, Some(Ok(value))) => Ok(value),
            (None, None) => Err(stopped()),
        };
        // The caller may have gone; the operation stands.
        let _ = self.reply.send(result);
    }
}

/// What the thread works with.
struct Desk {
    location: Location,
    connection: Option<Connection>,
}

impl Desk {
    fn serve(&mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = VecDeque::from([first]);
            while waiting.len() < BATCH_MAX
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push_back(job);
            }
            while !waiting.is_empty() {
                self.commit(&mut waiting);
            }
        }
    }

    /// Takes jobs from the front into one transaction, at least one, and answers them. Those behind a fault that undid the
    /// transaction stay, for another one.
    fn commit(&mut self, waiting: &mut VecDeque<Box<dyn Job>>) {
        let mut ran = Vec::with_capacity(waiting.len());
        let fault = match self.attempt(waiting, &mut ran) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, operations = ran.len(), "the records could not be written");
                // Rolls back what is left, and lets go of a file that may have become useless.
                self.connection = None;
                if ran.is_empty() {
                    ran.extend(waiting.drain(..));
                }
                Some(error)
            }
        };
        for job in ran {
            job.answer(fault.clone());
        }
    }

    fn attempt(
        &mut self,
        waiting: &mut VecDeque<Box<dyn Job>>,
        ran: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), RecordsError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.location.reopen()?),
        };
        let mut faulted = false;
        step(connection, "BEGIN IMMEDIATE")?;
        while let Some(mut job) = waiting.pop_front() {
            step(connection, "SAVEPOINT operation")?;
            let went = job.run(connection);
            ran.push(job);
            if connection.is_autocommit() {
                return Err(RecordsError::Unavailable("an operation in the same commit hit a disk fault".to_owned()));
            }
            if !matches!(went, Ran::Done) {
                step(connection, "ROLLBACK TO operation")?;
            }
            step(connection, "RELEASE operation")?;
            faulted |= matches!(went, Ran::Faulted);
        }
        step(connection, "COMMIT")?;
        if faulted {
            self.connection = None;
        }
        Ok(())
    }
}

fn step(connection: &Connection, sql: &str) -> Result<(), RecordsError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
