//! Who stands in for whom, who is on call, and parties outside the house.

use std::collections::BTreeMap;

use pressgate_workflow::{
    approval::{ExternalParty, Rotation, Substitute},
    ids::{External, PersonId},
};

use super::{
    super::{
        super::{
            EmailAddress,
            table::{Document, Entry, ID_RULE, Report, is_id},
        },
        Context, people,
    },
    DAYS_MAX, times,
};

const SUBSTITUTE_KEYS: &[&str] = &["person", "by", "from", "until"];
const ROTATION_KEYS: &[&str] = &["people", "period", "anchor", "hours"];
const EXTERNAL_KEYS: &[&str] = &["addresses"];
/// The most substitutes; each vote is held against all of them.
const SUBSTITUTES_MAX: usize = 500;
/// The most rotations, and the most outside parties.
const PARTIES_MAX: usize = 100;
/// The most turns of a rotation before it begins again.
const TURNS_MAX: usize = 200;
/// The most addresses of an outside party.
const ADDRESSES_MAX: usize = 20;
/// An hour, in seconds.
const HOUR_S: u32 = 3_600;

pub(super) fn substitutes(context: &Context<'_>, document: &Document<'_>) -> Vec<Substitute> {
    let entries = document.entries("substitute", Some(context.report));
    if let Some(entry) = entries.get(SUBSTITUTES_MAX) {
        entry.fault(entry.line, context.report, format!("there may be {SUBSTITUTES_MAX} of them"));
    }
    entries.iter().filter_map(|entry| substitute(context, entry)).collect()
}

fn substitute(context: &Context<'_>, entry: &Entry<'_>) -> Option<Substitute> {
    let report = context.report;
    entry.only(SUBSTITUTE_KEYS, report);
    let person =
        |key: &'static str| entry.required(key, report).filter(|name| context.people.resolve(entry, key, name, report));
    let (away, by) = (person("person"), person("by"));
    for key in ["from", "until"] {
        if !entry.has(key) {
            entry.missing(report, &format!("`{key}`"));
        }
    }
    let (from, until) = (entry.instant("from", report), entry.instant("until", report));
    if let (Some(away), Some(by)) = (&away, &by)
        && away.value == by.value
    {
        entry.fault(by.line, report, "`by`: nobody is their own substitute");
    }
    if let (Some(from), Some(until)) = (&from, &until)
        && until.value <= from.value
    {
        entry.fault(until.line, report, "`until` must be later than `from`");
    }
    Some(Substitute { person: away?.value.into(), by: by?.value.into(), from: from?.value, until: until?.value })
}

pub(super) fn rotations(context: &Context<'_>, document: &Document<'_>) -> BTreeMap<String, Rotation> {
    let report = context.report;
    let tables = tables(document, "rotation", report);
    tables.iter().filter_map(|(name, entry)| Some((name.clone(), rotation(context, entry)?))).collect()
}

fn rotation(context: &Context<'_>, entry: &Entry<'_>) -> Option<Rotation> {
    let report = context.report;
    entry.only(ROTATION_KEYS, report);
    for key in ROTATION_KEYS.iter().filter(|key| !entry.has(key)) {
        entry.missing(report, &format!("`{key}`"));
    }
    // Somebody may have two turns in a round.
    let people = entry.strings("people", report);
    if people.as_ref().is_some_and(|people| !(1..=TURNS_MAX).contains(&people.len())) {
        entry.fault(entry.line_of("people"), report, format!("`people` must name 1 to {TURNS_MAX} people in turn"));
    }
    let people = people.unwrap_or_default();
    let known = people.iter().filter(|name| context.people.resolve(entry, "people", name, report));
    let people: Vec<PersonId> = known.map(|name| name.value.as_str().into()).collect();
    let period = entry.seconds("period", DAYS_MAX, report);
    if let Some(period) = period.as_ref().filter(|period| period.value % HOUR_S != 0) {
        entry.fault(period.line, report, "`period`: a turn lasts whole hours");
    }
    let anchor = entry.local("anchor", report);
    let hours = entry.table("hours", report).and_then(|hours| times::hours(&hours, report));
    Some(Rotation { people, period_h: period?.value / HOUR_S, anchor: anchor?.value, hours: hours? })
}

/// Addresses by party, and what the rules need to know of them.
pub(super) fn externals(
    document: &Document<'_>,
    report: &Report,
) -> (BTreeMap<External, Vec<EmailAddress>>, BTreeMap<External, ExternalParty>) {
    let (mut all, mut parties) = (BTreeMap::new(), BTreeMap::new());
    for (name, entry) in tables(document, "external", report) {
        entry.only(EXTERNAL_KEYS, report);
        let Some(addresses) = addresses(&entry, report) else { continue };
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        parties.insert(External::from(name.as_str()), ExternalParty { addresses: count });
        all.insert(External::from(name), addresses);
    }
    (all, parties)
}

/// The addresses, each once: a link goes to one of them, and is one vote. None where one is faulty.
fn addresses(entry: &Entry<'_>, report: &Report) -> Option<Vec<EmailAddress>> {
    if !entry.has("addresses") {
        entry.missing(report, "`addresses`");
    }
    let texts = entry.strings("addresses", report)?;
    if !(1..=ADDRESSES_MAX).contains(&texts.len()) {
        let message = format!("`addresses` must hold 1 to {ADDRESSES_MAX} addresses");
        entry.fault(entry.line_of("addresses"), report, message);
        return None;
    }
    let mut addresses: Vec<EmailAddress> = Vec::new();
    for text in &texts {
        let address = people::email(entry, "addresses", text, report)?;
        if addresses.contains(&address) {
            entry.fault(text.line, report, "`addresses`: this address is given twice, and one link is one vote");
        }
        addresses.push(address);
    }
    Some(addresses)
}

/// Tables of a kind, within limits and with plain names.
fn tables<'d>(document: &'d Document<'_>, kind: &'static str, report: &Report) -> Vec<(String, Entry<'d>)> {
    let tables = document.named_tables(kind, report);
    if let Some((name, entry)) = tables.get(PARTIES_MAX) {
        entry.fault(name.line, report, format!("there may be {PARTIES_MAX} of them"));
    }
    for (name, entry) in tables.iter().filter(|(name, _)| !is_id(&name.value)) {
        entry.fault(name.line, report, format!("the name must be {ID_RULE}"));
    }
    tables.into_iter().map(|(name, entry)| (name.value, entry)).collect()
}
