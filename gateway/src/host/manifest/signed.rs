//! Where a component carries signatures: one custom section, the last. What they cover is everything before it.
//!
//! The sections are walked here by their lengths alone, at the top level: what is nested within a module or component is the content of
//! one section, and no signature. What is split off never reaches the compiler, so it can't change what runs.

use wasmparser::Parser;

use super::section::append;

/// Name of the section, at the component's top level.
pub const SIGNATURE_SECTION: &str = "pressgate:signature";

/// The bytes before the first section.
const PREAMBLE_BYTES: usize = 8;
/// The id of custom sections.
const CUSTOM: u8 = 0;

/// A component in its two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split<'a> {
    /// What is signed, and what runs: a component of its own, with its manifest.
    pub content: &'a [u8],
    /// What the signature section holds, where there is one.
    pub signature: Option<&'a [u8]>,
}

/// Why bytes can't be told apart into a component and its signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No whole component.
    #[error("{0}")]
    NotAComponent(&'static str),
    /// The section of the signatures is not as `pressgate plugin sign` writes it.
    #[error("{0}")]
    Section(&'static str),
}

/// Splits.
///
/// # Errors
/// The bytes are no component, or what looks like its signature is not one section at its end.
pub fn split(component: &[u8]) -> Result<Split<'_>, SplitError> {
    if !Parser::is_component(component) {
        return Err(SplitError::NotAComponent("the first bytes are not those of a component"));
    }
    let mut rest = component.get(PREAMBLE_BYTES..).unwrap_or_default();
    let mut found: Option<(usize, &[u8])> = None;
    while let Some((id, after)) = rest.split_first() {
        let start = component.len() - rest.len();
        let (length, body) = leb128(after).ok_or(SplitError::NotAComponent("a section has no length"))?;
        let held = body.get(..length.min(body.len())).unwrap_or_default();
        let data = if *id == CUSTOM { of_signature(held) } else { None };
        if body.len() < length {
            return Err(match data {
                Some(_) => SplitError::Section("the signature section is cut off"),
                None => SplitError::NotAComponent("a section is cut off"),
            });
        }
        found = match (found, data) {
            (Some(_), Some(_)) => return Err(SplitError::Section("there are two signature sections")),
            (Some(_), None) => return Err(SplitError::Section("something follows the signature section")),
            (None, data) => data.map(|data| (start, data)),
        };
        rest = body.get(length..).unwrap_or_default();
    }
    let Some((start, data)) = found else { return Ok(Split { content: component, signature: None }) };
    let content = component.get(..start).unwrap_or_default();
    // There is one way to write it, so that nobody can make another file of the same signatures.
    let mut written = Vec::new();
    append(&mut written, SIGNATURE_SECTION, data);
    if component.get(start..) != Some(&written) {
        return Err(SplitError::Section("the signature section is not written as this gateway writes it"));
    }
    Ok(Split { content, signature: Some(data) })
}

/// What the section holds, if it is that of the signatures.
fn of_signature(section: &[u8]) -> Option<&[u8]> {
    let (length, rest) = leb128(section)?;
    let (name, data) = rest.split_at_checked(length)?;
    (name == SIGNATURE_SECTION.as_bytes()).then_some(data)
}

/// A length and what comes after it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(index + 1..)?));
        }
    }
    None
}
