//! The one integration binary.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests open sockets and read clocks of their own"
)]

mod samples;
mod sdks;

mod host;

mod access;
mod adapter;
mod audit_faults;
mod audit_reading;
mod authors;
mod backup;
mod bad_input;
mod bluesky;
mod calendar;
mod cli;
mod cli_posts;
mod client;
mod connectors;
mod crash;
mod contract;
mod credentials;
mod crowd;
mod deadline;
mod drain;
mod due;
mod erasure;
mod events;
mod exchanged;
mod export;
mod export_api;
mod flood;
mod forward;
mod freeze;
mod framing;
mod golden;
mod gone;
mod held;
mod idempotency;
mod identities;
mod leaves;
mod limits;
mod links;
mod listing;
mod lives;
mod logins;
mod ocsf;
mod openings;
mod matrix;
mod native;
mod notices;
mod operator;
mod people;
mod planted;
mod platform;
mod policies;
mod problems;
mod publish;
mod releases;
mod reveal;
mod revoke;
mod registry;
mod rights;
mod scenarios;
mod secrets;
mod series;
mod states;
mod steps;
mod stores;
mod strangers;
mod streaming;
mod syscalls;
mod telemetry;
mod threads;
mod tree;
mod unattempted;
mod upload;
mod verifying;
mod witness;
mod x;
