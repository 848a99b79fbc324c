//! `people.toml` and `apps.toml`: who there is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        App, Person, Role, TokenIdentity,
        fault::did_you_mean,
        table::{Document, Entry, Report},
    },
    Context,
};
use crate::model::{AppId, PersonId};

const PERSON_KEYS: &[&str] = &["id", "roles", "approves"];
const APP_KEYS: &[&str] = &["id", "name", "owner", "certificates", "token"];
const TOKEN_KEYS: &[&str] = &["issuer", "private_issuer", "audience", "subject"];

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
        let certificates = certificates(&entry, &apps, report);
        let tokens = tokens(&entry, &apps, report);
        if let (Some(id), Some(owner)) = (id, owner) {
            let name = name.unwrap_or_else(|| id.clone());
            let id = AppId::new(id);
            apps.insert(id.clone(), App { id, name, owner: PersonId::new(owner.value), certificates, tokens });
        }
    }
    apps
}

/// Names in certificates; none stands for two apps.
fn certificates(entry: &Entry<'_>, others: &BTreeMap<AppId, App>, report: &Report) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in entry.strings("certificates", report).unwrap_or_default() {
        let text = name.value.as_str();
        let host = text.strip_prefix("dns:");
        let fits = match host {
            Some(host) => !host.is_empty() && !host.contains('*') && host.bytes().all(|byte| byte.is_ascii_graphic()),
            None => text.contains("://") && url::Url::parse(text).is_ok(),
        };
        if !fits {
            let message =
                "`certificates`: write a URI such as `spiffe://acme.example/newsroom`, or `dns:` and a host name";
            entry.fault(name.line, report, message);
            continue;
        }
        if let Some(other) = others.values().find(|app| app.certificates.iter().any(|known| known == text)) {
            entry.fault(name.line, report, format!("`certificates`: `{text}` is the app `{}` already", other.id));
        }
        names.push(host.map_or_else(|| text.to_owned(), |host| format!("dns:{}", host.to_ascii_lowercase())));
    }
    names
}

/// What tokens say; none stands for two apps.
fn tokens(entry: &Entry<'_>, others: &BTreeMap<AppId, App>, report: &Report) -> Vec<TokenIdentity> {
    let mut tokens = Vec::new();
    let Some(named) = entry.table("token", report) else { return tokens };
    for (_, entry) in named.tables("token", report) {
        entry.only(TOKEN_KEYS, report);
        let issuer = entry.required("issuer", report);
        let private_issuer = entry.boolean("private_issuer", report).is_some_and(|private| private.value);
        let (audience, subject) = (entry.required("audience", report), entry.required("subject", report));
        let (Some(issuer), Some(audience), Some(subject)) = (issuer, audience, subject) else { continue };
        let schemes: &[&str] = if private_issuer { &["https", "http"] } else { &["https"] };
        let address =
            url::Url::parse(&issuer.value).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
        if address.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            let message =
                "`issuer`: write the issuer's identifier, an https address (with `private_issuer = true` also http)";
            entry.fault(issuer.line, report, message);
            continue;
        }
        let token =
            TokenIdentity { issuer: issuer.value, private_issuer, audience: audience.value, subject: subject.value };
        let same = |known: &TokenIdentity| {
            (&known.issuer, &known.audience, &known.subject) == (&token.issuer, &token.audience, &token.subject)
        };
        if tokens.iter().any(same) {
            entry.fault(subject.line, report, "`subject`: this token is the app's already");
        }
        if let Some(other) = others.values().find(|app| app.tokens.iter().any(same)) {
            entry.fault(subject.line, report, format!("`subject`: this token is the app `{}` already", other.id));
        }
        tokens.push(token);
    }
    tokens
}
