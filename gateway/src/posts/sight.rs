//! Who may see a post: its author, whoever may read posts of one of its accounts, and whoever may vote on it.

use std::collections::BTreeSet;

use pressgate_workflow::{approval::wanted, ids::Actor};

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
