//! Which letters look like which: a table between Latin, Cyrillic, Greek and Hebrew, and digits that stand for letters.
//!
//! Two strengths. *Exact* pairs are drawn the same in most fonts (`а` and `a`); a word may consist of them by chance. *Loose* pairs
//! only resemble each other (`и` and `u`); they count where a word mixes scripts, which ordinary words do not.
//! Decision: `docs/decisions/0005-look-alikes.md`.

use super::scripts::Writing;

/// The lower-case letter of `target` that `c` (case kept: capitals resemble other letters than small ones) can stand for, and whether
/// the two are drawn the same.
pub(super) fn alike(c: char, target: Writing) -> Option<(char, bool)> {
    match target {
        Writing::Latin => latin(c),
        Writing::Cyrillic => cyrillic(c),
        Writing::Greek => greek(c),
        Writing::Hebrew => hebrew(c).map(|h| (h, false)),
        Writing::Other => None,
    }
}

/// The letter that a digit or sign stands for within a word of `target`; `one` is what `1` stands for in Latin.
pub(super) fn digit(c: char, target: Writing, one: char) -> Option<char> {
    let letter = match (target, c) {
        (Writing::Latin, '0') => 'o',
        (Writing::Latin, '1') => one,
        (Writing::Latin, '3') => 'e',
        (Writing::Latin, '4' | '@') => 'a',
        (Writing::Latin, '5' | '$') => 's',
        (Writing::Latin, '7') => 't',
        (Writing::Cyrillic, '0') => 'о',
        (Writing::Cyrillic, '3') => 'з',
        (Writing::Cyrillic, '4') => 'ч',
        (Writing::Cyrillic, '6') => 'б',
        (Writing::Cyrillic, '@') => 'а',
        (Writing::Cyrillic, '$') => 'с',
        (Writing::Greek, '0') => 'ο',
        (Writing::Greek, '@') => 'α',
        (Writing::Hebrew, '0') => 'ס',
        (Writing::Hebrew, '1') => 'ו',
        _ => return None,
    };
    Some(letter)
}

fn latin(c: char) -> Option<(char, bool)> {
    let exact = match c {
        'а' | 'А' | 'α' | 'Α' => 'a',
        'В' | 'Β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' => 'e',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ӏ' => 'i',
        'ј' | 'Ј' | 'ϳ' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'М' | 'Μ' => 'm',
        'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' | 'Ѕ' => 's',
        'Т' | 'Τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'Х' | 'Χ' | 'χ' => 'x',
        'у' | 'У' | 'Υ' => 'y',
        'Ζ' => 'z',
        'ё' | 'Ё' => 'ë',
        'ї' | 'Ї' => 'ï',
        _ => '\0',
    };
    if exact != '\0' {
        return Some((exact, true));
    }
    let loose = match c {
        'в' | 'ь' | 'β' => 'b',
        'є' | 'Є' | 'э' | 'ε' | 'з' | 'З' => 'e',
        'ғ' => 'f',
        'ɡ' => 'g',
        'н' | 'ћ' | 'ђ' => 'h',
        'м' => 'm',
        'п' | 'П' | 'η' | 'ח' => 'n',
        'ס' | 'σ' | 'θ' | 'ө' => 'o',
        'г' | 'я' | 'Я' => 'r',
        'т' | 'τ' => 't',
        'и' | 'И' | 'ц' | 'Ц' | 'μ' | 'ט' => 'u',
        'ш' | 'Ш' | 'щ' | 'Щ' | 'ω' => 'w',
        'γ' | 'ү' | 'ў' => 'y',
        'ו' | 'ן' | 'ı' => 'i',
        'й' | 'Й' => 'ů',
        _ => return small_capital(c).or_else(|| prototype(c)),
    };
    Some((loose, false))
}

/// Phonetic letters that are used as small capitals; Unicode's table has only a few of them.
fn small_capital(c: char) -> Option<(char, bool)> {
    let capitals = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡᴙʏᴢ".chars();
    capitals.zip('a'..='z').find(|(capital, _)| *capital == c).map(|(_, letter)| (letter, false))
}

/// Letters of other scripts, and Latin letters beyond the European alphabets, by Unicode's own table (UTS 39).
fn prototype(c: char) -> Option<(char, bool)> {
    let foreign = matches!(c as u32, 0x180..=0x1CC | 0x1DD..=0x1E5 | 0x21C..=0x2AF | 0x530..=0x58F | 0x13A0..=0x13FF | 0x1D00..=0x1DBF
        | 0x2C80..=0x2CFF | 0xA4D0..=0xA4FF | 0xA720..=0xABBF | 0x10280..=0x1044F);
    if !foreign {
        return None;
    }
    let mut buffer = [0_u8; 4];
    let mut skeleton = unicode_security::confusable_detection::skeleton(c.encode_utf8(&mut buffer));
    let first = skeleton.next().filter(char::is_ascii_alphabetic)?;
    skeleton.next().is_none().then_some((first.to_ascii_lowercase(), false))
}

fn cyrillic(c: char) -> Option<(char, bool)> {
    let exact = match c {
        'a' | 'A' | 'α' | 'Α' => 'а',
        'B' | 'Β' => 'в',
        'c' | 'C' | 'ϲ' => 'с',
        'e' | 'E' | 'Ε' => 'е',
        'H' | 'Η' => 'н',
        'i' | 'I' | 'ι' | 'Ι' => 'і',
        'j' | 'J' => 'ј',
        'k' | 'K' | 'κ' | 'Κ' => 'к',
        'M' | 'Μ' => 'м',
        'o' | 'O' | 'ο' | 'Ο' => 'о',
        'p' | 'P' | 'ρ' | 'Ρ' => 'р',
        's' | 'S' => 'ѕ',
        'T' | 'Τ' => 'т',
        'x' | 'X' | 'χ' | 'Χ' => 'х',
        'y' | 'Y' | 'Υ' => 'у',
        'ë' | 'Ë' => 'ё',
        'ï' | 'Ï' => 'ї',
        'Γ' => 'г',
        'Π' => 'п',
        'Φ' => 'ф',
        _ => '\0',
    };
    if exact != '\0' {
        return Some((exact, true));
    }
    let loose = match c {
        'b' => 'ь',
        'h' => 'н',
        'm' => 'м',
        'n' | 'π' => 'п',
        'N' | 'u' => 'и',
        'r' | 'γ' => 'г',
        'R' => 'я',
        't' | 'τ' => 'т',
        'w' | 'W' | 'ω' => 'ш',
        'ñ' | 'ŭ' => 'й',
        'β' => 'в',
        'ε' => 'е',
        'φ' => 'ф',
        'ס' => 'о',
        'ח' => 'п',
        _ => return None,
    };
    Some((loose, false))
}

fn greek(c: char) -> Option<(char, bool)> {
    let exact = match c {
        'a' | 'A' | 'а' | 'А' => 'α',
        'B' | 'В' => 'β',
        'E' | 'Е' => 'ε',
        'Z' => 'ζ',
        'H' | 'Н' => 'η',
        'i' | 'I' | 'і' | 'І' => 'ι',
        'k' | 'K' | 'к' | 'К' => 'κ',
        'M' | 'М' => 'μ',
        'N' => 'ν',
        'o' | 'O' | 'о' | 'О' => 'ο',
        'p' | 'P' | 'р' | 'Р' => 'ρ',
        'T' | 'Т' => 'τ',
        'u' | 'Y' | 'У' => 'υ',
        'x' | 'X' | 'х' | 'Х' => 'χ',
        'v' => 'ν',
        _ => '\0',
    };
    if exact != '\0' {
        return Some((exact, true));
    }
    let loose = match c {
        'n' => 'η',
        'w' => 'ω',
        't' | 'т' => 'τ',
        'y' | 'у' => 'γ',
        _ => return None,
    };
    Some((loose, false))
}

fn hebrew(c: char) -> Option<char> {
    Some(match c {
        'o' | 'O' | 'о' | 'О' | 'ο' | 'Ο' => 'ס',
        'l' | 'I' | 'i' | 'ı' | 'І' | 'і' | 'ι' => 'ו',
        'n' | 'п' | 'П' | 'Π' => 'ח',
        'u' | 'v' => 'ט',
        'w' | 'W' | 'ш' | 'Ш' | 'ω' => 'ש',
        'x' | 'X' | 'х' | 'Х' | 'χ' => 'א',
        'y' | 'Y' | 'у' | 'У' => 'ץ',
        'j' | 'J' | 'ј' => 'ל',
        _ => return None,
    })
}
