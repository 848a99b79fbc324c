//! The harness of the tests: real networks, published specifications, an HTTP client.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "networks and clients of the tests")]

pub mod http;
pub mod networks;
pub mod skip;
pub mod specs;
