//! The states of a post and of its targets: those of `pressgate-workflow`, whose table says how one follows another.

pub use pressgate_workflow::{PostState, TargetState};
