//! Turns: between callers, by units, and on a clock that runs by itself.

use std::{cell::RefCell, rc::Rc, sync::atomic::AtomicU32};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    limits::engine::{Draw, Key, Memory, Outcome, Rule, Window},
};

const LIMIT: u32 = 300;
const LENGTH_S: u32 = 300;
const WINDOW: Duration = Duration::from_secs(300);

/// Two callers offer so many each, all at once, on one window of 300 in 300 seconds; gives who was served when, in seconds.
fn offered(a: usize, b: usize, seconds: i64) -> Vec<(char, i64)> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let memory = Memory::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let mut round = Round::default();
    let mut tickets = HashMap::new();
    let mut left = [('a', a), ('b', b)];
    let mut served = Vec::new();
    let draw =
        Draw { key: Key::new("account:x", "api"), rule: Rule::Window(Window::of_seconds(LIMIT, LENGTH_S)), cost: 1 };
    for second in 0..seconds {
        loop {
            // A line that has room is filled up again: all of the offer waits, here or at the door.
            for (name, left) in &mut left {
                while *left > 0 {
                    let Some(ticket) = round.join(&name.to_string(), 1) else { break };
                    tickets.insert(ticket, *name);
                    *left -= 1;
                }
            }
            let Some(head) = round.head() else { return served };
            let said = memory.draw(std::slice::from_ref(&draw), 1, None);
            if !said.taken {
                break;
            }
            memory.end(&said.hold, Outcome::Sent, None);
            round.served();
            served.push((tickets[&head], second));
        }
        clock.advance(SignedDuration::from_secs(1));
    }
    served
}

fn count(served: &[(char, i64)], name: char) -> usize {
    served.iter().filter(|(who, _)| *who == name).count()
}

/// The most that any window of the network saw, whatever its phase.
fn most_in_a_window(served: &[(char, i64)]) -> usize {
    let within = |from: i64| served.iter().filter(|(_, at)| (from..from + i64::from(LENGTH_S)).contains(at)).count();
    served.iter().map(|(_, at)| within(*at)).max().unwrap_or(0)
}

#[test]
fn a_small_caller_gets_all_it_wants_beside_a_greedy_one() {
    let served = offered(10_000, 100, 3_100);
    let first: Vec<_> = served.iter().copied().filter(|(_, at)| *at < i64::from(LENGTH_S)).collect();
    assert_eq!((count(&first, 'a'), count(&first, 'b')), (200, 100), "all of b within the first window");
    assert!(most_in_a_window(&served) <= LIMIT as usize);
    assert_eq!(count(&served, 'a'), 10 * LIMIT as usize - 100, "nothing of the window is left unused");
}

#[test]
fn equal_demand_is_served_equally() {
    let served = offered(10_000, 10_000, 3_100);
    let (a, b) = (count(&served, 'a'), count(&served, 'b'));
    assert!(a.abs_diff(b) * 50 <= a + b, "{a} and {b}");
    assert!(most_in_a_window(&served) <= LIMIT as usize);
}

#[test]
fn turns_go_by_units_and_not_by_calls() {
    let mut round = Round::default();
    for _ in 0..400 {
        round.join("dear", 5).unwrap();
        round.join("cheap", 1).unwrap();
    }
    let dear: Vec<Ticket> = (0..400).map(|number| 1 + 2 * number).collect();
    let (mut units, mut of_dear) = (0, 0);
    while units < 600 {
        let cost = if dear.contains(&round.head().unwrap()) { 5 } else { 1 };
        of_dear += if cost == 5 { 5 } else { 0 };
        units += cost;
        round.served();
    }
    assert!((290..=310).contains(&of_dear), "{of_dear} of {units}");
}

#[test]
fn who_leaves_holds_nobody_up() {
    let mut round = Round::default();
    let (a, b) = (round.join("a", 3).unwrap(), round.join("b", 1).unwrap());
    let late = round.join("a", 1).unwrap();
    assert_eq!(round.head(), Some(b));
    round.leave("a", a);
    round.leave("b", b);
    assert_eq!(round.head(), Some(late));
    round.served();
    assert!(round.is_empty() && round.lines.is_empty());
}

/// Calls of two callers through the lines, on a clock that runs by itself.
#[tokio::test(start_paused = true)]
async fn waiting_calls_take_turns_and_nobody_overtakes() {
    let lines = Lines::default();
    let (free, order) = (AtomicU32::new(0), Rc::new(RefCell::new(String::new())));
    let until = Some(Instant::now() + Duration::from_secs(60));
    let attempt = |may: bool| {
        use std::sync::atomic::Ordering::SeqCst;
        let taken = may && free.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        std::future::ready(if taken { Ok(()) } else { Err(TooEarly { wait: Duration::from_secs(1), why: () }) })
    };
    let call = async |name: &'static str| {
        lines.pass("x", name, 1, WINDOW, until, attempt).await.unwrap();
        order.borrow_mut().push_str(name);
    };
    let greedy = async {
        let calls = (0..6).map(|_| call("a"));
        let mut calls: Vec<_> = calls.map(Box::pin).collect();
        std::future::poll_fn(|cx| {
            calls.retain_mut(|call| call.as_mut().poll(cx).is_pending());
            if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    };
    let modest = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        tokio::join!(call("b"), call("b"));
    };
    let budget = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Who comes now and can't wait does not overtake.
        free.store(1, std::sync::atomic::Ordering::SeqCst);
        assert!(lines.pass("x", "c", 1, WINDOW, None, attempt).await.is_err());
        free.store(100, std::sync::atomic::Ordering::SeqCst);
    };
    tokio::join!(greedy, modest, budget);
    let order = order.borrow();
    assert!(order.starts_with("abab") || order.starts_with("aba"), "{order}");
    assert_eq!((order.len(), order.matches('b').count()), (8, 2));
    assert!(lines.is_empty("x") && lines.rounds()["x"].bells.is_empty(), "nobody is left behind");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so_and_the_next_one_goes_on() {
    let lines = Lines::default();
    let full = || Err::<(), _>(TooEarly { wait: Duration::from_millis(100), why: "full" });
    let never = |_| std::future::ready(full());
    let start = Instant::now();
    let until = |seconds| Some(start + Duration::from_secs(seconds));
    let (first, second) = tokio::join!(
        lines.pass("x", "a", 1, WINDOW, until(1), never),
        lines.pass("x", "a", 1, WINDOW, until(2), |_| {
            let late = start.elapsed() > Duration::from_millis(1_050);
            std::future::ready(if late { Ok(()) } else { full() })
        }),
    );
    assert_eq!((first.unwrap_err().why, second.is_ok()), ("full", true));
    assert!(lines.is_empty("x") && lines.rounds()["x"].bells.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_drew_before_there_was_a_line_lets_others_catch_up() {
    let mut round = Round::default();
    round.drew("a", 300, WINDOW);
    round.join("a", 1).unwrap();
    assert_eq!(round.head(), Some(1), "who is alone goes on");
    round.join("b", 1).unwrap();
    for _ in 0..400 {
        round.join("a", 1).unwrap();
        round.join("b", 1).unwrap();
    }
    let turns = |round: &mut Round, count: usize| {
        let mut of_b = 0;
        for _ in 0..count {
            of_b += usize::from(round.head().unwrap().is_multiple_of(2));
            round.served();
        }
        of_b
    };
    assert_eq!(turns(&mut round, 300), 300);
    assert!((49..=51).contains(&turns(&mut round, 100)), "and then they take turns");
    let mut late = Round::default();
    late.drew("a", 300, WINDOW);
    tokio::time::advance(WINDOW).await;
    late.forget();
    late.join("a", 1).unwrap();
    late.join("b", 1).unwrap();
    assert_eq!(late.head(), Some(1), "of a window that is over nothing is remembered");
}
