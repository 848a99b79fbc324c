//! The query of a search or a stream, checked.

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::{
    query::parameter,
    text::{shortened, too_long, unfit_id},
};
use crate::{
    call::digest,
    config::did_you_mean,
    index::{Filter, KINDS, OUTCOMES, Order, Query, WORDS_MAX},
    model::BrandPath,
    refusal::Refusal,
};

/// Leaves of one page, at most.
pub const PAGE_MAX: usize = 200;
/// Leaves of one page where the caller does not say.
const PAGE: usize = 50;
/// Longest searched text.
const TEXT_CHARS_MAX: usize = 200;

/// The parameters of a search, in the order in which a leaf tells them.
pub const PARAMETERS: [&str; 12] =
    ["actor", "account", "brand", "action", "outcome", "kind", "from", "to", "text", "cursor", "limit", "order"];

/// Which leaves, in which order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Only of this actor: `app:newsroom`, `person:editor-7`, or an id alone for either.
    pub(super) actor: Option<String>,
    /// Only about this account.
    pub(super) account: Option<String>,
    /// Only of this brand and those below.
    pub(super) brand: Option<String>,
    /// Only of this action: `post.create`, `apply`, `audit.search`, …
    pub(super) action: Option<String>,
    /// Only with this outcome: `sent`, `answered`, `not-sent`, `unanswered`, `unknown`, `refused`, `finished`, `held`, `approved`,
    /// `rejected`, `withdrawn`.
    pub(super) outcome: Option<String>,
    /// Only of this kind: `intent`, `outcome`, `refused`, `vote`, `change`, …
    pub(super) kind: Option<String>,
    /// Only what happened at this time or later (RFC 3339).
    pub(super) from: Option<String>,
    /// Only what happened before this time (RFC 3339).
    pub(super) to: Option<String>,
    /// Only leaves that hold all these words; a word before `*` is how one begins. Words are ids, codes, names of fields' values.
    pub(super) text: Option<String>,
    /// `next` of the page before: an index of the log.
    #[param(value_type = Option<u64>)]
    pub(super) cursor: Option<String>,
    /// At most this many, 1 to 200; 50 where it is left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    pub(super) limit: Option<String>,
    /// `newest` first, or `oldest` first; `newest` where it is left out.
    pub(super) order: Option<String>,
}

/// A checked query, and how the log names it.
pub(super) struct Asked {
    pub(super) query: Query,
    /// Names and values; a searched text is there as its digest.
    pub(super) told: Option<String>,
}

impl SearchQuery {
    /// Checks every parameter.
    ///
    /// # Errors
    /// `invalid-request`, which names the parameter.
    pub(super) fn check(self) -> Result<Asked, Refusal> {
        let told = self.told();
        let filter = Filter {
            actor: id("actor", self.actor, |actor| {
                actor.strip_prefix("app:").or_else(|| actor.strip_prefix("person:")).unwrap_or(actor)
            })?,
            account: id("account", self.account, |account| account)?,
            brand: brand(self.brand)?,
            action: id("action", self.action, |action| action)?,
            outcome: one_of("outcome", self.outcome, &OUTCOMES)?,
            kind: one_of("kind", self.kind, &KINDS)?,
            from_ms: instant("from", self.from)?,
            to_ms: instant("to", self.to)?,
            ..Filter::default()
        };
        let filter = match self.text {
            Some(text) => searched(filter, &text)?,
            None => filter,
        };
        let order = match one_of("order", self.order, &["newest", "oldest"])?.as_deref() {
            Some("oldest") => Order::OldestFirst,
            _ => Order::NewestFirst,
        };
        let limit = match self.limit {
            Some(text) => text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)),
            None => Some(PAGE),
        };
        let limit =
            limit.ok_or_else(|| parameter("limit", format!("`limit` must be a number from 1 to {PAGE_MAX}.")))?;
        Ok(Asked { query: Query { filter, order, after: index("cursor", self.cursor)?, limit }, told })
    }

    fn told(&self) -> Option<String> {
        let text = self.text.as_ref().map(|text| format!("sha256:{}", digest::sha256_hex(text.as_bytes())));
        let values = [
            &self.actor,
            &self.account,
            &self.brand,
            &self.action,
            &self.outcome,
            &self.kind,
            &self.from,
            &self.to,
            &text,
            &self.cursor,
            &self.limit,
            &self.order,
        ];
        let given =
            PARAMETERS.into_iter().zip(values).filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        Some(given.collect::<Vec<_>>().join("&")).filter(|told| !told.is_empty())
    }
}

/// An index of the log.
pub(super) fn index(name: &str, value: Option<String>) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    // What SQLite can count; no log reaches that far.
    let parsed = value.parse::<u64>().ok().filter(|index| i64::try_from(*index).is_ok());
    let fault = || parameter(name, format!("`{name}` must be an index of the log, such as the `next` of a page."));
    parsed.map(Some).ok_or_else(fault)
}

/// The index after which somebody wants to go on. What lies behind the log's end is of another log, or of this one before it was
/// restored: whoever goes on from there would miss whatever comes, in silence.
pub(super) fn within(name: &str, after: Option<u64>, next_index: u64) -> Result<Option<u64>, Refusal> {
    let last = next_index.checked_sub(1);
    match after {
        Some(after) if last.is_none_or(|last| after > last) => {
            let end = last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at leaf {last}"));
            Err(parameter(
                name,
                format!(
                    "`{name}` is {after}, and the log {end}: you read another log, or this one was restored from a backup. \
                     Compare the checkpoint that you kept, and begin anew."
                ),
            ))
        }
        after => Ok(after),
    }
}

fn id(name: &str, value: Option<String>, bare: fn(&str) -> &str) -> Result<Option<String>, Refusal> {
    match &value {
        // It goes into the log as it is, so it must be no more than an id.
        Some(text) => match unfit_id("", &format!("`{name}`"), bare(text)) {
            Some(fault) => Err(parameter(name, fault.message)),
            None => Ok(value),
        },
        None => Ok(None),
    }
}

fn brand(value: Option<String>) -> Result<Option<BrandPath>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let bad = value.chars().count() > 1_100 || value.split('/').any(|part| unfit_id("", "", part).is_some());
    if bad {
        return Err(parameter("brand", "`brand` must be a brand's path, such as `acme/snacks`.".into()));
    }
    Ok(Some(BrandPath::new(value)))
}

pub(super) fn one_of(name: &str, value: Option<String>, known: &[&str]) -> Result<Option<String>, Refusal> {
    match value {
        Some(text) if !known.contains(&text.as_str()) => {
            let (list, near) = (known.join("`, `"), did_you_mean(&text, known.iter().copied()));
            Err(parameter(name, format!("`{}` is no {name}{} Use one of `{list}`.", shortened(&text, 64), stop(&near))))
        }
        value => Ok(value),
    }
}

/// A hint, or the end of the sentence before it.
fn stop(hint: &str) -> &str {
    if hint.is_empty() { "." } else { hint }
}

pub(super) fn instant(name: &str, value: Option<String>) -> Result<Option<i64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let fault = || {
        let example = "2030-01-31T00:00:00Z";
        parameter(name, format!("`{name}` must be an RFC 3339 date-time with an offset, such as {example}."))
    };
    value.parse::<Timestamp>().map(|at| Some(at.as_millisecond())).map_err(|_| fault())
}

fn searched(filter: Filter, text: &str) -> Result<Filter, Refusal> {
    if let Some(fault) = too_long("", "`text`", text, TEXT_CHARS_MAX) {
        return Err(parameter("text", fault.message));
    }
    let filter = filter.containing(text);
    if filter.text.is_empty() || filter.text.len() > WORDS_MAX {
        return Err(parameter("text", format!("`text` must hold 1 to {WORDS_MAX} words.")));
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_searched_text_is_told_as_its_digest_only() {
        let query = SearchQuery {
            actor: Some("person:ada".into()),
            text: Some("Secret Word".into()),
            limit: Some("7".into()),
            ..SearchQuery::default()
        };
        let asked = query.check().unwrap();
        let told = asked.told.unwrap();
        assert!(told.starts_with("actor=person:ada&text=sha256:") && told.ends_with("&limit=7"), "{told}");
        assert!(!told.to_lowercase().contains("secret"), "{told}");
        assert_eq!((asked.query.limit, asked.query.filter.text.len()), (7, 2));
    }

    #[test]
    fn nobody_goes_on_behind_the_end_of_the_log() {
        assert_eq!(within("cursor", Some(6), 7).unwrap(), Some(6));
        assert_eq!(within("cursor", None, 0).unwrap(), None);
        for (after, next, end) in [(7, 7, "ends at leaf 6"), (u64::MAX, 7, "ends at leaf 6"), (0, 0, "is empty")] {
            let refusal = within("Last-Event-ID", Some(after), next).unwrap_err();
            assert!(refusal.detail.contains(end) && refusal.detail.contains("restored"), "{}", refusal.detail);
            assert_eq!(refusal.faults[0].code, "parameter-Last-Event-ID");
        }
    }

    #[test]
    fn a_slip_is_told_what_was_meant() {
        let query = SearchQuery { outcome: Some("refusd".into()), ..SearchQuery::default() };
        let detail = query.check().err().unwrap().detail;
        assert!(detail.starts_with("`refusd` is no outcome; did you mean `refused`? Use one of"), "{detail}");
        let query = SearchQuery { kind: Some("banana".into()), ..SearchQuery::default() };
        let detail = query.check().err().unwrap().detail;
        assert!(detail.starts_with("`banana` is no kind. Use one of"), "{detail}");
    }

    #[test]
    fn values_that_mean_nothing_are_named() {
        type Put = fn(&mut SearchQuery, String);
        let set: [(&str, Put, &[&str]); 9] = [
            ("actor", |query, value| query.actor = Some(value), &["ada@example.org", "", "app:", "a b"]),
            ("account", |query, value| query.account = Some(value), &["a/b", ""]),
            ("brand", |query, value| query.brand = Some(value), &["/acme", "acme//b", "a b"]),
            ("outcome", |query, value| query.outcome = Some(value), &["Sent", "fine"]),
            ("kind", |query, value| query.kind = Some(value), &["intents"]),
            ("from", |query, value| query.from = Some(value), &["yesterday", "2030-01-31"]),
            ("text", |query, value| query.text = Some(value), &["", "*", "a b c d e f g h i j k l m n o p q"]),
            ("cursor", |query, value| query.cursor = Some(value), &["-1", "x", "18446744073709551615"]),
            ("limit", |query, value| query.limit = Some(value), &["0", "201", "many"]),
        ];
        for (name, put, values) in set {
            for value in values {
                let mut query = SearchQuery::default();
                put(&mut query, (*value).to_owned());
                let refusal = query.check().err().unwrap_or_else(|| panic!("{name}={value} is taken"));
                assert_eq!(refusal.faults.first().unwrap().code, format!("parameter-{name}"));
            }
        }
    }
}
