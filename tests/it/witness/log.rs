//! Small logs that a test makes up, honest ones and forked ones.

use std::convert::Infallible;

use pressgate_audit::merkle::{Hash, Subtrees, consistency_proof, leaf_hash, node_hash, root};
use pressgate_audit::note::{Algorithm, Checkpoint, Signer};
use pressgate_audit::witness::AddCheckpoint;

/// A log whose leaves are numbers; from `fork` on they are those of another branch.
#[derive(Debug, Clone, Copy)]
pub struct Branch {
    pub fork: u64,
    pub name: u64,
}

/// The branch without a fork.
pub const HONEST: Branch = Branch { fork: u64::MAX, name: 0 };

impl Subtrees for Branch {
    type Error = Infallible;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            let branch = if index < self.fork { 0 } else { self.name };
            return Ok(leaf_hash(&[index.to_be_bytes(), branch.to_be_bytes()].concat()));
        }
        let (left, right) = (self.subtree(level - 1, index * 2)?, self.subtree(level - 1, index * 2 + 1)?);
        Ok(node_hash(&left, &right))
    }
}

impl Branch {
    /// The root of its first leaves.
    pub fn root(mut self, size: u64) -> Hash {
        root(&mut self, size).expect("a made up tree can be read")
    }

    /// What a log of this branch asks for.
    pub fn request(mut self, log: &Signer, old_size: u64, size: u64) -> AddCheckpoint {
        let checkpoint = Checkpoint { origin: log.verifier().name().to_owned(), size, root: self.root(size) };
        let proof = consistency_proof(&mut self, old_size, size).expect("a made up tree can be read");
        AddCheckpoint { old_size, proof, note: checkpoint.sign(&[log], 0) }
    }
}

/// A key of a log of this name.
pub fn log(name: &str, seed: u8) -> Signer {
    Signer::from_seed(name, Algorithm::Ed25519, [seed; 32].into()).expect("a key")
}
