//! Blanks secrets, in whichever way they were written, before anybody sees an answer.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use regex_automata::{meta::Regex, util::syntax};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// What stands in place of a secret.
pub(super) const BLANK: &[u8] = b"[redacted]";
/// A shorter value is no secret, and blanking it would spoil answers.
const SECRET_BYTES_MIN: usize = 4;
/// A longer secret is looked for in pieces of at most this length: whoever repeats it repeats its pieces.
const PIECE_BYTES_MAX: usize = 512;
/// Compiled needles kept.
const NEEDLES_MAX: usize = 1024;
/// Memory of one compiled needle.
const NEEDLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A needle could not be built; nothing may be sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoNeedle;

/// Finds the secrets of one account.
#[derive(Clone, Default)]
pub(super) struct Scrubber {
    needles: Vec<Arc<Vec<Regex>>>,
}

/// Compiled needles by the digest of their secret.
#[derive(Default)]
pub(super) struct Needles(Mutex<HashMap<[u8; 32], Arc<Vec<Regex>>>>);

impl Needles {
    /// A scrubber for these secrets.
    pub(super) fn scrubber<'a>(
        &self,
        secrets: impl IntoIterator<Item = &'a SecretString>,
    ) -> Result<Scrubber, NoNeedle> {
        let mut needles = Vec::new();
        for secret in secrets {
            let secret = secret.expose_secret();
            if secret.len() >= SECRET_BYTES_MIN {
                needles.push(self.needle(secret)?);
            }
        }
        Ok(Scrubber { needles })
    }

    fn needle(&self, secret: &str) -> Result<Arc<Vec<Regex>>, NoNeedle> {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref().first_chunk::<32>().ok_or(NoNeedle)?);
        if let Some(needle) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(Arc::clone(needle));
        }
        let needle = Arc::new(pieces(secret).into_iter().map(compile).collect::<Result<Vec<_>, _>>()?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NEEDLES_MAX {
            known.clear();
        }
        known.insert(name, Arc::clone(&needle));
        Ok(needle)
    }
}

impl Scrubber {
    /// `text` without secrets, or none where it has none.
    pub(super) fn scrub(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut finds = self.finds(text);
        if finds.is_empty() {
            return None;
        }
        finds.sort_by_key(|find| (find.start, find.end));
        let mut clean = Vec::with_capacity(text.len());
        let mut done = 0;
        for find in finds {
            // Finds that overlap or touch become one.
            if find.start > done || done == 0 {
                clean.extend_from_slice(text.get(done..find.start).unwrap_or_default());
                clean.extend_from_slice(BLANK);
            }
            done = done.max(find.end);
        }
        clean.extend_from_slice(text.get(done..).unwrap_or_default());
        Some(clean)
    }

    /// True where a secret is in `text`.
    pub(super) fn finds_any(&self, text: &[u8]) -> bool {
        self.needles.iter().flat_map(|needle| needle.iter()).any(|needle| needle.is_match(text))
    }

    pub(super) fn finds(&self, text: &[u8]) -> Vec<Range<usize>> {
        let needles = self.needles.iter().flat_map(|needle| needle.iter());
        needles.flat_map(|needle| needle.find_iter(text)).map(|find| find.range()).collect()
    }
}

/// Cuts a long secret into even pieces.
fn pieces(secret: &str) -> Vec<&str> {
    let count = secret.len().div_ceil(PIECE_BYTES_MAX).max(1);
    let length = secret.len().div_ceil(count);
    let mut pieces = Vec::with_capacity(count);
    let mut rest = secret;
    while rest.len() > length {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(length));
        pieces.push(piece);
        rest = after;
    }
    match pieces.last() {
        // What is left over by characters of several bytes is too short to stand alone.
        Some(_) if rest.len() < SECRET_BYTES_MIN => {}
        _ => pieces.push(rest),
    }
    pieces
}

/// One expression for every way to write `secret`.
fn compile(secret: &str) -> Result<Regex, NoNeedle> {
    let mut patterns: Vec<Zeroizing<String>> = vec![Zeroizing::new(escaped_forms(secret)), hex_form(secret)];
    for shift in 0..3 {
        patterns.push(base64_form(secret, shift));
    }
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(NEEDLE_BYTES_MAX));
    let patterns: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
    Regex::builder().syntax(syntax).configure(config).build_many(&patterns).map_err(|_| NoNeedle)
}

/// Each character as itself, percent-encoded, escaped as in JSON or as in HTML, in any mixture.
fn escaped_forms(secret: &str) -> String {
    let mut pattern = String::with_capacity(secret.len() * 64);
    for character in secret.chars() {
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).as_bytes();
        let mut ways: Vec<String> = vec![bytes.iter().map(|byte| format!("%(?i:{byte:02x})")).collect()];
        let mut units = [0; 2];
        ways.push(character.encode_utf16(&mut units).iter().map(|unit| format!(r"\\+u(?i:{unit:04x})")).collect());
        let code = u32::from(character);
        ways.push(format!("&#0*{code};"));
        ways.push(format!("&#[xX]0*(?i:{code:x});"));
        let more: &[&str] = match character {
            ' ' => &[r"\+"],
            '"' => &[r#"\\+""#, "&quot;"],
            '\\' => &[r"\\+"],
            '/' => &[r"\\+/"],
            '\'' => &[r"\\+'", "&apos;"],
            '&' => &["&amp;"],
            '<' => &["&lt;"],
            '>' => &["&gt;"],
            '\n' => &[r"\\+n"],
            '\r' => &[r"\\+r"],
            '\t' => &[r"\\+t"],
            '\u{8}' => &[r"\\+b"],
            '\u{c}' => &[r"\\+f"],
            _ => &[],
        };
        ways.extend(more.iter().map(|way| (*way).to_owned()));
        // Last, because `&` also starts `&amp;`: an escape goes as a whole.
        ways.push(literal(bytes));
        pattern.push_str("(?:");
        pattern.push_str(&ways.join("|"));
        pattern.push(')');
    }
    pattern
}

fn literal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(r"\x{byte:02x}")).collect()
}

fn hex_form(secret: &str) -> Zeroizing<String> {
    let digits: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    Zeroizing::new(format!("(?i:{digits})"))
}

/// The characters of base64 that depend on the secret alone, where `shift` bytes stand before it in its group of three. A
/// character that shares bits with a neighbour is left; it gives away at most four bits.
fn base64_form(secret: &str, shift: usize) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(vec![0; shift]);
    plain.extend_from_slice(secret.as_bytes());
    let text = Zeroizing::new(STANDARD_NO_PAD.encode(plain.as_slice()));
    let first = (shift * 8).div_ceil(6);
    let end = plain.len() * 8 / 6;
    let mut pattern = Zeroizing::new(String::with_capacity(text.len() * 24));
    for (index, character) in text.chars().enumerate() {
        if index < first || index > end {
            continue;
        }
        let way = match character {
            '+' => r"(?:[+\-]|%2[bB]|\\+u002[bB])".to_owned(),
            '/' => r"(?:\\*[/_]|%2[fF]|\\+u002[fF])".to_owned(),
            other => other.to_string(),
        };
        pattern.push_str(&way);
        if index == end {
            // At the very end of a text this one depends on nothing else, and is blanked too.
            pattern.push('?');
        }
    }
    pattern
}
