//! Votes on held posts. One vote of another person with approval rights releases or ends a post.

use std::sync::Arc;

use super::{not_found, read, recall::is_partly_out, sight::sees, unavailable};
use crate::{
    audit::{Leaf, leaf},
    call::{
        Caller,
        approve::part_in,
        journey::{self, Journey},
        record,
    },
    gateway::Gateway,
    model::{Action, PersonId, PostId, PostState, Principal, TargetState},
    records::{PostRecord, Vote, VoteResult},
    refusal::{Refusal, Stage, problem},
};

/// A vote as a door read it.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// Yes or no.
    pub approve: bool,
    /// The digest of the content that the person saw; without it the content as it is now.
    pub digest: Option<String>,
    /// A note for the author.
    pub note: Option<String>,
}

/// Counts a vote. A refusal is in the log when this returns.
pub async fn vote(gateway: &Arc<Gateway>, caller: &Caller, id: &PostId, ballot: Ballot) -> Result<PostRecord, Refusal> {
    let journey = Journey::begin(caller).wanting(Action::POST_CREATE, Some(id));
    match cast(gateway, caller, id, ballot).await {
        Ok(post) => Ok(post),
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn cast(gateway: &Arc<Gateway>, caller: &Caller, id: &PostId, ballot: Ballot) -> Result<PostRecord, Refusal> {
    record::log_is_writable(gateway)?;
    let post = read(gateway, id).await?;
    let person = voter(gateway, caller, &post)?;
    // A freeze may have stopped some of its targets only.
    if !post.targets.iter().any(|target| target.state == TargetState::Held) {
        return Err(not_held(post.state));
    }
    let digest = ballot.digest.unwrap_or_else(|| post.digest.clone());
    if digest != post.digest {
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
    let now = gateway.clock.now();
    let event = leaf::Vote {
        post: id.to_string(),
        person: person.to_string(),
        key: caller.key().to_string(),
        decision: if ballot.approve { "approve" } else { "reject" }.to_owned(),
        content_digest: digest.clone(),
        brand: journey::brand(gateway, post.targets.iter().map(|target| &target.account)),
    };
    gateway.audit.append(Leaf::new(now.as_millisecond(), event)).await.map_err(|error| record::unavailable(&error))?;
    let vote = Vote { person, approve: ballot.approve, at: now, digest, note: ballot.note };
    match gateway.records.vote(id.clone(), vote).await.map_err(|error| unavailable(&error))? {
        VoteResult::Counted => {}
        VoteResult::NotHeld(state) => return Err(not_held(state)),
        VoteResult::DigestChanged => return Err(not_held(PostState::Held)),
    }
    gateway.due.notify_one();
    read(gateway, id).await
}

/// Only a person with approval rights for every brand of the post who has no part in it.
fn voter(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> Result<PersonId, Refusal> {
    let governance = gateway.governance.load();
    let Principal::Person(person) = caller.principal() else {
        let detail = "Votes are cast with a person's key; an app's key is in too many hands.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    };
    let may = |account| {
        governance.accounts.get(account).is_some_and(|account| governance.may_approve(person, &account.brand))
    };
    let rights = post.targets.iter().filter(|target| may(&target.account)).count();
    if rights == 0 && !sees(gateway, caller, post) {
        return Err(not_found(&post.id));
    }
    if rights == 0 {
        let detail = "You may not approve for the post's brand; somebody whose `approves` covers it must vote.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    let made_key = gateway.keys.record(&post.author.key).is_some_and(|key| key.made_by.as_ref() == Some(person));
    let part = part_in(&governance, &post.author, person)
        .or_else(|| made_key.then_some("You made the key that the post was made with; another person must vote."));
    if let Some(part) = part {
        return Err(Refusal::new(problem::OWN_POST, Stage::Approve, part));
    }
    if rights < post.targets.len() {
        let detail =
            "You may approve for some of the post's brands only; somebody with rights for all of them must vote.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    Ok(person.clone())
}

fn not_held(state: PostState) -> Refusal {
    Refusal::new(problem::NOT_HELD, Stage::Approve, format!("The post is `{}` and waits for no vote.", state.as_str()))
}
