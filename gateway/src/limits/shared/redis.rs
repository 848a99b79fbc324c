//! The ledger that gateways share: one library of functions in Redis or Valkey, server time, the keys of a decision in one slot.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, aio::MultiplexedConnection};
use tokio::time::{Instant, timeout};

use super::super::engine::{
    Counts, Decision, Draw, Hold, Ledger, LedgerGone, Outcome, Reserved, Rule, SECOND_US, Seen, Standing,
};

/// The functions. Their names end in a version: gateways of two versions can share one server.
const LIBRARY: &str = include_str!("limits.lua");
/// Numbers of one draw in the answer to a decision.
const NUMBERS: usize = 5;

/// A connection to the shared ledger. It is made anew by whoever finds it broken.
#[derive(Clone)]
pub struct Redis {
    connection: MultiplexedConnection,
    timeout: Duration,
    run: String,
    /// The server's time at a moment, so that a decision can say until when somebody waits for it.
    began: (Instant, u64),
}

impl Redis {
    /// Connects and sees to it that the functions are there. Each request has `patience` for its answer.
    ///
    /// # Errors
    /// The server can't be reached, or does not know functions (older than 7).
    pub async fn connect(url: &str, patience: Duration) -> Result<Self, LedgerGone> {
        let client = redis::Client::open(url).map_err(|error| gone(&error))?;
        let connection = timeout(patience * 5, client.get_multiplexed_async_connection()).await;
        let connection = connection.map_err(|_| late())?.map_err(|error| gone(&error))?;
        let mut this = Self { connection, timeout: patience, run: String::new(), began: (Instant::now(), 0) };
        let mut load = redis::cmd("FUNCTION");
        load.arg("LOAD").arg("REPLACE").arg(LIBRARY);
        this.ask::<String>(&load).await?;
        let info: String = this.ask(redis::cmd("INFO").arg("server")).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        run.trim().clone_into(&mut this.run);
        let (seconds, micros): (u64, u64) = this.ask(&redis::cmd("TIME")).await?;
        this.began = (Instant::now(), seconds.saturating_mul(SECOND_US).saturating_add(micros));
        Ok(this)
    }

    /// Which run of the server this is: another one may have forgotten everything.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Draws whatever there is: what was drawn elsewhere while the ledger was away.
    pub(super) async fn charge(&self, draws: &[Draw]) -> Result<(), LedgerGone> {
        let decision = self.call_decide(draws, None, true).await?;
        self.settle(&decision.hold, Outcome::Sent, None).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LedgerGone> {
        let mut connection = self.connection.clone();
        let answer = timeout(self.timeout, command.query_async::<T>(&mut connection)).await;
        answer.map_err(|_| late())?.map_err(|error| gone(&error))
    }

    async fn call_decide(&self, draws: &[Draw], now_us: Option<u64>, force: bool) -> Result<Decision, LedgerGone> {
        if draws.is_empty() {
            return Ok(Decision { taken: true, standings: Vec::new(), hold: Hold::default() });
        }
        let mut command = call("pressgate_decide_1", draws.iter().map(|draw| draw.key.as_str()), now_us);
        // A server that was stopped must not draw when it goes on what has been drawn elsewhere by then.
        let waited_until = self.began.0.elapsed().saturating_add(self.timeout).as_micros();
        let waited_until = self.began.1.saturating_add(u64::try_from(waited_until).unwrap_or(u64::MAX));
        command.arg(u8::from(force)).arg(if now_us.is_some() { 0 } else { waited_until });
        for draw in draws {
            match draw.rule {
                Rule::Rate(rate) => command.arg("r").arg(draw.cost).arg(rate.interval_us).arg(rate.burst).arg(0),
                Rule::Window(window) => {
                    command.arg("w").arg(draw.cost).arg(window.limit).arg(window.length_us).arg(window.keep_percent)
                }
            };
        }
        let numbers: Vec<u64> = self.ask(&command).await?;
        let strange = || LedgerGone("its answer is not understood".to_owned());
        let (taken, rest) = numbers.split_first().ok_or_else(strange)?;
        if *taken == 2 {
            return Err(late());
        }
        if rest.len() != draws.len() * NUMBERS {
            return Err(strange());
        }
        let mut decision =
            Decision { taken: *taken == 1, standings: Vec::with_capacity(draws.len()), hold: Hold::default() };
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        for (draw, numbers) in draws.iter().zip(rest.as_chunks::<NUMBERS>().0) {
            let [limit, remaining, more_us, wait_us, until_us] = *numbers;
            decision.standings.push(Standing { limit: narrow(limit), remaining: narrow(remaining), more_us, wait_us });
            if let (Rule::Window(window), 1..) = (draw.rule, until_us) {
                let length_us = window.length_us;
                decision.hold.reserved.push(Reserved { key: draw.key.clone(), cost: draw.cost, until_us, length_us });
            }
        }
        Ok(decision)
    }
}

impl Ledger for Redis {
    async fn decide(&self, draws: &[Draw], now_us: Option<u64>) -> Result<Decision, LedgerGone> {
        self.call_decide(draws, now_us, false).await
    }

    async fn settle(&self, hold: &Hold, outcome: Outcome, now_us: Option<u64>) -> Result<(), LedgerGone> {
        if hold.reserved.is_empty() {
            return Ok(());
        }
        let keys = hold.reserved.iter().map(|reserved| reserved.key.as_str());
        let mut command = call("pressgate_settle_1", keys, now_us);
        command.arg(u8::from(outcome == Outcome::Sent));
        for Reserved { cost, until_us, length_us, .. } in &hold.reserved {
            command.arg(*cost).arg(*until_us).arg(*length_us);
        }
        self.ask::<u8>(&command).await.map(drop)
    }

    async fn observe(&self, seen: &Seen, now_us: Option<u64>) -> Result<(), LedgerGone> {
        let mut command = call("pressgate_observe_1", std::iter::once(seen.key.as_str()), now_us);
        let known = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1);
        command
            .arg(known(seen.limit.map(u64::from)))
            .arg(known(seen.used.map(u64::from)))
            .arg(known(seen.reset_us))
            .arg(seen.window.length_us)
            .arg(if seen.window.counts == Counts::Fixed { "f" } else { "r" });
        self.ask::<u8>(&command).await.map(drop)
    }
}

/// A call of a function with its keys and the time.
fn call<'a>(function: &str, keys: impl ExactSizeIterator<Item = &'a str>, now_us: Option<u64>) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg(function).arg(keys.len());
    for key in keys {
        command.arg(key);
    }
    command.arg(now_us.unwrap_or(0));
    command
}

/// What went wrong, without the address: it may hold a password.
fn gone(error: &RedisError) -> LedgerGone {
    LedgerGone(format!("{:?} {}", error.kind(), error.code().unwrap_or_default()).trim_end().to_owned())
}

fn late() -> LedgerGone {
    LedgerGone("it does not answer in time".to_owned())
}
