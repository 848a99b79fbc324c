//! `pressgate audit key`: the public part of the key that signs the log's checkpoints.

use pressgate_audit::note::Signer;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report},
    },
    verify,
};

/// Prints the verifier key. Whoever checks the log must have it from a time, or a way, that they trust.
pub fn run(context: &Context) -> Result<Report, Failure> {
    let file = &context.config.audit.signing_key;
    let text = Zeroizing::new(verify::read_key_file(file)?);
    let signer = std::str::from_utf8(&text).ok().and_then(|text| Signer::parse(text).ok());
    // Nothing of the file is shown: it holds a secret.
    let signer = signer.ok_or_else(|| Failure::file(file, &"it does not hold a signing key"))?;
    let key = signer.verifier().to_string();
    Ok(Report::good(key.clone(), json!({ "key": key })))
}
