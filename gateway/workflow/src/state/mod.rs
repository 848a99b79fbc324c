//! States of a target and of a post, and the one table of transitions.

mod names;
mod table;

pub use names::{PostState, TargetState};
pub(crate) use table::{Step, next};
