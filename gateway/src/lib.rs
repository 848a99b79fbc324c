//! Pressgate: the one gate through which a company's posts, replies and API calls reach the social networks.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the picture.

pub mod audit;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doors;
pub mod egress;
pub mod host;
pub mod limits;
pub mod model;
pub mod operator;
pub mod posts;
pub mod records;
pub mod refusal;
pub mod vault;
pub mod keys;
pub mod media;
pub mod plugins;
pub mod stop;
