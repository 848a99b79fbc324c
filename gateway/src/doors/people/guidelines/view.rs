//! Guidelines as JSON.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    config::{Governance, GuidelineState, GuidelineText, GuidelineVersion},
    gateway::Gateway,
    model::PersonId,
    records::AcknowledgementRecord,
};

/// Guidelines that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuidelinesView {
    /// By brand, each brand's in the order in which they take effect.
    guidelines: Vec<GuidelineView>,
}

/// A version of a brand's guidelines.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuidelineView {
    /// Whose.
    brand: String,
    /// Its name.
    version: String,
    /// Where it stands.
    #[schema(value_type = GuidelineStates)]
    state: &'static str,
    /// From then on it counts.
    #[schema(value_type = String, format = DateTime)]
    effective: Timestamp,
    /// Does everybody see it?
    public: bool,
    /// Its page on this server.
    address: String,
    /// Its languages.
    texts: Vec<GuidelineTextView>,
    /// Does a rule ask the person who asks for it?
    required: bool,
    /// Is it in effect, asked for and not acknowledged?
    waits: bool,
    /// When that person acknowledged it, as its text is now.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
}

/// The words of `state`.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[allow(dead_code, reason = "describes the words in the document")]
pub enum GuidelineStates {
    /// It will take effect.
    Upcoming,
    /// It is the one that counts.
    InEffect,
    /// A later one took its place.
    Superseded,
}

/// A version in one language.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuidelineTextView {
    /// BCP 47.
    language: String,
    /// Its heading.
    title: String,
    /// SHA-256 of the text, lower-case hexadecimal: what an acknowledgement names.
    digest: String,
}

/// A text of guidelines.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuidelineTextBody {
    /// The version that it is of.
    #[serde(flatten)]
    guideline: GuidelineView,
    /// BCP 47.
    language: String,
    /// Its heading.
    title: String,
    /// SHA-256 of `text`.
    digest: String,
    /// Markdown.
    text: String,
}

/// An acknowledgement.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcknowledgementView {
    /// Who.
    person: String,
    /// Whose guidelines.
    brand: String,
    /// Which version.
    version: String,
    /// The language that was read.
    language: String,
    /// The digest of that text.
    digest: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    acknowledged_at: Timestamp,
}

impl AcknowledgementView {
    /// Of a record.
    pub fn of(record: AcknowledgementRecord) -> Self {
        let AcknowledgementRecord { person, brand, version, digest, language, acknowledged_at } = record;
        Self { person: person.to_string(), brand: brand.to_string(), version, language, digest, acknowledged_at }
    }
}

/// Whoever looks.
pub(super) struct Eyes<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) governance: &'a Governance,
    pub(super) person: Option<&'a PersonId>,
    pub(super) now: Timestamp,
}

impl<'a> Eyes<'a> {
    /// Somebody who is known, or not.
    pub(super) fn of(gateway: &'a Gateway, governance: &'a Governance, person: Option<&'a PersonId>) -> Self {
        Self { gateway, governance, person, now: gateway.clock.now() }
    }

    /// May they see it?
    pub(super) fn see(&self, version: &GuidelineVersion) -> bool {
        version.public || self.person.is_some()
    }

    /// Everything that they may see.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a GuidelineVersion> {
        self.governance.guidelines.all().map(AsRef::as_ref).filter(|version| self.see(version))
    }

    /// The list.
    pub(super) fn list(&self) -> GuidelinesView {
        GuidelinesView { guidelines: self.all().map(|version| self.view(version)).collect() }
    }

    /// When the person acknowledged it.
    pub(super) fn acknowledged(&self, version: &GuidelineVersion) -> Option<Timestamp> {
        let found = self.gateway.people.acknowledgements.find(self.person?, version);
        found.map(|record| record.acknowledged_at)
    }

    /// One version.
    pub(super) fn view(&self, version: &GuidelineVersion) -> GuidelineView {
        let asked = self.person.map(|person| self.governance.guidelines_asked_of(person, self.now));
        let required = asked.is_some_and(|brands| brands.contains(&version.brand));
        let (state, acknowledged_at) =
            (self.governance.guidelines.state(version, self.now), self.acknowledged(version));
        let text = |text: &GuidelineText| GuidelineTextView {
            language: text.language.clone(),
            title: text.title.clone(),
            digest: text.digest.clone(),
        };
        GuidelineView {
            brand: version.brand.to_string(),
            version: version.version.clone(),
            state: state.as_str(),
            effective: version.effective,
            public: version.public,
            address: version.path(),
            texts: version.texts.iter().map(text).collect(),
            required,
            waits: required && state == GuidelineState::InEffect && acknowledged_at.is_none(),
            acknowledged_at,
        }
    }

    /// One text.
    pub(super) fn text(&self, version: &GuidelineVersion, text: &GuidelineText) -> GuidelineTextBody {
        GuidelineTextBody {
            guideline: self.view(version),
            language: text.language.clone(),
            title: text.title.clone(),
            digest: text.digest.clone(),
            text: text.markdown.to_string(),
        }
    }
}
