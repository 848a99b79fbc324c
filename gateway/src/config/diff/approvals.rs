//! What of `approvals.toml` differs.

use jiff::civil::Weekday;
use pressgate_workflow::approval::{Escalation, Hours, Rule, Stage, Who};

use super::{super::Governance, Field, Fields, Things};

pub(super) fn rules(of: &Governance) -> Things {
    of.workflow.rules.rules.iter().map(|rule| (rule.name.to_string(), fields(rule))).collect()
}

fn fields(rule: &Rule) -> Fields {
    let when = &rule.when;
    let during = match &when.during {
        None => String::new(),
        Some(during) if during.outside => format!("outside {}", hours(&during.hours)),
        Some(during) => hours(&during.hours),
    };
    vec![
        ("brands", several(&when.brands)),
        ("accounts", several(&when.accounts)),
        ("networks", several(&when.networks)),
        ("labels", several(&when.labels)),
        ("campaigns", several(&when.campaigns)),
        ("author roles", several(&when.author_roles)),
        ("hours", Field::One(during)),
        ("policies", several(&when.policies)),
        ("stages", Field::One(rule.stages.iter().map(stage).collect::<Vec<_>>().join(", then "))),
        ("escalates", Field::Several(rule.escalate.iter().map(escalation).collect())),
        ("expires after", Field::One(rule.expires_after_s.map(length).unwrap_or_default())),
        ("open comments", Field::One(if rule.open_comments_block { "block" } else { "" }.to_owned())),
    ]
}

fn several(names: &[impl ToString]) -> Field {
    Field::Several(names.iter().map(ToString::to_string).collect())
}

fn stage(stage: &Stage) -> String {
    let on_call = stage.on_call.as_ref().map(|name| format!(" or on call in {name}")).unwrap_or_default();
    format!("{} of {}{on_call}", stage.n, who(&stage.who))
}

fn escalation(escalation: &Escalation) -> String {
    format!("after {} to {}", length(escalation.after_s), who(&escalation.to))
}

fn who(who: &Who) -> String {
    match who {
        Who::Role(role) => format!("role {role}"),
        Who::People(people) => people.iter().map(ToString::to_string).collect::<Vec<_>>().join("/"),
        Who::External(external) => format!("external {external}"),
    }
}

/// The largest unit that it is a whole number of.
fn length(seconds: u32) -> String {
    const UNITS: [(u32, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = UNITS.iter().find(|(length, _)| seconds.is_multiple_of(*length));
    unit.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}

fn hours(hours: &Hours) -> String {
    let days: Vec<&str> = hours.days.iter().map(|day| name(*day)).collect();
    let zone = hours.zone.iana_name().unwrap_or("UTC");
    format!("{} {}–{} {zone}", days.join(" "), hours.from.strftime("%H:%M"), hours.until.strftime("%H:%M"))
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

pub(super) fn substitutes(of: &Governance) -> Things {
    let each = |it: &pressgate_workflow::approval::Substitute| {
        let until = vec![("until", Field::One(it.until.to_string()))];
        (format!("{} by {} from {}", it.person, it.by, it.from), until)
    };
    of.workflow.rules.substitutes.iter().map(each).collect()
}

pub(super) fn rotations(of: &Governance) -> Things {
    let fields = |rotation: &pressgate_workflow::approval::Rotation| {
        // The order is that of the turns, and somebody may have two.
        let turns: Vec<String> = rotation.people.iter().map(ToString::to_string).collect();
        vec![
            ("turns", Field::One(turns.join(", "))),
            ("period", Field::One(format!("{}h", rotation.period_h))),
            ("anchor", Field::One(rotation.anchor.to_string())),
            ("working hours", Field::One(hours(&rotation.hours))),
        ]
    };
    of.workflow.rules.rotations.iter().map(|(name, rotation)| (name.clone(), fields(rotation))).collect()
}

/// How many addresses there are is told, and that they changed; not which.
pub(super) fn externals(of: &Governance) -> Things {
    let fields = |addresses: &[super::super::EmailAddress]| {
        let all: Vec<&str> = addresses.iter().map(super::super::EmailAddress::as_str).collect();
        vec![("addresses", Field::Hidden(all.len().to_string(), all.join("\n")))]
    };
    of.externals.iter().map(|(party, addresses)| (party.to_string(), fields(addresses))).collect()
}
