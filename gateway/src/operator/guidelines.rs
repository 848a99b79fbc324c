//! Guidelines: which there are, and who acknowledged what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ops, OpsError};
use crate::{config::Governance, records::AcknowledgementRecord};

/// A version of a brand's guidelines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuidelineRow {
    /// Whose.
    pub brand: String,
    /// Its name.
    pub version: String,
    /// `upcoming`, `in-effect` or `superseded`.
    pub state: String,
    /// From then on it counts.
    pub effective: Timestamp,
    /// Does everybody see it?
    pub public: bool,
    /// Its languages.
    pub languages: Vec<String>,
    /// How many people acknowledged it, as its text is now.
    pub acknowledged: usize,
}

/// An acknowledgement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AcknowledgementRow {
    /// Who.
    pub person: String,
    /// Whose guidelines.
    pub brand: String,
    /// Which version.
    pub version: String,
    /// The language that was read.
    pub language: String,
    /// SHA-256 of that text.
    pub digest: String,
    /// When.
    pub acknowledged_at: Timestamp,
}

impl From<AcknowledgementRecord> for AcknowledgementRow {
    fn from(record: AcknowledgementRecord) -> Self {
        let AcknowledgementRecord { person, brand, version, digest, language, acknowledged_at } = record;
        Self { person: person.to_string(), brand: brand.to_string(), version, language, digest, acknowledged_at }
    }
}

impl Ops<'_> {
    /// Every version of every brand.
    ///
    /// # Errors
    /// The records'.
    pub async fn list_guidelines(&self, governance: &Governance) -> Result<Vec<GuidelineRow>, OpsError> {
        let (all, now) = (self.records.acknowledgements().await?, self.clock.now());
        let rows = governance.guidelines.all().map(|version| {
            let of = |record: &&AcknowledgementRecord| {
                record.brand == version.brand
                    && record.version == version.version
                    && version.text_of(&record.digest).is_some()
            };
            let mut people: Vec<&str> = all.iter().filter(of).map(|record| record.person.as_str()).collect();
            people.dedup();
            GuidelineRow {
                brand: version.brand.to_string(),
                version: version.version.clone(),
                state: governance.guidelines.state(version, now).as_str().to_owned(),
                effective: version.effective,
                public: version.public,
                languages: version.texts.iter().map(|text| text.language.clone()).collect(),
                acknowledged: people.len(),
            }
        });
        Ok(rows.collect())
    }

    /// Everything that people acknowledged, by person, brand and version.
    ///
    /// # Errors
    /// The records'.
    pub async fn list_acknowledgements(&self) -> Result<Vec<AcknowledgementRow>, OpsError> {
        Ok(self.records.acknowledgements().await?.into_iter().map(Into::into).collect())
    }
}
