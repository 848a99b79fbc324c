//! The commands.

pub mod plugin;
