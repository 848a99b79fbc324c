//! Openings on their way: a leaf's lie beside it in the log's segments, durable with it, until the records have them.
//!
//! So a call waits for one commit, the log's, and no leaf is ever durable without what it commits to. The records are written in
//! large parts a moment later; a start takes what a crash left behind. Whoever reads openings from the records asks for
//! [`Keeper::settle`] first.
//!
//! ```text
//! beside a leaf    version 1 (1 byte), then for each opening:
//!                  commitment (32 bytes), subject, key id, sealed, each after its length (4 bytes, big-endian)
//! ```

use std::sync::Arc;

use tokio::sync::Mutex;

use super::OpeningsError;
use crate::{
    audit::{AuditLog, BESIDE_BYTES_MAX, LogReader},
    records::{Opening, Records},
};

const VERSION: u8 = 1;
/// Leaves whose openings the records get at once.
const LEAVES_MAX: usize = 4_096;
/// Bytes of openings that are in memory at once, about.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Openings as they lie beside a leaf; none where they are too large for that.
pub(super) fn pack(openings: &[Opening]) -> Option<Vec<u8>> {
    let bytes = openings.iter().map(|opening| opening.subject.len() + opening.key.len() + opening.sealed.len() + 44);
    let bytes = 1 + bytes.sum::<usize>();
    if bytes > BESIDE_BYTES_MAX {
        return None;
    }
    let mut packed = Vec::with_capacity(bytes);
    packed.push(VERSION);
    for opening in openings {
        packed.extend_from_slice(&opening.commitment);
        for part in [opening.subject.as_bytes(), opening.key.as_bytes(), &opening.sealed] {
            packed.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
            packed.extend_from_slice(part);
        }
    }
    Some(packed)
}

/// What [`pack`] made; none where it is not that.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Opening>> {
    let (&version, mut rest) = bytes.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut openings = Vec::new();
    while !rest.is_empty() {
        let commitment;
        (commitment, rest) = rest.split_first_chunk::<32>()?;
        let (subject, key, sealed);
        (subject, rest) = part(rest)?;
        (key, rest) = part(rest)?;
        (sealed, rest) = part(rest)?;
        openings.push(Opening {
            commitment: *commitment,
            subject: String::from_utf8(subject.to_vec()).ok()?,
            key: String::from_utf8(key.to_vec()).ok()?,
            sealed: sealed.to_vec(),
        });
    }
    Some(openings)
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The openings beside the leaves that a reader gives, and the index after the last of them. It reads a part; where that is all, the
/// index is that of the reader's end.
///
/// # Errors
/// The log can't be read, or a newer version of the gateway wrote it.
pub fn read(reader: &mut LogReader) -> Result<(Vec<Opening>, u64), OpeningsError> {
    let told = |error: &dyn std::fmt::Display| OpeningsError::Beside(error.to_string());
    let (mut openings, mut bytes, mut leaves) = (Vec::new(), 0, 0);
    while leaves < LEAVES_MAX && bytes < BYTES_MAX {
        let Some((index, entry)) = reader.next_entry().map_err(|error| told(&error))? else { break };
        leaves += 1;
        if entry.beside.is_empty() {
            continue;
        }
        bytes += entry.beside.len();
        let found = unpack(&entry.beside);
        let found = found.ok_or_else(|| told(&format!("leaf {index} was written by a newer version of Pressgate")))?;
        openings.extend(found);
    }
    Ok((openings, LogReader::position(reader)))
}

/// Takes openings from beside the leaves into the records.
pub(super) struct Keeper {
    audit: AuditLog,
    records: Arc<dyn Records>,
    place: Mutex<Place>,
}

struct Place {
    /// The first leaf that was not looked at.
    next: u64,
    reader: Option<LogReader>,
}

impl Keeper {
    /// Takes what an earlier process left behind.
    ///
    /// # Errors
    /// One of the two stores.
    pub(super) async fn start(audit: AuditLog, records: Arc<dyn Records>) -> Result<Self, OpeningsError> {
        let next = match records.openings_taken().await? {
            // What went with its segment lay beside leaves without openings, or came out of a backup.
            Some(taken) => taken.max(audit.segments_from().map_err(|error| OpeningsError::Beside(error.to_string()))?),
            None => {
                // From now on it is known where to begin.
                let next = audit.next_index();
                records.take_openings(next, Vec::new()).await?;
                next
            }
        };
        let keeper = Self { audit, records, place: Mutex::new(Place { next, reader: None }) };
        keeper.settle().await?;
        Ok(keeper)
    }

    /// When it returns, the records have the openings of every leaf that was durable when it was called.
    ///
    /// # Errors
    /// One of the two stores; what was not taken stays where it is.
    pub(super) async fn settle(&self) -> Result<(), OpeningsError> {
        let until = self.audit.next_index();
        let mut place = self.place.lock().await;
        while place.next < until {
            let mut reader = place.reader.take().unwrap_or_else(|| self.audit.reader_beside(place.next));
            let read = tokio::task::spawn_blocking(move || {
                reader.follow(until).map_err(|error| OpeningsError::Beside(error.to_string()))?;
                let (openings, next) = read(&mut reader)?;
                Ok::<_, OpeningsError>((reader, openings, next))
            });
            let (reader, openings, next) = read.await.map_err(|error| OpeningsError::Beside(error.to_string()))??;
            // What is not taken is read again.
            if !openings.is_empty() {
                self.records.take_openings(next, openings).await?;
            }
            if next == place.next {
                return Err(OpeningsError::Beside(format!("leaf {next} can't be found")));
            }
            *place = Place { next, reader: Some(reader) };
            self.audit.besides_taken(next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opening() -> impl Strategy<Value = Opening> {
        (any::<[u8; 32]>(), ".{0,20}", "[0-9a-f]{0,32}", proptest::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(commitment, subject, key, sealed)| Opening { commitment, subject, key, sealed })
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(openings in proptest::collection::vec(opening(), 0..6)) {
            let packed = pack(&openings).unwrap();
            prop_assert_eq!(unpack(&packed).unwrap(), openings);
            for end in 0..packed.len() {
                // Cut between two openings it is a shorter list; anywhere else it is none.
                let whole = unpack(&packed[..end]).and_then(|some| pack(&some));
                prop_assert!(whole.is_none_or(|whole| whole == packed[..end]));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn what_is_too_large_lies_elsewhere() {
        let opening = |bytes| Opening {
            commitment: [1; 32],
            subject: "app:x".to_owned(),
            key: "k".to_owned(),
            sealed: vec![0; bytes],
        };
        let most = BESIDE_BYTES_MAX - pack(&[opening(0)]).unwrap().len();
        assert_eq!(pack(&[opening(most)]).unwrap().len(), BESIDE_BYTES_MAX);
        assert!(pack(&[opening(most + 1)]).is_none());
    }
}
