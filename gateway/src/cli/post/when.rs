//! When a post leaves, as options.

use serde_json::{Map, Value, json};

use crate::cli::freeze::seconds;

/// Everything that a `schedule` may have.
const NAMES: [&str; 12] = [
    "at",
    "local",
    "zone",
    "disambiguation",
    "queue",
    "earliest",
    "latest",
    "until",
    "late_max_s",
    "rule",
    "added",
    "excluded",
];

/// When a post leaves.
#[derive(Debug, Default, clap::Args)]
pub struct When {
    /// At this instant: `2027-03-01T09:00:00+01:00`.
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    /// When the clocks of --zone show this: `2027-03-01T09:00`.
    #[arg(long, value_name = "TIME", requires = "zone", conflicts_with = "at")]
    local: Option<String>,
    /// Where the clocks hang: `Europe/Prague`.
    #[arg(long, requires = "local")]
    zone: Option<String>,
    /// Which instant is meant where the clocks are moved just then.
    #[arg(long, value_parser = ["earlier", "later", "compatible"], requires = "local")]
    disambiguation: Option<String>,
    /// In the next free slot of its accounts' queue.
    #[arg(long, conflicts_with_all = ["at", "local"])]
    queue: bool,
    /// Again and again by this rule of RFC 5545, which must end: `FREQ=WEEKLY;BYDAY=MO;COUNT=20`.
    #[arg(long, requires = "local")]
    rule: Option<String>,
    /// Also at this local time. Repeatable.
    #[arg(long = "add", value_name = "TIME", requires = "rule")]
    added: Vec<String>,
    /// Not at this local time of the rule. Repeatable.
    #[arg(long = "exclude", value_name = "TIME", requires = "rule")]
    excluded: Vec<String>,
    /// It may be moved to this instant or later without asking the approvers again.
    #[arg(long, value_name = "INSTANT")]
    earliest: Option<String>,
    /// It may be moved to this instant or earlier without asking the approvers again.
    #[arg(long, value_name = "INSTANT")]
    latest: Option<String>,
    /// From this instant on it is not sent any more.
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
    /// It may be sent at any later time again.
    #[arg(long, conflicts_with = "until")]
    no_until: bool,
    /// Later than this it waits for a person: `10m`.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    late_max: Option<u32>,
    /// It may be as late again as any post.
    #[arg(long, conflicts_with = "late_max")]
    no_late_max: bool,
}

impl When {
    /// The `schedule` of a request; none where nothing was said.
    pub fn body(&self) -> Option<Value> {
        let mut body = Map::new();
        let texts = [
            ("at", &self.at),
            ("local", &self.local),
            ("zone", &self.zone),
            ("disambiguation", &self.disambiguation),
            ("earliest", &self.earliest),
            ("latest", &self.latest),
            ("until", &self.until),
            ("rule", &self.rule),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
        let lists = [("added", &self.added), ("excluded", &self.excluded)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name, json!(list)));
        let more = [
            ("queue", self.queue.then(|| json!(true))),
            ("late_max_s", self.late_max.map(|late| json!(late))),
            ("until", self.no_until.then_some(Value::Null)),
            ("late_max_s", self.no_late_max.then_some(Value::Null)),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        body.extend(texts.chain(lists).chain(more).map(|(name, value)| (name.to_owned(), value)));
        (!body.is_empty()).then_some(Value::Object(body))
    }

    /// A time is given, and no rule.
    pub fn is_one_time(&self) -> bool {
        self.rule.is_none() && (self.at.is_some() || self.local.is_some() || self.queue)
    }

    /// The same as a merge patch on another `schedule`, of which nothing stays but what keeps the post from leaving too late.
    pub fn patch(&self) -> Option<Value> {
        let mut body = self.body()?;
        let fields = body.as_object_mut()?;
        for name in NAMES.into_iter().filter(|name| !["until", "late_max_s"].contains(name)) {
            fields.entry(name).or_insert(Value::Null);
        }
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_leaves_of_the_time_before_only_what_keeps_the_post_from_leaving_too_late() {
        assert_eq!(When::default().patch(), None);
        let when = When { at: Some("t".into()), late_max: Some(60), ..When::default() };
        assert_eq!(when.body(), Some(json!({"at": "t", "late_max_s": 60})));
        let patch = when.patch().unwrap();
        assert_eq!(patch["at"], "t");
        let names: Vec<_> = patch.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), NAMES.len() - 1, "no name is missing or wrong: {names:?}");
        assert!(names.iter().filter(|name| patch[name].is_null()).count() == NAMES.len() - 3);
        assert!(!names.contains(&"until"));
        let dropped = When { at: Some("t".into()), no_until: true, no_late_max: true, ..When::default() };
        let expected = json!({"at": "t", "until": null, "late_max_s": null});
        assert_eq!(dropped.body(), Some(expected));
    }
}
