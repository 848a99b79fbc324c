//! The format of Pressgate's audit log: segments, frames, leaves and the rule of recovery.
//!
//! From it a Merkle tree is published that anybody's tools can check: [`merkle`] has the hashes and proofs, [`tile`] the files,
//! [`note`] the signatures.
//!
//! This package knows nothing of the gateway, so that whoever checks a log needs nothing else. In reading order: [`leaf`] says
//! what is logged, [`format`] how it lies in a file, [`recover`] what a start makes of the files, [`writer`] and [`reader`] use
//! them, [`disk`] is what they stand on.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

pub mod disk;
pub mod error;
mod extents;
pub mod format;
pub mod leaf;
pub mod merkle;
pub mod note;
mod plant;
mod place;
pub mod proof;
pub mod reader;
pub mod receipt;
pub mod recover;
mod scan;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;
pub mod writer;

pub use disk::{Disk, DiskFile, RealDisk, Space};
pub use error::{CommitError, Corrupt, OpenError, ReadError};
pub use extents::segments_from;
pub use format::{BESIDE_BYTES_MAX, Entry, Framed};
pub use leaf::{Event, LEAF_BYTES_MAX, LEAF_VERSION, Leaf, LeafError};
pub use place::{Picker, Place};
pub use reader::LogReader;
pub use recover::{Inspection, Torn, inspect};
pub use writer::{ActiveSegment, Spare, SpareMaker, Writer, WriterOptions};
