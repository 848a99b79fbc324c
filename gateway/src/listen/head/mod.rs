//! The bytes of HTTP/1 requests, looked at before the HTTP library sees them.
//!
//! A library that repairs an ambiguous head leaves two readers of one connection with two requests. So each head is held until
//! it is whole and was found to have one reading; bodies are followed to their end as they pass, since the next head begins
//! there. Nothing passes after a fault. HTTP/2 frames for itself and passes by.

mod chunks;
mod connect;
mod fault;
mod follow;
mod letters;
mod request;
mod stream;

pub(super) use connect::{Wanted, wanted};
pub use fault::Fault;
pub use follow::{Followed, Follower, HeadLimits};
pub use request::Framing;
pub(super) use stream::{Checked, Found};

#[cfg(test)]
mod tests;
