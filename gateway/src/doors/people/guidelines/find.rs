//! Which version, in which language, a request means.

use axum::http::HeaderMap;

use super::{
    super::form::Fields,
    negotiate::{choose, languages},
    view::Eyes,
};
use crate::{
    config::{GuidelineState, GuidelineText, GuidelineVersion},
    model::BrandPath,
};

/// What is asked for: in the query of the address.
pub(super) struct Wish {
    version: String,
    language: String,
}

impl Wish {
    /// Of a query; none where a parameter stands twice.
    pub(super) fn read(query: Option<&str>) -> Option<Self> {
        let fields = Fields::read(query.unwrap_or_default().as_bytes())?;
        Some(Self { version: fields.get("version").to_owned(), language: fields.get("language").to_owned() })
    }
}

/// What a wish leads to.
pub(super) struct Found<'g> {
    pub(super) version: &'g GuidelineVersion,
    pub(super) text: &'g GuidelineText,
}

impl Eyes<'_> {
    /// The text that is meant. Without a version it is the one in effect, else the first that will be. A language that is named wins
    /// over those of the request's header; where nothing suits, it is the first of the brand's own languages that there is.
    pub(super) fn find(&self, brand: &str, wish: &Wish, headers: &HeaderMap) -> Option<Found<'_>> {
        let brand = BrandPath::new(brand);
        let guidelines = &self.governance.guidelines;
        let version = match wish.version.as_str() {
            "" => guidelines
                .in_effect(&brand, self.now)
                .filter(|version| self.see(version))
                .map(AsRef::as_ref)
                .or_else(|| {
                    let coming =
                        |version: &&GuidelineVersion| guidelines.state(version, self.now) == GuidelineState::Upcoming;
                    self.all().filter(|version| version.brand == brand).find(coming)
                }),
            named => guidelines.version(&brand, named).filter(|version| self.see(version)).map(AsRef::as_ref),
        }?;
        let tags: Vec<&str> = version.texts.iter().map(|text| text.language.as_str()).collect();
        let tag = match wish.language.as_str() {
            "" => choose(&languages(headers), &tags).or_else(|| self.usual(version)),
            named => choose(&[(named.to_owned(), 1)], &tags),
        }?;
        version.text(tag).map(|text| Found { version, text })
    }

    /// The language of a version for who names none.
    fn usual<'v>(&self, version: &'v GuidelineVersion) -> Option<&'v str> {
        let own = self.governance.languages_of(&version.brand).iter().find_map(|language| version.text(language));
        own.or(version.texts.first()).map(|text| text.language.as_str())
    }
}
