//! Pressgate: the one gate through which a company's posts, replies and API calls reach the social networks.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the picture.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests open sockets of their own")
)]
#![allow(
    clippy::result_large_err,
    reason = "a refusal is made once for a call that ends, and carries what its answer needs"
)]

pub mod model;
pub mod refusal;
pub mod clock;
pub mod config;
pub mod folders;
pub mod telemetry;
pub mod gateway;
pub mod start;
pub mod stop;
pub mod listen;

pub mod doors;
pub mod call;
pub mod posts;
pub mod feeds;
pub mod reveals;
pub mod freezes;

pub mod host;
pub mod trust;
pub mod plugins;
pub mod releases;
pub mod egress;
pub mod connections;
pub mod vault;
pub mod authority;
pub mod keys;
pub mod limits;
pub mod media;
pub mod audit;
pub mod export;
pub mod events;
pub mod connectors;
pub mod notices;
pub mod witness;
pub mod cosigner;
pub mod identity;
pub mod people;
pub mod index;
pub mod records;
pub mod openings;
pub mod backup;
pub mod metrics;
pub mod pulse;
pub mod retention;

pub mod operator;
pub mod cli;
