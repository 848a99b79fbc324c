//! `grants.toml`: permissions and prohibitions.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    super::{
        fault::did_you_mean,
        names::Names,
        table::{At, Document, Entry},
    },
    Context, guidelines, people,
};
use crate::model::{AccountId, Action, AppId, Deny, Grant, GrantId, Grantee, PersonId, Principal, Scope, action::ALL};

const GRANT_KEYS: &[&str] =
    &["id", "app", "person", "account", "brand", "actions", "act_for", "training", "guidelines", "owner", "expires"];
const DENY_KEYS: &[&str] = &["id", "app", "person", "everyone", "account", "brand", "actions", "reason"];

pub(super) fn grants(context: &Context<'_>, document: &Document<'_>) -> (Vec<Grant>, Vec<Deny>) {
    let report = context.report;
    document.only(&["grant", "deny", "auditor"], report);
    // Refusals and the log cite all kinds by id alone.
    let mut names = Names::collect(document, "grant", "id", report);
    names.add(document, "deny", "id", report);
    names.add(document, "auditor", "id", report);
    let grants = document.entries("grant", Some(report));
    let denies = document.entries("deny", Some(report));
    (
        grants.iter().filter_map(|entry| grant(context, entry)).collect(),
        denies.iter().filter_map(|entry| deny(context, entry)).collect(),
    )
}

fn grant(context: &Context<'_>, entry: &Entry<'_>) -> Option<Grant> {
    let report = context.report;
    entry.only(GRANT_KEYS, report);
    let id = entry.id("id", report);
    let holder = holder(context, entry, &["app", "person"]);
    let scope = scope(context, entry);
    if !entry.has("actions") {
        entry.missing(report, "`actions`");
    }
    let actions = actions(context, entry);
    let act_for = act_for(context, entry);
    let training = people::courses(entry, report);
    let alone = matches!(&holder, Some(Grantee::One(Principal::App(_)))) && !entry.has("act_for");
    let guidelines = guidelines::asked(context, entry);
    for (key, _) in [("training", training.is_empty()), ("guidelines", guidelines.is_empty())]
        .iter()
        .filter(|(_, none)| alone && !none)
    {
        let message = format!(
            "`{key}` is for people: an app's grant that asks for it needs `act_for`, or nobody ever fulfils it"
        );
        entry.fault(entry.line_of(key), report, message);
    }
    let owner = entry.required("owner", report).filter(|owner| context.people.resolve(entry, "owner", owner, report));
    let expires = expires(context, entry);
    let (Some(Grantee::One(holder)), Some(owner)) = (holder, owner) else { return None };
    Some(Grant {
        id: GrantId::new(id?),
        holder,
        scope: scope?,
        actions: actions?,
        act_for,
        training,
        guidelines,
        owner: PersonId::new(owner.value),
        expires: expires?,
    })
}

/// The end, which must be given, and must not lie in the past when a person writes it.
fn expires(context: &Context<'_>, entry: &Entry<'_>) -> Option<Timestamp> {
    let expires = end(context, entry)?;
    if expires.value <= context.now {
        let message = format!("`expires`: {} is in the past; renew it or delete the {}", expires.value, entry.kind());
        entry.fault(expires.line, context.report, message);
    }
    Some(expires.value)
}

/// The end, which must be given.
pub(super) fn end(context: &Context<'_>, entry: &Entry<'_>) -> Option<At<Timestamp>> {
    if !entry.has("expires") {
        entry.missing(context.report, "`expires`");
    }
    entry.instant("expires", context.report)
}

fn deny(context: &Context<'_>, entry: &Entry<'_>) -> Option<Deny> {
    let report = context.report;
    entry.only(DENY_KEYS, report);
    let id = entry.id("id", report);
    let whom = holder(context, entry, &["app", "person", "everyone"]);
    let scope = scope(context, entry);
    let actions = if entry.has("actions") { actions(context, entry) } else { Some(BTreeSet::new()) };
    let reason = entry.required("reason", report);
    Some(Deny { id: GrantId::new(id?), whom: whom?, scope: scope?, actions: actions?, reason: reason?.value })
}

/// Whom the entry is for: exactly one of the keys.
pub(super) fn holder(context: &Context<'_>, entry: &Entry<'_>, keys: &[&str]) -> Option<Grantee> {
    let report = context.report;
    match one_of(context, entry, keys)? {
        "app" => {
            let app = entry.string("app", report)?;
            let known = context.apps.resolve(entry, "app", &app, report);
            known.then(|| Grantee::One(Principal::App(AppId::new(app.value))))
        }
        "person" => {
            let person = entry.string("person", report)?;
            let known = context.people.resolve(entry, "person", &person, report);
            known.then(|| Grantee::One(Principal::Person(PersonId::new(person.value))))
        }
        _ => {
            let everyone = entry.boolean("everyone", report)?;
            if !everyone.value {
                entry.fault(everyone.line, report, "`everyone` can only be true; otherwise name an app or a person");
            }
            everyone.value.then_some(Grantee::Everyone)
        }
    }
}

fn scope(context: &Context<'_>, entry: &Entry<'_>) -> Option<Scope> {
    let report = context.report;
    if one_of(context, entry, &["account", "brand"])? == "account" {
        let account = entry.string("account", report)?;
        let known = context.accounts.resolve(entry, "account", &account, report);
        known.then(|| Scope::Account(AccountId::new(account.value)))
    } else {
        let brand = entry.string("brand", report)?;
        context.brands.resolve(entry, "brand", &brand, report).map(Scope::Brand)
    }
}

/// The one key of these that is given; none or several are reported.
fn one_of<'k>(context: &Context<'_>, entry: &Entry<'_>, keys: &[&'k str]) -> Option<&'k str> {
    let given: Vec<&str> = keys.iter().copied().filter(|key| entry.has(key)).collect();
    let choice = format!("`{}`", keys.join("` or `"));
    match given.as_slice() {
        [key] => Some(key),
        [] => {
            entry.missing(context.report, &choice);
            None
        }
        [_, second, ..] => {
            entry.fault(entry.line_of(second), context.report, format!("give only one of {choice}"));
            None
        }
    }
}

/// The actions, each from the list. None where one is faulty, so that a grant is never wider or narrower than it reads.
fn actions(context: &Context<'_>, entry: &Entry<'_>) -> Option<BTreeSet<Action>> {
    let report = context.report;
    let names = entry.strings("actions", report)?;
    if names.is_empty() {
        entry.fault(entry.line_of("actions"), report, "`actions` must name at least one action");
        return None;
    }
    let parsed = names.iter().map(|At { value, line }| {
        let action = Action::parse(value);
        if action.is_none() {
            let why = if value.contains('*') {
                "; wildcards are not allowed, list each action".to_owned()
            } else {
                did_you_mean(value, ALL.iter().copied())
            };
            entry.fault(*line, report, format!("`actions`: there is no action `{value}`{why}"));
        }
        action
    });
    // Collected first, so that every fault is reported and not only the one before the first none.
    let parsed: Vec<Option<Action>> = parsed.collect();
    parsed.into_iter().collect()
}

fn act_for(context: &Context<'_>, entry: &Entry<'_>) -> BTreeSet<PersonId> {
    let report = context.report;
    let persons = entry.strings("act_for", report).unwrap_or_default();
    if entry.has("act_for") && entry.has("person") {
        entry.fault(entry.line_of("act_for"), report, "`act_for` is for apps; a person acts only for themselves");
    }
    persons
        .into_iter()
        .filter(|person| context.people.resolve(entry, "act_for", person, report))
        .map(|person| PersonId::new(person.value))
        .collect()
}
