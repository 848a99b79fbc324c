//! The Merkle tree of RFC 6962, section 2: hashes, roots, and proofs of inclusion and consistency.
//!
//! A tree of any size is made of whole subtrees. The subtree `(level, index)` covers the 2^level leaves from index * 2^level on;
//! whoever knows the roots of these ([`Subtrees`]) can work out roots and proofs of every size.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;
/// No proof has more hashes than this: a tree has less than 2^64 leaves, and a consistency proof may hold one more.
pub const PROOF_HASHES_MAX: usize = 65;

/// SHA-256 of a leaf or of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// From exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// From base64 with padding.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&STANDARD.decode(text).ok()?)
    }

    /// As base64 with padding, the form of checkpoints and proofs.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    hash(&[0], leaf, &[])
}

/// The hash of a node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[1], &left.0, &right.0)
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    hash(&[], &[], &[])
}

fn hash(prefix: &[u8], first: &[u8], second: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(prefix);
    context.update(first);
    context.update(second);
    let mut bytes = [0; HASH_BYTES];
    for (place, byte) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *place = *byte;
    }
    Hash(bytes)
}

/// Knows the roots of whole subtrees.
pub trait Subtrees {
    /// Why a root is not known.
    type Error;

    /// The root of the 2^`level` leaves from `index` * 2^`level` on, all of which are in the tree.
    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The whole subtrees that a range of leaves is made of, left to right; the range begins where a subtree of its size may begin.
fn cover(mut from: u64, until: u64) -> Vec<(u8, u64)> {
    let mut parts = Vec::new();
    while from < until {
        // A tree has less than 2^64 leaves, so both are below 64.
        let level = (63 - (until - from).leading_zeros()).min(from.trailing_zeros());
        parts.push((level as u8, from >> level));
        from += 1 << level;
    }
    parts
}

/// The root of the leaves `from..until`, for `from` a multiple of a power of two that is at least the length.
fn range_root<S: Subtrees + ?Sized>(subtrees: &mut S, from: u64, until: u64) -> Result<Hash, S::Error> {
    let mut root: Option<Hash> = None;
    for (level, index) in cover(from, until).into_iter().rev() {
        let left = subtrees.subtree(level, index)?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// The root of the tree of the first `size` leaves.
pub fn root<S: Subtrees + ?Sized>(subtrees: &mut S, size: u64) -> Result<Hash, S::Error> {
    range_root(subtrees, 0, size)
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The proof that leaf `index` is in the tree of the first `size` leaves (RFC 6962, section 2.1.1); empty where it can't be.
pub fn inclusion_proof<S: Subtrees + ?Sized>(subtrees: &mut S, index: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let mut ranges = Vec::new();
    let (mut from, mut until) = (0, size);
    while index < size && until - from > 1 {
        let middle = from + split(until - from);
        if index < middle {
            ranges.push((middle, until));
            until = middle;
        } else {
            ranges.push((from, middle));
            from = middle;
        }
    }
    ranges.into_iter().rev().map(|(from, until)| range_root(subtrees, from, until)).collect()
}

/// The proof that the tree of the first `old` leaves is the beginning of the tree of the first `new` (RFC 6962, section 2.1.2);
/// empty for an empty or an equal tree.
pub fn consistency_proof<S: Subtrees + ?Sized>(subtrees: &mut S, old: u64, new: u64) -> Result<Vec<Hash>, S::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::new();
    let (mut from, mut until) = (0, new);
    while until != old {
        let middle = from + split(until - from);
        if old <= middle {
            ranges.push((middle, until));
            until = middle;
        } else {
            ranges.push((from, middle));
            from = middle;
        }
    }
    // The old tree itself is known to whoever checks.
    if from != 0 {
        ranges.push((from, until));
    }
    ranges.into_iter().rev().map(|(from, until)| range_root(subtrees, from, until)).collect()
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index is not below the size, or the sizes are in the wrong order.
    #[error("the proof is for a leaf or a tree that can't be: index or sizes are out of range")]
    Range,
    /// Too few or too many hashes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// It leads to another root.
    #[error("the proof leads to another root: what it is about was changed, or it belongs to another tree")]
    Root,
}

/// The root that an inclusion proof leads to.
///
/// # Errors
/// [`ProofError::Range`], [`ProofError::Length`].
pub fn root_of_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = leaf;
    for hash in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(root) } else { Err(ProofError::Length) }
}

/// Checks that a leaf with this hash is at `index` in the tree of this size and root.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn check_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if root_of_inclusion(index, size, leaf, proof)? == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of size `old` is the beginning of the tree of size `new` (RFC 9162, section 2.1.4.2).
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn check_consistency(old: u64, new: u64, old_root: Hash, new_root: Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range);
    }
    if old == new || old == 0 {
        if !proof.is_empty() {
            return Err(ProofError::Length);
        }
        let holds = (old != new || old_root == new_root) && (old != 0 || old_root == empty_root());
        return if holds { Ok(()) } else { Err(ProofError::Root) };
    }
    let mut hashes = proof.iter();
    // A whole tree on the left is its own first hash.
    let first = if old.is_power_of_two() { old_root } else { *hashes.next().ok_or(ProofError::Length)? };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut left, mut whole) = (first, first);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            left = node_hash(hash, &left);
            whole = node_hash(hash, &whole);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            whole = node_hash(&whole, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if left == old_root && whole == new_root { Ok(()) } else { Err(ProofError::Root) }
}
