//! The one writer: a thread that commits whatever queued while the last commit ran.
//!
//! Each operation runs inside a savepoint of the shared transaction, so that one that fails leaves no trace and harms no
//! other. Answers are given after the commit. After a fault of the disk the connection is dropped and opened again for the
//! next operation, so that the store works again as soon as the disk does.

use std::{
    collections::VecDeque,
    thread::{self, JoinHandle},
    time::Duration,
};

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

/// Hands operations to the writer's thread. Dropping it waits until the queue is done and the file is whole.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked for.
enum Task {
    /// An operation of the store.
    Run(Box<dyn Job>),
    /// All that was written goes into the one file.
    Gather(oneshot::Sender<Result<(), RecordsError>>),
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(location: Location, connection: Connection) -> Result<Self, RecordsError> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let mut desk = Desk { location, connection: Some(connection) };
        let thread = thread::Builder::new()
            .name("records-writer".to_owned())
            .spawn(move || desk.serve(jobs))
            .map_err(|error| RecordsError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and returns when it is durable. Once it is in the queue it happens, whether or not the
    /// caller still waits.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.ask(Task::Run(Box::new(Operation { work: Some(work), result: None, reply })), answer).await
    }

    /// Moves what was written from the write-ahead file into the database, after the operations that wait.
    pub(super) async fn gather(&self) -> Result<(), RecordsError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Task::Gather(reply), answer).await
    }

    async fn ask<T>(&self, task: Task, answer: oneshot::Receiver<Result<T, RecordsError>>) -> Result<T, RecordsError> {
        let Some(queue) = &self.queue else { return Err(stopped()) };
        match queue.send_timeout(task, Duration::from_millis(QUEUE_WAIT_MS)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(RecordsError::Unavailable("too many operations wait for the disk".to_owned()))
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(stopped()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
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
    fn serve(&mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(first) = tasks.blocking_recv() {
            let mut waiting = VecDeque::new();
            let mut gather = None;
            let mut next = Some(first);
            while let Some(task) = next.take() {
                match task {
                    Task::Run(job) => waiting.push_back(job),
                    Task::Gather(reply) => gather = Some(reply),
                }
                if gather.is_none() && waiting.len() < BATCH_MAX {
                    next = tasks.try_recv().ok();
                }
            }
            while !waiting.is_empty() {
                self.commit(&mut waiting);
            }
            if let Some(reply) = gather {
                // Who no longer waits needs no answer.
                let _ = reply.send(self.gather());
            }
        }
        if self.connection.is_some()
            && let Err(error) = self.gather()
        {
            tracing::warn!(%error, "the records stay in two files; copy both for a backup");
        }
    }

    /// `wal_checkpoint(TRUNCATE)`: everything into the database file, and the write-ahead file empty.
    fn gather(&mut self) -> Result<(), RecordsError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.location.reopen()?),
        };
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        match busy {
            0 => Ok(()),
            _ => Err(RecordsError::Unavailable("somebody reads the database, so it can't be gathered now".to_owned())),
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
