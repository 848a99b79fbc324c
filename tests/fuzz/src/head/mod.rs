//! The checker's own files, without the gateway around them: an instrumented build of that takes long.

#![allow(dead_code, unreachable_pub, reason = "the target uses a part")]

#[path = "../../../../gateway/src/listen/head/chunks.rs"]
mod chunks;
#[path = "../../../../gateway/src/listen/head/fault.rs"]
mod fault;
#[path = "../../../../gateway/src/listen/head/follow.rs"]
mod follow;
#[path = "../../../../gateway/src/listen/head/letters.rs"]
mod letters;
#[path = "../../../../gateway/src/listen/head/tests/oracle.rs"]
pub mod oracle;
#[path = "../../../../gateway/src/listen/head/request.rs"]
mod request;

pub use fault::Fault;
pub use follow::{Follower, HeadLimits};
