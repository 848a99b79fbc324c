//! Pressgate: the one gate through which a company's posts, replies and API calls reach the social networks.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the picture.

pub mod model;
pub mod refusal;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod start;
pub mod stop;

pub mod doors;
pub mod call;
pub mod posts;

pub mod host;
pub mod plugins;
pub mod egress;
pub mod vault;
pub mod keys;
pub mod limits;
pub mod media;
pub mod audit;
pub mod records;

pub mod operator;
pub mod cli;
