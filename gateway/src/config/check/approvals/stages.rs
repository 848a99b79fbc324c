//! Whom a rule asks: its stages, and who else counts when nobody answers.

use pressgate_workflow::{
    approval::{Escalation, Stage, Who},
    ids::PersonId,
};

use super::{
    super::{
        super::table::{At, Entry, Report},
        Context,
        roles::APP,
    },
    DAYS_MAX, Parties, VALUES_MAX,
};

const STAGE_KEYS: &[&str] = &["n", "role", "people", "external", "on_call"];
const ESCALATION_KEYS: &[&str] = &["after", "to"];
const WHO_KEYS: &[&str] = &["role", "people", "external"];
/// The most stages of a rule.
const STAGES_MAX: usize = 10;
/// The most escalations of a rule.
const ESCALATIONS_MAX: usize = 10;
/// The most votes that a stage wants.
const VOTES_MAX: u32 = 20;

/// The stages. A rule without any asks nobody; that is of use only where it keeps open comments from being passed over.
pub(super) fn stages(
    context: &Context<'_>,
    parties: &Parties,
    rule: &Entry<'_>,
    open_comments_block: bool,
) -> Vec<Stage> {
    let report = context.report;
    if !rule.has("stages") {
        rule.missing(report, "`stages`");
    }
    let Some(entries) = rule.list("stages", report) else { return Vec::new() };
    let none = rule.value("stages").is_some_and(|value| value.get_ref().as_array().is_some_and(|all| all.is_empty()));
    if none && !open_comments_block {
        rule.fault(rule.line_of("stages"), report, "`stages` must hold at least one, or the rule asks nothing");
    }
    too_many(rule, "stages", entries.len(), STAGES_MAX, report);
    entries.iter().filter_map(|entry| stage(context, parties, entry)).collect()
}

fn stage(context: &Context<'_>, parties: &Parties, entry: &Entry<'_>) -> Option<Stage> {
    let report = context.report;
    entry.only(STAGE_KEYS, report);
    if !entry.has("n") {
        entry.missing(report, "`n`, how many must agree,");
    }
    let n = entry.count("n", VOTES_MAX, report);
    let who = who(context, parties, entry);
    let on_call = entry.string("on_call", report);
    let on_call = on_call.filter(|name| parties.rotations.resolve(entry, "on_call", name, report));
    if let (Some(n), Some(Who::External(external))) = (n, &who) {
        let there = parties.addresses.get(external).map(Vec::len);
        if let Some(there) = there.filter(|there| *there < n as usize) {
            let message = format!("`n`: it wants {n} votes of `{external}`, which has {there} addresses");
            entry.fault(entry.line_of("n"), report, message);
        }
    }
    Some(Stage { n: n?, who: who?, on_call: on_call.map(|name| name.value) })
}

/// The escalations with their lines, in the order of the file.
pub(super) fn escalations(context: &Context<'_>, parties: &Parties, rule: &Entry<'_>) -> Vec<(usize, Escalation)> {
    let report = context.report;
    let Some(entries) = rule.list("escalate", report) else { return Vec::new() };
    too_many(rule, "escalate", entries.len(), ESCALATIONS_MAX, report);
    let mut escalations = Vec::new();
    for entry in &entries {
        entry.only(ESCALATION_KEYS, report);
        for key in ESCALATION_KEYS.iter().filter(|key| !entry.has(key)) {
            entry.missing(report, &format!("`{key}`"));
        }
        let after = entry.seconds("after", DAYS_MAX, report);
        let to = entry.table("to", report).and_then(|to| {
            to.only(WHO_KEYS, report);
            who(context, parties, &to)
        });
        if let (Some(after), Some(to)) = (after, to) {
            escalations.push((after.line, Escalation { after_s: after.value, to }));
        }
    }
    escalations
}

fn who(context: &Context<'_>, parties: &Parties, entry: &Entry<'_>) -> Option<Who> {
    let report = context.report;
    let given: Vec<&str> = WHO_KEYS.iter().copied().filter(|key| entry.has(key)).collect();
    match given.as_slice() {
        ["role"] => {
            let role = entry.string("role", report)?;
            if role.value == APP {
                entry.fault(role.line, report, "`role`: apps propose and never agree; name a role of people");
                return None;
            }
            context.roles.resolve(entry, "role", &role, report).then(|| Who::Role(role.value.into()))
        }
        ["people"] => people(context, entry).map(Who::People),
        ["external"] => {
            let external = entry.string("external", report)?;
            let known = parties.externals.resolve(entry, "external", &external, report);
            known.then(|| Who::External(external.value.into()))
        }
        [] => {
            entry.missing(report, "`role`, `people` or `external`");
            None
        }
        [_, second, ..] => {
            entry.fault(entry.line_of(second), report, "give only one of `role`, `people` and `external`");
            None
        }
        [_] => None,
    }
}

/// People, each once.
fn people(context: &Context<'_>, entry: &Entry<'_>) -> Option<Vec<PersonId>> {
    let report = context.report;
    let names = entry.strings("people", report)?;
    if names.is_empty() {
        entry.fault(entry.line_of("people"), report, "`people` must name at least one person");
        return None;
    }
    too_many(entry, "people", names.len(), VALUES_MAX, report);
    let mut people: Vec<PersonId> = Vec::new();
    for name in &names {
        if !context.people.resolve(entry, "people", name, report) {
            continue;
        }
        let person = PersonId::from(name.value.as_str());
        if people.contains(&person) {
            once(entry, name, report);
        } else {
            people.push(person);
        }
    }
    Some(people)
}

fn once(entry: &Entry<'_>, name: &At<String>, report: &Report) {
    entry.fault(name.line, report, format!("`people`: `{}` is named twice, and counts once", name.value));
}

fn too_many(entry: &Entry<'_>, key: &str, count: usize, max: usize, report: &Report) {
    if count > max {
        entry.fault(entry.line_of(key), report, format!("`{key}` may hold {max}"));
    }
}
