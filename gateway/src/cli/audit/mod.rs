//! `pressgate audit`: one file for each subcommand.

mod erase;
mod export;
mod key;
mod leaves;
mod openings;
mod prove;
mod receipt;
mod search;
mod tail;
mod verify;
pub mod witness;

pub(super) use verify::key as verifier_key;

use super::{
    context::Context,
    outcome::{Failure, Report},
};

/// `audit …`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Erase everything that a person or an app left: two operators are needed. The log stays whole.
    Erase(erase::Args),
    /// Erasures that were asked for: which wait for a second operator, which are done. Give an id for one of them.
    Erasures(erase::ListArgs),
    /// Search the audit log, with your own key and the right `audit:read`.
    Search(search::Args),
    /// Show the newest leaves, and with --follow those that come.
    Tail(tail::Args),
    /// Run a witness: it cosigns the checkpoints of logs that go on from what it saw. It belongs on another machine than the gateway,
    /// and needs nothing of it. --config is its own file; without one, give --listen, --key-file, --log and --state.
    Witness(witness::Args),
    /// Write a part of the log to a file, with your own key and the right `audit:export`.
    Export(export::Args),
    /// Check a log offline: that its leaves are those that its checkpoint covers, and that this was signed.
    Verify(verify::Args),
    /// Check the values beside the log: that each is what a leaf commits to, and that none is gone but by an erasure.
    VerifyOpenings,
    /// Print the proof that a leaf is in the log (C2SP tlog-proof).
    Prove(prove::Args),
    /// Check such a proof, without the log.
    VerifyProof(prove::VerifyArgs),
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
        Command::Erasures(args) => erase::list(context, &args).await,
        Command::Search(args) => search::run(context, &args).await,
        Command::Tail(args) => tail::run(context, &args).await,
        Command::Witness(_) => Err(Failure::Usage("this command was handled before".into())),
        Command::Export(args) => export::run(context, &args).await,
        Command::Verify(args) => verify::run(&args),
        Command::VerifyOpenings => openings::run(context).await,
        Command::Prove(args) => prove::run(context, &args),
        Command::VerifyProof(args) => prove::check(&args),
        Command::Receipt(args) => receipt::make(context, &args),
        Command::VerifyReceipt(args) => receipt::check(&args),
        Command::Key(args) => key::run(context, &args).await,
    }
}
