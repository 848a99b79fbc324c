//! Secrets of no known format, by the word before them: `password: …`, `api_key = …`, `heslo=…`.

use super::Range;

/// Characters of a value.
const VALUE_CHARS: (usize, usize) = (12, 256);
/// Shannon entropy that tells a random value from a word, in thousandths of a bit for each character.
const ENTROPY_MILLIBITS_MIN: u32 = 3_000;
/// What secrets are called; compared in lower case at the end of the name before the sign.
const NAMES: [&str; 18] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "private_key",
    "client_key",
    "heslo",
    "hasło",
    "haslo",
    "пароль",
    "секрет",
    "סיסמה",
];

/// Reports values given to names of secrets.
pub(super) fn find(text: &str, report: &mut impl FnMut(Range)) {
    for (at, _) in text.match_indices(['=', ':']) {
        if is_secret_name(text.get(..at).unwrap_or_default())
            && let Some(range) = value(text, at + 1)
        {
            report(range);
        }
    }
}

fn is_secret_name(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '"', '\'', '`']);
    // The longest name has 20 bytes or fewer.
    let from = before.char_indices().rev().take(20).last().map_or(before.len(), |(i, _)| i);
    let tail = before.get(from..).unwrap_or_default().to_lowercase();
    NAMES.iter().any(|name| tail.ends_with(name))
}

fn value(text: &str, from: usize) -> Option<Range> {
    let rest = text.get(from..)?;
    let skipped = rest.len() - rest.trim_start_matches([' ', '"', '\'', '`', '>', '=']).len();
    let start = from + skipped;
    let rest = text.get(start..)?;
    let end: usize = rest
        .bytes()
        .take(VALUE_CHARS.1 + 1)
        .take_while(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'`' | b',' | b';' | b')' | b'<' | b'>'))
        .count();
    let value = rest.get(..end)?.trim_end_matches(['.', '!', '?', ':']);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let long = (VALUE_CHARS.0..=VALUE_CHARS.1).contains(&value.len());
    let link = value.contains("://") || value.starts_with("www.");
    (long && !link && digits >= 2 && letters >= 4 && entropy_millibits(value) >= ENTROPY_MILLIBITS_MIN)
        .then(|| (start, start + value.len()))
}

fn entropy_millibits(value: &str) -> u32 {
    let mut counts = [0_u32; 128];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    let bits: f64 = counts
        .iter()
        .filter(|c| **c > 0)
        .map(|c| {
            let share = f64::from(*c) / total;
            -share * share.log2()
        })
        .sum();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7000")]
    let millibits = (bits * 1000.0) as u32;
    millibits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        find(text, &mut |(s, e)| out.push(&text[s..e]));
        out
    }

    #[test]
    fn finds_values_of_secrets() {
        assert_eq!(found("db password = \"k9X2mQ7vT4bL\" ok"), ["k9X2mQ7vT4bL"]);
        assert_eq!(found("Heslo: Tr0ub4dor-k3nn3l."), ["Tr0ub4dor-k3nn3l"]);
        assert_eq!(found("API_KEY=9f8b7c6d5e4f3a2b1c0d"), ["9f8b7c6d5e4f3a2b1c0d"]);
    }

    #[test]
    fn leaves_talk_about_secrets() {
        for text in [
            "The secret: hardworking people",
            "token: https://a.example/12345678901",
            "password: at least 12 characters",
            "heslo: 123456789012",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
