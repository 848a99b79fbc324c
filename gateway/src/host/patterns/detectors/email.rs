//! E-mail addresses, also with the signs written out in brackets: `name (at) firm (dot) example`.

use super::Range;
use crate::host::patterns::tlds::is_top_level;

/// Characters of the part before the sign, by RFC 5321.
const LOCAL_BYTES_MAX: usize = 64;
/// Ways to write the at sign.
const AT: [&str; 7] = ["(at)", "[at]", "{at}", "(zavináč)", "[zavináč]", "(małpa)", "(собака)"];
/// Ways to write the dot.
const DOT: [&str; 7] = ["(dot)", "[dot]", "{dot}", "(tečka)", "(kropka)", "(точка)", "[.]"];

/// Reports addresses whose domain is not one of `allowed` (lower case) or below it.
pub(super) fn find(text: &str, allowed: &[String], report: &mut impl FnMut(Range)) {
    for (at, c) in text.char_indices() {
        let sign = match c {
            '@' => Some(at + 1),
            '(' | '[' | '{' => AT.iter().find_map(|word| starts(text, at, word)),
            _ => None,
        };
        let Some(after) = sign else { continue };
        if let Some((start, end, domain)) = address(text, at, after)
            && !allowed.iter().any(|a| is_below(&domain, a))
        {
            report((start, end));
        }
    }
}

/// The end of `word` at `at`, without regard to ASCII case.
fn starts(text: &str, at: usize, word: &str) -> Option<usize> {
    let piece = text.get(at..at + word.len())?;
    piece.eq_ignore_ascii_case(word).then_some(at + word.len())
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'')
}

fn address(text: &str, at: usize, after: usize) -> Option<(usize, usize, String)> {
    let written_out = after > at + 1;
    let before = text.get(..at)?;
    let trimmed = if written_out { before.trim_end_matches(' ') } else { before };
    let local: usize =
        trimmed.chars().rev().take(LOCAL_BYTES_MAX + 1).take_while(|c| is_local(*c)).map(char::len_utf8).sum();
    let start = trimmed.len().checked_sub(local)?;
    let name = trimmed.get(start..)?.trim_start_matches(['.', '\'', '-', '+', '%']);
    // `@user@host` is a handle, not a mailbox.
    let handle = text.get(..start)?.ends_with('@');
    if name.is_empty() || local > LOCAL_BYTES_MAX || handle {
        return None;
    }
    let start = trimmed.len() - name.len();
    let (end, domain) = domain(text, after, written_out)?;
    Some((start, end, domain))
}

/// The domain at `from`: its end and its name in lower case.
fn domain(text: &str, from: usize, written_out: bool) -> Option<(usize, String)> {
    let mut at = from;
    let mut name = String::new();
    let mut end = from;
    loop {
        if written_out {
            at += text.get(at..)?.len() - text.get(at..)?.trim_start_matches(' ').len();
        }
        let rest = text.get(at..)?;
        let label: usize =
            rest.chars().take(64).take_while(|c| c.is_alphanumeric() || *c == '-').map(char::len_utf8).sum();
        let label_text = rest.get(..label)?.trim_end_matches('-');
        if label_text.is_empty() || name.len() > 253 {
            break;
        }
        name.push_str(&label_text.to_lowercase());
        end = at + label_text.len();
        at += label;
        let gap = if written_out { text.get(at..)?.len() - text.get(at..)?.trim_start_matches(' ').len() } else { 0 };
        let dot = if text.get(at..)?.starts_with('.') {
            Some(at + 1)
        } else {
            DOT.iter().find_map(|w| starts(text, at + gap, w))
        };
        match dot {
            Some(next) => at = next,
            None => break,
        }
        name.push('.');
    }
    let name = name.trim_end_matches('.').to_owned();
    let ending = name.rsplit_once('.').map(|(_, last)| last)?;
    is_top_level(ending).then_some((end, name))
}

fn is_below(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, allowed: &[&str]) -> Vec<&'a str> {
        let allowed: Vec<String> = allowed.iter().map(|a| (*a).to_owned()).collect();
        let mut out = Vec::new();
        find(text, &allowed, &mut |(s, e)| out.push(&text[s..e]));
        out
    }

    #[test]
    fn finds_addresses_outside_the_allowed_domains() {
        assert_eq!(found("pište na jan.novak@firma.cz.", &[]), ["jan.novak@firma.cz"]);
        assert_eq!(found("info@acme.example a hr@mail.acme.example", &["acme.example"]), Vec::<&str>::new());
        assert_eq!(found("x@notacme.example", &["acme.example"]), ["x@notacme.example"]);
        assert_eq!(
            found("jan (at) firma (dot) cz, eva[at]firma.cz", &[]),
            ["jan (at) firma (dot) cz", "eva[at]firma.cz"]
        );
    }

    #[test]
    fn leaves_handles_and_prices() {
        for text in
            ["@acme@social.example", "5 ks @ 12.50", "follow @acme.social.example", "me @ home", "(at) the gate"]
        {
            assert_eq!(found(text, &[]), Vec::<&str>::new(), "{text}");
        }
    }
}
