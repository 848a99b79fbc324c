//! The one integration binary.

mod samples;

mod host;

mod audit_faults;
mod bad_input;
mod held;
mod idempotency;
mod leaves;
mod listing;
mod platform;
mod publish;
mod rights;
