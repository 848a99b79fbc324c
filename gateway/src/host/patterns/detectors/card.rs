//! Payment card numbers: 13 to 19 digits, a prefix and length that a scheme issues, the Luhn checksum, grouped as people group them.

use super::Range;

/// Digits of the longest number.
const DIGITS_MAX: usize = 19;
/// Digits of the shortest.
const DIGITS_MIN: usize = 13;

/// Reports card numbers in `text`.
pub(super) fn find(text: &str, report: &mut impl FnMut(Range)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !digit_at(bytes, at) {
            at += 1;
            continue;
        }
        let end = run_end(text, at);
        judge_run(text, at, end, report);
        at = end.max(at + 1);
    }
}

fn digit_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

/// The length of a separator between digit groups: a space (also a no-break space), a dash or a dot.
fn separator(text: &str, at: usize) -> Option<usize> {
    let c = text.get(at..)?.chars().next()?;
    matches!(c, ' ' | '-' | '.' | '\u{a0}' | '\u{202f}' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '_' | '*')
        .then(|| c.len_utf8())
}

/// The end of a run of digits with single separators between them.
fn run_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = start;
    loop {
        while digit_at(bytes, end) {
            end += 1;
        }
        match separator(text, end) {
            Some(length) if digit_at(bytes, end + length) => end += length,
            _ => return end,
        }
    }
}

/// Groups of a run: (start, end) of each stretch of digits.
fn judge_run(text: &str, start: usize, end: usize, report: &mut impl FnMut(Range)) {
    let bytes = text.as_bytes();
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    // Part of an identifier, a phone number with its plus, or a decimal number.
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '+' | '_' | '/' | '='))
        || after.is_some_and(char::is_alphanumeric)
    {
        return;
    }
    let mut groups: Vec<Range> = Vec::new();
    let mut at = start;
    while at < end {
        let from = at;
        while at < end && digit_at(bytes, at) {
            at += 1;
        }
        groups.push((from, at));
        at += separator(text, at).unwrap_or(1);
    }
    // Any whole groups in a row may be the number: `order 77 4111 1111 1111 1111`.
    let mut first = 0;
    while first < groups.len() {
        first = match longest_card(bytes, &groups, first) {
            Some(last) => {
                let range = groups.get(first).zip(groups.get(last)).map(|(a, b)| (a.0, b.1));
                range.into_iter().for_each(&mut *report);
                last + 1
            }
            None => first + 1,
        };
    }
}

/// The last group of a card number that starts with group `first`.
fn longest_card(bytes: &[u8], groups: &[Range], first: usize) -> Option<usize> {
    let mut digits: Vec<u8> = Vec::with_capacity(DIGITS_MAX);
    let mut sizes: Vec<usize> = Vec::new();
    let mut best = None;
    for (index, (start, end)) in groups.iter().enumerate().skip(first) {
        if digits.len() + (end - start) > DIGITS_MAX {
            break;
        }
        digits.extend(bytes.get(*start..*end)?.iter().map(|b| b - b'0'));
        sizes.push(end - start);
        if digits.len() >= DIGITS_MIN && is_issued(&digits) && luhn(&digits) && is_usual_grouping(&sizes) {
            best = Some(index);
        }
    }
    best
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    let all_same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    sum.is_multiple_of(10) && !all_same
}

/// Prefix and length as the schemes issue them.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(6).fold(0_u32, |n, d| n * 10 + u32::from(*d));
    let (two, three, four) = (prefix / 10_000, prefix / 1000, prefix / 100);
    let length = digits.len();
    match prefix {
        _ if prefix / 100_000 == 4 => matches!(length, 13 | 16 | 19),
        _ if (51..=55).contains(&two) || (2221..=2720).contains(&four) => length == 16,
        _ if two == 34 || two == 37 => length == 15,
        _ if (300..=305).contains(&three) || two == 36 || two == 38 || two == 39 => length == 14 || length == 16,
        _ if four == 6011 || two == 65 || (644..=649).contains(&three) => matches!(length, 16 | 19),
        _ if (3528..=3589).contains(&four) => matches!(length, 16..=19),
        _ if two == 62 => matches!(length, 16..=19),
        _ if (2200..=2204).contains(&four) => matches!(length, 16..=19),
        // Maestro issues 12 to 19; the short ones can't be told from other numbers.
        _ if matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761 | 6762 | 6763) => matches!(length, 16..=19),
        _ => false,
    }
}

/// No groups, equal groups (the last may be shorter), or the groups printed on cards of 14 and 15 digits.
fn is_usual_grouping(sizes: &[usize]) -> bool {
    if matches!(sizes, [_] | [4, 6, 5] | [4, 6, 4]) {
        return true;
    }
    let first = sizes.first().copied().unwrap_or(0);
    let (last, inner) = sizes.split_last().map_or((0, sizes), |(l, rest)| (*l, rest));
    inner.iter().all(|s| *s == first) && last <= first && (first >= 4 || sizes.len() >= 5)
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
    fn finds_cards() {
        assert_eq!(found("karta 4111 1111 1111 1111, platí"), ["4111 1111 1111 1111"]);
        assert_eq!(found("5555555555554444"), ["5555555555554444"]);
        assert_eq!(found("378282246310005 a 3782-822463-10005"), ["378282246310005", "3782-822463-10005"]);
        assert_eq!(found("č. 12 4242-4242-4242-4242"), ["4242-4242-4242-4242"]);
        assert_eq!(found("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2"), ["4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2"]);
    }

    #[test]
    fn leaves_other_numbers() {
        for text in [
            "4111 1111 1111 1112",
            "+420 777 123 456",
            "ISBN 978-80-257-0000-1",
            "2026-03-01 12:30:00",
            "0000 0000 0000 0000",
            "IMEI 356938035643809",
            "order 4111111111111111x",
            "123 4567 890 123 45",
            "PL61 1090 1014 0000 0712 1981 2874",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
