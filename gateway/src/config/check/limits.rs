//! `limits.toml`: how many calls single apps may make.

use std::collections::BTreeMap;

use super::{
    super::{Limit, LimitRules, table::Document},
    Context,
};
use crate::model::AppId;

const KEYS: &[&str] = &["calls_per_minute", "burst"];
/// The highest rate and burst.
const CALLS_MAX: u32 = 6_000_000;

pub(super) fn limits(context: &Context<'_>, document: &Document<'_>) -> LimitRules {
    let report = context.report;
    document.only(&["app"], report);
    let mut apps = BTreeMap::new();
    for (name, entry) in document.named_tables("app", report) {
        entry.only(KEYS, report);
        let known = context.apps.resolve(&entry, "app", &name, report);
        if !entry.has("calls_per_minute") {
            entry.missing(report, "`calls_per_minute`");
        }
        let calls_per_minute = entry.count("calls_per_minute", CALLS_MAX, report);
        let burst = entry.count("burst", CALLS_MAX, report);
        if let (true, Some(calls_per_minute)) = (known, calls_per_minute) {
            apps.insert(AppId::new(name.value), Limit { calls_per_minute, burst });
        }
    }
    LimitRules { apps }
}
