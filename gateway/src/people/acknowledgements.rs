//! Guidelines that people acknowledged: in memory, kept by the records, each in the log.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;

use crate::{
    audit::{AuditUnavailable, Leaf, leaf},
    config::{Governance, GuidelineVersion},
    gateway::Gateway,
    model::{BrandPath, PersonId},
    records::{AcknowledgementRecord, RecordsError},
};

/// All acknowledgements of all people.
#[derive(Default)]
pub struct Acknowledgements(RwLock<HashMap<PersonId, Vec<AcknowledgementRecord>>>);

impl Acknowledgements {
    /// Of what the records keep.
    pub fn of(records: Vec<AcknowledgementRecord>) -> Self {
        let all = Self::default();
        records.into_iter().for_each(|record| all.add(record));
        all
    }

    /// Adds what was kept. The same text again changes nothing.
    pub fn add(&self, record: AcknowledgementRecord) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_person = all.entry(record.person.clone()).or_default();
        if !of_person.iter().any(|known| is_of(known, &record.brand, &record.version) && known.digest == record.digest)
        {
            of_person.push(record);
        }
    }

    /// The person's acknowledgement of a version, in one of its languages, as their text is now. A text that was changed was not read.
    pub fn find(&self, person: &PersonId, version: &GuidelineVersion) -> Option<AcknowledgementRecord> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let counts = |known: &&AcknowledgementRecord| {
            is_of(known, &version.brand, &version.version) && version.text_of(&known.digest).is_some()
        };
        all.get(person)?.iter().find(counts).cloned()
    }

    /// The version in effect of a brand's guidelines, where the person has not acknowledged it. What is not in effect binds nobody.
    pub fn outstanding(
        &self,
        governance: &Governance,
        person: &PersonId,
        brand: &BrandPath,
        now: Timestamp,
    ) -> Option<Arc<GuidelineVersion>> {
        let version = governance.guidelines.in_effect(brand, now)?;
        self.find(person, version).is_none().then(|| Arc::clone(version))
    }
}

fn is_of(record: &AcknowledgementRecord, brand: &BrandPath, version: &str) -> bool {
    record.brand == *brand && record.version == version
}

/// What a person says that they read.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// Whose guidelines.
    pub brand: BrandPath,
    /// Which version.
    pub version: String,
    /// The digest of the text that they saw.
    pub digest: String,
}

/// Why an acknowledgement is not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotAcknowledged {
    /// There is no such version.
    #[error("there is no such version of guidelines")]
    Unknown,
    /// The text is another by now.
    #[error("the text is another than the one that was seen; read it again")]
    Changed,
    /// The log can't be written.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// The records fail.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Keeps that a person acknowledged a text; the leaf is written first. True where it is new. The caller runs it to its end.
///
/// # Errors
/// [`NotAcknowledged`].
pub async fn acknowledge(
    gateway: &Gateway,
    person: &PersonId,
    what: Acknowledged,
) -> Result<(AcknowledgementRecord, bool), NotAcknowledged> {
    let governance = gateway.governance.load_full();
    let version = governance.guidelines.version(&what.brand, &what.version).ok_or(NotAcknowledged::Unknown)?;
    let text = version.text_of(&what.digest).ok_or(NotAcknowledged::Changed)?;
    if let Some(before) =
        gateway.people.acknowledgements.find(person, version).filter(|known| known.digest == text.digest)
    {
        return Ok((before, false));
    }
    // The records keep no finer time.
    let now = gateway.clock.now();
    let acknowledged_at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let (brand, version) = (version.brand.clone(), version.version.clone());
    let (digest, language) = (text.digest.clone(), text.language.clone());
    let record = AcknowledgementRecord { person: person.clone(), brand, version, digest, language, acknowledged_at };
    note(gateway, &record, "acknowledge").await?;
    if let Err(error) = gateway.records.put_acknowledgement(record.clone()).await {
        note(gateway, &record, "acknowledge-failed").await?;
        return Err(error.into());
    }
    gateway.people.acknowledgements.add(record.clone());
    Ok((record, true))
}

async fn note(gateway: &Gateway, record: &AcknowledgementRecord, action: &str) -> Result<(), AuditUnavailable> {
    let change = leaf::Change {
        what: leaf::Changed::Person,
        action: action.to_owned(),
        subject: format!("guidelines/{}/{}", record.brand, record.version),
        digest: Some(record.digest.clone()),
        by: record.person.to_string(),
    };
    gateway.audit.append(Leaf::new(gateway.clock.now().as_millisecond(), change)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GuidelineText;

    fn version(name: &str, digests: &[&str]) -> GuidelineVersion {
        let text = |digest: &&str| GuidelineText {
            language: format!("x{digest}"),
            title: String::new(),
            markdown: "".into(),
            html: "".into(),
            digest: (*digest).to_owned(),
        };
        let texts = digests.iter().map(text).collect();
        GuidelineVersion {
            brand: BrandPath::new("acme"),
            version: name.to_owned(),
            public: true,
            effective: Timestamp::UNIX_EPOCH,
            texts,
        }
    }

    #[test]
    fn a_text_counts_in_any_language_and_not_once_it_was_changed() {
        let person = PersonId::new("editor-7");
        let record = AcknowledgementRecord {
            person: person.clone(),
            brand: BrandPath::new("acme"),
            version: "1".to_owned(),
            digest: "b".to_owned(),
            language: "xb".to_owned(),
            acknowledged_at: Timestamp::UNIX_EPOCH,
        };
        let all = Acknowledgements::of(vec![
            record.clone(),
            AcknowledgementRecord { acknowledged_at: Timestamp::MAX, ..record.clone() },
        ]);
        assert_eq!(all.find(&person, &version("1", &["a", "b"])), Some(record), "the first stays");
        assert_eq!(all.find(&person, &version("1", &["a", "c"])), None, "changed");
        assert_eq!(all.find(&person, &version("2", &["b"])), None, "another version");
        assert_eq!(all.find(&PersonId::new("editor-8"), &version("1", &["b"])), None, "somebody else");
        assert_eq!(
            all.find(&person, &GuidelineVersion { brand: BrandPath::new("acme/snacks"), ..version("1", &["b"]) }),
            None
        );
    }
}
