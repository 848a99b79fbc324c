//! `pressgate audit`: one file for each subcommand.

mod leaves;
mod search;
mod tail;

use super::{
    context::Context,
    outcome::{Failure, Report},
};

/// `audit search|tail`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Search the audit log, with your own key and the right `audit:read`.
    Search(search::Args),
    /// Show the newest leaves, and with --follow those that come.
    Tail(tail::Args),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Search(args) => search::run(context, &args).await,
        Command::Tail(args) => tail::run(context, &args).await,
    }
}
