//! What the letters of a text are written in.

use unicode_script::{Script, UnicodeScript};

/// Lead bytes, and ASCII, by what a closer look could say.
const LATIN: u8 = 1;
const CYRILLIC: u8 = 2;
const LOOK_CLOSER: u8 = 4;

#[allow(clippy::indexing_slicing, reason = "a table of every byte, made when this is compiled")]
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            // U+0100 to U+023F and U+0400 to U+047F are letters throughout.
            b'A'..=b'Z' | b'a'..=b'z' | 0xC4..=0xC8 => LATIN,
            0xD0 | 0xD1 => CYRILLIC,
            0xC2 | 0xC3 | 0xC9..=0xCF | 0xD2..=0xFF => LOOK_CLOSER,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// ISO 15924 codes of the scripts of a text's letters with the number of letters of each, most first (ties by code).
/// Letters that all scripts share (marks, letter-like symbols) are not counted. Linear in the text.
pub fn scripts(text: &str) -> Vec<(String, u32)> {
    let (mut latin, mut cyrillic) = (0_u32, 0_u32);
    let mut others: Vec<(Script, u32)> = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        let class = BYTES.get(usize::from(byte)).copied().unwrap_or(0);
        latin += u32::from(class & LATIN);
        cyrillic += u32::from(class & CYRILLIC) >> 1;
        if class & LOOK_CLOSER == 0 {
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { continue };
        match of(c) {
            None | Some(Script::Common | Script::Inherited | Script::Unknown) => {}
            Some(Script::Latin) => latin += 1,
            Some(Script::Cyrillic) => cyrillic += 1,
            Some(script) => match others.iter_mut().find(|(known, _)| *known == script) {
                Some((_, count)) => *count += 1,
                None => others.push((script, 1)),
            },
        }
    }
    let mut counts = vec![(Script::Latin, latin), (Script::Cyrillic, cyrillic)];
    counts.extend(others);
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.short_name().cmp(b.0.short_name())));
    counts.into_iter().map(|(script, count)| (script.short_name().to_owned(), count)).collect()
}

/// The script of a letter; none for what is not one.
fn of(c: char) -> Option<Script> {
    match c as u32 {
        0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x24F => Some(Script::Latin),
        0x5D0..=0x5EA => Some(Script::Hebrew),
        // Dashes, quotation marks and signs of currency; emoji.
        0x2000..=0x206F | 0x20A0..=0x20CF | 0x1F300..=0x1FAFF => None,
        _ => c.is_alphabetic().then(|| c.script()),
    }
}

/// The scripts between which look-alikes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Latin.
    Latin,
    /// Cyrillic.
    Cyrillic,
    /// Greek and Coptic.
    Greek,
    /// Hebrew.
    Hebrew,
    /// Any other.
    Other,
}

impl Writing {
    /// The scripts that words are mapped to.
    pub(super) const TARGETS: [Writing; 4] = [Writing::Latin, Writing::Cyrillic, Writing::Greek, Writing::Hebrew];

    /// Position in tables that count by script.
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The script of a letter or mark; none for what is not one.
    pub(super) fn of(c: char) -> Option<Writing> {
        match c as u32 {
            0x41..=0x5A | 0x61..=0x7A => Some(Writing::Latin),
            0x00..0x80 => None,
            0xAA | 0xBA | 0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x24F | 0x1E00..=0x1EFF => Some(Writing::Latin),
            0x370..=0x373 | 0x376..=0x377 | 0x37B..=0x37D | 0x37F | 0x386 | 0x388..=0x3FF | 0x1F00..=0x1FFF => {
                Some(Writing::Greek)
            }
            0x400..=0x52F | 0x1C80..=0x1C8F => Some(Writing::Cyrillic),
            0x591..=0x5F2 => Some(Writing::Hebrew),
            _ if c.is_alphabetic() => Some(Writing::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters_and_only_letters() {
        assert_eq!(scripts("Ahoj 123 привет! שלום é"), [("Cyrl".into(), 6), ("Latn".into(), 5), ("Hebr".into(), 4)]);
        assert_eq!(scripts("12:30 🎉 — …"), []);
        assert_eq!(scripts("日本語 ひらがな")[0], ("Hira".into(), 4));
    }
}
