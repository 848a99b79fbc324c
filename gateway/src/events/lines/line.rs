//! The line of one receiver: events in the order of the log, one after the other.
//!
//! Where the receiver as a whole can't be reached, the line waits with the event that it is at. Where it refuses one event, that event
//! waits with the later ones of its post, and the line goes on with other posts. So no event overtakes an earlier one of its post.

use std::{collections::VecDeque, marker::PhantomData, sync::Arc, time::Duration};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::{
    super::{Event, Posts, block, table},
    Attempt, Endpoint, Receiver,
    kept::{TRIED_MS, WAITING_MAX, is_due, pause_ms},
};
use crate::{
    audit::{Leaf, LogReader, leaf::Alarm},
    gateway::Gateway,
};

/// How often a line that has nothing to do looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the position is made durable while all goes well: after a crash only repeats are saved by it.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// The longest pause that a receiver may ask for, in milliseconds.
const ASKED_MS_MAX: i64 = 3_600_000;

/// The task of one receiver.
pub(super) struct Line<R> {
    of: PhantomData<fn() -> R>,
    gateway: Arc<Gateway>,
    endpoint: Arc<Endpoint>,
    reader: Option<LogReader>,
    /// What was read and is to be delivered.
    ready: VecDeque<Event>,
    /// The log was read up to here.
    read_to: u64,
    posts: Posts,
    /// Failures of the receiver as a whole in a row, and when it is tried again.
    failures: u32,
    due_ms: i64,
    replays: u64,
    stored: Instant,
}

impl<R: Receiver> Line<R> {
    pub(super) fn new(gateway: Arc<Gateway>, endpoint: Arc<Endpoint>) -> Self {
        let (read_to, replays) = {
            let state = endpoint.state();
            (state.kept.next, state.replays)
        };
        Self {
            of: PhantomData,
            gateway,
            endpoint,
            reader: None,
            ready: VecDeque::new(),
            read_to,
            posts: Posts::default(),
            failures: 0,
            due_ms: 0,
            replays,
            stored: Instant::now(),
        }
    }

    /// Runs until the gateway stops or the governance has no such receiver any more.
    pub(super) async fn run(mut self) {
        let gateway = Arc::clone(&self.gateway);
        loop {
            let Some(receiver) = R::find(&gateway.governance.load(), &self.endpoint.id) else { break };
            let pause = tokio::select! {
                () = gateway.stopping.wait() => break,
                pause = self.step(&receiver) => pause,
            };
            if self.stored.elapsed() >= STORE_EVERY || !pause.is_zero() {
                self.endpoint.store().await;
                self.stored = Instant::now();
            }
            tokio::select! {
                () = gateway.stopping.wait() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.endpoint.store().await;
    }

    fn now_ms(&self) -> i64 {
        self.gateway.clock.now().as_millisecond()
    }

    /// One delivery at most; gives the pause before the next.
    async fn step(&mut self, receiver: &R) -> Duration {
        let now_ms = self.now_ms();
        let (retry, full) = {
            let mut state = self.endpoint.state();
            if state.replays != self.replays {
                (self.replays, self.read_to, self.reader) = (state.replays, state.kept.next, None);
                (self.failures, self.due_ms) = (0, 0);
                self.ready.clear();
            }
            if std::mem::take(&mut state.hurry) {
                (self.failures, self.due_ms) = (0, 0);
            }
            if state.kept.disabled {
                return LOOK_EVERY;
            }
            let full = state.kept.waiting() >= WAITING_MAX || (!R::FORGETS_DEAD && state.kept.is_full_of_dead());
            (state.kept.due(now_ms), full)
        };
        if !is_due(self.due_ms, now_ms) {
            return LOOK_EVERY;
        }
        if let Some((post, leaf)) = retry {
            return self.retry(receiver, &post, leaf).await;
        }
        if full {
            return LOOK_EVERY;
        }
        if self.ready.is_empty() {
            match self.read(receiver).await {
                Ok(true) => {}
                Ok(false) => return LOOK_EVERY,
                Err(why) => return self.down(&format!("the log can't be read: {why}"), None),
            }
        }
        self.first(receiver).await
    }

    /// Reads on; false where there is nothing new.
    async fn read(&mut self, receiver: &R) -> Result<bool, String> {
        let until = self.gateway.audit.next_index();
        if self.read_to >= until {
            return Ok(false);
        }
        let reader = self.reader.take().unwrap_or_else(|| self.gateway.audit.reader(self.read_to));
        let (next, wants) = (self.read_to, receiver.clone());
        let fits = move |event: &Event| wants.wants(event.kind);
        let reading = tokio::task::spawn_blocking(move || block(reader, next, until, &fits));
        let read = reading.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        (self.reader, self.read_to) = (Some(read.reader), read.next);
        self.ready = read.events.into();
        Ok(read.next > next)
    }

    /// The next event of the log.
    async fn first(&mut self, receiver: &R) -> Duration {
        let Some(event) = self.ready.front().cloned() else {
            self.moved(self.read_to);
            return Duration::ZERO;
        };
        let after = event.index.saturating_add(1);
        let lined_up = self.endpoint.state().kept.line_up(&event.post, event.index);
        if lined_up {
            self.ready.pop_front();
            self.moved(after);
            return Duration::ZERO;
        }
        let attempt = self.attempt(receiver, event.clone()).await;
        if self.endpoint.state().replays != self.replays {
            return Duration::ZERO;
        }
        let now_ms = self.now_ms();
        match attempt {
            Attempt::Done => self.reached(true),
            Attempt::Passed => {}
            Attempt::Refused(why) => {
                self.reached(false);
                let mut state = self.endpoint.state();
                state.kept.park(&event.post, event.index, now_ms, chance());
                state.last_error = Some(why);
            }
            Attempt::Hopeless { why, unknown } => {
                self.reached(false);
                self.give_up(receiver, &event, &why, unknown).await;
            }
            Attempt::Gone => return self.gone().await,
            Attempt::Down(why, asked) => {
                let pause = self.down(&why, asked);
                // What is too old is given up, one attempt each, so that the list says what a long outage cost.
                let down_since = self.endpoint.state().kept.down_since_ms;
                let is_old = |since_ms: i64| now_ms.saturating_sub(since_ms) >= TRIED_MS;
                if !(down_since.is_some_and(is_old) && is_old(event.at_ms)) {
                    return pause;
                }
                self.give_up(receiver, &event, &why, false).await;
            }
        }
        self.ready.pop_front();
        self.moved(after);
        Duration::ZERO
    }

    /// An event that failed before.
    async fn retry(&mut self, receiver: &R, post: &str, leaf: u64) -> Duration {
        let found = self.leaf(leaf).await;
        let event = found.as_ref().ok().cloned().flatten();
        let attempt = match found {
            Ok(Some(event)) => self.attempt(receiver, event).await,
            // Retention took it.
            Ok(None) => Attempt::Passed,
            Err(why) => Attempt::Down(format!("the log can't be read: {why}"), None),
        };
        if self.endpoint.state().replays != self.replays {
            return Duration::ZERO;
        }
        let now_ms = self.now_ms();
        match attempt {
            Attempt::Done => {
                self.reached(true);
                self.endpoint.state().kept.done_with(post, leaf, now_ms);
            }
            Attempt::Passed => {
                self.endpoint.settle(leaf, None);
                self.endpoint.state().kept.done_with(post, leaf, now_ms);
            }
            Attempt::Refused(why) => {
                self.reached(false);
                let (first, gave_up) = {
                    let mut state = self.endpoint.state();
                    let first = state.kept.dead.is_empty();
                    let gave_up = state.kept.again(post, now_ms, chance(), &why);
                    state.last_error = Some(why);
                    (first, gave_up)
                };
                if gave_up && let Some(event) = &event {
                    receiver.given_up(&self.gateway, event, false).await;
                }
                if gave_up && first {
                    alarm(&self.gateway, R::DEAD_LETTER, &self.endpoint.id, true).await;
                }
            }
            Attempt::Hopeless { why, unknown } => {
                self.reached(false);
                if let Some(event) = &event {
                    self.give_up(receiver, event, &why, unknown).await;
                }
                self.endpoint.state().kept.done_with(post, leaf, now_ms);
            }
            Attempt::Gone => return self.gone().await,
            Attempt::Down(why, asked) => return self.down(&why, asked),
        }
        Duration::ZERO
    }

    /// The event of one leaf; none where it is no longer there.
    async fn leaf(&self, index: u64) -> Result<Option<Event>, String> {
        let mut reader = self.gateway.audit.reader(index);
        let read = tokio::task::spawn_blocking(move || reader.next_leaf()).await.map_err(|error| error.to_string())?;
        let found = read.map_err(|error| error.to_string())?;
        Ok(found.filter(|(found, _)| *found == index).and_then(|(index, leaf)| table::of(index, &leaf)))
    }

    async fn attempt(&mut self, receiver: &R, event: Event) -> Attempt {
        let governance = self.gateway.governance.load_full();
        match self.posts.complete(self.gateway.records.as_ref(), &governance, event).await {
            Ok(Some(event)) => receiver.deliver(&self.gateway, &self.endpoint, &event).await,
            Ok(None) => Attempt::Passed,
            Err(error) => Attempt::Down(error.to_string(), None),
        }
    }

    /// Everything below is done with.
    fn moved(&self, next: u64) {
        self.endpoint.state().kept.next = next;
    }

    /// The receiver answers.
    fn reached(&mut self, took: bool) {
        (self.failures, self.due_ms) = (0, 0);
        let mut state = self.endpoint.state();
        state.kept.down_since_ms = None;
        if took {
            state.delivered += 1;
            state.last_error = None;
        }
    }

    /// The receiver does not.
    fn down(&mut self, why: &str, asked: Option<Duration>) -> Duration {
        let now_ms = self.now_ms();
        let asked_ms = asked.and_then(|asked| i64::try_from(asked.as_millis()).ok()).unwrap_or_default();
        let pause = pause_ms(self.failures, chance()).max(asked_ms.min(ASKED_MS_MAX));
        self.due_ms = now_ms.saturating_add(pause);
        self.failures = self.failures.saturating_add(1);
        let mut state = self.endpoint.state();
        state.kept.down_since_ms.get_or_insert(now_ms);
        if state.last_error.as_deref() != Some(why) {
            tracing::warn!(
                id = self.endpoint.id,
                why,
                "events can't be delivered to a {}; they are tried again",
                R::WORD
            );
            state.last_error = Some(why.to_owned());
        }
        LOOK_EVERY
    }

    async fn give_up(&self, receiver: &R, event: &Event, why: &str, unknown: bool) {
        let first = {
            let mut state = self.endpoint.state();
            let first = state.kept.dead.is_empty();
            state.kept.give_up(&event.post, event.index, self.now_ms(), why, unknown);
            state.last_error = Some(why.to_owned());
            first
        };
        receiver.given_up(&self.gateway, event, unknown).await;
        if first {
            alarm(&self.gateway, R::DEAD_LETTER, &self.endpoint.id, true).await;
        }
    }

    /// The receiver wants nothing any more: a person must say that it does.
    async fn gone(&self) -> Duration {
        {
            let mut state = self.endpoint.state();
            state.kept.disabled = true;
            state.last_error = Some("the receiver answered 410".to_owned());
        }
        self.endpoint.store().await;
        alarm(&self.gateway, R::DISABLED, &self.endpoint.id, true).await;
        LOOK_EVERY
    }
}

/// Writes an alarm to the log.
pub async fn alarm(gateway: &Gateway, code: &'static str, id: &str, raised: bool) {
    if raised {
        let word = code.split('-').next().unwrap_or_default();
        tracing::error!(id, "ALARM {code}: see `pressgate {word} list`");
    }
    let alarm = Alarm { code: code.to_owned(), subject: id.to_owned(), raised };
    if let Err(error) = gateway.audit.append(Leaf::new(gateway.clock.now().as_millisecond(), alarm)).await {
        tracing::warn!(%error, code, "an alarm is not in the log");
    }
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut bytes = [0_u8; 2];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
