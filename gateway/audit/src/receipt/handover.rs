//! Changes of the signing key between the key that somebody holds and the one that signed a receipt's checkpoint.
//!
//! The leaf that states a change travels with a proof that leads to a checkpoint signed with both keys, and with a proof that the
//! receipt's checkpoint goes on from that one. So whoever trusts the old key can go on to the new one without the log.

use serde::{Deserialize, Serialize};

use super::ReceiptError;
use crate::leaf::{Event, KeyHandover, Leaf};
use crate::merkle::{Hash, ProofError, Subtrees, check_consistency, consistency_proof};
use crate::note::{Checkpoint, Verifier};
use crate::proof::{TlogProof, TlogProofError};

/// A change of the signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// Index of the `key-change` leaf.
    pub index: u64,
    /// The leaf as it was logged: one line of JSON.
    pub leaf: String,
    /// The proof that it is in the log (C2SP tlog-proof), with a checkpoint that both keys signed.
    pub proof: String,
    /// That the receipt's checkpoint goes on from that one: the hashes of the consistency proof, in base64.
    pub consistency: Vec<String>,
}

/// The keys of a change.
pub(super) struct Keys {
    pub(super) from: Verifier,
    pub(super) to: Verifier,
}

impl HandedOver {
    /// Makes it of a `key-change` leaf and of what the log keeps of its handover, for a receipt whose checkpoint covers `size` leaves.
    /// The outer error is that of the tree's files.
    ///
    /// # Errors
    /// They don't hold.
    pub fn make<S: Subtrees + ?Sized>(
        tree: &mut S,
        change: &[u8],
        handover: &KeyHandover,
        size: u64,
    ) -> Result<Result<Self, ReceiptError>, S::Error> {
        let index = handover.change;
        let proof = match TlogProof::make(tree, index, &handover.checkpoint)? {
            Ok(proof) => proof,
            Err(source) => return Ok(Err(ReceiptError::Leaf { index, source })),
        };
        let Ok(leaf) = String::from_utf8(change.to_vec()) else {
            return Ok(Err(ReceiptError::Place { index, why: "it is not text" }));
        };
        let lines = handover.checkpoint.lines().nth(1).and_then(|size| size.parse().ok());
        let hashes = consistency_proof(tree, lines.unwrap_or(0), size)?;
        let consistency = hashes.into_iter().map(Hash::to_base64).collect();
        Ok(Ok(Self { index, leaf, proof: proof.to_string(), consistency }))
    }

    /// Checks that the old key signed a checkpoint that covers the change, that the new key signed it too, and that the receipt's
    /// checkpoint goes on from it. Nothing is said of whether the old key can be trusted.
    pub(super) fn verify(&self, receipt: &Checkpoint) -> Result<Keys, ReceiptError> {
        let index = self.index;
        let place = |why| ReceiptError::Place { index, why };
        let wrong = |source| ReceiptError::Leaf { index, source };
        let leaf = Leaf::from_bytes(self.leaf.as_bytes()).map_err(|source| ReceiptError::Unread { index, source })?;
        let Event::KeyChange(change) = leaf.event else { return Err(place("it is no change of the signing key")) };
        let (from, to) = (Verifier::parse(&change.from)?, Verifier::parse(&change.to)?);
        let proof = TlogProof::parse(self.proof.as_bytes()).map_err(wrong)?;
        if proof.index != index {
            return Err(place("its proof is for another index"));
        }
        if proof.extra.is_some() {
            return Err(place("its proof has extra data, for which nothing vouches"));
        }
        let (checkpoint, note) = proof.verify(self.leaf.as_bytes(), &from).map_err(wrong)?;
        note.verify(&to).map_err(|error| wrong(TlogProofError::Checkpoint(error)))?;
        if checkpoint.origin != receipt.origin {
            return Err(place("it is of another log than the receipt"));
        }
        let hashes: Option<Vec<Hash>> = self.consistency.iter().map(|text| Hash::from_base64(text)).collect();
        let hashes = hashes.ok_or(place("a hash of its consistency proof is none"))?;
        check_consistency(checkpoint.size, receipt.size, checkpoint.root, receipt.root, &hashes)
            .map_err(|error: ProofError| wrong(TlogProofError::Inclusion { index, source: error }))?;
        Ok(Keys { from, to })
    }
}
