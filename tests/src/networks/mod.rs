//! Networks to publish to: real software as child processes, our sample network under a judge, and a proxy that loses
//! answers.

pub mod bluesky;
pub mod issuer;
pub mod pds;
pub mod proxy;
pub mod request_tracker;
pub mod sample;
pub mod siem;
pub mod threads;
pub mod x;

#[cfg(test)]
mod tests;
