//! What brands ask of their output, as texts for people: by brand, version and language.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Governance, Role};
use crate::model::{BrandPath, PersonId, Principal, RoleName};

/// One version of a brand's guidelines. What is said of it holds for all of its languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidelineVersion {
    /// Whose.
    pub brand: BrandPath,
    /// Its name: `2027-1`.
    pub version: String,
    /// Does everybody see it, or who is signed in?
    pub public: bool,
    /// From then on it is the one in effect.
    pub effective: Timestamp,
    /// By language, in the order of their tags in lower case; at least one.
    pub texts: Vec<GuidelineText>,
}

/// A version in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidelineText {
    /// BCP 47, as the file writes it.
    pub language: String,
    /// The heading of its page.
    pub title: String,
    /// The text below the front matter, byte for byte.
    pub markdown: Arc<str>,
    /// The same as HTML without scripts, pictures or foreign tags.
    pub html: Arc<str>,
    /// SHA-256 of `markdown`, lower-case hexadecimal.
    pub digest: String,
}

impl GuidelineVersion {
    /// The text in exactly this language, however its tag is written.
    pub fn text(&self, language: &str) -> Option<&GuidelineText> {
        self.texts.iter().find(|text| text.language.eq_ignore_ascii_case(language))
    }

    /// The text with this digest.
    pub fn text_of(&self, digest: &str) -> Option<&GuidelineText> {
        self.texts.iter().find(|text| text.digest == digest)
    }

    /// Where its page is.
    pub fn path(&self) -> String {
        format!("/guidelines/{}?version={}", self.brand, self.version)
    }
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuidelineState {
    /// It will take effect.
    Upcoming,
    /// It is the one that counts.
    InEffect,
    /// A later one took its place.
    Superseded,
}

impl GuidelineState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::InEffect => "in-effect",
            Self::Superseded => "superseded",
        }
    }
}

/// All guidelines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guidelines(pub(super) BTreeMap<BrandPath, Vec<Arc<GuidelineVersion>>>);

impl Guidelines {
    /// Every version, by brand and then by the time from which it holds.
    pub fn all(&self) -> impl Iterator<Item = &Arc<GuidelineVersion>> {
        self.0.values().flatten()
    }

    /// Has the brand any?
    pub fn has(&self, brand: &BrandPath) -> bool {
        self.0.contains_key(brand)
    }

    /// A version of a brand.
    pub fn version(&self, brand: &BrandPath, version: &str) -> Option<&Arc<GuidelineVersion>> {
        self.0.get(brand)?.iter().find(|known| known.version == version)
    }

    /// The version of a brand that is in effect: the last that took effect.
    pub fn in_effect(&self, brand: &BrandPath, now: Timestamp) -> Option<&Arc<GuidelineVersion>> {
        self.0.get(brand)?.iter().rev().find(|known| known.effective <= now)
    }

    /// Where a version stands.
    pub fn state(&self, version: &GuidelineVersion, now: Timestamp) -> GuidelineState {
        if now < version.effective {
            return GuidelineState::Upcoming;
        }
        let counts = self.in_effect(&version.brand, now).is_some_and(|known| known.version == version.version);
        if counts { GuidelineState::InEffect } else { GuidelineState::Superseded }
    }
}

impl Governance {
    /// Brands whose guidelines the person's roles ask for at a brand.
    pub fn guidelines_of_roles(&self, person: &PersonId, brand: &BrandPath) -> BTreeSet<&BrandPath> {
        let Some(person) = self.people.get(person) else { return BTreeSet::new() };
        let asked = self.role_guidelines.iter().filter(|(role, _)| person.has_role(**role, brand));
        let own = self.own_roles.iter().filter(|(role, _)| person.has_own_role(role, brand));
        asked.map(|(_, brands)| brands).chain(own.map(|(_, role)| &role.guidelines)).flatten().collect()
    }

    /// Brands whose guidelines some rule asks of the person: a role of theirs, or a live grant that they hold or that names them.
    pub fn guidelines_asked_of(&self, person: &PersonId, now: Timestamp) -> BTreeSet<&BrandPath> {
        let has = |role: &Role| self.people.get(person).is_some_and(|known| known.roles.contains(role));
        let of_roles = self.role_guidelines.iter().filter(|(role, _)| has(role)).flat_map(|(_, brands)| brands);
        let has_own = |role: &RoleName| self.people.get(person).is_some_and(|known| known.own_roles.contains_key(role));
        let of_own = self.own_roles.iter().filter(|(role, _)| has_own(role)).flat_map(|(_, role)| &role.guidelines);
        let own = |holder: &Principal| matches!(holder, Principal::Person(holder) if holder == person);
        let concerns = |grant: &crate::model::Grant| own(&grant.holder) || grant.act_for.contains(person);
        let live = self.grants.iter().filter(|grant| grant.is_live(now) && concerns(grant));
        of_roles.chain(of_own).chain(live.flat_map(|grant| &grant.guidelines)).collect()
    }
}
