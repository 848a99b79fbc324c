//! Embargoes: nothing about a matter before a time.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ics::{Event, Ics, Status};
use crate::rule::End;

/// Nothing with one of these labels or campaigns before a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embargo {
    /// What it is called.
    pub name: String,
    /// Labels that it holds back.
    pub labels: Vec<String>,
    /// Campaigns that it holds back.
    pub campaigns: Vec<String>,
    /// From this instant on it is lifted.
    pub until: Timestamp,
}

/// Embargoes that hold for the same posts, by the calendars that they came from. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embargoes(Vec<Arc<[Embargo]>>);

/// Why an event is no embargo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbargoError {
    /// It has no category.
    #[error("line {line}: the embargo names nothing; add CATEGORIES with labels, or `campaign:NAME` for a campaign")]
    Nothing {
        /// Of its `BEGIN:VEVENT`.
        line: u32,
    },
    /// It recurs.
    #[error("line {line}: an embargo is lifted once; remove RRULE and RDATE")]
    Recurs {
        /// Of its `BEGIN:VEVENT`.
        line: u32,
    },
}

const CAMPAIGN: &str = "campaign:";

impl Embargoes {
    /// These embargoes.
    pub fn new(all: Vec<Embargo>) -> Self {
        Self(vec![all.into()])
    }

    /// All of these together.
    pub fn joined<'a>(calendars: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(calendars.into_iter().flat_map(|calendar| calendar.0.iter().map(Arc::clone)).collect())
    }

    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &Embargo> {
        self.0.iter().flat_map(|calendar| calendar.iter())
    }

    /// Each event of a calendar is an embargo that is lifted when the event **begins**. `CATEGORIES` has the labels, and campaigns as
    /// `campaign:spring`. A cancelled event is none.
    ///
    /// # Errors
    /// For an event without categories, and one that recurs.
    pub fn from_ics(ics: Ics) -> Result<Self, EmbargoError> {
        ics.events
            .into_iter()
            .filter(|event| event.status != Status::Cancelled)
            .map(embargo)
            .collect::<Result<Vec<_>, _>>()
            .map(Self::new)
    }

    /// What holds a post back at an instant: of several embargoes the one that is lifted last.
    pub fn holds<'a>(
        &'a self,
        labels: &[impl AsRef<str>],
        campaign: Option<&str>,
        at: Timestamp,
    ) -> Option<&'a Embargo> {
        let about = |embargo: &&Embargo| {
            let labelled = labels.iter().any(|label| embargo.labels.iter().any(|held| held == label.as_ref()));
            labelled || campaign.is_some_and(|campaign| embargo.campaigns.iter().any(|held| held == campaign))
        };
        self.all().filter(|embargo| at < embargo.until).filter(about).max_by_key(|embargo| embargo.until)
    }
}

fn embargo(event: Event) -> Result<Embargo, EmbargoError> {
    let line = event.line;
    let mut times = event.series.from(Timestamp::MIN);
    let (Some(first), None) = (times.next(), times.next()) else { return Err(EmbargoError::Recurs { line }) };
    if event.series.rule().end() != End::Count(1) {
        return Err(EmbargoError::Recurs { line });
    }
    let (campaigns, labels): (Vec<String>, Vec<String>) =
        event.categories.into_iter().partition(|category| category.starts_with(CAMPAIGN));
    if campaigns.is_empty() && labels.is_empty() {
        return Err(EmbargoError::Nothing { line });
    }
    let campaigns = campaigns.iter().filter_map(|name| Some(name.strip_prefix(CAMPAIGN)?.to_owned())).collect();
    Ok(Embargo { name: event.summary, labels, campaigns, until: first.at })
}
