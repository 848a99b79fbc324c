//! Authenticate: who is it?

use std::net::IpAddr;

use crate::{
    config::Governance,
    gateway::Gateway,
    model::{KeyId, PersonId, Principal},
    records::{Author, Commitment},
    refusal::{Refusal, Stage, problem},
};

/// Proof that a key was presented and is live: who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    key: KeyId,
    principal: Principal,
    on_behalf_of: Option<PersonId>,
    source: Option<IpAddr>,
    door: &'static str,
    kept: Vec<Commitment>,
}

/// The door of our own API, which calls come in by unless they say otherwise.
const PUBLISH: &str = "publish";
/// The door of networks' own APIs.
pub(crate) const NATIVE: &str = "native";
/// The door of the same by way of a proxy.
pub(crate) const FORWARD: &str = "forward";

impl Caller {
    /// The key that was presented.
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// Its holder.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The person for whom the holder acts; `authorise` decides whether it may.
    pub fn on_behalf_of(&self) -> Option<&PersonId> {
        self.on_behalf_of.as_ref()
    }

    /// Where the call came from; not known of a post that goes on later.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The door that the call came in by.
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// Commitments to this call's values whose openings are kept already; empty where none were made.
    pub fn kept(&self) -> &[Commitment] {
        &self.kept
    }

    /// The same caller, whose values are committed to already.
    #[must_use]
    pub fn keeping(mut self, commitments: Vec<Commitment>) -> Self {
        self.kept = commitments;
        self
    }

    /// The same caller at another door.
    #[must_use]
    pub fn at_door(mut self, door: &'static str) -> Self {
        self.door = door;
        self
    }

    /// The same caller, acting for a person.
    #[must_use]
    pub fn acting_for(mut self, person: Option<PersonId>) -> Self {
        self.on_behalf_of = person;
        self
    }

    /// Who made a post: authenticated when it was accepted, so that it may go on later.
    pub fn of(author: &Author) -> Self {
        Self {
            key: author.key.clone(),
            principal: author.principal.clone(),
            on_behalf_of: author.on_behalf_of.clone(),
            source: None,
            // No other door makes posts that wait.
            door: PUBLISH,
            kept: Vec::new(),
        }
    }

    /// The caller as a post remembers it.
    pub fn author(&self) -> Author {
        Author { principal: self.principal.clone(), key: self.key.clone(), on_behalf_of: self.on_behalf_of.clone() }
    }
}

/// A key lives no longer than the app or the person that it was made for.
fn known(governance: &Governance, holder: &Principal) -> bool {
    match holder {
        Principal::App(app) => governance.apps.contains_key(app),
        Principal::Person(person) => governance.people.contains_key(person),
    }
}

/// Checks the key in an `Authorization` header. Refusals are counted for each source and second, not logged one by one:
/// strangers must not be able to fill the log.
pub fn authenticate(gateway: &Gateway, authorization: Option<&str>, source: IpAddr) -> Result<Caller, Refusal> {
    let refuse = |detail: &str| {
        gateway.counters.denied.add(1);
        gateway.strangers.count(source, gateway.clock.now());
        Err(Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, detail))
    };
    let Some(presented) = authorization else {
        return refuse("Send `Authorization: Bearer <key>`.");
    };
    let Some((scheme, key)) = presented.split_once(' ') else {
        return refuse("The Authorization header must read `Bearer <key>`.");
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return refuse("The Authorization header must read `Bearer <key>`.");
    }
    match gateway.keys.verify(key.trim(), gateway.clock.now()) {
        Ok(record) if !known(&gateway.governance.load(), &record.holder) => {
            refuse("The holder of this key is not in the governance any more. Ask an operator.")
        }
        Ok(record) => Ok(Caller {
            key: record.id.clone(),
            principal: record.holder.clone(),
            on_behalf_of: None,
            source: Some(source.to_canonical()),
            door: PUBLISH,
            kept: Vec::new(),
        }),
        Err(why) => refuse(why.public()),
    }
}
