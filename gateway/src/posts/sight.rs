//! Who may see a post: its author, whoever may read posts of one of its accounts, and whoever may vote on it or had a say in it.

use std::collections::BTreeSet;

use pressgate_workflow::{
    Facts,
    approval::{Voter, wanted},
    ids::Actor,
};

use crate::{
    call::Caller,
    gateway::Gateway,
    model::{AccountId, Action, PostState, Principal},
    posts::life,
    records::PostRecord,
};

/// The accounts whose posts the caller may read: by a grant for `post.read`, or because it approves for their brand.
pub fn readable(gateway: &Gateway, caller: &Caller) -> BTreeSet<AccountId> {
    let governance = gateway.governance.load();
    let mut accounts = governance.accounts_allowing(caller.principal(), Action::POST_READ, gateway.clock.now());
    if let Principal::Person(person) = caller.principal() {
        let approves = governance.accounts.values().filter(|account| governance.may_approve(person, &account.brand));
        accounts.extend(approves.map(|account| account.id.clone()));
    }
    accounts
}

/// The accounts whose posts the caller may take back.
pub fn deletable(gateway: &Gateway, caller: &Caller) -> BTreeSet<AccountId> {
    gateway.governance.load().accounts_allowing(caller.principal(), Action::POST_DELETE, gateway.clock.now())
}

/// True for the post's author and whoever answers for it, for whoever may read one of its targets, and for whom a rule asks.
pub fn sees(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    is_own(caller, post)
        || any_of(post, &readable(gateway, caller))
        || answers_for(gateway, caller, post)
        || is_asked(gateway, caller, post)
        || had_a_say(gateway, caller, post)
}

/// The caller voted on the post, said something of it, or was asked for a vote: what became of it stays theirs to read, also when their
/// time as a substitute is over.
fn had_a_say(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    let Principal::Person(person) = caller.principal() else { return false };
    let life = life::of(post);
    let voter = Voter::Person(person.as_str().into());
    let voted =
        post.votes.iter().any(|vote| vote.person == *person) || life.votes().iter().any(|vote| vote.voter == voter);
    let by_person = |by: &Actor| matches!(by, Actor::Person { person: known } if known.as_str() == person.as_str());
    if voted || life.comments().iter().any(|comment| by_person(&comment.by)) {
        return true;
    }
    let Some(asked_at) = life.asked_at() else { return false };
    let known = life::Known::of(gateway, post, &life);
    let facts = Facts { now: asked_at, ..known.facts(&Actor::Gate) };
    wanted(&life, &facts, &person.as_str().into())
}

/// The caller answers for the app that made it.
fn answers_for(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    let governance = gateway.governance.load();
    match (&post.author.principal, caller.principal()) {
        (Principal::App(app), Principal::Person(person)) => {
            governance.apps.get(app).is_some_and(|app| app.owner == *person)
        }
        _ => false,
    }
}

/// A rule of approvals asks this person, or would once it is their turn.
pub fn is_asked(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    let (Principal::Person(person), true) = (caller.principal(), post.state == PostState::Held) else { return false };
    let life = life::of(post);
    let known = life::Known::of(gateway, post, &life);
    wanted(&life, &known.facts(&Actor::Gate), &person.as_str().into())
}

/// True for the post's author, and for whoever may publish on all of its accounts.
pub fn may_write(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    let governance = gateway.governance.load();
    is_own(caller, post) || {
        let may = governance.accounts_allowing(caller.principal(), Action::POST_CREATE, gateway.clock.now());
        post.targets.iter().all(|target| may.contains(&target.account))
    }
}

/// The caller made it.
pub fn is_own(caller: &Caller, post: &PostRecord) -> bool {
    post.author.principal == *caller.principal()
}

/// One of its targets is among the accounts.
pub fn any_of(post: &PostRecord, accounts: &BTreeSet<AccountId>) -> bool {
    post.targets.iter().any(|target| accounts.contains(&target.account))
}
