//! One channel: what is due goes, one addressee at a time; what fails waits longer each time, and not for ever.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use super::{
    Tell,
    carry::{Carrier, Failed},
    later,
};
use crate::{
    clock::Clock,
    metrics::{Counter, Page},
    records::{DueNotices, NoticeChannel, NoticeCounts, NoticesTried, Records, RecordsError},
    stop::{Phase, Stop},
};

/// The first pause after a failure, and the longest, in seconds.
const FIRST_S: i64 = 10;
const LONGEST_S: i64 = 3_600;
/// The longest pause while the server as a whole can't be used, in seconds: everybody waits for it.
const DOWN_LONGEST_S: i64 = 300;
/// A notice is tried for 72 hours, in seconds.
pub(super) const TRIED_S: i64 = 72 * 3_600;
/// A refusal that calls itself permanent is believed when it came so often.
pub(super) const PERMANENT_ATTEMPTS: u32 = 3;
/// How often it looks without being woken: a clock may be moved, and others put notices too.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it leaves records alone that can't be used.
const RECORDS_PAUSE: Duration = Duration::from_secs(5);
/// How often it counts, and how often it forgets.
const COUNT_EVERY: Duration = Duration::from_secs(10);
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// What has ended is remembered for 90 days, in hours, so that it is not told again.
const REMEMBERED_H: i64 = 90 * 24;
/// Notices that are forgotten at once.
const FORGET_MAX: u32 = 1_000;

/// A channel at work.
pub(super) struct Line {
    channel: NoticeChannel,
    carrier: Box<dyn Carrier>,
    gather: SignedDuration,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    tell: Tell,
    state: Mutex<State>,
    sent: Counter,
    failures: Counter,
}

#[derive(Default)]
struct State {
    /// Nothing is tried before.
    down_until: Option<Timestamp>,
    down: u32,
    alarmed: bool,
    counts: NoticeCounts,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is due, or nothing can be sent for now.
    Idle,
    /// Something was tried.
    Tried,
}

impl Line {
    pub(super) fn new(
        channel: NoticeChannel,
        carrier: Box<dyn Carrier>,
        gather: SignedDuration,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        tell: Tell,
    ) -> Self {
        let (sent, failures) = (Counter::default(), Counter::default());
        Self { channel, carrier, gather, records, clock, tell, state: Mutex::default(), sent, failures }
    }

    pub(super) fn channel(&self) -> NoticeChannel {
        self.channel
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until the stop, at an even pace; an attempt that has begun is ended. One of the lines forgets what is old.
    pub(super) async fn run(&self, stop: &Stop, wake: &Notify, pace: Duration, forgets: bool) {
        let mut pace = tokio::time::interval(pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut counted, mut forgot) = (None::<Instant>, None::<Instant>);
        loop {
            tokio::select! {
                () = stop.reached(Phase::Stopped) => return,
                _ = pace.tick() => {}
            }
            if counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
                self.count(counted.is_none()).await;
                counted = Some(Instant::now());
            }
            let pause = match self.step().await {
                Ok(Step::Tried) => Duration::ZERO,
                Ok(Step::Idle) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, channel = self.channel.as_str(), "notices wait for the records");
                    RECORDS_PAUSE
                }
            };
            if forgets && forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
                self.forget().await;
                forgot = Some(Instant::now());
            }
            if !pause.is_zero() {
                tokio::select! {
                    () = stop.reached(Phase::Stopped) => return,
                    () = wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// Tries what has been due for longest.
    pub(super) async fn step(&self) -> Result<Step, RecordsError> {
        let now = self.clock.now();
        if self.is_down(now) {
            return Ok(Step::Idle);
        }
        let due = self.records.due_notices(self.channel, now, self.carrier.at_once()).await?;
        let Some(due) = due else { return Ok(Step::Idle) };
        let outcome = self.carrier.carry(&due).await;
        // Carrying takes time.
        let now = self.clock.now();
        match outcome {
            Ok(()) => self.sent(&due, now).await?,
            Err(Failed::Nobody(why)) => {
                let ids = ids(&due);
                self.keep(NoticesTried { given_up: ids, why: Some(why.to_owned()), ..self.tried(&due, now) }).await?;
                self.raise(true).await;
            }
            Err(Failed::Refused { permanent, why }) => self.refused(&due, permanent, why, now).await?,
            Err(Failed::Down { why, asked }) => self.down(&due, why, asked, now).await?,
        }
        Ok(Step::Tried)
    }

    /// A clock that was set back must not make a pause of hours.
    fn is_down(&self, now: Timestamp) -> bool {
        let until = self.state().down_until;
        until.is_some_and(|until| now < until && until.duration_since(now).as_secs() <= LONGEST_S)
    }

    /// A try after which everything of this addressee that is not named waits.
    fn tried(&self, due: &DueNotices, now: Timestamp) -> NoticesTried {
        NoticesTried {
            channel: self.channel,
            addressee: due.addressee.clone(),
            sent: Vec::new(),
            given_up: Vec::new(),
            why: None,
            attempts: 0,
            next_at: now,
            at: now,
        }
    }

    async fn keep(&self, tried: NoticesTried) -> Result<(), RecordsError> {
        self.records.notices_tried(tried).await
    }

    async fn sent(&self, due: &DueNotices, now: Timestamp) -> Result<(), RecordsError> {
        // What came while these were carried gathers like any other; what there was no room for does not.
        let full = due.notices.len() >= usize::try_from(self.carrier.at_once()).unwrap_or(usize::MAX);
        let next_at = if full { now } else { later(now, self.gather) };
        self.sent.add(due.notices.len() as u64);
        self.keep(NoticesTried { sent: ids(due), next_at, ..self.tried(due, now) }).await?;
        let over = {
            let mut state = self.state();
            (state.down, state.down_until) = (0, None);
            std::mem::take(&mut state.alarmed)
        };
        if over {
            (self.tell)(self.channel.as_str(), false).await;
        }
        Ok(())
    }

    async fn refused(
        &self,
        due: &DueNotices,
        permanent: bool,
        why: String,
        now: Timestamp,
    ) -> Result<(), RecordsError> {
        self.failures.add(1);
        tracing::warn!(channel = self.channel.as_str(), why, "notices were not taken");
        let attempts = due.attempts.saturating_add(1);
        let hopeless = permanent && attempts >= PERMANENT_ATTEMPTS;
        let gone = |at: Timestamp| hopeless || now.duration_since(at).as_secs() >= TRIED_S;
        let given_up: Vec<u64> = due.notices.iter().filter(|one| gone(one.put_at)).map(|one| one.id).collect();
        let any = !given_up.is_empty();
        let next_at = later(now, pause(due.attempts, LONGEST_S));
        let attempts = if hopeless { 0 } else { attempts };
        self.keep(NoticesTried { given_up, why: Some(why), attempts, next_at, ..self.tried(due, now) }).await?;
        self.raise(any).await;
        Ok(())
    }

    async fn down(
        &self,
        due: &DueNotices,
        why: String,
        asked: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), RecordsError> {
        self.failures.add(1);
        let until = {
            let mut state = self.state();
            let asked = asked.map_or(0, |asked| i64::try_from(asked.as_secs()).unwrap_or(i64::MAX)).min(LONGEST_S);
            let until = later(now, pause(state.down, DOWN_LONGEST_S).max(SignedDuration::from_secs(asked)));
            state.down = state.down.saturating_add(1);
            state.down_until = Some(until);
            until
        };
        tracing::warn!(channel = self.channel.as_str(), why, "notices can't be sent for now");
        self.keep(NoticesTried { attempts: due.attempts, next_at: until, ..self.tried(due, now) }).await?;
        let before = now.checked_sub(SignedDuration::from_secs(TRIED_S)).unwrap_or(Timestamp::MIN);
        let gone = self.records.give_up_notices(self.channel, before, why, now).await?;
        self.raise(gone > 0).await;
        Ok(())
    }

    /// Tells, once until something is sent again, that notices were given up.
    async fn raise(&self, given_up: bool) {
        let first = given_up && !std::mem::replace(&mut self.state().alarmed, true);
        if first {
            tracing::error!(
                channel = self.channel.as_str(),
                "ALARM {}: people were not told of something",
                super::GIVEN_UP
            );
            (self.tell)(self.channel.as_str(), true).await;
        }
    }

    /// At the start it learns whether an alarm stands.
    async fn count(&self, start: bool) {
        let Ok(counts) = self.records.notice_counts(self.channel).await else { return };
        let mut state = self.state();
        state.counts = counts;
        state.alarmed |= start && counts.failing;
    }

    async fn forget(&self) {
        let before = self.clock.now().checked_sub(SignedDuration::from_hours(REMEMBERED_H));
        if let Ok(before) = before
            && let Err(error) = self.records.forget_notices(before, FORGET_MAX).await
        {
            tracing::warn!(%error, "old notices can't be forgotten");
        }
    }

    pub(super) fn show(&self, page: &mut Page) {
        let labels = [("channel", self.channel.as_str())];
        let counts = self.state().counts;
        page.counter("pressgate_notices_sent_total", "Notices that were taken over.", &labels, self.sent.get());
        let help = "Attempts to send notices that failed.";
        page.counter("pressgate_notices_failures_total", help, &labels, self.failures.get());
        page.gauge("pressgate_notices_waiting", "Notices that are to be sent.", &labels, counts.waiting as f64);
        page.gauge("pressgate_notices_given_up", "Notices that were given up.", &labels, counts.given_up as f64);
    }
}

fn ids(due: &DueNotices) -> Vec<u64> {
    due.notices.iter().map(|notice| notice.id).collect()
}

/// The pause after so many failures before this one.
pub(super) fn pause(failures: u32, longest_s: i64) -> SignedDuration {
    SignedDuration::from_secs(FIRST_S.saturating_mul(1 << failures.min(16)).min(longest_s))
}
