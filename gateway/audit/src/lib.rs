//! The format of Pressgate's audit log: segments, frames, leaves and the rule of recovery.
//!
//! This package knows nothing of the gateway, so that whoever checks a log needs nothing else.
#![forbid(unsafe_code)]

pub mod disk;
pub mod leaf;

pub use disk::{Disk, DiskFile, RealDisk};
pub use leaf::{Event, LEAF_BYTES_MAX, LEAF_VERSION, Leaf, LeafError};
