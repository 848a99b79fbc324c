//! `pressgate audit`: one file for each thing that is done with the log.

mod erase;

use super::{
    context::Context,
    outcome::{Failure, Report},
};

/// `audit erase`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Erase everything that a person or an app left: two operators are needed. The log stays whole.
    Erase(erase::Args),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Erase(args) => erase::run(context, &args).await,
    }
}
