//! Which bytes may stand where in a head, and names that look like others.

/// A `tchar` of RFC 9110 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

/// One or more token characters.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token(*byte))
}

/// A byte that a field's value may have: no control character but the tab.
pub(super) fn is_value(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// Only bytes that a value may have. Without a branch for each byte, so that it is done many at a time.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, byte| bad | !is_value(*byte))
}

/// Without the spaces and tabs around it.
pub(super) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The two names that say where a body ends.
const LENGTH: &[u8] = b"contentlength";
const ENCODING: &[u8] = b"transferencoding";
/// Letters of the longer one.
const SQUEEZED: usize = 16;

/// The letters and digits of a name, as far as they matter, gathered byte by byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Squeezed {
    letters: [u8; SQUEEZED],
    count: u8,
}

impl Squeezed {
    /// Of a whole name.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut squeezed = Self::default();
        name.iter().for_each(|byte| squeezed.push(*byte));
        squeezed
    }

    /// One more byte.
    pub(super) fn push(&mut self, byte: u8) {
        if !byte.is_ascii_alphanumeric() {
            return;
        }
        if let Some(place) = self.letters.get_mut(usize::from(self.count)) {
            *place = byte.to_ascii_lowercase();
        }
        self.count = self.count.saturating_add(1);
    }

    /// Whether some reader could take it for one of the two names.
    pub(super) fn frames(&self) -> bool {
        let letters = self.letters.get(..usize::from(self.count));
        letters.is_some_and(|letters| letters == LENGTH || letters == ENCODING)
    }

    /// Whether it says to whom the request goes.
    pub(super) fn routes(&self) -> bool {
        self.letters.get(..usize::from(self.count)) == Some(b"host")
    }
}

/// Whether a name that is neither of the two looks like one of them. Most names are told apart by their first letter.
pub(super) fn looks_alike(name: &[u8]) -> bool {
    let first = name.iter().find(|byte| byte.is_ascii_alphanumeric());
    name.len() >= LENGTH.len() && matches!(first, Some(b'c' | b'C' | b't' | b'T')) && Squeezed::of(name).frames()
}
