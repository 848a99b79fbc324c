//! The harness of the integration tests.

pub mod plugins;
pub mod samples;
