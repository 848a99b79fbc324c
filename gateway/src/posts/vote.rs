//! Votes on held posts, and the word of a person that something late, frozen or set aside goes after all.

use std::sync::Arc;

use pressgate_workflow::{Command, Life, life::Wait};

use super::{
    life::{self, By, Extra, confirmable},
    not_found, read,
    recall::is_partly_out,
    sight::{may_write, sees},
};
use crate::{
    call::{Caller, duties, journey::Journey, record},
    gateway::Gateway,
    model::{PersonId, PostId, PostState, Principal},
    records::{PostRecord, Vote},
    refusal::{Refusal, Stage, problem},
};

/// A vote as a door read it.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// Yes or no.
    pub approve: bool,
    /// The digest of the content that the person saw; without it and a version the content as it is now.
    pub digest: Option<String>,
    /// The version that the person saw; a yes to what waits for votes names it, or the digest.
    pub version: Option<u32>,
    /// A note for the author; a no needs one.
    pub note: Option<String>,
}

/// Counts a vote. A refusal is in the log when this returns.
pub async fn vote(gateway: &Arc<Gateway>, caller: &Caller, id: &PostId, ballot: Ballot) -> Result<PostRecord, Refusal> {
    let step = if ballot.approve { "post.approve" } else { "post.reject" };
    let journey = Journey::begin(caller).trying(step, Some(id));
    match cast(gateway, caller, id, ballot).await {
        Ok(post) => Ok(post),
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn cast(gateway: &Arc<Gateway>, caller: &Caller, id: &PostId, ballot: Ballot) -> Result<PostRecord, Refusal> {
    record::log_is_writable(gateway)?;
    let post = read(gateway, id).await?;
    let person = voter(caller)?;
    if !sees(gateway, caller, &post) {
        return Err(not_found(id));
    }
    let life = life::of(&post);
    let votes = life.targets().iter().any(|target| target.wait() == Some(Wait::Votes));
    let others = confirmable(&life);
    if !votes && others.is_empty() {
        return Err(not_held(post.state));
    }
    if ballot.digest.as_ref().is_some_and(|digest| *digest != post.digest) {
        return Err(Refusal::new(
            problem::CONTENT_CHANGED,
            Stage::Approve,
            "The post's content is another than the one you saw. Read it again.",
        ));
    }
    if !ballot.approve && is_partly_out(&post) {
        let detail = "A part of it is on the network already. Approve it, so that it goes on; then it can be deleted.";
        return Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Approve, detail));
    }
    if ballot.approve {
        // A no is always welcome.
        duties::of_voter(gateway, &person, post.targets.iter().map(|target| &target.account))?;
    }
    if votes && ballot.approve && ballot.version.is_none() && ballot.digest.is_none() {
        let detail =
            "A yes names what it is said to: `version` (on the command line --saw) or `digest`, as you read them.";
        return Err(Refusal::new(problem::VERSION_NEEDED, Stage::Approve, detail));
    }
    let saw = ballot.version.unwrap_or_else(|| life.version().number);
    if !votes {
        return confirm(gateway, caller, &post, &life, saw, ballot).await;
    }
    let vote = Vote {
        person,
        approve: ballot.approve,
        at: gateway.clock.now(),
        digest: post.digest.clone(),
        note: ballot.note.clone(),
    };
    let command = Command::Vote { saw, approve: ballot.approve };
    let extra = |life: &Life| {
        // What the record keeps and what the life counts is one vote, at one time.
        let at = life.votes().last().map_or(vote.at, |counted| counted.at);
        Extra { vote: Some(Vote { at, ..vote }), ..Extra::default() }
    };
    life::act(gateway, id, By::Caller(caller), command, ballot.note.as_deref(), extra).await
}

/// What is late, was frozen or set aside goes after all, or is cancelled.
async fn confirm(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    post: &PostRecord,
    life: &Life,
    saw: u32,
    ballot: Ballot,
) -> Result<PostRecord, Refusal> {
    let governance = gateway.governance.load_full();
    let may_approve = |account| {
        let Principal::Person(person) = caller.principal() else { return false };
        governance.accounts.get(account).is_some_and(|account| governance.may_approve(person, &account.brand))
    };
    if !post.targets.iter().all(|target| may_approve(&target.account)) && !may_write(gateway, caller, post) {
        let detail = "Only who may publish on every account of the post, or approve for its brands, says that it goes after all.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    let (id, by, why) = (&post.id, By::Caller(caller), ballot.note.as_deref());
    if !ballot.approve {
        return life::act(gateway, id, by, Command::Cancel { saw }, why, |_| Extra::default()).await;
    }
    // An account that is gone keeps nothing back of what goes to the others; where there are no others it is told.
    let is_there = |account: &_| governance.accounts.contains_key(account);
    let (there, gone): (Vec<_>, Vec<_>) = confirmable(life).into_iter().partition(is_there);
    let mut confirmed = None;
    for account in if there.is_empty() { gone } else { there } {
        let command = Command::Confirm { saw, account: account.as_str().into() };
        confirmed = Some(life::act(gateway, id, by, command, why, |_| Extra::default()).await?);
    }
    match confirmed {
        Some(post) => Ok(post),
        None => read(gateway, id).await,
    }
}

fn voter(caller: &Caller) -> Result<PersonId, Refusal> {
    match caller.principal() {
        Principal::Person(person) => Ok(person.clone()),
        Principal::App(_) => {
            let detail = "Votes are cast with a person's key; an app's key is in too many hands.";
            Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail))
        }
    }
}

fn not_held(state: PostState) -> Refusal {
    Refusal::new(problem::NOT_HELD, Stage::Approve, format!("The post is `{}` and waits for no vote.", state.as_str()))
}
