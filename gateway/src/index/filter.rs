//! Which leaves somebody wants, and which they may see. What a filter means is said here once; the index only finds candidates.

use super::{
    Facets,
    words::{Wanted, wanted},
};
use crate::model::BrandPath;

/// How much of the log may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// All of it.
    #[default]
    Whole,
    /// Leaves of these brands and those below; none without a brand.
    Brands(Vec<BrandPath>),
}

/// What is asked for. What is not given does not narrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// `app:newsroom`, `person:editor-7`, or an id alone for either.
    pub actor: Option<String>,
    /// Account id.
    pub account: Option<String>,
    /// A brand and those below.
    pub brand: Option<BrandPath>,
    /// Action.
    pub action: Option<String>,
    /// Of [`super::OUTCOMES`].
    pub outcome: Option<String>,
    /// Of [`super::KINDS`].
    pub kind: Option<String>,
    /// At this time or later, in milliseconds since 1970-01-01 UTC.
    pub from_ms: Option<i64>,
    /// Before this time, in milliseconds since 1970-01-01 UTC.
    pub to_ms: Option<i64>,
    /// Words that must all be there.
    pub text: Vec<Wanted>,
    /// What may be shown at all.
    pub reach: Reach,
}

impl Filter {
    /// With the words of a searched text.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        self.text = wanted(text);
        self
    }

    /// True where the leaf is wanted and may be seen.
    pub fn matches(&self, leaf: &Facets) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|it| found == Some(it));
        let actor = |actor: &String| leaf.actors.iter().any(|found| alternatives(actor).contains(found));
        self.sees(leaf)
            && self.actor.as_ref().is_none_or(actor)
            && self.account.as_ref().is_none_or(|account| leaf.accounts.contains(account))
            && self.brand.as_ref().is_none_or(|brand| leaf.brand.as_ref().is_some_and(|found| brand.covers(found)))
            && is(&self.action, leaf.action.as_deref())
            && is(&self.outcome, leaf.outcome)
            && is(&self.kind, Some(&leaf.kind))
            && self.from_ms.is_none_or(|from| leaf.at_ms >= from)
            && self.to_ms.is_none_or(|to| leaf.at_ms < to)
            && self.text.iter().all(|wanted| leaf.words.iter().any(|word| wanted.is(word)))
    }

    /// True where the leaf may be seen.
    pub fn sees(&self, leaf: &Facets) -> bool {
        match (&self.reach, &leaf.brand) {
            (Reach::Whole, _) => true,
            (Reach::Brands(_), None) => false,
            (Reach::Brands(brands), Some(brand)) => brands.iter().any(|covered| covered.covers(brand)),
        }
    }
}

/// What may stand in a leaf for an actor that somebody asks for.
pub(super) fn alternatives(actor: &str) -> Vec<String> {
    match actor.split_once(':') {
        // A change names people by their id alone.
        Some(("person", id)) => vec![actor.to_owned(), id.to_owned()],
        Some(_) => vec![actor.to_owned()],
        None => vec![format!("app:{actor}"), format!("person:{actor}"), actor.to_owned()],
    }
}
