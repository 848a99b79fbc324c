//! One export: reads on from its cursor, delivers, and moves the cursor.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    backoff::Backoff,
    batch::{self, Batch, EVENTS_MAX, Plan},
    shared::Shared,
    sinks::Sink,
};
use crate::{audit::LogReader, stop::Stop};

/// How often a runner that has everything looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the cursor is made durable under load: each time costs a sync, and after a crash only repeats are saved by it.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// The task of one export.
pub(super) struct Runner {
    shared: Arc<Shared>,
    sink: Sink,
    origin: String,
    reader: Option<LogReader>,
    /// What was read and not delivered.
    pending: Option<Batch>,
    backoff: Backoff,
    /// How many events the receiver takes at once.
    events_max: usize,
    stored: Instant,
}

impl Runner {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink, origin: &str) -> Self {
        Self {
            shared,
            sink,
            origin: origin.to_owned(),
            reader: None,
            pending: None,
            backoff: Backoff::default(),
            events_max: EVENTS_MAX,
            stored: Instant::now(),
        }
    }

    /// Runs until the gateway stops. What is being delivered then is let go, and comes again after the next start.
    pub(super) async fn run(mut self, stop: Arc<Stop>) {
        loop {
            let pause = tokio::select! {
                () = stop.wait() => break,
                pause = self.step() => pause,
            };
            if pause.is_zero() {
                continue;
            }
            tokio::select! {
                () = stop.wait() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.shared.store().await;
    }

    /// One delivery; gives the pause before the next.
    pub(super) async fn step(&mut self) -> Duration {
        if self.pending.is_none() {
            match self.read().await {
                Ok(Some(batch)) => self.pending = Some(batch),
                Ok(None) => {
                    self.shared.store().await;
                    return LOOK_EVERY;
                }
                Err(why) => {
                    self.shared.failed(&format!("the log can't be read: {why}"));
                    return self.backoff.next(None);
                }
            }
        }
        let Some(batch) = &self.pending else { return LOOK_EVERY };
        self.shared.begins(batch);
        match self.sink.deliver(&self.origin, batch).await {
            Ok(taken) => {
                self.shared.took(batch, &taken);
                let full = batch.full;
                self.pending = None;
                self.backoff.reset();
                self.events_max = (self.events_max * 2).min(EVENTS_MAX);
                if self.stored.elapsed() >= STORE_EVERY {
                    self.shared.store().await;
                    self.stored = Instant::now();
                }
                if full { Duration::ZERO } else { LOOK_EVERY }
            }
            Err(failed) => {
                self.shared.failed(&failed.why);
                if failed.too_large && batch.events() > 1 {
                    self.events_max = usize::try_from(batch.events() / 2).unwrap_or(1).max(1);
                    (self.pending, self.reader) = (None, None);
                    return Duration::ZERO;
                }
                self.backoff.next(failed.retry_after)
            }
        }
    }

    /// The next batch, read on a thread that may wait for the disk.
    async fn read(&mut self) -> Result<Option<Batch>, String> {
        let audit = &self.shared.audit;
        let (next, until) = (self.shared.cursor(), audit.next_index());
        if next >= until {
            return Ok(None);
        }
        let mut reader = self.reader.take().unwrap_or_else(|| audit.reader(next));
        let plan = Plan {
            origin: self.origin.clone(),
            encoding: self.sink.encoding(),
            events_max: self.events_max,
            now_ms: self.shared.now_ms(),
        };
        let reading = tokio::task::spawn_blocking(move || {
            reader.follow(until)?;
            batch::read(&mut reader, &plan).map(|batch| (reader, batch))
        });
        let (reader, batch) = reading.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.reader = Some(reader);
        match batch {
            // A reader that was not where the cursor is would leave leaves out.
            Some(batch) if batch.first != next => {
                self.reader = None;
                Err(format!("leaf {next} was asked for and leaf {} was read", batch.first))
            }
            batch => Ok(batch),
        }
    }
}
