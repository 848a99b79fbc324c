//! The harness of the tests: real networks, published specifications, an HTTP client, plugins.

pub mod harness;
pub mod http;
pub mod networks;
pub mod plugins;
pub mod samples;
pub mod skip;
pub mod specs;
