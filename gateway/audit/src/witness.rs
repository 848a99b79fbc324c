//! What a log and a witness say to each other (C2SP tlog-witness, `add-checkpoint`), and the rule by which a witness cosigns.
//!
//! No socket and no file: whoever serves it keeps the last cosigned checkpoint, and makes the new one durable before it answers.

use crate::merkle::{Hash, ProofError, check_consistency, empty_root};
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, SIGNATURES_MAX, SignatureLine, Verifier};

/// The path of the request, below the witness's submission prefix.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";
/// The media type of an answer that says which size the witness has cosigned.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
/// The most hashes in a request.
pub const PROOF_LINES_MAX: usize = 63;
/// The longest request, in bytes: the old size, the proof, and a note.
pub const REQUEST_BYTES_MAX: usize = 32 + PROOF_LINES_MAX * 45 + NOTE_BYTES_MAX;
/// The longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = SIGNATURES_MAX * 4096;

/// The request for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last, as the log believes; 0 for none.
    pub old_size: u64,
    /// Shows that the tree of that size is the beginning of the new one.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, as it is.
    pub note: String,
}

/// Why a text is no request. A witness answers 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an add-checkpoint request: {0}")]
pub struct Malformed(&'static str);

impl AddCheckpoint {
    /// The body of the request.
    pub fn body(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{hash}\n")).collect();
        format!("old {}\n{proof}\n{}", self.old_size, self.note)
    }

    /// Reads the body of a request; the note is not looked into.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Malformed("it is longer than a request may be"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Malformed("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(Malformed("it has no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old_size = old.ok_or(Malformed("its first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_LINES_MAX {
                return Err(Malformed("the proof has more than 63 hashes"));
            }
            proof.push(Hash::from_base64(line).ok_or(Malformed("a line of the proof is no hash"))?);
        }
        Ok(Self { old_size, proof, note: note.to_owned() })
    }
}

/// A plain decimal number: no sign, no leading zeroes.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The body of the answer that says which size was cosigned last.
pub fn size_body(size: u64) -> String {
    format!("{size}\n")
}

/// Reads the answer that says which size was cosigned last.
pub fn parse_size(body: &[u8]) -> Option<u64> {
    decimal(std::str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

/// Takes the cosignatures of one key out of an answer, checks them, and adds the newest to the checkpoint. The lines of other keys
/// are passed over. The result is the note to keep and the time of the cosignature, in seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`NoteError`]: there is none of that key, or a wrong one, or the answer is not made of signature lines.
pub fn cosigned(note: &str, answer: &[u8], key: &Verifier) -> Result<(String, u64), NoteError> {
    let own = Note::parse(note.as_bytes())?;
    let mut whole = format!("{}\n", own.text).into_bytes();
    whole.extend_from_slice(answer);
    let answered = Note::parse(&whole)?;
    // An answer can't bring a text of its own.
    if answered.text != own.text {
        return Err(NoteError::Note("the answer holds more than signature lines"));
    }
    let time_s = answered.verify(key)?.unwrap_or(0);
    if time_s == 0 {
        return Err(NoteError::Note("the cosignature tells no time"));
    }
    let newest = |line: &&SignatureLine| key.is_of(line) && key.verify(&own.text, &line.signature) == Ok(Some(time_s));
    let line = answered.signatures.iter().find(newest).ok_or(NoteError::Note("the cosignature is not there"))?;
    let mut kept = own;
    kept.signatures.retain(|line| !key.is_of(line));
    kept.signatures.push(line.clone());
    Ok((kept.to_string(), time_s))
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a checkpoint, or sizes in the wrong order: 400.
    #[error("{0}")]
    Malformed(String),
    /// A log that the witness does not know: 404.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// Not signed with a key of the log, or a signature of one is wrong: 403.
    #[error("{0}")]
    NotSigned(NoteError),
    /// The witness cosigned another size last: 409.
    #[error("the last cosigned checkpoint has {0} leaves")]
    Conflict(u64),
    /// The proof does not hold: 422.
    #[error("{0}")]
    Inconsistent(ProofError),
    /// Two roots of one size, both signed by the log: 422. The note proves that it misbehaves.
    #[error("the log has signed another root for the same size: it was forked")]
    Forked,
}

/// A request that may be cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the note says.
    pub checkpoint: Checkpoint,
    /// The text to cosign, and the signatures of the log's keys that were checked.
    pub note: Note,
}

/// Reads the checkpoint of a request. Which log it is of decides by which keys it is judged.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn checkpoint(request: &AddCheckpoint) -> Result<(Checkpoint, Note), Refusal> {
    let malformed = |error: NoteError| Refusal::Malformed(error.to_string());
    let note = Note::parse(request.note.as_bytes()).map_err(malformed)?;
    Ok((Checkpoint::parse(&note.text).map_err(malformed)?, note))
}

/// Judges a request in the order of the specification. `keys` are those of the log, `last` what was cosigned last.
///
/// # Errors
/// [`Refusal`].
pub fn judge(
    request: &AddCheckpoint,
    checkpoint: Checkpoint,
    mut note: Note,
    keys: &[Verifier],
    last: Option<(u64, Hash)>,
) -> Result<Accepted, Refusal> {
    let mut signed = false;
    let mut missing = None;
    for key in keys {
        match note.verify(key) {
            Ok(_) => signed = true,
            Err(error @ NoteError::NotSigned(..)) => missing = Some(error),
            Err(error) => return Err(Refusal::NotSigned(error)),
        }
    }
    if !signed {
        return Err(Refusal::NotSigned(missing.unwrap_or(NoteError::Note("no key of its log is known"))));
    }
    note.signatures.retain(|line| keys.iter().any(|key| key.is_of(line)));
    if request.old_size > checkpoint.size {
        return Err(Refusal::Malformed("the old size is larger than the checkpoint's".to_owned()));
    }
    let (size, root) = last.unwrap_or((0, empty_root()));
    if request.old_size != size {
        return Err(Refusal::Conflict(size));
    }
    if checkpoint.size == size && checkpoint.root != root {
        return Err(Refusal::Forked);
    }
    check_consistency(size, checkpoint.size, root, checkpoint.root, &request.proof).map_err(Refusal::Inconsistent)?;
    Ok(Accepted { checkpoint, note })
}

#[cfg(test)]
mod tests;
