//! When a post leaves: how it was asked for, and what that means now.

use jiff::{SignedDuration, Timestamp, civil::DateTime};
use pressgate_calendar::{Dates, Disambiguation, Rule, Series, TimeError, WallTime, Zone, check_due, parse_instant};
use pressgate_workflow::life::{Plan, Timing};
use serde::{Deserialize, Serialize};

use crate::{
    call::digest,
    refusal::{Fault, Refusal, Stage, problem},
};

/// An occurrence of a recurring post that is later than this is passed over for the next, unless the post may be later.
pub const MISSED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// When a post shall leave, as a caller wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// An instant, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Or what the clocks show, `2027-03-01T09:00`,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// in this zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Which of the two, where the clocks are moved then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disambiguation: Option<Disambiguation>,
    /// The next free slot of its accounts' queue.
    #[serde(default, skip_serializing_if = "is_false")]
    pub queue: bool,
    /// The earliest time to which it may be moved without asking the approvers again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// The latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// From this instant on it is not sent any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Late by more than this it waits for a person, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_max_s: Option<u32>,
    /// An RFC 5545 rule; it must end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Local times beside the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Local times that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// When it was asked for: what a recurrence is counted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
}

/// A plan, and the wish that it came from, as it is kept.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What the life knows.
    pub plan: Plan,
    /// JSON; none where it leaves at once.
    pub kept: Option<String>,
}

impl Default for Planned {
    fn default() -> Self {
        Self { plan: Plan::Now { until: None }, kept: None }
    }
}

/// What a wish means at `now`. `base` is the JSON pointer of the wish in its request.
///
/// # Errors
/// `time-invalid`, with the place; in the gap and the fold with both instants.
pub fn planned(wish: Wish, now: Timestamp, base: &str) -> Result<Planned, Refusal> {
    let wish = Wish { asked_at: Some(now), ..wish };
    let until = instant(wish.until.as_deref(), &format!("{base}/until"))?;
    let (due, recurs) = match (&wish.at, &wish.local, &wish.rule) {
        (Some(at), None, None) => {
            (parse_instant(at).map_err(|error| no(base, "/at", &error, error.candidates()))?, false)
        }
        (None, Some(_), rule) => {
            let wall = wall(&wish, base)?;
            match rule {
                None => (
                    wall.single(wish.disambiguation).map_err(|error| no(base, "/local", &error, error.candidates()))?,
                    false,
                ),
                Some(_) => {
                    let series = series(&wish, &wall, now).map_err(|error| no(base, "/rule", &error, None))?;
                    let first = series.from(now).next();
                    let first = first.ok_or_else(|| no(base, "/rule", &"the recurrence is over", None))?;
                    (first.at, true)
                }
            }
        }
        (None, None, None) if wish.until.is_some() => {
            return Ok(Planned { plan: Plan::Now { until }, kept: kept(&wish) });
        }
        _ => {
            let text = "say `at` (an instant), or `local` with `zone`; `rule` goes with `local`";
            return Err(no(base, "", &text, None));
        }
    };
    check_due(due, now).map_err(|error| no(base, if wish.at.is_some() { "/at" } else { "/local" }, &error, None))?;
    let window = |text: &Option<String>, name: &str| instant(text.as_deref(), &format!("{base}/{name}"));
    let (mut earliest, mut latest) = (window(&wish.earliest, "earliest")?, window(&wish.latest, "latest")?);
    if recurs {
        // Approved once, for every time that the rule names.
        earliest = earliest.or(Some(due));
        latest = latest.or(Some(Timestamp::MAX));
    }
    let timing = Timing {
        due,
        earliest: earliest.unwrap_or(due),
        latest: latest.unwrap_or(due),
        until,
        late_max_s: wish.late_max_s,
        recurs,
    };
    if !timing.permits(due) {
        let text = "the time lies outside `earliest` to `latest`, or is not before `until`";
        return Err(no(base, "", &text, None));
    }
    Ok(Planned { plan: Plan::At(timing), kept: kept(&wish) })
}

/// What another time does not keep of the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// From when on it is not sent any more.
    pub until: bool,
    /// How late it may be.
    pub late_max: bool,
}

/// Another time with what keeps a post from leaving too late: that stays until somebody drops it.
///
/// # Errors
/// The post is not sent any more at that time.
pub fn keeping(planned: Planned, old: &Plan, drops: Drops) -> Result<Planned, Refusal> {
    let Planned { mut plan, kept } = planned;
    let mut wish: Wish = kept.as_deref().and_then(|kept| serde_json::from_str(kept).ok()).unwrap_or_default();
    let until = old.until().filter(|_| !drops.until);
    match &mut plan {
        Plan::At(timing) => {
            timing.until = timing.until.or(until);
            let late_max_s = match old {
                Plan::At(old) if !drops.late_max => old.late_max_s,
                _ => None,
            };
            timing.late_max_s = timing.late_max_s.or(late_max_s);
            wish.late_max_s = timing.late_max_s;
            if let Some(until) = timing.until.filter(|until| *until <= timing.due) {
                let due = timing.due;
                let text = format!(
                    "the post is not sent any more from {until} on (`until`), and {due} is not before that: give a later `until` with the \
                     time, or `\"until\": null` (`--no-until`) where it shall have none"
                );
                return Err(no("/schedule", "/until", &text, None));
            }
        }
        Plan::Now { until: own } => *own = own.or(until),
        Plan::Unplanned => {}
    }
    wish.until = wish.until.or(plan.until().map(|until| until.to_string()));
    let kept = kept.and_then(|_| self::kept(&wish));
    Ok(Planned { plan, kept })
}

/// The next time of a recurring post after one, as its kept wish says, and none that was missed before an instant.
pub fn next_due(kept: &str, after: Timestamp, missed: Timestamp) -> Option<Timestamp> {
    let wish: Wish = serde_json::from_str(kept).ok()?;
    let wall = WallTime::parse(wish.local.as_deref()?, wish.zone.as_deref()?).ok()?;
    let series = series(&wish, &wall, wish.asked_at?).ok()?;
    series.next_after(after.max(missed)).map(|occurrence| occurrence.at)
}

/// The times of a recurring post from an instant on and before another, as its kept wish says, so many at most.
pub fn occurrences(kept: &str, from: Timestamp, until: Timestamp, limit: usize) -> Vec<Timestamp> {
    let series = || {
        let wish: Wish = serde_json::from_str(kept).ok()?;
        wish.rule.as_ref()?;
        let wall = WallTime::parse(wish.local.as_deref()?, wish.zone.as_deref()?).ok()?;
        series(&wish, &wall, wish.asked_at?).ok()
    };
    let Some(series) = series() else { return Vec::new() };
    series.from(from).map(|occurrence| occurrence.at).take_while(|at| *at < until).take(limit).collect()
}

/// The rule that a kept wish recurs by.
pub fn rule_of(kept: &str) -> Option<String> {
    serde_json::from_str::<Wish>(kept).ok()?.rule
}

/// The digest of what an approval covers: the content, and the window in which it leaves.
pub fn covered(salt: &str, content: &str, plan: &Plan) -> String {
    let window = match plan {
        Plan::Unplanned => "unplanned".to_owned(),
        Plan::Now { until } => format!("now {until:?}"),
        Plan::At(Timing { earliest, latest, until, recurs, late_max_s, .. }) => {
            format!("at {earliest} {latest} {until:?} {recurs} {late_max_s:?}")
        }
    };
    digest::keyed(salt, &format!("{content} {window}"))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

fn kept(wish: &Wish) -> Option<String> {
    serde_json::to_string(wish).ok()
}

fn wall(wish: &Wish, base: &str) -> Result<WallTime, Refusal> {
    let zone = wish.zone.as_deref().ok_or_else(|| no(base, "/zone", &"`local` needs a `zone`", None))?;
    WallTime::parse(wish.local.as_deref().unwrap_or_default(), zone).map_err(|error| {
        let place = if matches!(error, TimeError::Zone(_)) { "/zone" } else { "/local" };
        no(base, place, &error, None)
    })
}

fn series(wish: &Wish, wall: &WallTime, now: Timestamp) -> Result<Series, String> {
    let rule = Rule::parse(wish.rule.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
    let dates = |texts: &[String]| -> Result<Vec<DateTime>, String> {
        texts
            .iter()
            .map(|text| {
                let local = WallTime::parse(text, Zone::utc().name()).map_err(|error| error.to_string())?;
                Ok(local.local)
            })
            .collect()
    };
    let dates = Dates { added: dates(&wish.added)?, excluded: dates(&wish.excluded)? };
    Series::of_post(wall, rule, &dates, now).map_err(|error| error.to_string())
}

fn instant(text: Option<&str>, pointer: &str) -> Result<Option<Timestamp>, Refusal> {
    text.map(parse_instant).transpose().map_err(|error| no(pointer, "", &error, None))
}

fn no(base: &str, place: &str, why: &dyn std::fmt::Display, candidates: Option<(Timestamp, Timestamp)>) -> Refusal {
    let text = why.to_string();
    let mut faults = vec![fault(format!("{base}{place}"), "time", text.clone())];
    if let Some((earlier, later)) = candidates {
        faults.push(fault(format!("{base}{place}"), "earlier", earlier.to_string()));
        faults.push(fault(format!("{base}{place}"), "later", later.to_string()));
    }
    Refusal::new(problem::TIME_INVALID, Stage::Door, format!("{text}.")).with_faults(faults)
}

fn fault(pointer: String, code: &str, message: String) -> Fault {
    Fault { pointer: Some(pointer), account: None, code: code.to_owned(), message, measured: None, allowed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2027-03-01T00:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn wish(json: &str) -> Result<Planned, Refusal> {
        planned(serde_json::from_str(json).unwrap(), now(), "/schedule")
    }

    fn timing(json: &str) -> Timing {
        let Plan::At(timing) = wish(json).unwrap().plan else { panic!("a time") };
        timing
    }

    #[test]
    fn a_wish_is_an_instant_or_a_local_time() {
        let expected: Timestamp = "2027-06-01T07:00:00Z".parse().unwrap();
        assert_eq!(timing(r#"{"at": "2027-06-01T09:00:00+02:00"}"#).due, expected);
        assert_eq!(timing(r#"{"local": "2027-06-01T09:00", "zone": "Europe/Prague"}"#).due, expected);
        for (json, pointer) in [
            (r#"{}"#, "/schedule"),
            (r#"{"at": "tomorrow"}"#, "/schedule/at"),
            (r#"{"at": "2027-02-01T09:00:00Z"}"#, "/schedule/at"),
            (r#"{"local": "2027-06-01T09:00"}"#, "/schedule/zone"),
            (r#"{"local": "2027-06-01T09:00", "zone": "Mars/Olympus"}"#, "/schedule/zone"),
            (r#"{"at": "2027-06-01T09:00:00Z", "rule": "FREQ=DAILY;COUNT=2"}"#, "/schedule"),
            (r#"{"local": "2027-06-01T09:00", "zone": "Europe/Prague", "rule": "FREQ=DAILY"}"#, "/schedule/rule"),
            (r#"{"at": "2027-06-01T09:00:00Z", "until": "2027-05-01T09:00:00Z"}"#, "/schedule"),
        ] {
            let refusal = wish(json).unwrap_err();
            assert_eq!(refusal.problem, problem::TIME_INVALID, "{json}");
            assert_eq!(refusal.faults[0].pointer.as_deref(), Some(pointer), "{json}: {refusal}");
        }
    }

    #[test]
    fn an_hour_that_does_not_exist_or_comes_twice_is_told_with_both_instants() {
        for (local, earlier, later) in [
            ("2027-03-28T02:30", "2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z"),
            ("2027-10-31T02:30", "2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"),
        ] {
            let refusal = wish(&format!(r#"{{"local": "{local}", "zone": "Europe/Prague"}}"#)).unwrap_err();
            let told: Vec<_> = refusal.faults.iter().skip(1).map(|fault| fault.message.as_str()).collect();
            assert_eq!(told, [earlier, later]);
            let json = format!(r#"{{"local": "{local}", "zone": "Europe/Prague", "disambiguation": "later"}}"#);
            assert_eq!(timing(&json).due.to_string(), later);
        }
    }

    #[test]
    fn a_recurrence_goes_on_by_the_clocks_of_its_zone_and_passes_over_what_was_missed() {
        let planned =
            wish(r#"{"local": "2027-03-22T09:00", "zone": "Europe/Prague", "rule": "FREQ=WEEKLY;COUNT=4"}"#).unwrap();
        let Plan::At(timing) = planned.plan else { panic!("a time") };
        assert_eq!((timing.due.to_string().as_str(), timing.recurs), ("2027-03-22T08:00:00Z", true));
        let kept = planned.kept.unwrap();
        let next = next_due(&kept, timing.due, timing.due).unwrap();
        assert_eq!(next.to_string(), "2027-03-29T07:00:00Z", "nine o'clock, in summer");
        assert!(timing.permits(next));
        let late: Timestamp = "2027-04-03T23:00:00Z".parse().unwrap();
        assert_eq!(next_due(&kept, timing.due, late).unwrap().to_string(), "2027-04-05T07:00:00Z");
        let all = occurrences(&kept, timing.due, Timestamp::MAX, 100);
        let told: Vec<String> = all.iter().map(ToString::to_string).collect();
        let expected = ["2027-03-22T08:00:00Z", "2027-03-29T07:00:00Z", "2027-04-05T07:00:00Z", "2027-04-12T07:00:00Z"];
        assert_eq!(told, expected);
        assert_eq!(occurrences(&kept, late, all[3], 100), [all[2]], "from then, and before");
        assert_eq!(occurrences(&kept, timing.due, Timestamp::MAX, 1), [timing.due], "so many");
        assert_eq!(rule_of(&kept).as_deref(), Some("FREQ=WEEKLY;COUNT=4"));
        let over: Timestamp = "2027-05-01T00:00:00Z".parse().unwrap();
        assert_eq!(next_due(&kept, timing.due, over), None);
    }

    #[test]
    fn an_approval_covers_the_window() {
        let plan = |json: &str| wish(json).unwrap().plan;
        let one = plan(
            r#"{"at": "2027-06-01T09:00:00Z", "earliest": "2027-06-01T08:00:00Z", "latest": "2027-06-01T18:00:00Z"}"#,
        );
        let moved = plan(
            r#"{"at": "2027-06-01T10:00:00Z", "earliest": "2027-06-01T08:00:00Z", "latest": "2027-06-01T18:00:00Z"}"#,
        );
        let other = plan(
            r#"{"at": "2027-06-01T10:00:00Z", "earliest": "2027-06-01T08:00:00Z", "latest": "2027-06-01T19:00:00Z"}"#,
        );
        assert_eq!(covered("s", "d", &one), covered("s", "d", &moved));
        assert_ne!(covered("s", "d", &one), covered("s", "d", &other));
        assert_ne!(covered("s", "d", &one), covered("s", "e", &one));
    }
}
