//! The end of a freeze: what it stopped waits for a person's word each, or goes out by the rule of whoever ended it.

use std::sync::Arc;

use jiff::Timestamp;
use pressgate_workflow::{Command, freeze::Freeze, life::Wait};

use super::{
    life::{By, Extra, Turn},
    read,
};
use crate::{
    freezes::{
        change::{self, Who},
        view::{FreezeView, LiftRequest},
    },
    gateway::Gateway,
    model::PostId,
    refusal::{Refusal, Stage, problem},
};

/// Asks for the end of a freeze; the second person's word ends it. It goes on to its end whatever becomes of the caller.
///
/// # Errors
/// No such freeze, no right, the same person again, and what the stores say; it stays on then.
pub async fn lift(gateway: &Arc<Gateway>, by: Who, id: String, wish: LiftRequest) -> Result<FreezeView, Refusal> {
    let gateway = Arc::clone(gateway);
    let lifting = async move {
        let thawed = change::lift(&gateway, by.clone(), id, wish).await?;
        let Some(freeze) = thawed.freeze else { return Ok(thawed.view) };
        let posts = go_on(&gateway, &by, &freeze, thawed.every_s).await?;
        Ok(FreezeView { released: thawed.every_s.map(|_| posts), ..thawed.view })
    };
    tokio::spawn(lifting).await.unwrap_or_else(|error| {
        let detail = "The change broke off; see the gateway's log.";
        Err(Refusal::new(problem::INTERNAL, Stage::Door, detail).because(error))
    })
}

/// How many posts the freeze had stopped.
async fn go_on(gateway: &Arc<Gateway>, by: &Who, freeze: &Freeze, every_s: Option<u32>) -> Result<usize, Refusal> {
    let waiting = change::freed(gateway, freeze).await?;
    match every_s {
        Some(every_s) => {
            for (post, at) in change::spread_out(&waiting, every_s, gateway.clock.now()) {
                change::tell_release(gateway, by, freeze, &post).await?;
                thaw(gateway, &post, Some(at)).await?;
            }
        }
        None => {
            for post in waiting.keys() {
                thaw(gateway, post, None).await?;
            }
        }
    }
    gateway.due.notify_one();
    Ok(waiting.len())
}

/// A post finds that it is frozen no more; with a time, its targets go on then.
pub(super) async fn thaw(gateway: &Arc<Gateway>, id: &PostId, at: Option<Timestamp>) -> Result<(), Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let mut turn = Turn::begin(gateway, read(gateway, id).await?, By::Gate);
    let waits = |turn: &Turn<'_>| -> Vec<_> {
        let thawed = turn.life().targets().iter().filter(|target| target.wait() == Some(Wait::Thawed));
        thawed.map(|target| target.account().clone()).collect()
    };
    let before = waits(&turn);
    if let Err(refused) = turn.decide(Command::Tick, None) {
        tracing::error!(post = %id, %refused, "time can't go on for a post");
    }
    if let Some(at) = at {
        for account in waits(&turn).into_iter().filter(|account| !before.contains(account)) {
            if let Err(refused) = turn.decide(Command::Release { account, at }, None) {
                tracing::warn!(post = %id, %refused, "a thawed post waits for a person");
            }
        }
    }
    turn.keep(Extra::default()).await
}
