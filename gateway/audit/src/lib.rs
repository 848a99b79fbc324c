//! The format of Pressgate's audit log: segments, frames, leaves and the rule of recovery.
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
pub mod reader;
pub mod recover;
mod scan;
pub mod writer;

pub use disk::{Disk, DiskFile, RealDisk, Space};
pub use error::{CommitError, Corrupt, OpenError, ReadError};
pub use leaf::{Event, LEAF_BYTES_MAX, LEAF_VERSION, Leaf, LeafError};
pub use reader::LogReader;
pub use recover::{Inspection, Torn, inspect};
pub use writer::{Spare, SpareMaker, Writer, WriterOptions};
