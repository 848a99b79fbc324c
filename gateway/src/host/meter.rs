//! Guest time: how long a plugin computes, without the time that it waits.
//!
//! Time runs only while the call is being polled, and stops while an [`super::Outbound`] is polled inside it. Reading a
//! thread's CPU clock costs as much as a small host call, so short stretches are measured by the cheaper monotonic clock; as
//! soon as a call outlives a tick of the engine, every further stretch is measured by the CPU clock, which does not count the
//! time that the thread was descheduled.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::engine::TICK_MS;

const TICK_NS: u64 = TICK_MS * 1_000_000;
/// A stretch without a tick is at most a tick of guest code; more on the monotonic clock was not the guest.
const UNTICKED_NS_MAX: u64 = 2 * TICK_NS;

/// Counts one call's guest time. Only the thread that polls the call touches it.
#[derive(Debug)]
pub(super) struct Meter {
    budget_ns: u64,
    spent_ns: AtomicU64,
    mark_ns: AtomicU64,
    exact: AtomicBool,
    lane: Arc<Semaphore>,
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

/// What a guest that is still computing at a tick does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    /// It has hardly begun.
    GoOn,
    /// It gives way to others.
    GiveWay,
    /// Its budget is spent.
    Stop,
}

/// The whole call took longer than it may.
#[derive(Debug)]
pub(super) struct Overdue;

impl Meter {
    /// A meter for a budget. Guests that outlive a tick take turns in `lane`.
    pub(super) fn new(budget_ms: u64, lane: Arc<Semaphore>) -> Self {
        Self {
            budget_ns: budget_ms.saturating_mul(1_000_000),
            spent_ns: AtomicU64::new(0),
            mark_ns: AtomicU64::new(0),
            exact: AtomicBool::new(false),
            lane,
            turn: Mutex::new(None),
        }
    }

    fn clock_ns(&self) -> u64 {
        let clock = if self.exact.load(Relaxed) { ClockId::ThreadCPUTime } else { ClockId::Monotonic };
        let now = clock_gettime(clock);
        u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000) + u64::try_from(now.tv_nsec).unwrap_or(0)
    }

    fn resume(&self) {
        self.mark_ns.store(self.clock_ns(), Relaxed);
    }

    fn pause(&self) {
        let stretch_ns = self.clock_ns().saturating_sub(self.mark_ns.load(Relaxed));
        let stretch_ns = if self.exact.load(Relaxed) { stretch_ns } else { stretch_ns.min(UNTICKED_NS_MAX) };
        self.spent_ns.store(self.spent_ns.load(Relaxed).saturating_add(stretch_ns), Relaxed);
    }

    /// The engine ticked while the guest computed.
    pub(super) fn tick(&self) -> Tick {
        self.pause();
        self.exact.store(true, Relaxed);
        self.resume();
        match self.spent_ns.load(Relaxed) {
            spent if spent >= self.budget_ns => Tick::Stop,
            spent if spent < TICK_NS / 2 => Tick::GoOn,
            _ => Tick::GiveWay,
        }
    }

    /// Lets others run, then waits for a turn. Fewer guests have one than there are threads, so that calls which need
    /// microseconds never queue behind calls which need milliseconds.
    pub(super) fn give_way(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let meter = Arc::clone(self);
        Box::pin(async move {
            tokio::task::yield_now().await;
            let turn = Arc::clone(&meter.lane).acquire_owned().await.ok();
            *meter.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        })
    }

    fn end_turn(&self) {
        if self.exact.load(Relaxed) {
            drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Runs a call: guest time counts while it is polled, and the whole must end before `wall`.
    pub(super) async fn run<F: Future>(&self, wall: Duration, call: F) -> Result<F::Output, Overdue> {
        let mut call = pin!(call);
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|context| {
            self.resume();
            let polled = call.as_mut().poll(context);
            self.pause();
            self.end_turn();
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Ok(output));
            }
            // Most calls never wait, so the timer is set only by those that do.
            let deadline = deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(wall)));
            deadline.as_mut().poll(context).map(|()| Err(Overdue))
        })
        .await
    }

    /// Runs a call to its end on this thread, without a runtime. Only for calls that wait for nothing but their turn.
    pub(super) fn run_here<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            self.resume();
            let polled = call.as_mut().poll(&mut context);
            self.pause();
            self.end_turn();
            match polled {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::yield_now(),
            }
        }
    }

    /// Runs something that the guest waits for and does not pay.
    pub(super) async fn unmetered<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.pause();
            let polled = work.as_mut().poll(context);
            self.resume();
            polled
        })
        .await
    }

    /// Guest time so far.
    pub(super) fn spent_ns(&self) -> u64 {
        self.spent_ns.load(Relaxed)
    }

    #[cfg(test)]
    fn spent_ms(&self) -> u64 {
        self.spent_ns() / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(budget_ms: u64) -> Arc<Meter> {
        Arc::new(Meter::new(budget_ms, Arc::new(Semaphore::new(1))))
    }

    fn compute(cpu_ms: u64) {
        let clock = || clock_gettime(ClockId::ThreadCPUTime);
        let start = clock();
        let spent =
            |now: rustix::time::Timespec| (now.tv_sec - start.tv_sec) * 1_000_000_000 + (now.tv_nsec - start.tv_nsec);
        while spent(clock()) < i64::try_from(cpu_ms * 1_000_000).unwrap() {}
    }

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let meter = meter(1_000);
        let call = async {
            assert_ne!(meter.tick(), Tick::Stop);
            compute(20);
            tokio::time::sleep(Duration::from_millis(60)).await;
            meter.unmetered(async { compute(30) }).await;
            compute(10);
        };
        meter.run(Duration::from_secs(5), call).await.unwrap();
        assert!((30..40).contains(&meter.spent_ms()), "{} ms", meter.spent_ms());
    }

    #[tokio::test]
    async fn a_spent_budget_stops_at_the_next_tick() {
        let meter = meter(10);
        let call = async {
            assert_eq!(meter.tick(), Tick::GoOn);
            compute(5);
            assert_eq!(meter.tick(), Tick::GiveWay);
            compute(6);
            assert_eq!(meter.tick(), Tick::Stop);
        };
        meter.run(Duration::from_secs(5), call).await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_ends_when_the_guest_waits() {
        let meter = meter(100);
        let lane = Arc::clone(&meter.lane);
        let call = async {
            meter.tick();
            meter.give_way().await;
            assert_eq!(lane.available_permits(), 0);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(lane.available_permits(), 1);
        };
        meter.run(Duration::from_secs(5), call).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_covers_the_whole() {
        let meter = meter(100);
        let late = tokio::time::sleep(Duration::from_secs(31));
        assert!(meter.run(Duration::from_secs(30), late).await.is_err());
        let in_time = tokio::time::sleep(Duration::from_secs(29));
        assert!(meter.run(Duration::from_secs(30), in_time).await.is_ok());
    }
}
