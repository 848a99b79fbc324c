//! What the engine is held against: `governor` for rates, networks that count for windows.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, FakeRelativeClock},
};
use jiff::Timestamp;

use super::{Counts, Draw, Key, Memory, Outcome, Rate, Rule, Seen, Window, suite::Dice};
use crate::{clock::ManualClock, limits::engine::suite::soak};

const START_US: u64 = 1_800_000_000_000_000;

fn memory() -> Memory {
    Memory::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)))
}

#[test]
fn counted_rates_decide_as_governor_does() {
    let mut dice = Dice::seeded("rates");
    let mut left = soak(1_000_000);
    while left > 0 {
        let interval_us = 1 + dice.below(2_000_000);
        let burst = 1 + u32::try_from(dice.below(40)).unwrap();
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_micros(interval_us)).unwrap();
        let oracle = RateLimiter::direct_with_clock(quota.allow_burst(NonZeroU32::new(burst).unwrap()), clock.clone());
        let (ours, mut now_us) = (memory(), START_US);
        for _ in 0..500.min(left) {
            let step = [0, dice.below(interval_us), dice.below(interval_us * 3), dice.below(interval_us * 60)];
            let step = step[usize::try_from(dice.below(4)).unwrap()];
            now_us += step;
            clock.advance(Duration::from_micros(step));
            let costs = if dice.below(4) == 0 { 50 } else { 2 };
            let cost = 1 + u32::try_from(dice.below(costs)).unwrap();
            let draw = Draw { key: Key::new("app:a", "calls"), rule: Rule::Rate(Rate { interval_us, burst }), cost };
            let said = ours.draw(std::slice::from_ref(&draw), 1, Some(now_us));
            match oracle.check_n(NonZeroU32::new(cost).unwrap()) {
                Ok(Ok(())) => assert!(said.taken, "{draw:?} {said:?}"),
                Ok(Err(not_until)) => {
                    let wait_us = u64::try_from(not_until.wait_time_from(clock.now()).as_micros()).unwrap();
                    assert_eq!((said.taken, said.standings[0].wait_us), (false, wait_us), "{draw:?}");
                }
                Err(_) => assert!(!said.taken && cost > burst, "{draw:?} never fits"),
            }
            left -= 1;
        }
    }
}

/// A network that counts.
struct Network {
    window: Window,
    /// Fixed windows begin with their first call, else at multiples of the length.
    by_first: bool,
    phase_us: u64,
    began_us: u64,
    calls: VecDeque<(u64, u32)>,
}

impl Network {
    fn count(&mut self, now_us: u64) -> u32 {
        let length = self.window.length_us;
        match self.window.counts {
            Counts::Rolling => self.calls.retain(|(at, _)| at + length > now_us),
            Counts::Fixed => {
                let began = if self.by_first { self.began_us } else { now_us - (now_us + self.phase_us) % length };
                if now_us >= self.began_us + length || !self.by_first && began != self.began_us {
                    self.calls.clear();
                    self.began_us = if self.by_first { now_us } else { began };
                }
            }
        }
        self.calls.iter().map(|(_, cost)| cost).sum()
    }

    fn call(&mut self, cost: u32, now_us: u64) {
        let before = self.count(now_us);
        assert!(before + cost <= self.window.limit, "{before} + {cost} of {:?}", self.window);
        self.calls.push_back((now_us, cost));
    }

    fn says(&mut self, key: &Key, now_us: u64) -> Seen {
        let used = self.count(now_us);
        let reset = match self.window.counts {
            Counts::Fixed => Some(self.began_us + self.window.length_us),
            Counts::Rolling => self.calls.front().map(|(at, _)| at + self.window.length_us),
        };
        Seen {
            key: key.clone(),
            window: self.window,
            limit: Some(self.window.limit),
            used: Some(used),
            reset_us: reset,
        }
    }
}

enum Event {
    Arrives(super::Hold, u32),
    Answered(super::Hold, Option<Seen>),
    NeverLeft(super::Hold),
}

/// One story: calls come, take their time, arrive or do not, and their answers are late and out of order.
fn story(dice: &mut Dice, calls: u64) -> (u64, u64) {
    let length_us = 1_000_000 * (1 + dice.below(600));
    let counts = if dice.below(2) == 0 { Counts::Fixed } else { Counts::Rolling };
    let limit = 3 + u32::try_from(dice.below(300)).unwrap();
    let window = Window { limit, length_us, counts, keep_percent: 0 };
    let mut network = Network {
        window,
        by_first: dice.below(2) == 0,
        phase_us: dice.below(length_us),
        began_us: 0,
        calls: VecDeque::new(),
    };
    let key = Key::new("account:a", "api");
    let (ours, mut now_us, mut number, mut taken) = (memory(), START_US, 0_u64, 0);
    let talks = dice.below(3);
    let mut events: BTreeMap<(u64, u64), Event> = BTreeMap::new();
    let pace = length_us / u64::from(limit) * (1 + dice.below(3)) / 2;
    for _ in 0..calls {
        now_us += dice.below(pace.max(1)) + if dice.below(50) == 0 { dice.below(length_us) } else { 0 };
        while let Some(entry) = events.first_entry().filter(|entry| entry.key().0 <= now_us) {
            let ((at, _), event) = entry.remove_entry();
            match event {
                Event::Arrives(hold, cost) => {
                    network.call(cost, at);
                    let said = (dice.below(4) < talks).then(|| network.says(&key, at));
                    number += 1;
                    events.insert((at + dice.below(length_us / 10 + 1), number), Event::Answered(hold, said));
                }
                Event::Answered(hold, said) => {
                    let late = dice.below(2) == 0;
                    if let Some(said) = said.as_ref().filter(|_| !late) {
                        ours.learn(said, Some(at));
                    }
                    ours.end(&hold, Outcome::Sent, Some(at));
                    if let Some(said) = said.filter(|_| late) {
                        ours.learn(&said, Some(at));
                    }
                }
                Event::NeverLeft(hold) => ours.end(&hold, Outcome::NotSent, Some(at)),
            }
        }
        let cost = 1 + u32::try_from(dice.below(3)).unwrap();
        let draw = Draw { key: key.clone(), rule: Rule::Window(window), cost };
        let said = ours.draw(std::slice::from_ref(&draw), 1, Some(now_us));
        if !said.taken {
            assert!(said.standings[0].wait_us > 0);
            continue;
        }
        taken += u64::from(cost);
        number += 1;
        let leaves = dice.below(10) > 0;
        let event = if leaves { Event::Arrives(said.hold, cost) } else { Event::NeverLeft(said.hold) };
        events.insert((now_us + dice.below(length_us / 10 + 1), number), event);
    }
    (taken, (now_us - START_US) / length_us * u64::from(limit))
}

#[test]
fn counted_no_network_ever_sees_more_than_its_limit() {
    let mut dice = Dice::seeded("windows");
    let (mut taken, mut could) = (0, 0);
    let stories = soak(1_000_000) / 2_000;
    for _ in 0..stories.max(1) {
        let (more, might) = story(&mut dice, 2_000);
        (taken, could) = (taken + more, could + might);
    }
    // What is given up for the sake of never being over is little.
    assert!(taken * 10 > could * 5, "{taken} of {could}");
}

#[test]
fn a_word_of_the_network_ends_the_window_and_what_is_pending_outlives_it() {
    let ours = memory();
    let window = Window::of_seconds(10, 100);
    let (key, at) = (Key::new("account:a", "api"), |second: u64| Some(START_US + second * 1_000_000));
    let draw = |cost| [Draw { key: key.clone(), rule: Rule::Window(window), cost }];
    let first = ours.draw(&draw(6), 1, at(0));
    let second = ours.draw(&draw(3), 1, at(1));
    assert!(first.taken && second.taken && !ours.draw(&draw(2), 1, at(1)).taken, "nine of ten are reserved");
    ours.end(&first.hold, Outcome::Sent, at(2));
    // Somebody else has used one, and all of ours were seen; the window ends at 20.
    let seen = Seen { key: key.clone(), window, limit: Some(10), used: Some(10), reset_us: at(20) };
    ours.learn(&seen, at(2));
    let full = ours.draw(&draw(1), 1, at(3));
    assert_eq!((full.taken, full.standings[0].remaining, full.wait()), (false, 0, Some((0, 17_000_000))));
    // At its end the network forgets what it saw; the three that are on their way may come after it.
    assert!(!ours.draw(&draw(8), 1, at(20)).taken);
    assert!(ours.draw(&draw(7), 1, at(20)).taken);
    ours.end(&second.hold, Outcome::NotSent, at(21));
    assert!(ours.draw(&draw(3), 1, at(21)).taken, "what was not sent is given back");
    assert!(!ours.draw(&draw(11), 1, at(100_000)).taken, "more than the window never fits");
}

#[test]
fn a_part_of_a_window_is_kept_for_others() {
    let ours = memory();
    let window = Window { keep_percent: 20, ..Window::of_seconds(10, 100) };
    let draw = |keep_percent| {
        let window = Window { keep_percent, ..window };
        [Draw { key: Key::new("account:a", "api"), rule: Rule::Window(window), cost: 1 }]
    };
    let taken = |keep| (0..100).filter(|_| ours.draw(&draw(keep), 1, Some(START_US)).taken).count();
    assert_eq!((taken(20), taken(0)), (8, 2));
}
