//! `pressgate audit key`: the public part of the key that signs the log's checkpoints.

use pressgate_audit::note::{Algorithm, Signer};
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
use crate::{operator::wire::AuditKeyView, start};

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
        let text = "no gateway runs, and only a running one changes the key: start it with `pressgate serve`";
        return Err(Failure::Unreachable(text.to_owned()));
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
    let verifier = signer.verifier();
    if verifier.algorithm() != Algorithm::Ed25519 {
        return Err(Failure::file(file, &"it is the key of a witness, not of a log"));
    }
    if let Some(node) = start::node(&context.config)? {
        let (found, wanted) = (verifier.name(), start::origin(&node));
        if found != wanted {
            let text =
                format!("it is the key of the log `{found}`, and this gateway's is `{wanted}`; restore the right one");
            return Err(Failure::file(file, &text));
        }
    }
    let key = verifier.to_string();
    Ok(Report::good(key.clone(), json!({ "key": key, "log": verifier.name(), "file": file })))
}
