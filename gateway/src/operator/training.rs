//! Courses that people passed: imported and listed.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    By, Ops, OpsError,
    ops::leaf_of,
    wire::{TrainingImported, TrainingRequest, TrainingView},
};
use crate::{
    audit::leaf::Changed,
    config::{Fault, Governance},
    model::{PersonId, hex::hex},
    people::csv::{self, ROWS_MAX},
    records::TrainingRecord,
};

/// The name of the text in faults.
const TEXT: &str = "training";

impl Ops<'_> {
    /// Keeps what people passed: all of it, or with any fault nothing. The second value is for a running gateway's memory.
    ///
    /// # Errors
    /// [`OpsError::Governance`] with every faulty line, [`OpsError::Invalid`] for a wish that can't be, and what the stores say.
    pub async fn import_training(
        &self,
        by: &By,
        governance: &Governance,
        wish: TrainingRequest,
    ) -> Result<(TrainingImported, Vec<TrainingRecord>), OpsError> {
        let (records, digest_of) = self.read_training(governance, wish)?;
        if records.is_empty() {
            return Err(OpsError::Invalid("there is nothing to import".into()));
        }
        let digest = hex(digest(&SHA256, &digest_of).as_ref());
        let people: BTreeSet<&PersonId> = records.iter().map(|record| &record.person).collect();
        let imported = TrainingImported { records: records.len(), people: people.len(), digest: digest.clone() };
        let subject = format!("training/{}", records.len());
        let change = leaf_of(Changed::Person, "training-import", subject, Some(digest), by);
        self.change(change, self.records.put_training(records.clone())).await?;
        Ok((imported, records))
    }

    /// The records, and the bytes that the log's digest is over.
    fn read_training(
        &self,
        governance: &Governance,
        wish: TrainingRequest,
    ) -> Result<(Vec<TrainingRecord>, Vec<u8>), OpsError> {
        let now = self.clock.now();
        let known = |person: &str| governance.people.contains_key(person);
        let fault = |line, what: String| Fault::new(TEXT, line, what);
        match (wish.csv, wish.records) {
            (Some(text), None) => match csv::read(&text, &known, now) {
                Ok(records) => Ok((records, text.into_bytes())),
                Err(faults) => Err(OpsError::Faults(faults.into_iter().map(|one| fault(one.line, one.what)).collect())),
            },
            (None, Some(given)) => {
                if given.len() > ROWS_MAX {
                    return Err(OpsError::Invalid(format!("more than {ROWS_MAX} records; import them in parts")));
                }
                let bytes = serde_json::to_vec(&given).map_err(|error| OpsError::Internal(error.to_string()))?;
                let records: Vec<TrainingRecord> = given.into_iter().map(TrainingView::record).collect();
                let faults = (1..).zip(&records).filter_map(|(number, record)| {
                    csv::fault_in(record, &known, now).map(|what| fault(0, format!("record {number}: {what}")))
                });
                let faults: Vec<Fault> = faults.collect();
                if faults.is_empty() { Ok((records, bytes)) } else { Err(OpsError::Faults(faults)) }
            }
            _ => Err(OpsError::Invalid("give either `csv` or `records`".into())),
        }
    }

    /// Everything that people passed, by person, course and time.
    ///
    /// # Errors
    /// The records'.
    pub async fn list_training(&self) -> Result<Vec<TrainingView>, OpsError> {
        Ok(self.records.training().await?.into_iter().map(TrainingView::of).collect())
    }
}
