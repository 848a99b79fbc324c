//! Bank account numbers by ISO 13616: country, length of that country, checksum modulo 97.

use super::Range;

/// Country and length of its numbers, from the SWIFT registry.
const LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 \
ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 \
LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 \
SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// Reports account numbers in `text`, in any letter case, in groups or not.
pub(super) fn find(text: &str, report: &mut impl FnMut(Range)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 15 <= bytes.len() {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let starts = matches!(bytes.get(at..at + 2), Some([a, b]) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
            && before.is_none_or(|c| !c.is_alphanumeric());
        match if starts { number(text, at) } else { None } {
            Some(end) => {
                report((at, end));
                at = end;
            }
            None => at += 1,
        }
    }
}

/// The end of the number at `start`.
fn number(text: &str, start: usize) -> Option<usize> {
    let country = text.get(start..start + 2)?.to_ascii_uppercase();
    let length: usize = LENGTHS.split_whitespace().find(|c| c.starts_with(&country))?.get(2..)?.parse().ok()?;
    let mut taken = 0;
    let mut end = start;
    let mut digits: [u8; 34] = [0; 34];
    let mut separated = false;
    for (offset, c) in text.get(start..)?.char_indices() {
        if taken == length {
            break;
        }
        if c.is_ascii_alphanumeric() {
            *digits.get_mut(taken)? = u8::try_from(c.to_ascii_uppercase()).ok()?;
            taken += 1;
            separated = false;
            end = start + offset + 1;
        } else if matches!(c, ' ' | '-' | '\u{a0}' | '\u{202f}' | '.') && !separated && taken >= 2 {
            separated = true;
        } else {
            return None;
        }
        if (taken == 3 || taken == 4) && !separated && !c.is_ascii_digit() {
            return None;
        }
    }
    let after = text.get(end..)?.chars().next();
    let whole = taken == length && after.is_none_or(|c| !c.is_alphanumeric());
    (whole && checksum(digits.get(..length)?) == 1).then_some(end)
}

/// The number modulo 97, its first four characters moved to the end.
fn checksum(digits: &[u8]) -> u32 {
    let (head, tail) = digits.split_at_checked(4).unwrap_or_default();
    tail.iter().chain(head).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    })
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
    fn finds_accounts_by_checksum() {
        assert_eq!(found("účet CZ65 0800 0000 1920 0014 5399."), ["CZ65 0800 0000 1920 0014 5399"]);
        assert_eq!(found("pl61109010140000071219812874"), ["pl61109010140000071219812874"]);
        assert_eq!(
            found("GB29 NWBK 6016 1331 9268 19, IL62 0108 0000 0009 9999 999"),
            ["GB29 NWBK 6016 1331 9268 19", "IL62 0108 0000 0009 9999 999"]
        );
        assert_eq!(found("CZ65 0800 0000 1920 0014 5398 DE00 ABCD"), Vec::<&str>::new());
    }
}
