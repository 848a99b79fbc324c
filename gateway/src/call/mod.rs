//! The path of a call: one file for each stage.
