//! Codes that a person types (RFC 8628 section 6.1): eight of twenty letters that make no words and look like nothing else.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::records::RecordsError;

/// No vowels, no Y, no digits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// 20⁸ are 2.6·10¹⁰, a little over 34 bits.
const LETTERS: usize = 8;
/// More than a person types, with spaces and hyphens.
const TYPED_BYTES_MAX: usize = 64;

/// A fresh code, as it is kept: letters alone.
pub(super) fn fresh() -> Result<String, RecordsError> {
    let generator = SystemRandom::new();
    let mut code = String::with_capacity(LETTERS);
    while code.len() < LETTERS {
        let mut bytes = [0_u8; 16];
        let filled = generator.fill(&mut bytes);
        filled.map_err(|_| RecordsError::Unavailable("the system gives no random numbers".into()))?;
        // Without bias: 240 is twelve times twenty.
        let letters = bytes.iter().filter(|byte| **byte < 240).filter_map(|byte| ALPHABET.get(usize::from(byte % 20)));
        code.extend(letters.take(LETTERS - code.len()).map(|letter| char::from(*letter)));
    }
    Ok(code)
}

/// As it is shown: `WDJB-MJHT`.
pub(super) fn shown(code: &str) -> String {
    let (one, other) = code.split_at_checked(LETTERS / 2).unwrap_or((code, ""));
    format!("{one}-{other}")
}

/// What a person typed: any case, with any spaces and hyphens. None where it is no code.
pub(super) fn typed(text: &str) -> Option<String> {
    if text.len() > TYPED_BYTES_MAX {
        return None;
    }
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '-' | '–' | '_' | '.'));
    let code: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
    (code.len() == LETTERS && code.bytes().all(|letter| ALPHABET.contains(&letter))).then_some(code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_as_people_type_it() {
        for _ in 0..100 {
            let code = fresh().unwrap();
            let shown = shown(&code);
            assert_eq!(shown.len(), LETTERS + 1);
            for text in [shown.clone(), shown.to_lowercase(), format!(" {} ", shown.replace('-', " ")), code.clone()] {
                assert_eq!(typed(&text).as_ref(), Some(&code), "{text}");
            }
        }
        for bad in ["", "WDJB", "WDJB-MJH", "WDJB-MJHTT", "ADJB-MJHT", "WDJ8-MJHT", "WDJB-MJHÄ", &"-".repeat(100)] {
            assert_eq!(typed(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_typed_is_a_code_or_nothing(text in "\\PC{0,40}|[b-z-]{6,12}") {
            if let Some(code) = typed(&text) {
                prop_assert_eq!(typed(&shown(&code)), Some(code));
            }
        }
    }
}
