//! `pressgate audit key`: the public part of the key that signs the log's checkpoints.

use pressgate_audit::note::Signer;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report},
        reach::Reach,
    },
    verify,
};
use crate::operator::wire::AuditKeyView;

/// `audit key`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change the key: the running gateway makes a new one, and its log states both. Give the new one to those who check the log.
    #[arg(long)]
    rotate: bool,
}

/// Prints the verifier key. Whoever checks the log must have it from a time, or a way, that they trust.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    if args.rotate { rotate(context).await } else { show(context) }
}

async fn rotate(context: &Context) -> Result<Report, Failure> {
    let Reach::Gateway(client) = Reach::open(context).await? else {
        return Err(Failure::refused("only a running gateway changes the key: start it with `pressgate serve`"));
    };
    let new: AuditKeyView = client.post("/operator/audit/key", &json!({})).await?;
    let text = format!(
        "{}\nGive it to those who check the log. Make a backup now: one from before needs the old signing key to be brought into \
         service",
        new.key
    );
    Ok(Report::good(text, json!(new)))
}

fn show(context: &Context) -> Result<Report, Failure> {
    let file = &context.config.audit.signing_key;
    let text = Zeroizing::new(verify::read_key_file(file)?);
    let signer = std::str::from_utf8(&text).ok().and_then(|text| Signer::parse(text).ok());
    // Nothing of the file is shown: it holds a secret.
    let signer = signer.ok_or_else(|| Failure::file(file, &"it does not hold a signing key"))?;
    let key = signer.verifier().to_string();
    Ok(Report::good(key.clone(), json!({ "key": key })))
}
