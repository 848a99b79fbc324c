//! How a release fares: what its functions were asked and how often they failed, and a breaker for each of them.
//!
//! A function that fails again and again is asked no more for a while, so that its failures cost others nothing; its calls fail at
//! once, closed. Then one call at a time probes it. Failures of networks and of the host itself do not count for the breaker, and many
//! failures on a few inputs do not open it: whoever repeats what crashes a plugin must not take it from others.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use super::error::PluginFault;
use super::usage::{Usage, Used};

/// The functions that are called after a plugin was loaded, by their names in `wit/`.
pub const HOOKS: [&str; 10] = [
    "review",
    "check",
    "classify",
    "perform",
    "reconcile",
    "discover",
    "observe",
    "render-session",
    "render-refusal",
    "deliver",
];
/// Of the last so many calls …
const WINDOW_CALLS: u32 = 20;
/// … so many failed: it is asked no more.
const WINDOW_FAILED_MIN: u32 = 10;
/// … on so many different inputs among the last failures.
const INPUTS_MIN: usize = 8;
/// For so long at first; twice as long after each probe that fails.
const PAUSE_MS: u64 = 1_000;
const PAUSE_MS_MAX: u64 = 60_000;
/// When a call that met another's probe should come back.
const PROBE_WAIT_MS: u64 = 100;

/// How a release fares, function by function.
#[derive(Debug, Default)]
pub struct Vitals([Hook; HOOKS.len()]);

/// What was counted of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls that ended.
    pub calls: u64,
    /// Of them, those in which the plugin crashed, was late or made no sense.
    pub failed: u64,
    /// Of them, those that the network did not answer well.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Hook {
    calls: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    /// The last calls, a bit for each, 1 for a failure.
    window: AtomicU32,
    /// Milliseconds of the monotonic clock until which it is not asked; 0 while the breaker is closed.
    open_until_ms: AtomicU64,
    pause_ms: AtomicU64,
    probing: AtomicBool,
    /// Fingerprints of the inputs of the last failures. Only a failure touches it.
    inputs: Mutex<VecDeque<u64>>,
    usage: Usage,
}

/// One call of a function, from its begin. Dropped without an end, it counts as neither.
pub(super) struct Asked<'a> {
    hook: &'a Hook,
    probe: bool,
}

impl Vitals {
    /// May the function be asked? Else after how many milliseconds.
    pub(super) fn ask(&self, function: &str) -> Result<Asked<'_>, u64> {
        self.hook(function).ask(now_ms())
    }

    /// An answer that came and made no sense.
    pub(super) fn nonsense(&self, function: &str) {
        self.hook(function).failed.fetch_add(1, Relaxed);
    }

    /// A call that the network did not answer well.
    pub(super) fn refused(&self, function: &str) {
        self.hook(function).refused.fetch_add(1, Relaxed);
    }

    /// What was counted, by function; those that were never asked are left out.
    pub fn counts(&self) -> Vec<(&'static str, Count)> {
        let count = |hook: &Hook| Count {
            failed: hook.failed.load(Relaxed),
            refused: hook.refused.load(Relaxed),
            calls: hook.calls.load(Relaxed),
        };
        HOOKS
            .iter()
            .zip(&self.0)
            .map(|(name, hook)| (*name, count(hook)))
            .filter(|(_, count)| count.calls > 0)
            .collect()
    }

    /// What calls of the function used up.
    pub fn used(&self, function: &str) -> Used {
        self.hook(function).usage.get()
    }

    pub(super) fn usage(&self, function: &str) -> &Usage {
        &self.hook(function).usage
    }

    /// The functions whose breaker is open.
    pub fn open(&self) -> Vec<&'static str> {
        let open = |hook: &Hook| hook.open_until_ms.load(Relaxed) > 0;
        HOOKS.iter().zip(&self.0).filter(|(_, hook)| open(hook)).map(|(name, _)| *name).collect()
    }

    fn hook(&self, function: &str) -> &Hook {
        let [first, ..] = &self.0;
        HOOKS.iter().zip(&self.0).find(|(name, _)| **name == function).map_or(first, |(_, hook)| hook)
    }
}

impl Hook {
    fn ask(&self, now_ms: u64) -> Result<Asked<'_>, u64> {
        let until = self.open_until_ms.load(Relaxed);
        if until == 0 {
            return Ok(Asked { hook: self, probe: false });
        }
        if now_ms < until {
            return Err(until - now_ms);
        }
        match self.probing.compare_exchange(false, true, Relaxed, Relaxed) {
            Ok(_) => Ok(Asked { hook: self, probe: true }),
            Err(_) => Err(PROBE_WAIT_MS),
        }
    }

    fn note(&self, failed: Option<u64>, now_ms: u64) {
        let mask = (1_u32 << WINDOW_CALLS) - 1;
        let shifted = |window: u32| ((window << 1) | u32::from(failed.is_some())) & mask;
        let before = self.window.fetch_update(Relaxed, Relaxed, |window| Some(shifted(window))).unwrap_or_default();
        let Some(input) = failed else { return };
        if self.inputs_with(input) >= INPUTS_MIN && shifted(before).count_ones() >= WINDOW_FAILED_MIN {
            self.open(PAUSE_MS, now_ms);
        }
    }

    /// How many different inputs the last failures had, with this one.
    fn inputs_with(&self, input: u64) -> usize {
        let mut inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        inputs.push_back(input);
        if inputs.len() > WINDOW_FAILED_MIN as usize {
            inputs.pop_front();
        }
        inputs.iter().collect::<BTreeSet<_>>().len()
    }

    fn open(&self, pause_ms: u64, now_ms: u64) {
        self.pause_ms.store(pause_ms, Relaxed);
        self.window.store(0, Relaxed);
        self.open_until_ms.store(now_ms.saturating_add(pause_ms).max(1), Relaxed);
    }
}

impl Asked<'_> {
    /// The call ended, well or with this fault. True where the fault is the plugin's.
    pub(super) fn ended(self, fault: Option<&PluginFault>, input: impl FnOnce() -> u64) -> bool {
        self.ended_at(fault, input, now_ms())
    }

    fn ended_at(self, fault: Option<&PluginFault>, input: impl FnOnce() -> u64, now_ms: u64) -> bool {
        let (of_plugin, breaks) = match fault {
            None => (false, false),
            Some(PluginFault::Busy { .. } | PluginFault::Broken { .. } | PluginFault::Internal(_)) => return false,
            // It may have waited for a network; whether that became worse with this release, the counts say.
            Some(PluginFault::WallDeadline { .. }) => (true, false),
            Some(_) => (true, true),
        };
        self.hook.calls.fetch_add(1, Relaxed);
        self.hook.failed.fetch_add(u64::from(of_plugin), Relaxed);
        match (self.probe, breaks) {
            (true, true) => {
                let pause_ms = self.hook.pause_ms.load(Relaxed).saturating_mul(2).clamp(PAUSE_MS, PAUSE_MS_MAX);
                self.hook.open(pause_ms, now_ms);
            }
            (true, false) => self.hook.open_until_ms.store(0, Relaxed),
            (false, breaks) => self.hook.note(breaks.then(input), now_ms),
        }
        of_plugin
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.hook.probing.store(false, Relaxed);
        }
    }
}

/// What tells two inputs apart.
pub(super) fn fingerprint(input: &impl Debug) -> u64 {
    struct Sink(DefaultHasher);
    impl std::fmt::Write for Sink {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    // It does not fail.
    let _ = write!(sink, "{input:?}");
    sink.0.finish()
}

fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap() -> PluginFault {
        PluginFault::Trapped { reason: "x".into() }
    }

    fn call(hook: &Hook, fault: Option<&PluginFault>, now_ms: u64) -> bool {
        let input = || hook.calls.load(Relaxed);
        hook.ask(now_ms).map(|asked| asked.ended_at(fault, input, now_ms)).is_ok()
    }

    #[test]
    fn it_opens_after_many_failures_probes_and_closes() {
        let hook = Hook::default();
        for _ in 0..WINDOW_FAILED_MIN {
            assert!(call(&hook, Some(&trap()), 5));
        }
        assert_eq!(hook.ask(6).err(), Some(PAUSE_MS - 1), "fails closed");
        let probe = hook.ask(5 + PAUSE_MS).ok().unwrap();
        assert_eq!(hook.ask(5 + PAUSE_MS).err(), Some(PROBE_WAIT_MS), "one probe at a time");
        probe.ended_at(Some(&trap()), || 0, 5 + PAUSE_MS);
        assert_eq!(hook.ask(6 + PAUSE_MS).err(), Some(2 * PAUSE_MS - 1), "twice as long");
        let later = 5 + 4 * PAUSE_MS;
        drop(hook.ask(later).ok().unwrap());
        assert!(call(&hook, None, later), "a probe that was given up makes room");
        assert!(call(&hook, None, later) && hook.ask(later).is_ok(), "it is closed again");
    }

    #[test]
    fn it_stays_closed_where_most_calls_go_well_or_others_fail() {
        let hook = Hook::default();
        for number in 0..300 {
            assert!(call(&hook, (number % 3 == 0).then(trap).as_ref(), 5), "every third");
        }
        for fault in [
            PluginFault::Busy { retry_after_ms: 1 },
            PluginFault::Internal(String::new()),
            PluginFault::WallDeadline { deadline_ms: 1 },
        ] {
            for _ in 0..100 {
                assert!(call(&hook, Some(&fault), 5), "{fault}");
            }
        }
        assert_eq!((hook.calls.load(Relaxed), hook.failed.load(Relaxed)), (400, 200));
    }

    fn call_with(hook: &Hook, input: u64) {
        if let Ok(asked) = hook.ask(5) {
            asked.ended_at(Some(&trap()), || input, 5);
        }
    }

    #[test]
    fn a_few_inputs_that_crash_it_take_it_from_nobody() {
        let hook = Hook::default();
        for number in 0..200 {
            let asked = hook.ask(5).ok().unwrap();
            asked.ended_at(Some(&trap()), || fingerprint(&("poison", number % 7)), 5);
        }
        for number in 0..10 {
            call_with(&hook, number);
        }
        assert!(hook.ask(5).is_err(), "many inputs do");
    }

    #[test]
    fn functions_are_counted_apart() {
        let vitals = Vitals::default();
        assert!(vitals.ask("review").ok().unwrap().ended(Some(&trap()), || 0));
        assert!(!vitals.ask("perform").ok().unwrap().ended(None, || 0));
        vitals.refused("perform");
        vitals.nonsense("review");
        let review = Count { calls: 1, failed: 2, refused: 0 };
        let perform = Count { calls: 1, failed: 0, refused: 1 };
        assert_eq!(vitals.counts(), [("review", review), ("perform", perform)]);
        assert!(vitals.open().is_empty());
    }
}
