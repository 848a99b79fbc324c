//! The governance in the words of the life of a post, and rules of it that can never be satisfied.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pressgate_workflow::{
    Governance as Workflow,
    approval::{Fault, Proposer, Reason, Rule, Rules, Who, unsatisfiable},
    facts::{AccountFacts, Limits, PersonFacts},
    ids::{Brand as BrandName, PersonId as Voter, Role as RoleWord, RuleName},
};

use super::super::{App, Brand, Person, Role, table::Report};
use crate::model::{Account, AccountId, Action, ActionClass, AppId, BrandPath, Grant, PersonId, Principal};

/// Brands that a fault names; it may concern hundreds.
const NAMED_MAX: usize = 3;

/// The governance for the life of a post. Rules that can never be satisfied are reported, each by its line.
pub(super) fn workflow(
    rules: Rules,
    lines: &BTreeMap<RuleName, usize>,
    house: &House<'_>,
    brands: &BTreeMap<BrandPath, Brand>,
    report: &Report,
) -> Workflow {
    let top: Vec<BrandName> =
        brands.keys().filter(|path| !path.as_str().contains('/')).map(|path| path.as_str().into()).collect();
    let account = |account: &Arc<Account>| {
        let facts = AccountFacts { brand: account.brand.as_str().into(), network: account.network.as_str().into() };
        (account.id.as_str().into(), facts)
    };
    let workflow = Workflow {
        rules,
        people: house.people.values().map(|person| (person.id.as_str().into(), facts_of(person, &top))).collect(),
        accounts: house.accounts.values().map(account).collect(),
        limits: Limits::default(),
    };
    // Who is missing because of a fault would be missed again here. What is missing elsewhere hides a fault and makes none.
    if report.none_in(&["brands.toml", "people.toml"]) {
        search(&workflow, house, lines, report);
    }
    workflow
}

/// A person's roles with their brands. Who has a role without a limit has it for the brands at the top, so for all.
fn facts_of(person: &Person, top: &[BrandName]) -> PersonFacts {
    let names = |brands: &[BrandPath]| brands.iter().map(|brand| brand.as_str().into()).collect();
    let limited = |brands: Option<&Vec<BrandPath>>| brands.map_or_else(|| top.to_vec(), |brands| names(brands));
    let built_in = person.roles.iter().map(|role| match role {
        Role::Approver => (RoleWord::from(role.as_str()), names(&person.approves)),
        role => (role.as_str().into(), limited(person.brands.get(role))),
    });
    let own = person.own_roles.iter().map(|(role, brands)| (RoleWord::from(role.as_str()), limited(brands.as_ref())));
    PersonFacts { roles: built_in.chain(own).collect() }
}

/// What the search needs beside the rules.
pub(super) struct House<'a> {
    pub(super) apps: &'a BTreeMap<AppId, App>,
    pub(super) people: &'a BTreeMap<PersonId, Person>,
    pub(super) accounts: &'a BTreeMap<AccountId, Arc<Account>>,
    pub(super) grants: &'a [Arc<Grant>],
}

/// Reports rules that can't be satisfied for brands that have accounts. What a rule asks of the author, or of the account, is
/// looked at too, so that nobody is told of a post that there can't be.
fn search(workflow: &Workflow, house: &House<'_>, lines: &BTreeMap<RuleName, usize>, report: &Report) {
    let rules: BTreeMap<&RuleName, &Arc<Rule>> = workflow.rules.rules.iter().map(|rule| (&rule.name, rule)).collect();
    let brands: BTreeSet<&BrandPath> = house.accounts.values().map(|account| &account.brand).collect();
    let voters = voters(workflow);
    // The others are looked at for nothing, brand by brand.
    let people = workflow.people.iter().filter(|(person, _)| voters.contains(person));
    let people = people.map(|(person, facts)| (person.clone(), facts.clone())).collect();
    let small = Workflow { rules: workflow.rules.clone(), people, ..Workflow::default() };
    let mut found: BTreeMap<(RuleName, Option<usize>, String), Vec<BrandName>> = BTreeMap::new();
    for brand in brands {
        let name = BrandName::from(brand.as_str());
        let proposers = house.proposers(brand, &voters);
        for fault in unsatisfiable(&small, std::slice::from_ref(&name), &proposers) {
            let rule = rules.get(&fault.rule);
            if rule.is_some_and(|rule| house.meets(rule, brand, &fault)) {
                found.entry((fault.rule, fault.stage, fault.reason.to_string())).or_default().push(name.clone());
            }
        }
    }
    for ((rule, stage, reason), brands) in found {
        let stage = stage.map(|stage| format!("stage {}: ", stage.saturating_add(1))).unwrap_or_default();
        let named: Vec<String> = brands.iter().take(NAMED_MAX).map(|brand| format!("`{brand}`")).collect();
        let more = match brands.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let Some(line) = lines.get(&rule).copied() else { continue };
        let message =
            format!("rule `{rule}`: posts of {}{more} could never be approved: {stage}{reason}", named.join(", "));
        report.fault("approvals.toml", line, message);
    }
}

/// Everybody whom some rule could count. Who is not among them is missed by none.
fn voters(workflow: &Workflow) -> BTreeSet<&Voter> {
    let rules = &workflow.rules;
    let wanted = || {
        rules.rules.iter().flat_map(|rule| {
            let stages = rule.stages.iter().map(|stage| &stage.who);
            stages.chain(rule.escalate.iter().map(|escalation| &escalation.to))
        })
    };
    let roles: BTreeSet<&RoleWord> =
        wanted().filter_map(|who| if let Who::Role(role) = who { Some(role) } else { None }).collect();
    let named = wanted().filter_map(|who| if let Who::People(people) = who { Some(people) } else { None });
    let on_call = rules.rotations.values().map(|rotation| &rotation.people);
    let holders = workflow.people.iter().filter(|(_, facts)| facts.roles.keys().any(|role| roles.contains(role)));
    named.chain(on_call).flatten().chain(holders.map(|(person, _)| person)).collect()
}

impl House<'_> {
    /// Owners of apps that can write posts for the brand; of several apps of one owner the first. Who made an app's keys is in no
    /// file.
    fn proposers(&self, brand: &BrandPath, voters: &BTreeSet<&Voter>) -> Vec<Proposer> {
        let mut owners = BTreeSet::new();
        let mut proposers = Vec::new();
        for app in self.apps.values() {
            let owner = Voter::from(app.owner.as_str());
            let writes = || self.accounts_of(brand).any(|account| self.writes(app, account).next().is_some());
            if voters.contains(&owner) && !owners.contains(&owner) && writes() {
                owners.insert(owner.clone());
                let (id, brand) = (app.id.as_str().into(), brand.as_str().into());
                proposers.push(Proposer { app: Some(id), brand, people: BTreeSet::from([owner]) });
            }
        }
        proposers
    }

    fn accounts_of<'a>(&'a self, brand: &'a BrandPath) -> impl Iterator<Item = &'a Account> {
        self.accounts.values().filter(move |account| account.brand == *brand).map(Arc::as_ref)
    }

    /// Grants by which the app writes on the account.
    fn writes<'a>(&'a self, app: &'a App, account: &'a Account) -> impl Iterator<Item = &'a Grant> {
        let is_app = |holder: &Principal| matches!(holder, Principal::App(holder) if *holder == app.id);
        self.grants
            .iter()
            .map(Arc::as_ref)
            .filter(move |grant| is_app(&grant.holder) && grant.scope.covers(account))
            .filter(|grant| grant.actions.iter().any(|action| is_writing(*action)))
    }

    /// Can there be a post of the brand that the rule is for, and where the fault is about a proposer, one of theirs?
    fn meets(&self, rule: &Rule, brand: &BrandPath, fault: &Fault) -> bool {
        let when = &rule.when;
        let mut accounts = self.accounts_of(brand).filter(|account| {
            let named = when.accounts.iter().any(|named| named.as_str() == account.id.as_str());
            let network = when.networks.iter().any(|named| named.as_str() == account.network);
            (when.accounts.is_empty() || named) && (when.networks.is_empty() || network)
        });
        let Reason::Proposer { without, .. } = &fault.reason else { return accounts.next().is_some() };
        let mut owned =
            self.apps.values().filter(|app| without.iter().any(|owner| owner.as_str() == app.owner.as_str()));
        let is_author = |grant: &Grant| {
            let of_app =
                when.author_roles.is_empty() || when.author_roles.iter().any(|role| role.as_str() == super::roles::APP);
            of_app || grant.act_for.iter().any(|person| self.has_one(person, &when.author_roles, brand))
        };
        let accounts: Vec<&Account> = accounts.collect();
        owned.any(|app| accounts.iter().any(|account| self.writes(app, account).any(is_author)))
    }

    fn has_one(&self, person: &PersonId, roles: &[RoleWord], brand: &BrandPath) -> bool {
        let Some(person) = self.people.get(person) else { return false };
        roles.iter().any(|role| match Role::parse(role.as_str()) {
            Some(role) => person.has_role(role, brand),
            None => person.has_own_role(&crate::model::RoleName::new(role.as_str()), brand),
        })
    }
}

/// Does it make content that people agree to?
fn is_writing(action: Action) -> bool {
    !action.is_read() && matches!(action.class(), ActionClass::Post | ActionClass::Reply)
}
