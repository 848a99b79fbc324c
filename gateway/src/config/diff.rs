//! What changes between two governances, in words for the person who applies it.

mod approvals;
mod calendars;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Governance, json::escaped};
use crate::model::{Auditor, BrandPath, Deny, Grant, Grantee, NativeHold, Scope};

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is different.
    Changed,
}

/// One difference. Its text is `+ grant newsroom-snacks: …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happens.
    pub kind: ChangeKind,
    /// To what kind of thing: `brand`, `account`, `app`, `person`, `role`, `grant`, `deny`, `auditor`, `policy`, `limit`, `webhook`, `connector`,
    /// `rule`, `substitute`, `rotation`, `external`, `times`, `blackout`, `embargo`.
    pub what: &'static str,
    /// Its name.
    pub id: String,
    /// What it holds, or what of it changed: `expires 2030-01-01T00:00:00Z → 2031-01-01T00:00:00Z`.
    pub detail: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
        };
        let Self { what, id, detail, .. } = self;
        if detail.is_empty() { write!(f, "{sign} {what} {id}") } else { write!(f, "{sign} {what} {id}: {detail}") }
    }
}

/// A thing as named values. A list's members are compared one by one.
type Fields = Vec<(&'static str, Field)>;

/// All things of one kind, by name.
type Things = BTreeMap<String, Fields>;

#[derive(PartialEq)]
enum Field {
    One(String),
    Several(Vec<String>),
    Json(Value),
    /// What is compared and not told: what it is, and its value.
    Hidden(String, String),
}

/// The most parts of a configuration that are listed.
const PARTS_MAX: usize = 20;
/// The longest value that is quoted, in characters.
const QUOTE_CHARS_MAX: usize = 60;

pub(super) fn diff(old: &Governance, new: &Governance) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut kind = |what, things: fn(&Governance) -> Things| compare(what, &things(old), &things(new), &mut changes);
    kind("brand", brands);
    kind("account", accounts);
    kind("app", apps);
    kind("person", people);
    kind("role", roles);
    kind("guideline", guidelines);
    kind("grant", grants);
    kind("deny", denies);
    kind("auditor", auditors);
    kind("policy", policies);
    kind("limit", limits);
    kind("webhook", webhooks);
    kind("connector", connectors);
    kind("rule", approvals::rules);
    kind("substitute", approvals::substitutes);
    kind("rotation", approvals::rotations);
    kind("external", approvals::externals);
    kind("times", calendars::times);
    kind("blackout", calendars::blackouts);
    kind("embargo", calendars::embargoes);
    changes.extend(order(old, new));
    changes
}

fn compare(what: &'static str, old: &Things, new: &Things, changes: &mut Vec<Change>) {
    for (id, before) in old {
        let (kind, detail) = match new.get(id) {
            None => (ChangeKind::Removed, described(before)),
            Some(after) if before == after => continue,
            Some(after) => (ChangeKind::Changed, difference(before, after)),
        };
        changes.push(Change { kind, what, id: id.clone(), detail });
    }
    for (id, after) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
        changes.push(Change { kind: ChangeKind::Added, what, id: id.clone(), detail: described(after) });
    }
}

/// Policies that stay but judge in another order: the first that denies is the one that is named.
fn order(old: &Governance, new: &Governance) -> Option<Change> {
    let names = |from: &Governance, other: &Governance| -> Vec<String> {
        let stays = |name: &str| other.policies.iter().any(|rule| rule.name == name);
        from.policies.iter().map(|rule| rule.name.clone()).filter(|name| stays(name)).collect()
    };
    let (before, after) = (names(old, new), names(new, old));
    (before != after).then(|| Change {
        kind: ChangeKind::Changed,
        what: "policy",
        id: "(order)".to_owned(),
        detail: format!("{} → {}", before.join(", "), after.join(", ")),
    })
}

fn described(fields: &Fields) -> String {
    let part = |(name, field): &(&str, Field)| match field {
        Field::One(value) if value.is_empty() => None,
        Field::One(value) => Some(format!("{name} {value}")),
        Field::Several(values) if values.is_empty() => None,
        Field::Several(values) => Some(format!("{name} {}", values.join(", "))),
        Field::Json(_) => None,
        Field::Hidden(shown, _) if shown.is_empty() => None,
        Field::Hidden(shown, _) => Some(format!("{name} {shown}")),
    };
    fields.iter().filter_map(part).collect::<Vec<_>>().join("; ")
}

fn difference(before: &Fields, after: &Fields) -> String {
    let mut parts = Vec::new();
    for ((name, old), (_, new)) in before.iter().zip(after).filter(|((_, old), (_, new))| old != new) {
        match (old, new) {
            (Field::Several(old), Field::Several(new)) => {
                let gone = old.iter().filter(|value| !new.contains(value)).map(|value| format!("-{value}"));
                let come = new.iter().filter(|value| !old.contains(value)).map(|value| format!("+{value}"));
                let moved: Vec<String> = gone.chain(come).collect();
                let moved = if moved.is_empty() { "in another order".to_owned() } else { moved.join(" ") };
                parts.push(format!("{name} {moved}"));
            }
            (Field::Json(old), Field::Json(new)) => parts.push(format!("{name} {}", json(old, new))),
            (Field::One(old), Field::One(new)) => parts.push(format!("{name} {} → {}", or_none(old), or_none(new))),
            (Field::Hidden(old, _), Field::Hidden(new, _)) if old != new => {
                parts.push(format!("{name} {} → {}", or_none(old), or_none(new)));
            }
            (Field::Hidden(..), Field::Hidden(..)) => parts.push(format!("{name} changed")),
            _ => parts.push((*name).to_owned()),
        }
    }
    parts.join("; ")
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// Which parts of a configuration differ, by JSON pointer.
fn json(old: &Value, new: &Value) -> String {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(old, String::new(), &mut before);
    leaves(new, String::new(), &mut after);
    let mut parts = Vec::new();
    for (pointer, value) in &before {
        match after.get(pointer) {
            None => parts.push(format!("-{pointer} {}", quoted(value))),
            Some(other) if other != value => parts.push(format!("{pointer} {} → {}", quoted(value), quoted(other))),
            Some(_) => {}
        }
    }
    let come = after.iter().filter(|(pointer, _)| !before.contains_key(*pointer));
    parts.extend(come.map(|(pointer, value)| format!("+{pointer} {}", quoted(value))));
    let more = parts.len().saturating_sub(PARTS_MAX);
    parts.truncate(PARTS_MAX);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join(", ")
}

/// Values without parts, and empty objects and arrays, by JSON pointer.
fn leaves<'v>(value: &'v Value, at: String, into: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| leaves(value, format!("{at}/{}", escaped(key)), into));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(place, value)| leaves(value, format!("{at}/{place}"), into));
        }
        leaf => {
            into.insert(at, leaf);
        }
    }
}

fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

fn brands(of: &Governance) -> Things {
    let fields = |brand: &super::Brand| {
        vec![("name", Field::One(brand.name.clone())), ("languages", Field::Several(brand.languages.clone()))]
    };
    of.brands.values().map(|brand| (brand.path.to_string(), fields(brand))).collect()
}

fn accounts(of: &Governance) -> Things {
    of.accounts
        .values()
        .map(|account| {
            let hold = if account.native_hold == NativeHold::Draft { account.native_hold.as_str() } else { "" };
            let private = if account.private_endpoint { "allowed" } else { "" };
            let fields = vec![
                ("network", Field::One(account.network.clone())),
                ("adapter", Field::One(account.adapter.to_string())),
                ("endpoint", Field::One(account.origin())),
                ("private endpoint", Field::One(private.to_owned())),
                ("brand", Field::One(account.brand.to_string())),
                ("native hold", Field::One(hold.to_owned())),
                ("handle", Field::One(account.handle.clone().unwrap_or_default())),
            ];
            (account.id.to_string(), fields)
        })
        .collect()
}

fn apps(of: &Governance) -> Things {
    let fields = |app: &super::App| {
        let token = |token: &super::TokenIdentity| {
            let private = if token.private_issuer { " (private)" } else { "" };
            format!("{}{private} for {}: {}", token.issuer, token.audience, token.subject)
        };
        vec![
            ("name", Field::One(app.name.clone())),
            ("owner", Field::One(app.owner.to_string())),
            ("certificates", Field::Several(app.certificates.clone())),
            ("tokens", Field::Several(app.tokens.iter().map(token).collect())),
        ]
    };
    of.apps.values().map(|app| (app.id.to_string(), fields(app))).collect()
}

fn people(of: &Governance) -> Things {
    let fields = |person: &super::Person| {
        let built_in = person.roles.iter().map(|role| role.as_str().to_owned());
        let own = person.own_roles.keys().map(ToString::to_string);
        let address = person.email.as_ref().map(|address| address.as_str().to_owned()).unwrap_or_default();
        let given = if address.is_empty() { "" } else { "given" };
        let notices = if person.notified_at().is_some() { "by e-mail" } else { "" };
        vec![
            ("roles", Field::Several(built_in.chain(own).collect())),
            ("approves", Field::Several(person.approves.iter().map(ToString::to_string).collect())),
            ("only for", Field::Several(limited(person))),
            ("signs in as", Field::One(person.sign_in.as_ref().map(signs_in_as).unwrap_or_default())),
            ("e-mail", Field::Hidden(given.to_owned(), address)),
            ("notices", Field::One(notices.to_owned())),
        ]
    };
    of.people.values().map(|person| (person.id.to_string(), fields(person))).collect()
}

fn webhooks(of: &Governance) -> Things {
    let fields = |hook: &super::Webhook| {
        let private = if hook.private_endpoint { "allowed" } else { "" };
        vec![
            ("url", Field::One(hook.url.to_string())),
            ("private endpoint", Field::One(private.to_owned())),
            ("accounts", Field::Several(hook.accounts.iter().map(ToString::to_string).collect())),
            ("brands", Field::Several(hook.brands.iter().map(ToString::to_string).collect())),
            ("types", Field::Several(hook.types.iter().map(|kind| kind.as_str().to_owned()).collect())),
            ("owner", Field::One(hook.owner.to_string())),
        ]
    };
    of.webhooks.values().map(|hook| (hook.id.clone(), fields(hook))).collect()
}

fn connectors(of: &Governance) -> Things {
    let fields = |connector: &super::Connector| {
        let private = if connector.system.private_endpoint { "allowed" } else { "" };
        vec![
            ("plugin", Field::One(connector.plugin.to_string())),
            ("endpoint", Field::One(connector.system.origin())),
            ("private endpoint", Field::One(private.to_owned())),
            ("accounts", Field::Several(connector.accounts.iter().map(ToString::to_string).collect())),
            ("brands", Field::Several(connector.brands.iter().map(ToString::to_string).collect())),
            ("types", Field::Several(connector.types.iter().map(|kind| kind.as_str().to_owned()).collect())),
            ("config", Field::Json(connector.config.clone())),
            ("owner", Field::One(connector.owner.to_string())),
        ]
    };
    of.connectors.values().map(|connector| (connector.id.clone(), fields(connector))).collect()
}

/// `responder: acme/snacks` for each brand that a role is limited to.
fn limited(person: &super::Person) -> Vec<String> {
    let each =
        |role: &str, brands: &[BrandPath]| brands.iter().map(|brand| format!("{role}: {brand}")).collect::<Vec<_>>();
    let built_in = person.brands.iter().flat_map(|(role, brands)| each(role.as_str(), brands));
    let own = person.own_roles.iter().filter_map(|(role, brands)| Some(each(role.as_str(), brands.as_ref()?)));
    built_in.chain(own.flatten()).collect()
}

fn signs_in_as(identity: &super::SignInIdentity) -> String {
    let private = if identity.private_issuer { " (private)" } else { "" };
    format!("{} of {}{private}", identity.subject, identity.issuer)
}

fn roles(of: &Governance) -> Things {
    let asked = |courses: &BTreeSet<String>, brands: Option<&BTreeSet<BrandPath>>| {
        vec![
            ("training", Field::Several(courses.iter().cloned().collect())),
            ("guidelines", Field::Several(brands.into_iter().flatten().map(ToString::to_string).collect())),
        ]
    };
    let built_in = of.role_training.iter();
    let built_in =
        built_in.map(|(role, courses)| (role.as_str().to_owned(), asked(courses, of.role_guidelines.get(role))));
    let own = of.own_roles.iter();
    let own = own.map(|(role, it)| (role.to_string(), asked(&it.training, Some(&it.guidelines))));
    built_in.chain(own).collect()
}

/// One for each language of a version.
fn guidelines(of: &Governance) -> Things {
    let each = |version: &std::sync::Arc<super::GuidelineVersion>| {
        let fields = |text: &super::GuidelineText| {
            vec![
                ("title", Field::One(text.title.clone())),
                ("seen by", Field::One(if version.public { "everybody" } else { "people" }.to_owned())),
                ("effective", Field::One(version.effective.to_string())),
                ("text", Field::One(text.digest.clone())),
            ]
        };
        let id = |text: &super::GuidelineText| format!("{} {} {}", version.brand, version.version, text.language);
        version.texts.iter().map(|text| (id(text), fields(text))).collect::<Vec<_>>()
    };
    of.guidelines.all().flat_map(each).collect()
}

fn grants(of: &Governance) -> Things {
    let fields = |grant: &Grant| {
        vec![
            ("for", Field::One(grant.holder.to_string())),
            ("on", Field::One(scope(&grant.scope))),
            ("actions", Field::Several(grant.actions.iter().map(ToString::to_string).collect())),
            ("act_for", Field::Several(grant.act_for.iter().map(ToString::to_string).collect())),
            ("training", Field::Several(grant.training.iter().cloned().collect())),
            ("guidelines", Field::Several(grant.guidelines.iter().map(ToString::to_string).collect())),
            ("owner", Field::One(grant.owner.to_string())),
            ("expires", Field::One(grant.expires.to_string())),
        ]
    };
    of.grants.iter().map(|grant| (grant.id.to_string(), fields(grant))).collect()
}

fn denies(of: &Governance) -> Things {
    let whom = |deny: &Deny| match &deny.whom {
        Grantee::One(principal) => principal.to_string(),
        Grantee::Everyone => "everyone".to_owned(),
    };
    let actions = |deny: &Deny| match deny.actions.is_empty() {
        true => vec!["(all)".to_owned()],
        false => deny.actions.iter().map(ToString::to_string).collect(),
    };
    let fields = |deny: &Deny| {
        vec![
            ("for", Field::One(whom(deny))),
            ("on", Field::One(scope(&deny.scope))),
            ("actions", Field::Several(actions(deny))),
            ("reason", Field::One(deny.reason.clone())),
        ]
    };
    of.denies.iter().map(|deny| (deny.id.to_string(), fields(deny))).collect()
}

fn auditors(of: &Governance) -> Things {
    let on = |auditor: &Auditor| match &auditor.brand {
        Some(brand) => format!("brand {brand}"),
        None => "the whole log".to_owned(),
    };
    let fields = |auditor: &Auditor| {
        vec![
            ("for", Field::One(auditor.holder.to_string())),
            ("rights", Field::Several(auditor.rights.iter().map(ToString::to_string).collect())),
            ("on", Field::One(on(auditor))),
            ("owner", Field::One(auditor.owner.to_string())),
            ("expires", Field::One(auditor.expires.to_string())),
        ]
    };
    of.auditors.iter().map(|auditor| (auditor.id.to_string(), fields(auditor))).collect()
}

fn scope(scope: &Scope) -> String {
    match scope {
        Scope::Account(id) => format!("account {id}"),
        Scope::Brand(path) => format!("brand {path}"),
    }
}

fn policies(of: &Governance) -> Things {
    let fields = |rule: &super::PolicyRule| {
        vec![
            ("plugin", Field::One(rule.plugin.to_string())),
            ("brands", Field::Several(rule.brands.iter().map(ToString::to_string).collect())),
            ("config", Field::Json(rule.config.clone())),
        ]
    };
    of.policies.iter().map(|rule| (rule.name.clone(), fields(rule))).collect()
}

fn limits(of: &Governance) -> Things {
    let fields = |limit: &super::Limit| {
        let burst = limit.burst.map(|burst| burst.to_string()).unwrap_or_default();
        vec![("calls_per_minute", Field::One(limit.calls_per_minute.to_string())), ("burst", Field::One(burst))]
    };
    let rules = &of.limits;
    let apps = rules.apps.iter().map(|(app, limit)| (app.to_string(), fields(limit)));
    let classes =
        rules.classes.iter().map(|((app, class), limit)| (format!("{app}.{}", class.as_str()), fields(limit)));
    let networks = rules.networks.iter().map(|((network, class), limit)| {
        let points = limit.points.iter().map(|(action, points)| format!("{action} {points}"));
        let mut all = vec![
            ("limit", Field::One(limit.limit.to_string())),
            ("window_s", Field::One(limit.window_s.to_string())),
            ("counts", Field::One(if limit.rolling { "rolling" } else { "fixed" }.to_owned())),
            ("points", Field::Several(points.collect())),
        ];
        all.extend(limit.pace.iter().flat_map(&fields));
        (format!("network {network}.{class}"), all)
    });
    let mut all: Things = apps.chain(classes).chain(networks).collect();
    if rules.urgent != super::Urgent::default() {
        let urgent = &rules.urgent;
        let several = |names: Vec<String>| Field::Several(names);
        let fields = vec![
            ("percent", Field::One(urgent.percent.to_string())),
            ("labels", several(urgent.labels.iter().cloned().collect())),
            ("apps", several(urgent.apps.iter().map(ToString::to_string).collect())),
        ];
        all.insert("urgent".to_owned(), fields);
    }
    if rules.wait_s > 0 {
        all.insert("waiting".to_owned(), vec![("seconds", Field::One(rules.wait_s.to_string()))]);
    }
    all
}

#[cfg(test)]
pub(super) mod tests;
