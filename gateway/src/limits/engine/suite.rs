//! One suite for every ledger: it decides as the one in memory does, whatever comes.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Counts, Decision, Draw, Hold, Key, Ledger, Memory, Outcome, Rate, Rule, Seen, Window};
use crate::clock::ManualClock;

/// How many of something a counted test tries: what `PRESSGATE_SOAK` says, or so many.
pub(crate) fn soak(usual: u64) -> u64 {
    std::env::var("PRESSGATE_SOAK").map_or(usual, |count| count.parse().expect("PRESSGATE_SOAK is a number"))
}

/// Random numbers that can be thrown again: SplitMix64. `PRESSGATE_SEED` sets the first.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let seed = std::env::var("PRESSGATE_SEED").ok().map(|seed| seed.parse().expect("PRESSGATE_SEED is a number"));
        let seed = seed.unwrap_or_else(|| hasher.finish());
        println!("PRESSGATE_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound.max(1)
    }

    fn small(&mut self, bound: u64) -> u32 {
        u32::try_from(self.below(bound)).expect("a small bound")
    }
}

/// Random decisions, settlements and observations, the same for both; every answer must be the same.
pub(crate) async fn agrees<L: Ledger>(ledger: &L, decisions: u64, dice: &mut Dice) {
    let model = Memory::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)));
    let mut now_us = 1_800_000_000_000_000 + dice.below(1_000_000_000);
    let mut holds: Vec<Hold> = Vec::new();
    // Subjects change, so that old ones fall idle and new ones begin.
    for decision in 0..decisions {
        let subject = format!("subject-{}-{}", decision / 5_000, dice.below(3));
        now_us += [0, dice.below(1_000), dice.below(2_000_000), dice.below(90_000_000)][dice.below(4) as usize];
        if dice.below(500) == 0 {
            // A clock that is set back.
            now_us -= dice.below(30_000_000);
        }
        let draws = draws(dice, &subject);
        let want = model.draw(&draws, 1, Some(now_us));
        let got = ledger.decide(&draws, Some(now_us)).await.expect("the ledger is there");
        assert_eq!(got, want, "decision {decision} at {now_us}: {draws:?}");
        holds.extend(Some(want.hold).filter(|hold| !hold.reserved.is_empty()));
        if !holds.is_empty() && dice.below(2) == 0 {
            let hold = holds.swap_remove(dice.below(holds.len() as u64) as usize);
            let outcome = if dice.below(4) == 0 { Outcome::NotSent } else { Outcome::Sent };
            model.end(&hold, outcome, Some(now_us));
            ledger.settle(&hold, outcome, Some(now_us)).await.expect("the ledger is there");
        }
        if dice.below(5) == 0 {
            let seen = seen(dice, &subject, now_us);
            model.learn(&seen, Some(now_us));
            ledger.observe(&seen, Some(now_us)).await.expect("the ledger is there");
        }
    }
}

/// Up to four draws on one subject, no key twice.
fn draws(dice: &mut Dice, subject: &str) -> Vec<Draw> {
    let mut draws = Vec::new();
    for name in 0..2_u64 {
        if dice.below(3) > 0 {
            let rate = Rate { interval_us: 1 + 700_000 * name, burst: 3 + 20 * u32::try_from(name).expect("small") };
            let cost = 1 + dice.small(6);
            draws.push(Draw { key: Key::new(subject, &format!("rate-{name}")), rule: Rule::Rate(rate), cost });
        }
        if dice.below(3) > 0 {
            let window = Window { keep_percent: 10 * dice.small(3), ..window(name) };
            let cost = 1 + dice.small(9);
            draws.push(Draw { key: Key::new(subject, &format!("window-{name}")), rule: Rule::Window(window), cost });
        }
    }
    draws
}

fn window(name: u64) -> Window {
    let (limit, seconds, counts) = if name == 0 { (40, 30, Counts::Fixed) } else { (97, 613, Counts::Rolling) };
    Window { counts, ..Window::of_seconds(limit, seconds) }
}

fn seen(dice: &mut Dice, subject: &str, now_us: u64) -> Seen {
    let name = dice.below(2);
    let some = |value: u64| (!value.is_multiple_of(3)).then_some(value);
    let (limit, used) = (some(dice.below(120)), some(dice.below(60)));
    let reset_us = some(now_us + dice.below(900_000_000)).map(|at| at - 20_000_000);
    let narrow = |number: u64| u32::try_from(number).expect("small");
    Seen {
        key: Key::new(subject, &format!("window-{name}")),
        window: window(name),
        limit: limit.map(narrow),
        used: used.map(narrow),
        reset_us,
    }
}

/// All or nothing: where one of several draws can't be made, none is, and the others stand as before.
pub(crate) async fn draws_all_or_nothing<L: Ledger>(ledger: &L, subject: &str) {
    let now = Some(1_800_000_000_000_000);
    let draw = |name: &str, rule: Rule| Draw { key: Key::new(subject, name), rule, cost: 1 };
    let rate = |burst| Rule::Rate(Rate { interval_us: 60_000_000, burst });
    let (wide, narrow) = (draw("wide", rate(100)), draw("narrow", rate(1)));
    let window = draw("window", Rule::Window(Window::of_seconds(100, 60)));
    let all = [wide.clone(), window.clone(), narrow];
    let first: Decision = ledger.decide(&all, now).await.expect("the ledger is there");
    assert!(first.taken);
    let second = ledger.decide(&all, now).await.expect("the ledger is there");
    assert_eq!((second.taken, second.wait()), (false, Some((2, 60_000_000))));
    assert!(second.hold.reserved.is_empty());
    let left = ledger.decide(&[wide, window], now).await.expect("the ledger is there");
    assert_eq!((left.standings[0].remaining, left.standings[1].remaining), (98, 98));
}

#[tokio::test]
async fn memory_draws_all_or_nothing() {
    draws_all_or_nothing(&Memory::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))), "app:all").await;
}
