//! `limits.toml`: how many calls single apps may make, what networks allow, and who comes first.

use std::collections::BTreeMap;

use super::{
    super::{
        Limit, LimitRules, NetworkLimit, Urgent,
        fault::did_you_mean,
        table::{At, Document, Entry, Report, is_id},
    },
    Context,
};
use crate::model::{Action, ActionClass, AppId};

const KEYS: &[&str] = &["calls_per_minute", "burst"];
const APP_KEYS: &[&str] = &["calls_per_minute", "burst", "post", "reply", "media", "delete", "read", "other"];
const NETWORK_KEYS: &[&str] = &["limit", "window_s", "counts", "points", "calls_per_minute", "burst"];
/// The highest rate and burst.
const CALLS_MAX: u32 = 6_000_000;
/// The longest window: 31 days, in seconds.
const WINDOW_S_MAX: u32 = 31 * 86_400;
/// The most points of one call.
const POINTS_MAX: u32 = 10_000;
/// The most that is kept for replies and crisis messages, in per cent.
const PERCENT_MAX: u32 = 90;
/// The longest wait, in seconds.
const WAIT_S_MAX: u32 = 60;

pub(super) fn limits(context: &Context<'_>, document: &Document<'_>) -> LimitRules {
    let report = context.report;
    document.only(&["app", "network", "urgent", "waiting"], report);
    let mut rules = LimitRules::default();
    for (name, entry) in document.named_tables("app", report) {
        app(context, &name, &entry, &mut rules);
    }
    for (network, entry) in document.named_tables("network", report) {
        if !is_id(&network.value) {
            entry.fault(network.line, report, "this is not the name of a network");
        }
        for (class, entry) in entry.tables("network", report) {
            if !is_id(&class.value) {
                entry.fault(class.line, report, "this is not the name of a budget");
            }
            if let Some(limit) = network_limit(&entry, report) {
                rules.networks.insert((network.value.clone(), class.value), limit);
            }
        }
    }
    rules.urgent = document.table("urgent", report).map(|entry| urgent(context, &entry)).unwrap_or_default();
    if let Some(entry) = document.table("waiting", report) {
        entry.only(&["seconds"], report);
        rules.wait_s = entry.count("seconds", WAIT_S_MAX, report).unwrap_or_default();
    }
    rules
}

fn app(context: &Context<'_>, name: &At<String>, entry: &Entry<'_>, rules: &mut LimitRules) {
    let report = context.report;
    entry.only(APP_KEYS, report);
    let known = context.apps.resolve(entry, "app", name, report);
    let app = AppId::new(name.value.clone());
    let mut classes = 0;
    for class in ActionClass::ALL {
        let Some(entry) = entry.table(class.as_str(), report) else { continue };
        classes += 1;
        entry.only(KEYS, report);
        if let (true, Some(limit)) = (known, pace(&entry, true, report)) {
            rules.classes.insert((app.clone(), class), limit);
        }
    }
    // An app with rules for classes needs none of its own.
    if let (Some(limit), true) = (pace(entry, classes == 0, report), known) {
        rules.apps.insert(app, limit);
    }
}

fn pace(entry: &Entry<'_>, required: bool, report: &Report) -> Option<Limit> {
    if !entry.has("calls_per_minute") && (required || entry.has("burst")) {
        entry.missing(report, "`calls_per_minute`");
    }
    let calls_per_minute = entry.count("calls_per_minute", CALLS_MAX, report);
    let burst = entry.count("burst", CALLS_MAX, report);
    calls_per_minute.map(|calls_per_minute| Limit { calls_per_minute, burst })
}

fn network_limit(entry: &Entry<'_>, report: &Report) -> Option<NetworkLimit> {
    entry.only(NETWORK_KEYS, report);
    for key in ["limit", "window_s"] {
        if !entry.has(key) {
            entry.missing(report, &format!("`{key}`"));
        }
    }
    let limit = entry.count("limit", CALLS_MAX, report);
    let window_s = entry.count("window_s", WINDOW_S_MAX, report);
    let counts = entry.string("counts", report);
    let rolling = counts.as_ref().is_some_and(|counts| counts.value == "rolling");
    if let Some(counts) = counts.filter(|counts| !["fixed", "rolling"].contains(&counts.value.as_str())) {
        entry.fault(counts.line, report, "`counts` must be \"fixed\" or \"rolling\"");
    }
    let points = entry.table("points", report).map(|points| prices(&points, report)).unwrap_or_default();
    let pace = pace(entry, false, report);
    let (limit, window_s) = (limit?, window_s?);
    if let Some(Limit { calls_per_minute, burst }) = pace {
        // What a rate lets through within any window is its burst and what comes back meanwhile.
        let back = (u64::from(calls_per_minute) * u64::from(window_s)).div_ceil(60);
        let most = u64::from(burst.unwrap_or(1)) + back;
        if most > u64::from(limit) {
            entry.fault(
                entry.line_of("calls_per_minute"),
                report,
                format!(
                    "{} at once and {calls_per_minute} a minute are up to {most} in {window_s} s, but the limit is {limit}",
                    burst.unwrap_or(1)
                ),
            );
        }
    }
    Some(NetworkLimit { limit, window_s, rolling, pace, points })
}

fn prices(entry: &Entry<'_>, report: &Report) -> BTreeMap<Action, u32> {
    let mut points = BTreeMap::new();
    for name in entry.keys() {
        match Action::parse(&name.value) {
            Some(action) => {
                if let Some(price) = entry.count(&name.value, POINTS_MAX, report) {
                    points.insert(action, price);
                }
            }
            None => {
                let hint = did_you_mean(&name.value, crate::model::action::ALL.iter().copied());
                entry.fault(name.line, report, format!("unknown action `{}`{hint}", name.value));
            }
        }
    }
    points
}

fn urgent(context: &Context<'_>, entry: &Entry<'_>) -> Urgent {
    let report = context.report;
    entry.only(&["percent", "labels", "apps"], report);
    if !entry.has("percent") {
        entry.missing(report, "`percent`");
    }
    let percent = entry.count("percent", PERCENT_MAX, report).unwrap_or_default();
    let labels = entry.strings("labels", report).unwrap_or_default();
    let mut apps = std::collections::BTreeSet::new();
    for app in entry.strings("apps", report).unwrap_or_default() {
        if context.apps.resolve(entry, "app", &app, report) {
            apps.insert(AppId::new(app.value));
        }
    }
    if labels.is_empty() != apps.is_empty() {
        entry.fault(entry.line, report, "give both `labels` and `apps`, or neither: whose labels count, and which");
    }
    Urgent { percent, labels: labels.into_iter().map(|label| label.value).collect(), apps }
}
