//! `approvals.toml`: who must agree before something is published.

mod parties;
mod stages;
mod times;

use std::{collections::BTreeMap, sync::Arc};

use pressgate_workflow::{
    approval::{During, HOLD_RULE, Rule, Rules, When},
    ids::{External, RuleName},
};

use super::{
    super::{
        EmailAddress,
        names::Names,
        table::{At, Document, Entry, Report},
    },
    Context,
    roles::APP,
};

const RULE_KEYS: &[&str] = &[
    "name",
    "brands",
    "accounts",
    "networks",
    "labels",
    "campaigns",
    "author_roles",
    "during",
    "outside",
    "policies",
    "stages",
    "escalate",
    "expires_after",
    "open_comments_block",
];
/// The most rules: each is held against each post that waits.
const RULES_MAX: usize = 200;
/// The most values of one key.
const VALUES_MAX: usize = 100;
/// The longest label and campaign, in characters, as posts have them.
const LABEL_CHARS_MAX: usize = 200;
/// The longest wait, in days.
pub(super) const DAYS_MAX: u32 = 366;

/// The file.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rules: Rules,
    /// Where links go.
    pub(super) externals: BTreeMap<External, Vec<EmailAddress>>,
    /// Where each rule is written in which nothing is wrong; empty where something is wrong with those whom rules name.
    pub(super) lines: BTreeMap<RuleName, usize>,
}

/// What rules refer to within the file.
struct Parties {
    rotations: Names,
    externals: Names,
    addresses: BTreeMap<External, Vec<EmailAddress>>,
}

pub(super) fn approvals(context: &Context<'_>, document: &Document<'_>) -> Found {
    let report = context.report;
    document.only(&["rule", "substitute", "rotation", "external"], report);
    Names::collect(document, "rule", "name", report);
    let before = report.count();
    let (addresses, externals) = parties::externals(document, report);
    let parties = Parties {
        rotations: Names::of_tables(document, "rotation"),
        externals: Names::of_tables(document, "external"),
        addresses,
    };
    let mut found = Found::default();
    found.rules.substitutes = parties::substitutes(context, document);
    found.rules.rotations = parties::rotations(context, document);
    found.rules.externals = externals;
    // Who is missing by a fault would be missed again by every rule.
    let whole = report.count() == before;
    let entries = document.entries("rule", Some(report));
    if let Some(entry) = entries.get(RULES_MAX) {
        entry.fault(entry.line, report, format!("there may be {RULES_MAX} rules"));
    }
    for entry in &entries {
        let before = report.count();
        let Some(rule) = rule(context, &parties, entry) else { continue };
        if whole && report.count() == before {
            found.lines.insert(rule.name.clone(), entry.line);
        }
        found.rules.rules.push(Arc::new(rule));
    }
    found.externals = parties.addresses;
    found
}

fn rule(context: &Context<'_>, parties: &Parties, entry: &Entry<'_>) -> Option<Rule> {
    let report = context.report;
    entry.only(RULE_KEYS, report);
    let name = entry.id("name", report);
    if name.as_deref() == Some(HOLD_RULE) {
        let message = format!("`{HOLD_RULE}` is the name of the built-in rule for what a policy holds; take another");
        entry.fault(entry.line_of("name"), report, message);
    }
    let when = when(context, entry);
    let open_comments_block = entry.boolean("open_comments_block", report).is_some_and(|block| block.value);
    let stages = stages::stages(context, parties, entry, open_comments_block);
    let escalate = stages::escalations(context, parties, entry);
    let expires_after = entry.seconds("expires_after", DAYS_MAX, report);
    let late = |after_s: u32| expires_after.as_ref().is_some_and(|expires| expires.value <= after_s);
    for (line, _) in escalate.iter().filter(|(_, escalation)| late(escalation.after_s)) {
        entry.fault(*line, report, "`after`: the post has expired by then; see `expires_after`");
    }
    let mut escalate: Vec<_> = escalate.into_iter().map(|(_, escalation)| escalation).collect();
    // They happen in the order of the list.
    escalate.sort_by_key(|escalation| escalation.after_s);
    let expires_after_s = expires_after.map(|expires| expires.value);
    Some(Rule { name: name?.into(), when, stages, escalate, expires_after_s, open_comments_block })
}

fn when(context: &Context<'_>, entry: &Entry<'_>) -> When {
    let report = context.report;
    let known = |key: &'static str, names: &Names, name: &At<String>| names.resolve(entry, key, name, report);
    When {
        brands: values(entry, "brands", report, |name| context.brands.resolve(entry, "brands", name, report).is_some()),
        accounts: values(entry, "accounts", report, |name| known("accounts", &context.accounts, name)),
        networks: values(entry, "networks", report, |name| known("networks", &context.networks, name)),
        labels: values(entry, "labels", report, |name| is_label(entry, "labels", name, report)),
        campaigns: values(entry, "campaigns", report, |name| is_label(entry, "campaigns", name, report)),
        author_roles: values(entry, "author_roles", report, |name| {
            name.value == APP || context.roles.resolve(entry, "author_roles", name, report)
        }),
        during: during(entry, report),
        policies: values(entry, "policies", report, |name| known("policies", &context.policies, name)),
    }
}

/// A list of names. An empty one would look like a rule for nothing and be one for everything.
fn values<T: From<String>>(
    entry: &Entry<'_>,
    key: &'static str,
    report: &Report,
    fits: impl Fn(&At<String>) -> bool,
) -> Vec<T> {
    let Some(names) = entry.strings(key, report) else { return Vec::new() };
    if entry.value(key).is_some_and(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty())) {
        entry.fault(entry.line_of(key), report, format!("`{key}` must name at least one; leave it out to ask nothing"));
    }
    if names.len() > VALUES_MAX {
        entry.fault(entry.line_of(key), report, format!("`{key}` may have {VALUES_MAX} values"));
        return Vec::new();
    }
    names.into_iter().filter(fits).map(|name| T::from(name.value)).collect()
}

/// Labels and campaigns are of those who write posts; here is only checked that a post could have it.
fn is_label(entry: &Entry<'_>, key: &str, name: &At<String>, report: &Report) -> bool {
    let text = name.value.as_str();
    let fits =
        !text.trim().is_empty() && text.chars().count() <= LABEL_CHARS_MAX && !text.chars().any(char::is_control);
    if !fits {
        let message = format!("`{key}`: write one line of 1 to {LABEL_CHARS_MAX} characters");
        entry.fault(name.line, report, message);
    }
    fits
}

fn during(entry: &Entry<'_>, report: &Report) -> Option<During> {
    if entry.has("during") && entry.has("outside") {
        entry.fault(entry.line_of("outside"), report, "give only one of `during` and `outside`");
    }
    let outside = entry.has("outside");
    let hours = entry.table(if outside { "outside" } else { "during" }, report)?;
    Some(During { hours: times::hours(&hours, report)?, outside })
}

#[cfg(test)]
pub(super) mod tests;
