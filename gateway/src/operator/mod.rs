//! What operators do: keys, credentials, governance. One set of functions serves the command line and the operator listener.
//!
//! The listener has a port of its own. Only keys of people with the role `operator` open it, and the role is read from the
//! governance of the moment.

pub mod access;
pub mod apply;
pub mod authority;
pub mod backups;
pub mod by;
pub mod caution;
pub mod connect;
pub mod connectors;
pub mod credentials;
pub mod erasures;
pub mod error;
pub mod keys;
pub mod notices;
pub mod ops;
pub mod releases;
pub mod served;
pub mod standing;
pub mod training;
pub mod webhooks;
pub mod wire;

mod answer;
mod body;
mod guard;
pub mod guidelines;
mod listener;
mod routes;

pub use by::By;
pub use error::OpsError;
pub use listener::serve;
pub use ops::Ops;
pub use routes::router;

#[cfg(test)]
mod tests;
