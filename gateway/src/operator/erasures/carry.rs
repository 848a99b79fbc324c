//! Carries a confirmed erasure out: keys, values, content, media, the files behind them, and last the leaf.

use std::{ops::ControlFlow, time::Duration};

use super::OpsError;
use crate::{
    audit::{AuditLog, Event, Leaf, leaf},
    clock::Clock,
    gateway::{Gateway, MediaStore},
    openings::Openings,
    records::{ErasePart, ErasureRecord, Records, RecordsError},
};

/// Rows that one transaction takes, so that other operations get in between.
const PART_ROWS: u32 = 1_000;
/// Media that are removed between two looks.
const MEDIA_MAX: u32 = 100;
/// Runs of leaves that the leaf names; more would not fit.
const RANGES_MAX: usize = 1_000;
/// How often the files are tried to be brought together while somebody reads.
const GATHER_TRIES: u32 = 100;
/// The pause between two tries.
const GATHER_PAUSE: Duration = Duration::from_millis(100);

/// The stores that an erasure works on.
pub struct Carrier<'a> {
    /// The log.
    pub audit: &'a AuditLog,
    /// The records.
    pub records: &'a dyn Records,
    /// Openings and keys.
    pub openings: &'a Openings,
    /// Media.
    pub media: &'a MediaStore,
    /// Time.
    pub clock: &'a dyn Clock,
}

/// Leaves of a subject whose commitments can't be opened any more.
#[derive(Debug, Default, PartialEq, Eq)]
struct Leaves {
    count: u64,
    ranges: Vec<(u64, u64)>,
}

/// Carries on every erasure that was confirmed and not done, and those that the log tells of and these records, restored from a
/// backup, did not know; and destroys keys that came back.
///
/// # Errors
/// The stores; the gateway must not serve what should be gone.
pub async fn resume(carrier: &Carrier<'_>) -> Result<(), OpsError> {
    for erasure in carrier.records.erasures_under_way().await? {
        tracing::warn!(erasure = erasure.id, "an erasure that was broken off is carried on");
        carrier.carry(&erasure).await?;
    }
    for (subject, at) in carrier.records.erased_subjects().await? {
        // Keys from a backup: nothing is sealed under them any more, and nothing shall be.
        if carrier.openings.destroy_older_key(&subject, at).await? {
            tracing::warn!(subject, "a key that was erased had come back, and was destroyed again");
        }
    }
    Ok(())
}

impl<'a> Carrier<'a> {
    /// Those of a running gateway.
    pub fn running(gateway: &'a Gateway) -> Self {
        Self {
            audit: &gateway.audit,
            records: gateway.records.as_ref(),
            openings: &gateway.openings,
            media: &gateway.media,
            clock: gateway.clock.as_ref(),
        }
    }

    /// Erases, from wherever it was broken off. Its leaf is durable when this returns.
    ///
    /// # Errors
    /// The stores; it goes on with the next call, or at the next start.
    pub async fn carry(&self, erasure: &ErasureRecord) -> Result<(), OpsError> {
        self.openings.destroy_key(&erasure.subject).await?;
        self.openings.settle().await?;
        // A segment may still have what was sealed under the key that is gone; it goes with the next checkpoint.
        self.audit.begin_segment();
        // A call that comes meanwhile gets a new key, and leaves values that this erasure is not about.
        let keep_key = self.openings.key_of(&erasure.subject).await?;
        let part = ErasePart { id: erasure.id.clone(), keep_key, limit: PART_ROWS };
        while self.records.erase_part(part.clone()).await? {}
        self.remove_media(&erasure.id).await?;
        self.gather().await?;
        let index = match self.logged(erasure).await? {
            Some(index) => index,
            None => self.log(erasure).await?,
        };
        Ok(self.records.finish_erasure(erasure.id.clone(), index).await?)
    }

    async fn remove_media(&self, id: &str) -> Result<(), OpsError> {
        loop {
            let doomed = self.records.doomed_media(id.to_owned(), MEDIA_MAX).await?;
            if doomed.is_empty() {
                return Ok(());
            }
            for medium in &doomed {
                self.media.remove(medium).await.map_err(|error| disk(&error))?;
            }
            self.media.sync().await.map_err(|error| disk(&error))?;
            self.records.forget_media(id.to_owned(), doomed).await?;
        }
    }

    /// What was replaced still stands in the write-ahead file until that is emptied.
    async fn gather(&self) -> Result<(), OpsError> {
        let mut tries = 0;
        loop {
            match self.records.gather().await {
                Ok(()) => return Ok(()),
                Err(RecordsError::Unavailable(_)) if tries < GATHER_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(GATHER_PAUSE).await;
        }
    }

    /// The erasure's own leaf, where a crash came after it.
    async fn logged(&self, erasure: &ErasureRecord) -> Result<Option<u64>, OpsError> {
        let by = people(erasure);
        let (subject, basis) = (erasure.subject.clone(), erasure.basis.clone());
        let same = move |leaf: &Leaf| match &leaf.event {
            Event::Erasure(leaf) => leaf.subject == subject && leaf.basis == basis && leaf.by == by,
            _ => false,
        };
        let first = move |found: &mut Option<u64>, index, leaf: &Leaf| {
            if found.is_none() && same(leaf) {
                *found = Some(index);
            }
        };
        self.read(erasure.log_from, None, first).await
    }

    async fn log(&self, erasure: &ErasureRecord) -> Result<u64, OpsError> {
        let done = self.records.erasure(erasure.id.clone()).await?.unwrap_or_else(|| erasure.clone());
        let (subject, end) = (erasure.subject.clone(), erasure.log_from);
        let leaves =
            self.read(0, Leaves::default(), move |all, index, leaf| all.note(&subject, end, index, leaf)).await?;
        let event = leaf::Erasure {
            subject: erasure.subject.clone(),
            basis: erasure.basis.clone(),
            by: people(erasure),
            leaves: leaves.count,
            values: done.erased.values,
            ranges: if leaves.ranges.len() > RANGES_MAX { Vec::new() } else { leaves.ranges },
        };
        Ok(self.audit.append(Leaf::new(self.clock.now().as_millisecond(), event)).await?)
    }

    /// Goes through the log from an index on.
    async fn read<T: Send + 'static>(
        &self,
        from: u64,
        mut all: T,
        mut note: impl FnMut(&mut T, u64, &Leaf) + Send + 'static,
    ) -> Result<T, OpsError> {
        let audit = self.audit.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = audit.replay(from, &mut |index, leaf| {
                note(&mut all, index, &leaf);
                ControlFlow::Continue(())
            });
            read.map(|()| all)
        });
        let failed = |error: String| OpsError::Internal(format!("the log can't be read: {error}"));
        read.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}

impl Leaves {
    /// Counts a leaf of before the erasure. What an earlier erasure was about is not counted again.
    fn note(&mut self, subject: &str, end: u64, index: u64, leaf: &Leaf) {
        if index >= end {
            return;
        }
        if matches!(&leaf.event, Event::Erasure(erasure) if erasure.subject == subject) {
            *self = Self::default();
        }
        if leaf.event.commitments().is_empty() || leaf.event.subject().as_deref() != Some(subject) {
            return;
        }
        self.count += 1;
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => self.ranges.push((index, index)),
        }
    }
}

/// Who asked, then who confirmed.
fn people(erasure: &ErasureRecord) -> Vec<String> {
    let confirmed = erasure.confirmed.as_ref().map(|(by, _)| by.to_string());
    std::iter::once(erasure.asked_by.to_string()).chain(confirmed).collect()
}

fn disk(error: &std::io::Error) -> OpsError {
    OpsError::Records(RecordsError::Unavailable(format!("a medium can't be removed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_of_the_subject_are_counted_in_runs() {
        let refused = |person: &str, committed: bool| {
            let commitment = crate::records::Commitment { field: "text".into(), hmac: "00".repeat(32) };
            let commitments = if committed { vec![commitment] } else { Vec::new() };
            Leaf::new(0, leaf::Refused { on_behalf_of: Some(person.into()), commitments, ..Default::default() })
        };
        let erased = leaf::Erasure {
            subject: "person:a".into(),
            basis: "b".into(),
            by: Vec::new(),
            leaves: 1,
            values: 1,
            ranges: Vec::new(),
        };
        let log = [
            refused("a", true),
            Leaf::new(0, erased),
            refused("a", true),
            refused("a", true),
            refused("b", true),
            refused("a", false),
            refused("a", true),
            refused("a", true),
        ];
        let mut leaves = Leaves::default();
        for (index, leaf) in (0..).zip(&log) {
            leaves.note("person:a", 7, index, leaf);
        }
        assert_eq!(leaves, Leaves { count: 3, ranges: vec![(2, 3), (6, 6)] });
    }
}
