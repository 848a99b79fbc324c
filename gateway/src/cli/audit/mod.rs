//! `pressgate audit`: one file for each subcommand.

mod erase;
mod export;
mod leaves;
mod search;
mod tail;
pub mod witness;

use super::{
    context::Context,
    outcome::{Failure, Report},
};

/// `audit …`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Erase everything that a person or an app left: two operators are needed. The log stays whole.
    Erase(erase::Args),
    /// Search the audit log, with your own key and the right `audit:read`.
    Search(search::Args),
    /// Show the newest leaves, and with --follow those that come.
    Tail(tail::Args),
    /// Run a witness: it cosigns the checkpoints of logs that go on from what it saw. It belongs on another machine than the gateway,
    /// and needs nothing of it. --config is its own file; without one, give --listen, --key-file, --log and --state.
    Witness(witness::Args),
    /// Write a part of the log to a file, with your own key and the right `audit:export`.
    Export(export::Args),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Erase(args) => erase::run(context, &args).await,
        Command::Search(args) => search::run(context, &args).await,
        Command::Tail(args) => tail::run(context, &args).await,
        Command::Witness(_) => Err(Failure::Usage("this command was handled before".into())),
        Command::Export(args) => export::run(context, &args).await,
    }
}
