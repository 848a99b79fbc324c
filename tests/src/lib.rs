//! The harness of the integration tests.

pub mod latency;
pub mod plugins;
pub mod samples;
