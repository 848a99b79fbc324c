//! Reading the audit log: `/v1/audit`. Each use needs a right that no role gives, and is a leaf of the log itself.

mod ask;
pub mod export;
mod right;
pub mod search;
pub mod stream;
pub mod tree;

pub use ask::PARAMETERS;
pub use right::{note, permitted};
