//! The harness of the integration tests.

pub mod policy_cases;
