//! The harness of the tests: real networks, published specifications, an HTTP client, plugins.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests open sockets and read clocks of their own"
)]

pub mod browser;
pub mod collector;
pub mod doors;
pub mod harness;
pub mod http;
pub mod made;
pub mod networks;
pub mod plugins;
pub mod policy_cases;
pub mod samples;
pub mod sdks;
pub mod skip;
pub mod specs;
pub mod tap;
pub mod tunnel;
pub mod typed;
