//! Who may see a post: its author, whoever may read posts of one of its accounts, and whoever may vote on it.

use std::collections::BTreeSet;

use crate::{
    call::Caller,
    gateway::Gateway,
    model::{AccountId, Action, Principal},
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

/// True for the post's author and for whoever may read one of its targets.
pub fn sees(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    is_own(caller, post) || any_of(post, &readable(gateway, caller))
}

/// The caller made it.
pub fn is_own(caller: &Caller, post: &PostRecord) -> bool {
    post.author.principal == *caller.principal()
}

/// One of its targets is among the accounts.
pub fn any_of(post: &PostRecord, accounts: &BTreeSet<AccountId>) -> bool {
    post.targets.iter().any(|target| accounts.contains(&target.account))
}
