//! Proofs that travel: that a leaf is in a log, with all that is needed to check it offline (C2SP tlog-proof).
//!
//! A proof is text: the line `c2sp.org/tlog-proof@v1`, where there is some a line `extra` with base64, a line `index`, the hashes of
//! the inclusion proof in base64, an empty line, and the log's checkpoint as it was signed. The leaf itself is not in it.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::merkle::{Hash, PROOF_HASHES_MAX, ProofError, Subtrees, check_inclusion, inclusion_proof, leaf_hash};
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, Verifier};

/// The first line.
pub const PROOF_HEAD: &str = "c2sp.org/tlog-proof@v1";
/// The most bytes of extra data.
pub const EXTRA_BYTES_MAX: usize = 64 * 1024;
/// The longest proof that is read, in bytes.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + EXTRA_BYTES_MAX / 3 * 4 + 128 * PROOF_HASHES_MAX;

/// Why a proof can't be made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not the text of a proof.
    #[error("not a proof: {0}. A proof begins with the line `{PROOF_HEAD}`")]
    Form(&'static str),
    /// The checkpoint in it can't be trusted.
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The checkpoint is of another log.
    #[error("the proof's checkpoint is of the log `{found}`, not of `{wanted}`")]
    Origin {
        /// The origin in it.
        found: String,
        /// The origin of the key.
        wanted: String,
    },
    /// The leaf is not there.
    #[error("leaf {index}: {source}")]
    Inclusion {
        /// The index that the proof is for.
        index: u64,
        /// What does not hold.
        source: ProofError,
    },
}

/// That a leaf is at an index of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data beside the proof. Nothing vouches for it.
    pub extra: Option<Vec<u8>>,
    /// The leaf's index.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
    /// The checkpoint: a signed note, with the cosignatures that it has.
    pub checkpoint: String,
}

impl TlogProof {
    /// The proof for a leaf in the tree of a checkpoint. The outer error is that of the tree's files.
    ///
    /// # Errors
    /// The checkpoint is malformed, or has no such leaf.
    pub fn make<S: Subtrees + ?Sized>(
        tree: &mut S,
        index: u64,
        checkpoint: &str,
    ) -> Result<Result<Self, TlogProofError>, S::Error> {
        let size = match Note::parse(checkpoint.as_bytes()).and_then(|note| Checkpoint::parse(&note.text)) {
            Ok(checkpoint) => checkpoint.size,
            Err(error) => return Ok(Err(error.into())),
        };
        if index >= size {
            return Ok(Err(TlogProofError::Inclusion { index, source: ProofError::Range }));
        }
        let hashes = inclusion_proof(tree, index, size)?;
        Ok(Ok(Self { extra: None, index, hashes, checkpoint: checkpoint.to_owned() }))
    }

    /// Reads a proof; checks nothing but its form.
    ///
    /// # Errors
    /// [`TlogProofError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        use TlogProofError::Form;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(Form("it is longer than a proof may be"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Form("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Form("it has no empty line before its checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(PROOF_HEAD) {
            return Err(Form("its first line is another"));
        }
        let mut line = lines.next().ok_or(Form("it has no index"))?;
        let mut extra = None;
        if let Some(data) = line.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(data).map_err(|_| Form("its extra data is not base64"))?);
            line = lines.next().ok_or(Form("it has no index"))?;
        }
        let number = line.strip_prefix("index ").ok_or(Form("it has no index"))?;
        let index: u64 = number.parse().map_err(|_| Form("its index is no number"))?;
        if index.to_string() != number {
            return Err(Form("its index is no plain number"));
        }
        let hashes: Option<Vec<Hash>> = lines.map(Hash::from_base64).collect();
        let hashes = hashes.ok_or(Form("one of its hashes is none"))?;
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(Form("it has more hashes than a proof can have"));
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the checkpoint is signed with a key, and that the leaf is in its tree. The log's name must be the key's.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, leaf: &[u8], key: &Verifier) -> Result<(Checkpoint, Note), TlogProofError> {
        let (checkpoint, note) = Checkpoint::open(self.checkpoint.as_bytes(), key)?;
        if checkpoint.origin != key.name() {
            return Err(TlogProofError::Origin { found: checkpoint.origin, wanted: key.name().to_owned() });
        }
        check_inclusion(self.index, checkpoint.size, leaf_hash(leaf), &self.hashes, checkpoint.root)
            .map_err(|source| TlogProofError::Inclusion { index: self.index, source })?;
        Ok((checkpoint, note))
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
