//! Events: what apps are told of the life of posts.
//!
//! What tells of what happened reads the log at its own pace, never a queue of its writer. `table` says which leaf is which event,
//! `event` is an event and what one reader may see of it, `posts` adds what the leaf does not say, `feed` reads the log, and
//! [`webhooks`] deliver to receivers that governance names. Who listens at `GET /v1/events` is served by the doors.

mod event;
mod feed;
mod heard;
pub mod lines;
mod posts;
mod table;
pub mod webhooks;

pub use event::{Event, EventView, event_index};
pub use feed::{Block, block};
pub use heard::heard;
pub use posts::Posts;
pub use table::of;
pub use webhooks::{WebhookView, Webhooks};
