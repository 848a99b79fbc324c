//! A witness of audit logs (C2SP tlog-witness): what `pressgate audit witness` runs, on a machine that is not the gateway's. It
//! needs nothing of a gateway but the verifier key of its log.
//!
//! It cosigns a checkpoint only when it was shown that the checkpoint goes on from the one that it cosigned last, and only after
//! that is durable on its own disk. So a log that is rolled back or forked finds no cosignature. In reading order: [`config`],
//! [`key`], [`keep`] holds what was cosigned, [`serve`] answers.

pub mod config;
pub mod keep;
pub mod key;
pub mod serve;

pub use config::{CosignerConfig, KnownLog};
pub use keep::StateDir;
pub use serve::{Cosigner, serve};
