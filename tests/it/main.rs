//! The one integration binary.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests open sockets and read clocks of their own"
)]

mod samples;

mod host;

mod audit_faults;
mod bad_input;
mod bluesky;
mod cli;
mod crash;
mod exchanged;
mod held;
mod idempotency;
mod leaves;
mod listing;
mod operator;
mod platform;
mod publish;
mod revoke;
mod rights;
mod secrets;
