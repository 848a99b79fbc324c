//! Roles: the four that are built in, and a company's own, which `[role.legal]` in `people.toml` declares.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        OwnRole, Person, Role,
        fault::did_you_mean,
        table::{At, Document, Entry, ID_RULE, Report, is_id},
    },
    Context, guidelines,
    people::courses,
};
use crate::model::{BrandPath, PersonId, RoleName};

const KEYS: &[&str] = &["training", "guidelines"];
/// Rules of approvals mean every app by it.
pub(super) const APP: &str = "app";

/// The roles that may be named.
pub(super) struct Roles {
    own: BTreeSet<String>,
    complete: bool,
}

impl Roles {
    /// Takes the declared ones, faulty ones too: a reference to one is not a second fault.
    pub(super) fn collect(document: &Document<'_>) -> Self {
        let declared = document.named_tables("role", &Report::default()).into_iter().map(|(name, _)| name.value);
        let own = declared.filter(|name| Role::parse(name).is_none()).collect();
        Self { own, complete: document.complete_tables("role") }
    }

    /// True for one of the company's own.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.contains(name)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.own.iter().map(String::as_str);
        Role::ALL.into_iter().map(|role| -> &str { role.as_str() }).chain(own)
    }

    /// True where there is such a role; else it is reported.
    pub(super) fn resolve(&self, entry: &Entry<'_>, key: &str, name: &At<String>, report: &Report) -> bool {
        if Role::parse(&name.value).is_some() || self.is_own(&name.value) {
            return true;
        }
        if self.complete {
            let hint = match did_you_mean(&name.value, self.names()) {
                hint if hint.is_empty() => "; declare one of your own with `[role.NAME]` in people.toml".to_owned(),
                hint => hint,
            };
            entry.fault(name.line, report, format!("`{key}`: there is no role `{}`{hint}", name.value));
        }
        false
    }
}

/// What roles ask of who has them.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) training: BTreeMap<Role, BTreeSet<String>>,
    pub(super) guidelines: BTreeMap<Role, BTreeSet<BrandPath>>,
    pub(super) own: BTreeMap<RoleName, OwnRole>,
}

/// Reads `[role.NAME]`.
pub(super) fn roles(
    context: &Context<'_>,
    document: &Document<'_>,
    people: &BTreeMap<PersonId, Person>,
    legible: bool,
) -> Asked {
    let report = context.report;
    let mut asked = Asked::default();
    for (name, entry) in document.named_tables("role", report) {
        entry.only(KEYS, report);
        let (training, guidelines) = (courses(&entry, report), guidelines::asked(context, &entry));
        if let Some(role) = Role::parse(&name.value) {
            asked.training.insert(role, training);
            asked.guidelines.insert(role, guidelines);
            continue;
        }
        if !is_id(&name.value) {
            entry.fault(name.line, report, format!("a role's name must be {ID_RULE}"));
        } else if name.value == APP {
            entry.fault(name.line, report, "rules of approvals mean every app by `app`; take another name");
        }
        let role = RoleName::new(name.value.clone());
        // A misspelt built-in role would ask nobody for anything.
        let hint = did_you_mean(&name.value, Role::ALL.map(Role::as_str));
        let is_held = people.values().any(|person| person.own_roles.contains_key(&role));
        if legible && !is_held && !hint.is_empty() {
            entry.fault(name.line, report, format!("nobody has this role{hint}"));
        }
        asked.own.insert(role, OwnRole { training, guidelines });
    }
    asked
}
