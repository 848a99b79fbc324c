//! What a decision needs to know besides the post.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use pressgate_workflow::{
    Facts, Freezes, Governance, Life,
    ids::{AccountId, Actor, PersonId},
};

use crate::{
    gateway::Gateway,
    model::Principal,
    records::{Author, PostRecord},
};

/// What is true at a moment, with its own memory.
pub struct Known {
    now: Timestamp,
    governance: Arc<Governance>,
    freezes: Arc<Freezes>,
    operators: BTreeSet<PersonId>,
    working: BTreeSet<AccountId>,
}

impl Known {
    /// Of this moment, about a post.
    pub fn of(gateway: &Gateway, post: &PostRecord, life: &Life) -> Self {
        let accounts = post.targets.iter().map(|target| &target.account);
        let working = accounts.filter(|account| gateway.attempts.runs(&post.id, account));
        let working = working.map(|account| account.as_str().into()).collect();
        Self { working, ..Self::about(gateway, &post.author, life.version().by.clone()) }
    }

    /// Of this moment, about a post that is being made.
    pub fn about(gateway: &Gateway, author: &Author, editor: Actor) -> Self {
        let governance = gateway.governance.load();
        let mut operators = BTreeSet::new();
        let app_owner = |app: &str| governance.apps.get(app).map(|app| PersonId::from(app.owner.as_str()));
        if let Principal::App(app) = &author.principal {
            operators.extend(app_owner(app.as_str()));
        }
        if let Actor::App { app, .. } = &editor {
            operators.extend(app_owner(app.as_str()));
        }
        let maker = gateway.keys.record(&author.key).and_then(|key| key.made_by.clone());
        operators.extend(maker.map(|person| PersonId::from(person.as_str())));
        Self {
            now: gateway.clock.now(),
            governance: Arc::clone(&governance.workflow),
            freezes: gateway.freezes.on(),
            operators,
            working: BTreeSet::new(),
        }
    }

    /// For a decision of somebody.
    pub fn facts<'a>(&'a self, by: &'a Actor) -> Facts<'a> {
        Facts {
            now: self.now,
            by,
            governance: &self.governance,
            freezes: &self.freezes,
            operators: &self.operators,
            working: &self.working,
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}
