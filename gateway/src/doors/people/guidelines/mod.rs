//! Guidelines: pages for everybody and for people, their acknowledgement in a browser, and `/v1/guidelines` for people's keys.
//!
//! See `docs/guidelines.md`.

pub mod api;
mod caching;
mod find;
mod negotiate;
mod page;
pub mod view;

pub(super) use page::{ACKNOWLEDGE, acknowledge, list, one};
