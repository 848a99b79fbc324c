//! Rules about the shape of the repository, as tests: `cargo test -p tidy`.
//!
//! Each rule in [`rules`] reads the [`Tree`] of tracked files and gives every [`Fault`] that it finds, so that one run shows all
//! there is to mend. A rule's own test plants a fault in a small tree and shows that the rule sees it; `tests/repository.rs`
//! holds the rules against the repository. In reading order: [`tree`] is what is read, [`source`] tells code from comments and
//! text, [`rules`] judge.

pub mod rules;
pub mod source;
pub mod tree;

pub use source::Source;
pub use tree::{Fault, Tree};
