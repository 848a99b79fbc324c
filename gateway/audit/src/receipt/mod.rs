//! Receipts: what the log says of one post, in a file that can be checked without the log.
//!
//! A receipt holds the leaves of a post as they were logged, a proof for each, and a summary of what they say. Whoever checks it
//! needs the log's key. It shows that what is in it was logged; it can't show that nothing else was.

mod handover;
mod summary;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use handover::HandedOver;
pub use summary::{Effect, Ended, Hold, Refusal, Settled, Summary, Voted, Withdrawn, post_of};

use crate::leaf::{Leaf, LeafError};
use crate::merkle::Subtrees;
use crate::note::{Checkpoint, Note, NoteError, Verifier};
use crate::proof::{TlogProof, TlogProofError};

/// The form of receipts that this package writes and reads.
pub const RECEIPT_FORM: &str = "pressgate-receipt@v1";
/// The longest receipt that is read, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a receipt does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("not a receipt: {0}")]
    Form(String),
    /// The post has no leaves.
    #[error("there is no leaf of the post `{0}`")]
    Empty(String),
    /// Its checkpoint can't be trusted.
    #[error("the receipt's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// Its checkpoint is signed with a key to which nothing leads.
    #[error(
        "the receipt's checkpoint is signed by {by}; not with your key {given}, nor with one that the receipt hands over to from yours. \
         Ask whoever gave you your key for the verifier key of {by}, by the same way; or have the receipt made anew from a log that \
         still has the handover"
    )]
    Key {
        /// The key that it was checked with.
        given: String,
        /// Name and id of the keys that signed it.
        by: String,
    },
    /// The proof of one of its leaves does not hold.
    #[error("the receipt's leaf {index} was changed, or is not of this log: {source}")]
    Leaf {
        /// The index that it states.
        index: u64,
        /// What does not hold.
        source: TlogProofError,
    },
    /// A leaf that is in the log, but not where or what the receipt says.
    #[error("the receipt's leaf {index}: {why}")]
    Place {
        /// The index that it states.
        index: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A leaf that can't be understood.
    #[error("leaf {index}: {source}")]
    Unread {
        /// Its index.
        index: u64,
        /// What is wrong.
        source: LeafError,
    },
    /// An intent rests on a vote that was about other content, or was no approval.
    #[error("leaf {intent}: it says that `{person}` approved what was sent, and their vote is not for that digest")]
    NotApproved {
        /// Index of the intent.
        intent: u64,
        /// Person id.
        person: String,
    },
    /// The summary says something else than the leaves.
    #[error("the receipt's `{field}` is {said}, and the leaves say {logged}: the summary was edited")]
    Said {
        /// Which part, as a path: `says.effects[0].grant`.
        field: String,
        /// What the receipt says; `nothing` where the field is not there.
        said: String,
        /// What the leaves say.
        logged: String,
    },
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`RECEIPT_FORM`].
    pub form: String,
    /// The log's name.
    pub origin: String,
    /// Post id.
    pub post: String,
    /// What the leaves say.
    pub says: Summary,
    /// The leaves of the post, in order.
    pub leaves: Vec<Proven>,
    /// The checkpoint that all proofs lead to: a signed note.
    pub checkpoint: String,
    /// Changes of the signing key before it, in order, so that who holds an older key can check the receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<HandedOver>,
}

/// A leaf and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Its index.
    pub index: u64,
    /// The leaf as it was logged: one line of JSON.
    pub leaf: String,
    /// The proof (C2SP tlog-proof).
    pub proof: String,
}

impl Receipt {
    /// Makes a receipt of a post's leaves, given with their indices in order. The outer error is that of the tree's files.
    ///
    /// # Errors
    /// There are no leaves, or one can't be understood; or the checkpoint does not cover one.
    pub fn make<S: Subtrees + ?Sized>(
        tree: &mut S,
        post: &str,
        leaves: &[(u64, Vec<u8>)],
        checkpoint: &str,
    ) -> Result<Result<Self, ReceiptError>, S::Error> {
        let read = match read(leaves.iter().map(|(index, bytes)| (*index, bytes.as_slice()))) {
            Ok(read) if read.is_empty() => return Ok(Err(ReceiptError::Empty(post.to_owned()))),
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let mut proven = Vec::new();
        let mut origin = String::new();
        for (index, bytes) in leaves {
            let proof = match TlogProof::make(tree, *index, checkpoint)? {
                Ok(proof) => proof,
                Err(source) => return Ok(Err(ReceiptError::Leaf { index: *index, source })),
            };
            let Ok(leaf) = String::from_utf8(bytes.clone()) else {
                return Ok(Err(ReceiptError::Place { index: *index, why: "it is not text" }));
            };
            checkpoint.lines().next().unwrap_or_default().clone_into(&mut origin);
            proven.push(Proven { index: *index, leaf, proof: proof.to_string() });
        }
        Ok(Ok(Self {
            form: RECEIPT_FORM.to_owned(),
            origin,
            post: post.to_owned(),
            says: Summary::of(&read),
            leaves: proven,
            checkpoint: checkpoint.to_owned(),
            handovers: Vec::new(),
        }))
    }

    /// Reads a receipt; checks nothing but its form.
    ///
    /// # Errors
    /// [`ReceiptError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Form("it is longer than a receipt may be".to_owned()));
        }
        // A name that stands twice, or that is not known, is refused: nothing in a receipt goes unchecked.
        let receipt: Self = serde_json::from_slice(bytes).map_err(|error| ReceiptError::Form(error.to_string()))?;
        if receipt.form != RECEIPT_FORM {
            return Err(ReceiptError::Form(format!(
                "its form is `{}`, and only `{RECEIPT_FORM}` is known",
                receipt.form
            )));
        }
        Ok(receipt)
    }

    /// The key that must have signed the receipt's checkpoint, for somebody who trusts `key`: that one, or one that it handed over to.
    /// With the indices of the leaves that say so.
    ///
    /// # Errors
    /// A change of the key in the receipt does not hold.
    pub fn signing_key(&self, key: &Verifier) -> Result<(Verifier, Vec<u64>), ReceiptError> {
        let checkpoint = Checkpoint::parse(&Note::parse(self.checkpoint.as_bytes())?.text)?;
        let (mut current, mut steps, mut last) = (key.clone(), Vec::new(), None);
        for handover in &self.handovers {
            if last >= Some(handover.index) {
                let why = "the changes of the key are not in order";
                return Err(ReceiptError::Place { index: handover.index, why });
            }
            last = Some(handover.index);
            // Also one that leads on from another key must hold: nothing in a receipt goes unchecked.
            let keys = handover.verify(&checkpoint)?;
            if keys.from == current {
                current = keys.to;
                steps.push(handover.index);
            }
        }
        Ok((current, steps))
    }

    /// Checks all that the receipt says: that the key, or one that it handed over to, and each witness signed its checkpoint, that each
    /// leaf is in the log at its index, that the summary is what the leaves say, and that no vote which an intent rests on was about
    /// other content.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, key: &Verifier, witnesses: &[Verifier]) -> Result<Checkpoint, ReceiptError> {
        let (current, _) = self.signing_key(key)?;
        let (checkpoint, note) = match Checkpoint::open(self.checkpoint.as_bytes(), &current) {
            Err(NoteError::NotSigned(_, by)) => return Err(ReceiptError::Key { given: key.to_string(), by }),
            opened => opened?,
        };
        for witness in witnesses {
            note.verify(witness)?;
        }
        if self.origin != checkpoint.origin {
            return Err(said("origin", &self.origin, &checkpoint.origin));
        }
        let mut last = None;
        for proven in &self.leaves {
            let (index, place) = (proven.index, |why| ReceiptError::Place { index: proven.index, why });
            if last >= Some(index) {
                return Err(place("the leaves are not in order"));
            }
            last = Some(index);
            let wrong = |source| ReceiptError::Leaf { index, source };
            let proof = TlogProof::parse(proven.proof.as_bytes()).map_err(wrong)?;
            if proof.index != index {
                return Err(place("its proof is for another index"));
            }
            if proof.checkpoint != self.checkpoint {
                return Err(place("its proof leads to another checkpoint than the receipt's"));
            }
            if proof.extra.is_some() {
                return Err(place("its proof has extra data, for which nothing vouches"));
            }
            proof.verify(proven.leaf.as_bytes(), &current).map_err(wrong)?;
        }
        let leaves = read(self.leaves.iter().map(|proven| (proven.index, proven.leaf.as_bytes())))?;
        if leaves.is_empty() {
            return Err(ReceiptError::Empty(self.post.clone()));
        }
        for (index, leaf) in &leaves {
            if post_of(&leaf.event) != Some(&self.post) {
                return Err(ReceiptError::Place { index: *index, why: "it is not a leaf of the receipt's post" });
            }
        }
        let (found, logged) = (value(&self.says)?, value(&Summary::of(&leaves))?);
        if let Some((field, found, logged)) = difference(&found, &logged, "says".to_owned()) {
            return Err(ReceiptError::Said { field, said: found, logged });
        }
        let mut other = self.says.unsupported().filter(|(.., voted_otherwise)| *voted_otherwise);
        match other.next() {
            Some((intent, person, _)) => Err(ReceiptError::NotApproved { intent, person: person.to_owned() }),
            None => Ok(checkpoint),
        }
    }
}

fn said(field: &str, said: &str, logged: &str) -> ReceiptError {
    ReceiptError::Said { field: field.to_owned(), said: format!("`{said}`"), logged: format!("`{logged}`") }
}

fn read<'a>(leaves: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Vec<(u64, Leaf)>, ReceiptError> {
    leaves
        .map(|(index, bytes)| {
            Ok((index, Leaf::from_bytes(bytes).map_err(|source| ReceiptError::Unread { index, source })?))
        })
        .collect()
}

fn value(summary: &Summary) -> Result<Value, ReceiptError> {
    serde_json::to_value(summary).map_err(|error| ReceiptError::Form(error.to_string()))
}

/// The first place where two values are not the same, and both.
fn difference(said: &Value, logged: &Value, path: String) -> Option<(String, String, String)> {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    match (said, logged) {
        (Value::Object(said), Value::Object(logged)) => {
            let extra = said.keys().filter(|name| !logged.contains_key(*name));
            logged.keys().chain(extra).find_map(|name| {
                let path = format!("{path}.{name}");
                match (said.get(name), logged.get(name)) {
                    (Some(said), Some(logged)) => difference(said, logged, path),
                    (said, logged) => Some((path, shown(said), shown(logged))),
                }
            })
        }
        (Value::Array(said), Value::Array(logged)) => (0..said.len().max(logged.len())).find_map(|at| {
            let path = format!("{path}[{at}]");
            match (said.get(at), logged.get(at)) {
                (Some(said), Some(logged)) => difference(said, logged, path),
                (said, logged) => Some((path, shown(said), shown(logged))),
            }
        }),
        _ if said == logged => None,
        _ => Some((path, shown(Some(said)), shown(Some(logged)))),
    }
}
