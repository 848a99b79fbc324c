//! `pressgate audit`: one file for each subcommand.

mod erase;
mod export;
mod key;
mod leaves;
mod prove;
mod receipt;
mod search;
mod tail;
mod verify;

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
    /// Write a part of the log to a file, with your own key and the right `audit:export`.
    Export(export::Args),
    /// Check a log offline: that its leaves are those that its checkpoint covers, and that this was signed.
    Verify(verify::Args),
    /// Print the proof that a leaf is in the log (C2SP tlog-proof).
    Prove(prove::Args),
    /// Print what the log says of a post, with proofs.
    Receipt(receipt::Args),
    /// Check a receipt, without the log.
    VerifyReceipt(receipt::VerifyArgs),
    /// Print the verifier key of this gateway's log, for those who check it; or change the signing key.
    Key(key::Args),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Erase(args) => erase::run(context, &args).await,
        Command::Search(args) => search::run(context, &args).await,
        Command::Tail(args) => tail::run(context, &args).await,
        Command::Export(args) => export::run(context, &args).await,
        Command::Verify(args) => verify::run(&args),
        Command::Prove(args) => prove::run(context, &args),
        Command::Receipt(args) => receipt::make(context, &args),
        Command::VerifyReceipt(args) => receipt::check(&args),
        Command::Key(args) => key::run(context, &args).await,
    }
}
