//! What of `calendars.toml` and its `.ics` files differs.

use aws_lc_rs::digest::{SHA256, digest};
use pressgate_calendar::Zone;

use super::{super::Governance, Field, Fields, Things};
use crate::model::{BrandPath, hex::hex};

pub(super) fn times(of: &Governance) -> Things {
    let fields = |times: &super::super::calendars::AccountTimes| {
        let slots = times.slots.as_ref().map(ToString::to_string).unwrap_or_default();
        let slots = slots.split(", ").filter(|slot| !slot.is_empty()).map(str::to_owned);
        vec![("zone", Field::One(times.zone.to_string())), ("slots", Field::Several(slots.collect()))]
    };
    of.calendars.accounts.iter().map(|(account, times)| (account.to_string(), fields(times))).collect()
}

pub(super) fn blackouts(of: &Governance) -> Things {
    let all = of.calendars.blackouts.iter();
    all.map(|it| (it.name.clone(), calendar(of, &it.file, &it.brands, it.zone.as_ref()))).collect()
}

pub(super) fn embargoes(of: &Governance) -> Things {
    let all = of.calendars.embargoes.iter();
    all.map(|it| (it.name.clone(), calendar(of, &it.file, &it.brands, it.zone.as_ref()))).collect()
}

/// The events are those of the file: another digest is another calendar.
fn calendar(of: &Governance, file: &str, brands: &[BrandPath], zone: Option<&Zone>) -> Fields {
    let text = of.files.get(file).map(|text| hex(digest(&SHA256, text.as_bytes()).as_ref())).unwrap_or_default();
    vec![
        ("file", Field::One(file.to_owned())),
        ("brands", Field::Several(brands.iter().map(ToString::to_string).collect())),
        ("zone", Field::One(zone.map(ToString::to_string).unwrap_or_default())),
        ("text", Field::One(text)),
    ]
}
