//! `people.toml` and `apps.toml`: who there is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        App, EmailAddress, Notices, Person, Role, SignInIdentity, TokenIdentity,
        email::EMAIL_RULE,
        table::{At, Document, Entry, ID_RULE, Report, is_id},
    },
    Context,
    roles::{self, Asked},
};
use crate::model::{AppId, BrandPath, PersonId, RoleName};

const PERSON_KEYS: &[&str] = &["id", "roles", "approves", "brands", "sign_in", "email", "notices"];
const SIGN_IN_KEYS: &[&str] = &["issuer", "private_issuer", "subject"];
const APP_KEYS: &[&str] = &["id", "name", "owner", "certificates", "token"];
const TOKEN_KEYS: &[&str] = &["issuer", "private_issuer", "audience", "subject"];

pub(super) fn people(context: &Context<'_>, document: &Document<'_>) -> (BTreeMap<PersonId, Person>, Asked) {
    let report = context.report;
    document.only(&["person", "role"], report);
    let (mut people, mut all_legible) = (BTreeMap::new(), document.complete("person"));
    for entry in document.entries("person", Some(report)) {
        entry.only(PERSON_KEYS, report);
        let id = entry.id("id", report);
        let (roles, own, legible) = named(context, &entry);
        all_legible &= legible && id.is_some();
        let mut approves = context.brands.resolve_all(&entry, "approves", report);
        if legible && !approves.is_empty() && !roles.contains(&Role::Approver) {
            entry.fault(entry.line_of("approves"), report, "`approves` needs the role `approver`");
        }
        let mut limits = limits(context, &entry, &roles, &own, legible);
        let brands = Role::ALL.into_iter().filter_map(|role| Some((role, limits.remove(role.as_str())?)));
        let mut brands: BTreeMap<Role, Vec<BrandPath>> = brands.collect();
        approves.extend(brands.remove(&Role::Approver).unwrap_or_default());
        let own_roles = own.into_iter().map(|role| (RoleName::new(role.clone()), limits.remove(&role))).collect();
        let sign_in = sign_in(&entry, &people, report);
        let email = entry.string("email", report).and_then(|text| email(&entry, "email", &text, report));
        let notices = notices(&entry, report);
        if let Some(id) = id.map(PersonId::new) {
            let person = Person { id: id.clone(), roles, own_roles, approves, brands, sign_in, email, notices };
            people.insert(id, person);
        }
    }
    let asked = roles::roles(context, document, &people, all_legible);
    (people, asked)
}

/// The roles that are built in, the company's own, and whether each was one.
fn named(context: &Context<'_>, entry: &Entry<'_>) -> (BTreeSet<Role>, BTreeSet<String>, bool) {
    let report = context.report;
    let (mut roles, mut own) = (BTreeSet::new(), BTreeSet::new());
    let named = entry.strings("roles", report);
    let mut legible = named.is_some() || !entry.has("roles");
    for name in named.unwrap_or_default() {
        match Role::parse(&name.value) {
            Some(role) => drop(roles.insert(role)),
            None if context.roles.resolve(entry, "roles", &name, report) => drop(own.insert(name.value)),
            None => legible = false,
        }
    }
    (roles, own, legible)
}

/// `brands = { responder = ["acme/snacks"] }`: what a role is limited to. A limit without brands would be a role without any place.
fn limits(
    context: &Context<'_>,
    entry: &Entry<'_>,
    roles: &BTreeSet<Role>,
    own: &BTreeSet<String>,
    legible: bool,
) -> BTreeMap<String, Vec<BrandPath>> {
    let report = context.report;
    let mut limits = BTreeMap::new();
    let Some(table) = entry.has("brands").then(|| entry.table("brands", report)).flatten() else { return limits };
    let known: Vec<&str> = context.roles.names().collect();
    table.only(&known, report);
    for role in known.into_iter().filter(|role| table.has(role)) {
        let line = table.line_of(role);
        let has = own.contains(role) || Role::parse(role).is_some_and(|role| roles.contains(&role));
        if legible && !has {
            table.fault(line, report, format!("`{role}` is not one of the person's `roles`"));
        }
        let brands = context.brands.resolve_all(&table, role, report);
        if table.strings(role, &Report::default()).is_some_and(|named| named.is_empty()) {
            table.fault(line, report, format!("`{role}` must name at least one brand"));
        }
        limits.insert(role.to_owned(), brands);
    }
    limits
}

/// An e-mail address. What is none is not repeated: it may be somebody's.
pub(super) fn email(entry: &Entry<'_>, key: &str, text: &At<String>, report: &Report) -> Option<EmailAddress> {
    let address = EmailAddress::parse(&text.value);
    if address.is_none() {
        entry.fault(text.line, report, format!("`{key}`: write {EMAIL_RULE}"));
    }
    address
}

/// How the person is told; by e-mail only who has an address.
fn notices(entry: &Entry<'_>, report: &Report) -> Notices {
    let usual = if entry.has("email") { Notices::Email } else { Notices::None };
    let Some(written) = entry.string("notices", report) else { return usual };
    match Notices::parse(&written.value) {
        Some(Notices::Email) if !entry.has("email") => {
            entry.fault(written.line, report, "`notices`: \"email\" needs the person's `email`");
            usual
        }
        Some(notices) => notices,
        None => {
            entry.fault(written.line, report, "`notices`: write \"email\" or \"none\"");
            usual
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::{
        check,
        tests::{good, plugins},
    };
    use super::*;
    use crate::config::{ChangeKind, Files, Governance};

    const SIGN_IN: &str = "{ issuer = \"https://login.acme.example\", subject = \"u-1\" }";

    fn with(people: &str, grants: &str) -> Files {
        let mut files = good();
        files.get_mut("people.toml").unwrap().push_str(people);
        files.get_mut("grants.toml").unwrap().push_str(grants);
        files
    }

    fn checked(people: &str, grants: &str) -> Result<Governance, Vec<String>> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        check(&with(people, grants), &BTreeSet::new(), &plugins(), now)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_person_signs_in_and_has_roles_for_brands() {
        let people = format!(
            "[[person]]\nid = \"editor-7\"\nroles = [\"author\", \"responder\", \"approver\", \"operator\"]\n\
             approves = [\"acme/snacks\"]\nsign_in = {SIGN_IN}\n\
             brands = {{ responder = [\"acme/snacks\"], operator = [\"acme\"] }}\n[role.author]\ntraining = [\"social-basics\"]\n"
        );
        let governance = checked(&people, "").unwrap();
        let person = governance.signed_in_as("https://login.acme.example", "u-1").unwrap();
        let (acme, snacks) = (BrandPath::new("acme"), BrandPath::new("acme/snacks"));
        let table = [
            (Role::Author, true, true),
            (Role::Responder, false, true),
            (Role::Approver, false, true),
            (Role::Operator, true, true),
        ];
        for (role, of_acme, of_snacks) in table {
            assert_eq!(
                (person.has_role(role, &acme), person.has_role(role, &snacks)),
                (of_acme, of_snacks),
                "{role:?}"
            );
        }
        assert!(!person.is_operator(), "for some brands only");
        assert!(governance.people[&PersonId::new("ops-1")].is_operator());
        assert!(governance.signed_in_as("https://login.acme.example", "u-2").is_none());
        assert!(governance.signed_in_as("https://login.acme.example/", "u-1").is_none(), "byte for byte");
        assert_eq!(
            governance.training_of_roles(&PersonId::new("editor-7"), &snacks),
            BTreeSet::from(["social-basics"])
        );
        assert!(governance.training_of_roles(&PersonId::new("ops-1"), &snacks).is_empty());
        // `brands.approver` says the same as `approves`.
        let other = people
            .replace("approves = [\"acme/snacks\"]\n", "")
            .replace("{ responder", "{ approver = [\"acme/snacks\"], responder");
        let other = checked(&other, "").unwrap();
        assert!(
            other.may_approve(&PersonId::new("editor-7"), &snacks)
                && !other.may_approve(&PersonId::new("editor-7"), &acme)
        );
        // A difference says who signs in as whom.
        let changed = checked(&people.replace("u-1", "u-2"), "").unwrap();
        let changes = Governance::diff(&governance, &changed);
        assert!(
            changes.len() == 1 && changes[0].kind == ChangeKind::Changed && changes[0].detail.contains("u-2"),
            "{changes:?}"
        );
        let digest = |governance: &Governance| {
            governance.people[&PersonId::new("editor-7")].sign_in.as_ref().map(SignInIdentity::digest)
        };
        assert_ne!(digest(&governance), digest(&changed));
    }

    #[test]
    fn faults_of_people_are_found() {
        let person = |more: &str| format!("[[person]]\nid = \"editor-7\"\n{more}\n");
        let twice =
            format!("{}[[person]]\nid = \"editor-8\"\nsign_in = {SIGN_IN}\n", person(&format!("sign_in = {SIGN_IN}")));
        let cases = [
            (twice, "at this issuer it is the person `editor-7` already"),
            (person("sign_in = { issuer = \"http://login.acme.example\", subject = \"u\" }"), "`issuer`"),
            (person("sign_in = { issuer = \"https://i\" }"), "`subject` is missing"),
            (
                person("sign_in = { issuer = \"https://i\", subject = \"u\", audience = \"a\" }"),
                "unknown key `audience`",
            ),
            (person("sign_in = \"u-1\""), "`sign_in` must be a table"),
            (person("roles = [\"responder\"]\nbrands = { author = [\"acme\"] }"), "not one of the person's `roles`"),
            (person("roles = [\"responder\"]\nbrands = { responder = [] }"), "at least one brand"),
            (person("roles = [\"responder\"]\nbrands = { responder = [\"acme/snack\"] }"), "acme/snack"),
            (person("roles = [\"responder\"]\nbrands = { respnder = [\"acme\"] }"), "unknown key `respnder`"),
            ("[role.autor]\ntraining = [\"a\"]\n".to_owned(), "nobody has this role; did you mean `author`?"),
            ("[role.Legal]\n".to_owned(), "a role's name must be"),
            ("[role.app]\n".to_owned(), "take another name"),
            (person("roles = [\"legl\"]\n[role.legal]"), "there is no role `legl`; did you mean `legal`?"),
            (person("roles = [\"writer\"]"), "declare one of your own"),
            (person("roles = [\"author\"]\nbrands = { legal = [\"acme\"] }\n[role.legal]"), "not one of the person's"),
            (person("roles = [\"legal\"]\nbrands = { legal = [] }\n[role.legal]"), "at least one brand"),
            (person("roles = [\"legal\"]\nbrands = { legal = [\"acme/x\"] }\n[role.legal]"), "no brand `acme/x`"),
            (person("email = \"Jana <jana@acme.example>\""), "`email`: write one address"),
            (person("email = 3"), "`email` must be a string"),
            (person("notices = \"email\""), "needs the person's `email`"),
            (person("email = \"j@acme.example\"\nnotices = \"sms\""), "\"email\" or \"none\""),
            ("[role.author]\ntraining = [\"Social Basics\"]\n".to_owned(), "a course must be"),
        ];
        for (people, part) in cases {
            let faults = checked(&people, "").unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with("people.toml:"), "{people}: {faults:#?}");
            assert!(faults[0].contains(part), "{faults:#?}");
            assert!(!faults[0].contains("jana"), "an address is personal: {faults:#?}");
        }
    }

    #[test]
    fn roles_of_a_companys_own_are_held_and_limited() {
        let people = "[[person]]\nid = \"lawyer-1\"\nroles = [\"legal\", \"author\"]\nbrands = { legal = [\"acme/snacks\"] }\n\
                      email = \"jana@Acme.example\"\n[[person]]\nid = \"lawyer-2\"\nroles = [\"legal\"]\n\
                      email = \"petr@acme.example\"\nnotices = \"none\"\n[role.legal]\ntraining = [\"libel\"]\n[role.unused]\n";
        let governance = checked(people, "").unwrap();
        let (acme, snacks) = (BrandPath::new("acme"), BrandPath::new("acme/snacks"));
        let (legal, one, two) = (RoleName::new("legal"), PersonId::new("lawyer-1"), PersonId::new("lawyer-2"));
        let has = |person: &PersonId, brand: &BrandPath| governance.people[person].has_own_role(&legal, brand);
        assert_eq!(
            [has(&one, &acme), has(&one, &snacks), has(&two, &acme), has(&two, &snacks)],
            [false, true, true, true]
        );
        assert!(!governance.people[&PersonId::new("ops-1")].has_own_role(&legal, &acme));
        assert!(governance.own_roles.contains_key(&RoleName::new("unused")));
        // They ask for courses as the others do.
        assert_eq!(governance.training_of_roles(&one, &snacks), BTreeSet::from(["libel"]));
        assert!(governance.training_of_roles(&one, &acme).is_empty());
        // Who gets notices, and that no difference tells an address.
        let told = |person: &PersonId| governance.people[person].notified_at().map(EmailAddress::as_str);
        assert_eq!((told(&one), told(&two)), (Some("jana@acme.example"), None));
        let moved = checked(&people.replace("jana@", "j@").replace("\"none\"", "\"email\""), "").unwrap();
        let changes: Vec<_> = Governance::diff(&governance, &moved).iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["~ person lawyer-1: e-mail changed", "~ person lawyer-2: notices (none) → by e-mail"]);
        let gone = checked("", "").unwrap();
        let all = format!("{:?}", Governance::diff(&gone, &governance));
        assert!(!all.contains("jana") && !all.contains("petr"), "{all}");
        assert!(
            all.contains("roles author, legal; only for legal: acme/snacks; e-mail given; notices by e-mail"),
            "{all}"
        );
        assert!(all.contains("training libel"), "{all}");
    }

    #[test]
    fn a_grant_that_nobody_ever_fulfils_is_found() {
        let grant = |more: &str| {
            format!(
                "[[grant]]\nid = \"g9\"\nbrand = \"acme\"\nactions = [\"post.create\"]\nowner = \"ops-1\"\n\
                 expires = 2099-01-01T00:00:00Z\ntraining = [\"social-basics\"]\n{more}\n"
            )
        };
        let faults = checked("", &grant("app = \"newsroom\"")).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains("needs `act_for`"), "{faults:#?}");
        assert!(checked("", &grant("app = \"newsroom\"\nact_for = [\"chief-1\"]")).is_ok());
        assert!(checked("", &grant("person = \"chief-1\"")).is_ok());
    }
}
