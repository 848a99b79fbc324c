//! Signing a component.

use pressgate_audit::note::{Note, Signer};

use super::{TrustError, note, text};
use crate::host::manifest::{SIGNATURE_SECTION, append, split};

/// The component with one signature more; one that the key made before is replaced, those of others stay.
///
/// # Errors
/// It is no component, or has signatures over other bytes: nobody signs by mistake what was changed behind somebody else's back.
pub fn sign(component: &[u8], signer: &Signer) -> Result<Vec<u8>, TrustError> {
    let parts = split(component)?;
    let text = text(parts.content);
    let mut signatures = note(parts)?.map_or_else(Vec::new, |note| note.signatures);
    signatures.retain(|line| !signer.verifier().is_of(line));
    let others = signatures.iter().map(ToString::to_string).collect::<String>();
    let whole = format!("{text}\n{others}{}", signer.sign(&text, 0));
    // As it will be read: a note has its limits.
    Note::parse(whole.as_bytes()).map_err(|error| TrustError::Damaged(error.to_string()))?;
    let mut signed = parts.content.to_vec();
    append(&mut signed, SIGNATURE_SECTION, whole.as_bytes());
    Ok(signed)
}
