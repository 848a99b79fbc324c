//! `people.toml` and `apps.toml`: who there is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        App, Person, Role, SignInIdentity, TokenIdentity,
        fault::did_you_mean,
        table::{At, Document, Entry, ID_RULE, Report, is_id},
    },
    Context,
};
use crate::model::{AppId, BrandPath, PersonId};

const PERSON_KEYS: &[&str] = &["id", "roles", "approves", "brands", "sign_in"];
const ROLE_KEYS: &[&str] = &["training"];
const SIGN_IN_KEYS: &[&str] = &["issuer", "private_issuer", "subject"];
const APP_KEYS: &[&str] = &["id", "name", "owner", "certificates", "token"];
const TOKEN_KEYS: &[&str] = &["issuer", "private_issuer", "audience", "subject"];

/// People by id, and what their roles ask for.
type People = (BTreeMap<PersonId, Person>, BTreeMap<Role, BTreeSet<String>>);

pub(super) fn people(context: &Context<'_>, document: &Document<'_>) -> People {
    let report = context.report;
    document.only(&["person", "role"], report);
    let mut people = BTreeMap::new();
    for entry in document.entries("person", Some(report)) {
        entry.only(PERSON_KEYS, report);
        let id = entry.id("id", report);
        let (roles, legible) = roles(&entry, report);
        let mut approves = context.brands.resolve_all(&entry, "approves", report);
        if legible && !approves.is_empty() && !roles.contains(&Role::Approver) {
            entry.fault(entry.line_of("approves"), report, "`approves` needs the role `approver`");
        }
        let mut brands = limits(context, &entry, &roles, legible);
        approves.extend(brands.remove(&Role::Approver).unwrap_or_default());
        let sign_in = sign_in(&entry, &people, report);
        if let Some(id) = id.map(PersonId::new) {
            people.insert(id.clone(), Person { id, roles, approves, brands, sign_in });
        }
    }
    let mut training = BTreeMap::new();
    for (name, entry) in document.named_tables("role", report) {
        entry.only(ROLE_KEYS, report);
        let courses = courses(&entry, report);
        match Role::parse(&name.value) {
            Some(role) => drop(training.insert(role, courses)),
            None => {
                let hint = did_you_mean(&name.value, Role::ALL.map(Role::as_str));
                entry.fault(name.line, report, format!("there is no such role{hint}"));
            }
        }
    }
    (people, training)
}

/// The roles, and whether each was one.
fn roles(entry: &Entry<'_>, report: &Report) -> (BTreeSet<Role>, bool) {
    let (mut roles, mut legible) = (BTreeSet::new(), true);
    for role in entry.strings("roles", report).unwrap_or_default() {
        if let Some(role) = Role::parse(&role.value) {
            roles.insert(role);
        } else {
            legible = false;
            let hint = did_you_mean(&role.value, Role::ALL.map(Role::as_str));
            entry.fault(role.line, report, format!("`roles`: there is no role `{}`{hint}", role.value));
        }
    }
    (roles, legible)
}

/// `brands = { responder = ["acme/snacks"] }`: what a role is limited to. A limit without brands would be a role without any place.
fn limits(
    context: &Context<'_>,
    entry: &Entry<'_>,
    roles: &BTreeSet<Role>,
    legible: bool,
) -> BTreeMap<Role, Vec<BrandPath>> {
    let report = context.report;
    let mut limits = BTreeMap::new();
    let Some(table) = entry.has("brands").then(|| entry.table("brands", report)).flatten() else { return limits };
    table.only(&Role::ALL.map(Role::as_str), report);
    for role in Role::ALL.into_iter().filter(|role| table.has(role.as_str())) {
        let line = table.line_of(role.as_str());
        if legible && !roles.contains(&role) {
            table.fault(line, report, format!("`{}` is not one of the person's `roles`", role.as_str()));
        }
        let brands = context.brands.resolve_all(&table, role.as_str(), report);
        if table.strings(role.as_str(), &Report::default()).is_some_and(|named| named.is_empty()) {
            table.fault(line, report, format!("`{}` must name at least one brand", role.as_str()));
        }
        limits.insert(role, brands);
    }
    limits
}

/// Courses, as `training` names them.
pub(super) fn courses(entry: &Entry<'_>, report: &Report) -> BTreeSet<String> {
    let named = entry.strings("training", report).unwrap_or_default();
    let mut courses = BTreeSet::new();
    for course in named {
        if is_id(&course.value) {
            courses.insert(course.value);
        } else {
            entry.fault(course.line, report, format!("`training`: a course must be {ID_RULE}"));
        }
    }
    courses
}

/// Who the person is at the company's issuer; nobody is two people.
fn sign_in(entry: &Entry<'_>, others: &BTreeMap<PersonId, Person>, report: &Report) -> Option<SignInIdentity> {
    let table = entry.has("sign_in").then(|| entry.table("sign_in", report)).flatten()?;
    table.only(SIGN_IN_KEYS, report);
    let private_issuer = table.boolean("private_issuer", report).is_some_and(|private| private.value);
    let (issuer, subject) = (table.required("issuer", report), table.required("subject", report));
    let (issuer, subject) = (issuer.filter(|issuer| is_issuer(&table, issuer, private_issuer, report))?, subject?);
    let same = |known: &SignInIdentity| known.issuer == issuer.value && known.subject == subject.value;
    if let Some(other) = others.values().find(|person| person.sign_in.as_ref().is_some_and(same)) {
        table.fault(subject.line, report, format!("`subject`: at this issuer it is the person `{}` already", other.id));
    }
    Some(SignInIdentity { issuer: issuer.value, private_issuer, subject: subject.value, line: issuer.line })
}

/// An issuer's identifier is an address.
fn is_issuer(entry: &Entry<'_>, issuer: &At<String>, private: bool, report: &Report) -> bool {
    let schemes: &[&str] = if private { &["https", "http"] } else { &["https"] };
    let address = url::Url::parse(&issuer.value).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    let fits = address.is_some_and(|url| url.query().is_none() && url.fragment().is_none());
    if !fits {
        let message =
            "`issuer`: write the issuer's identifier, an https address (with `private_issuer = true` also http)";
        entry.fault(issuer.line, report, message);
    }
    fits
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
        if !is_issuer(&entry, &issuer, private_issuer, report) {
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
