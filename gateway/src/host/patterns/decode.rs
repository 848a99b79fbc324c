//! Encoded runs within a text: base64, hexadecimal, percent and character references. One level, never recursive.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Shorter runs of base64 are ordinary words.
const BASE64_CHARS_MIN: usize = 10;
/// Shorter runs of hexadecimal digits are numbers and colours.
const HEX_CHARS_MIN: usize = 16;
/// Decoded runs that are kept for one text.
const RUNS_MAX: usize = 64;

/// A decoded run.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    /// What it says.
    pub(super) text: String,
    /// Where the run starts in the original.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// All runs of `text` that decode to readable text.
pub(super) fn decoded_runs(text: &str) -> Vec<Decoded> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && found.len() < RUNS_MAX {
        // A run that starts here reaches its last required byte, so that one is looked at first: most texts are skipped in strides.
        let Some(window) = bytes.get(at..at + BASE64_CHARS_MIN) else { break };
        if let Some(last) = window.iter().rposition(|b| !in_run(*b)) {
            at += last + 1;
            continue;
        }
        let run = bytes.iter().skip(at).take_while(|b| in_run(**b)).count();
        decode_run(text, at, at + run, &mut found);
        at += run;
    }
    escapes(text, &mut found);
    found.sort_by_key(|d| d.start);
    found.truncate(RUNS_MAX);
    found
}

fn in_run(byte: u8) -> bool {
    IN_RUN.get(usize::from(byte)).copied().unwrap_or(false)
}

#[allow(clippy::indexing_slicing, reason = "a table of every byte, made when this is compiled")]
static IN_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        table[byte] = value.is_ascii_alphanumeric() || matches!(value, b'+' | b'/' | b'-' | b'_' | b'=');
        byte += 1;
    }
    table
};

/// Tries the run as a whole, then its parts between the signs that may also be punctuation.
fn decode_run(text: &str, start: usize, end: usize, found: &mut Vec<Decoded>) {
    let Some(run) = text.get(start..end) else { return };
    if try_run(run, start, found) {
        return;
    }
    let mut at = start;
    for part in run.split_inclusive(['/', '-', '_', '+', '=']) {
        let bare = part.trim_end_matches(['/', '-', '_', '+', '=']);
        if bare.len() < run.len() && bare.len() >= BASE64_CHARS_MIN {
            try_run(bare, at, found);
        }
        at += part.len();
    }
}

fn try_run(run: &str, start: usize, found: &mut Vec<Decoded>) -> bool {
    let padded = run.trim_end_matches('=');
    // The two alphabets differ in two signs each; without these they say the same.
    let alphabet = if padded.bytes().any(|b| matches!(b, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    match hex(run).or_else(|| base64(alphabet, padded)) {
        Some(text) => {
            found.push(Decoded { text, start, end: start + run.len() });
            true
        }
        None => false,
    }
}

fn base64(engine: &GeneralPurpose, run: &str) -> Option<String> {
    if run.len() < BASE64_CHARS_MIN - 2 {
        return None;
    }
    // One left-over character can't be decoded; it was typed beside the run.
    let whole = if run.len() % 4 == 1 { run.get(..run.len() - 1)? } else { run };
    readable(engine.decode(whole).ok()?)
}

fn hex(run: &str) -> Option<String> {
    if run.len() < HEX_CHARS_MIN || run.len() % 2 == 1 || !run.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = run.as_bytes().chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    });
    readable(bytes.collect::<Option<Vec<u8>>>()?)
}

/// UTF-8 without control characters and with at least one letter or digit.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let plain = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    (plain && text.chars().any(char::is_alphanumeric)).then_some(text)
}

/// Words with `%74`, `&#116;`, `&#x74;`, `\u0074` or `\x74` in them.
fn escapes(text: &str, found: &mut Vec<Decoded>) {
    if !text.bytes().any(|b| matches!(b, b'%' | b'&' | b'\\')) {
        return;
    }
    let mut at = 0;
    for token in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += token.len();
        let bare = token.trim_end();
        if found.len() < 2 * RUNS_MAX
            && bare.bytes().any(|b| matches!(b, b'%' | b'&' | b'\\'))
            && let Some(decoded) = unescape(bare)
        {
            found.push(Decoded { text: decoded, start, end: start + bare.len() });
        }
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(token.len());
    let mut rest = token;
    let mut changed = false;
    while let Some(first) = rest.chars().next() {
        if let Some((bytes, length)) = escape(rest) {
            out.extend_from_slice(&bytes);
            rest = rest.get(length..)?;
            changed = true;
        } else {
            let mut buffer = [0_u8; 4];
            out.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    if changed { Some(String::from_utf8_lossy(&out).into_owned()) } else { None }
}

/// The bytes of the escape that `rest` starts with, and its length.
fn escape(rest: &str) -> Option<(Vec<u8>, usize)> {
    let digits = |prefix: &str, length: usize| -> Option<u32> {
        let tail = rest.strip_prefix(prefix)?.get(..length)?;
        if tail.bytes().all(|b| b.is_ascii_hexdigit()) { u32::from_str_radix(tail, 16).ok() } else { None }
    };
    let as_char = |code: u32| char::from_u32(code).map(|c| c.to_string().into_bytes());
    if let Some(byte) = digits("%", 2) {
        return Some((vec![u8::try_from(byte).ok()?], 3));
    }
    if let Some(byte) = digits("\\x", 2) {
        return Some((vec![u8::try_from(byte).ok()?], 4));
    }
    if let Some(code) = digits("\\u", 4) {
        return Some((as_char(code)?, 6));
    }
    let reference = rest.strip_prefix("&#")?;
    let (body, end) =
        reference.char_indices().take(9).find(|(_, c)| *c == ';').map(|(i, _)| (reference.get(..i), i))?;
    let body = body?;
    let code = match body.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => body.parse().ok()?,
    };
    Some((as_char(code)?, end + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        decoded_runs(text).into_iter().map(|d| d.text).collect()
    }

    #[test]
    fn finds_encoded_words() {
        assert_eq!(texts("kód dGFqbsO9IHBsw6Fu."), ["tajný plán"]);
        assert_eq!(texts("hex 74616ac3bd207461 x"), ["tajý ta"]);
        assert_eq!(texts("https://a.example/dGFqbsO9IHBsw6Fu"), ["tajný plán"]);
        assert_eq!(texts("taj%6E%C3%BD &#116;&#97;j \\u0074aj"), ["tajný", "taj", "taj"]);
    }

    #[test]
    fn leaves_ordinary_words() {
        assert_eq!(
            texts("internationalization nejnebezpecnejsi well-known-phrase 100 % R&D 2026-03-01T12:30"),
            Vec::<String>::new()
        );
    }
}
