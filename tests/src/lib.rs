//! The harness of the tests: real networks, published specifications, an HTTP client.

pub mod harness;
pub mod http;
pub mod networks;
pub mod skip;
pub mod specs;
