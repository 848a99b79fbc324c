//! `calendars.toml`: queues of accounts, and calendars (`calendars/*.ics`) of when nothing is published.

use std::collections::{BTreeMap, BTreeSet};

use pressgate_calendar::{Calendar, EmbargoError, Embargoes, Slots, Zone, ics, ics::Ics};

use super::{
    super::{
        calendars::{AccountTimes, BlackoutCalendar, Calendars, EmbargoCalendar},
        fault::did_you_mean,
        names::Names,
        table::{At, Document, Entry, Report},
    },
    Context,
};
use crate::model::AccountId;

const ACCOUNT_KEYS: &[&str] = &["zone", "slots"];
const CALENDAR_KEYS: &[&str] = &["name", "file", "brands", "zone"];
/// Where the files lie.
const FOLDER: &str = "calendars/";
const SUFFIX: &str = ".ics";
/// The most blackouts, and the most embargoes: each post is held against all of them.
const CALENDARS_MAX: usize = 64;

/// Files that entries name; none where one can't be read.
#[derive(Default)]
struct Named<'d> {
    files: BTreeSet<&'d str>,
    illegible: bool,
}

pub(super) fn calendars(context: &Context<'_>, document: &Document<'_>) -> Calendars {
    let report = context.report;
    document.only(&["account", "blackout", "embargo"], report);
    let mut named = Named { files: BTreeSet::new(), illegible: document.damaged };
    let accounts = document.named_tables("account", report);
    let accounts = accounts.iter().filter_map(|(id, entry)| account(context, id, entry)).collect::<BTreeMap<_, _>>();
    let blackouts = entries(context, document, "blackout");
    let blackouts = blackouts.iter().filter_map(|entry| blackout(context, entry, &mut named)).collect();
    let embargoes = entries(context, document, "embargo");
    let embargoes = embargoes.iter().filter_map(|entry| embargo(context, entry, &mut named)).collect();
    for file in context.files.keys().filter(|file| is_calendar(file) && !named.files.contains(file.as_str())) {
        if !named.illegible {
            report.fault(file, 0, "no `[[blackout]]` and no `[[embargo]]` of calendars.toml names this file");
        }
    }
    Calendars { accounts, blackouts, embargoes }
}

fn is_calendar(file: &str) -> bool {
    file.starts_with(FOLDER) && file.ends_with(SUFFIX)
}

fn entries<'d>(context: &Context<'_>, document: &'d Document<'_>, kind: &'static str) -> Vec<Entry<'d>> {
    // Only for what is given twice.
    Names::collect(document, kind, "name", context.report);
    let entries = document.entries(kind, Some(context.report));
    if let Some(entry) = entries.get(CALENDARS_MAX) {
        entry.fault(entry.line, context.report, format!("there may be {CALENDARS_MAX} of them"));
    }
    entries
}

fn account(context: &Context<'_>, id: &At<String>, entry: &Entry<'_>) -> Option<(AccountId, AccountTimes)> {
    let report = context.report;
    entry.only(ACCOUNT_KEYS, report);
    let known = context.accounts.resolve(entry, "account", id, report);
    let zone = zone(entry, report);
    let slots = entry.strings("slots", report);
    if slots.as_ref().is_some_and(Vec::is_empty) {
        entry.fault(entry.line_of("slots"), report, "`slots` must name at least one time; leave it out for no queue");
    }
    let zone = zone?;
    let slots = slots.filter(|times| !times.is_empty()).and_then(|times| queue(entry, &times, &zone, report));
    known.then(|| (AccountId::new(id.value.clone()), AccountTimes { zone, slots }))
}

/// One queue of all the times; each that is none is told by itself.
fn queue(entry: &Entry<'_>, times: &[At<String>], zone: &Zone, report: &Report) -> Option<Slots> {
    let mut fit = true;
    for time in times {
        if let Err(error) = Slots::parse(&time.value, zone.clone()) {
            entry.fault(time.line, report, format!("`slots`: {error}"));
            fit = false;
        }
    }
    let all: Vec<&str> = times.iter().map(|time| time.value.as_str()).collect();
    match Slots::parse(&all.join(","), zone.clone()) {
        Ok(slots) => Some(slots),
        Err(error) => {
            if fit {
                entry.fault(entry.line_of("slots"), report, format!("`slots`: {error}"));
            }
            None
        }
    }
}

/// The zone of an entry, which must be there.
pub(super) fn zone(entry: &Entry<'_>, report: &Report) -> Option<Zone> {
    let name = entry.required("zone", report)?;
    let zone = Zone::named(&name.value);
    if let Err(unknown) = &zone {
        entry.fault(name.line, report, format!("`zone`: {unknown}"));
    }
    zone.ok()
}

fn blackout<'d>(context: &Context<'_>, entry: &Entry<'d>, named: &mut Named<'d>) -> Option<BlackoutCalendar> {
    let Read { name, file, brands, zone, ics } = read(context, entry, named)?;
    let events = Calendar::new(name.clone(), ics);
    Some(BlackoutCalendar { name, file, brands, zone, events })
}

fn embargo<'d>(context: &Context<'_>, entry: &Entry<'d>, named: &mut Named<'d>) -> Option<EmbargoCalendar> {
    let Read { name, file, brands, zone, ics } = read(context, entry, named)?;
    match Embargoes::from_ics(ics) {
        Ok(events) => Some(EmbargoCalendar { name, file, brands, zone, events }),
        Err(error) => {
            let (EmbargoError::Nothing { line } | EmbargoError::Recurs { line }) = error;
            let text = error.to_string();
            let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
            context.report.fault(&file, usize::try_from(line).unwrap_or(0), what);
            None
        }
    }
}

/// An entry with its file.
struct Read {
    name: String,
    file: String,
    brands: Vec<crate::model::BrandPath>,
    zone: Option<Zone>,
    ics: Ics,
}

fn read<'d>(context: &Context<'_>, entry: &Entry<'d>, named: &mut Named<'d>) -> Option<Read> {
    let report = context.report;
    entry.only(CALENDAR_KEYS, report);
    let name = entry.id("name", report);
    let brands = context.brands.resolve_all(entry, "brands", report);
    if entry.value("brands").is_some_and(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty())) {
        entry.fault(entry.line_of("brands"), report, "`brands` must name a brand; leave it out to mean all");
    }
    match entry.value("file").and_then(|value| value.get_ref().as_str()) {
        Some(file) => drop(named.files.insert(file)),
        None => named.illegible = true,
    }
    let file = entry.required("file", report);
    let given = if entry.has("zone") { Some(zone(entry, report)?) } else { None };
    let file = file?;
    let text = text(context, entry, &file)?;
    let usual = given.clone().unwrap_or_else(Zone::utc);
    let ics = match ics::read(text.as_bytes(), &usual) {
        Ok(ics) => ics,
        Err(error) => {
            let line = usize::try_from(error.line).unwrap_or(0);
            report.fault(&file.value, line, error.problem.to_string());
            return None;
        }
    };
    if given.is_none() && needs_zone(text, &ics) {
        let file = &file.value;
        entry.missing(report, &format!("{file} has days, or times without a zone, so `zone` (an IANA name)"));
        return None;
    }
    Some(Read { name: name?, file: file.value, brands, zone: given, ics })
}

/// Does the calendar mean other instants elsewhere? A day would begin when it does nowhere.
fn needs_zone(text: &str, in_utc: &Ics) -> bool {
    const ELSEWHERE: &str = "Pacific/Kiritimati";
    Zone::named(ELSEWHERE).is_ok_and(|zone| ics::read(text.as_bytes(), &zone).as_ref() != Ok(in_utc))
}

fn text<'f>(context: &Context<'f>, entry: &Entry<'_>, file: &At<String>) -> Option<&'f str> {
    let (report, name) = (context.report, &file.value);
    if !is_calendar(name) {
        entry.fault(file.line, report, format!("`file`: calendars lie in `{FOLDER}` and end in `{SUFFIX}`"));
        return None;
    }
    let found = context.files.get(name);
    if found.is_none() && !context.unread.contains(name) {
        let known = context.files.keys().map(String::as_str).filter(|known| is_calendar(known));
        let hint = did_you_mean(name, known);
        let rule = "paths are relative to the governance folder";
        entry.fault(file.line, report, format!("`file`: there is no file `{name}`, {rule}{hint}"));
    }
    found.map(String::as_str)
}

#[cfg(test)]
pub(super) mod tests;
