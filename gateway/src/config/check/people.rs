//! `people.toml` and `apps.toml`: who there is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{App, Person, Role, fault::did_you_mean, table::Document},
    Context,
};
use crate::model::{AppId, PersonId};

const PERSON_KEYS: &[&str] = &["id", "roles", "approves"];
const APP_KEYS: &[&str] = &["id", "name", "owner"];

pub(super) fn people(context: &Context<'_>, document: &Document<'_>) -> BTreeMap<PersonId, Person> {
    let report = context.report;
    document.only(&["person"], report);
    let mut people = BTreeMap::new();
    for entry in document.entries("person", Some(report)) {
        entry.only(PERSON_KEYS, report);
        let id = entry.id("id", report);
        let mut roles = BTreeSet::new();
        let mut legible = true;
        for role in entry.strings("roles", report).unwrap_or_default() {
            if let Some(role) = Role::parse(&role.value) {
                roles.insert(role);
            } else {
                legible = false;
                let hint = did_you_mean(&role.value, Role::ALL.map(Role::as_str));
                entry.fault(role.line, report, format!("`roles`: there is no role `{}`{hint}", role.value));
            }
        }
        let approves = context.brands.resolve_all(&entry, "approves", report);
        if legible && !approves.is_empty() && !roles.contains(&Role::Approver) {
            entry.fault(entry.line_of("approves"), report, "`approves` needs the role `approver`");
        }
        if let Some(id) = id.map(PersonId::new) {
            people.insert(id.clone(), Person { id, roles, approves });
        }
    }
    people
}

pub(super) fn apps(context: &Context<'_>, document: &Document<'_>) -> BTreeMap<AppId, App> {
    let report = context.report;
    document.only(&["app"], report);
    let mut apps = BTreeMap::new();
    for entry in document.entries("app", Some(report)) {
        entry.only(APP_KEYS, report);
        let id = entry.id("id", report);
        let name = entry.string("name", report).map(|name| name.value);
        let owner =
            entry.required("owner", report).filter(|owner| context.people.resolve(&entry, "owner", owner, report));
        if let (Some(id), Some(owner)) = (id, owner) {
            let name = name.unwrap_or_else(|| id.clone());
            let id = AppId::new(id);
            apps.insert(id.clone(), App { id, name, owner: PersonId::new(owner.value) });
        }
    }
    apps
}
