//! The parsed form of `approvals.toml`. The gateway reads the file and says what is wrong with it by line; see the crate's page for
//! its shape.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::hours::{Hours, Rotation};
use crate::{
    facts::{AccountFacts, Governance},
    ids::{AccountId, Actor, Brand, Campaign, External, Label, Network, PersonId, Policy, Role, RuleName},
    life::Life,
};

/// Name of the rule that answers a policy's hold where no rule of the file does: one `approver`.
pub const HOLD_RULE: &str = "hold";

/// The whole file.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// In the order of the file, which says nothing: all that match apply together.
    pub rules: Vec<Arc<Rule>>,
    /// Who stands in for whom.
    pub substitutes: Vec<Substitute>,
    /// Who is on call, by name.
    pub rotations: BTreeMap<String, Rotation>,
    /// Outside parties.
    pub externals: BTreeMap<External, ExternalParty>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// For people and for the log; unique.
    pub name: RuleName,
    /// Which posts it is for.
    pub when: When,
    /// Who must agree, one stage after the other.
    pub stages: Vec<Stage>,
    /// Who else counts when nobody answers.
    pub escalate: Vec<Escalation>,
    /// A post that waited so long for votes expires, in seconds.
    pub expires_after_s: Option<u32>,
    /// An open comment on the version keeps it from being approved and sent.
    pub open_comments_block: bool,
}

/// Which posts a rule is for. An empty list asks nothing; within a list one is enough; all lists must fit. Brand, account and
/// network must fit on the same target.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// These and those below.
    pub brands: Vec<Brand>,
    /// Accounts.
    pub accounts: Vec<AccountId>,
    /// Networks.
    pub networks: Vec<Network>,
    /// One of these labels.
    pub labels: Vec<Label>,
    /// One of these campaigns.
    pub campaigns: Vec<Campaign>,
    /// The author has one of these roles for the target's brand; `app` is every app.
    pub author_roles: Vec<Role>,
    /// The post leaves inside or outside these hours.
    pub during: Option<During>,
    /// One of these policies holds it.
    pub policies: Vec<Policy>,
}

/// Hours in which a post leaves: its due time, else when its version was made.
#[derive(Debug, Clone)]
pub struct During {
    /// The hours.
    pub hours: Hours,
    /// True for all other times instead.
    pub outside: bool,
}

/// One stage of a rule.
#[derive(Debug, Clone)]
pub struct Stage {
    /// How many of them, at least 1.
    pub n: u32,
    /// Of whom.
    pub who: Who,
    /// Outside the rotation's working hours, who is on call counts too.
    pub on_call: Option<String>,
}

/// Who may agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Anybody with the role for the brand of every target that the rule is for.
    Role(Role),
    /// These people.
    People(Vec<PersonId>),
    /// An outside party, by link.
    External(External),
}

/// Who else counts, in the stage that waits, when nobody answers.
#[derive(Debug, Clone)]
pub struct Escalation {
    /// So long after votes were asked for, in seconds.
    pub after_s: u32,
    /// Whom.
    pub to: Who,
}

/// One person stands in for another, within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// Who is away.
    pub person: PersonId,
    /// Who votes in their place.
    pub by: PersonId,
    /// First instant.
    pub from: Timestamp,
    /// First instant at which it is over.
    pub until: Timestamp,
}

/// An outside party.
#[derive(Debug, Clone, Default)]
pub struct ExternalParty {
    /// How many addresses it has; a link goes to one.
    pub addresses: u32,
}

impl Rules {
    /// The rules for a post, and the built-in one where a policy holds it and no rule that has stages is for it.
    pub(crate) fn matching(&self, life: &Life, governance: &Governance) -> Vec<(Arc<Rule>, Vec<Brand>)> {
        let mut found: Vec<_> = self
            .rules
            .iter()
            .filter_map(|rule| rule.when.brands_of(life, governance).map(|brands| (Arc::clone(rule), brands)))
            .collect();
        if !life.holds().is_empty() && found.iter().all(|(rule, _)| rule.stages.is_empty()) {
            let brands = target_facts(life, governance).map(|(_, facts)| facts.brand.clone()).collect();
            found.push((Arc::new(Rule::hold()), brands));
        }
        found
    }
}

impl Rule {
    /// The built-in rule.
    pub fn hold() -> Self {
        Self {
            name: HOLD_RULE.into(),
            when: When::default(),
            stages: vec![Stage { n: 1, who: Who::Role("approver".into()), on_call: None }],
            escalate: Vec::new(),
            expires_after_s: None,
            open_comments_block: false,
        }
    }
}

fn target_facts<'a>(
    life: &'a Life,
    governance: &'a Governance,
) -> impl Iterator<Item = (&'a AccountId, &'a AccountFacts)> {
    life.targets().iter().filter_map(|target| Some((target.account(), governance.accounts.get(target.account())?)))
}

impl When {
    /// The brands of the targets that it is for, or none where it is for none. A target whose account is gone fits no rule; it
    /// can't be sent either.
    fn brands_of(&self, life: &Life, governance: &Governance) -> Option<Vec<Brand>> {
        let content = life.content();
        let whole = (self.labels.is_empty() || self.labels.iter().any(|label| content.labels.contains(label)))
            && (self.campaigns.is_empty() || content.campaign.as_ref().is_some_and(|it| self.campaigns.contains(it)))
            && (self.policies.is_empty() || self.policies.iter().any(|policy| life.holds().contains_key(policy)))
            && self.during.as_ref().is_none_or(|during| during.hours.contains(life.leaves_at()) != during.outside);
        if !whole {
            return None;
        }
        let brands: BTreeSet<Brand> = target_facts(life, governance)
            .filter(|(account, facts)| {
                (self.brands.is_empty() || self.brands.iter().any(|brand| brand.covers(&facts.brand)))
                    && (self.accounts.is_empty() || self.accounts.contains(account))
                    && (self.networks.is_empty() || self.networks.contains(&facts.network))
                    && self.fits_author(life.author(), governance, &facts.brand)
            })
            .map(|(_, facts)| facts.brand.clone())
            .collect();
        (!brands.is_empty()).then(|| brands.into_iter().collect())
    }

    fn fits_author(&self, author: &Actor, governance: &Governance, brand: &Brand) -> bool {
        if self.author_roles.is_empty() {
            return true;
        }
        let app = matches!(author, Actor::App { .. }) && self.author_roles.iter().any(|role| role.as_str() == "app");
        let person = author.behind().and_then(|person| governance.people.get(person));
        app || person.is_some_and(|person| self.author_roles.iter().any(|role| person.holds(role, brand)))
    }
}
