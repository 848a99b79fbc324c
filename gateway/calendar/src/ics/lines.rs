//! Content lines, RFC 5545 section 3.1: unfolded, and taken apart.

use super::{At, IcsError, Problem};
use crate::limits::{ICS_LINE_BYTES_MAX, ICS_PARAMETERS_MAX};

/// A content line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins.
    pub(crate) number: u32,
    /// In capitals.
    pub(crate) name: String,
    /// Names in capitals; values without their quotes.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) value: String,
}

impl Line {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The lines of a text, unfolded. Empty lines are passed over; lines may end in LF alone.
pub(crate) struct Unfolded<'a> {
    rest: std::iter::Peekable<std::iter::Zip<std::ops::RangeFrom<u32>, std::str::Split<'a, char>>>,
}

impl<'a> Unfolded<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: (1..).zip(text.split('\n')).peekable() }
    }
}

impl Iterator for Unfolded<'_> {
    type Item = Result<(u32, String), IcsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let folded = |line: &str| line.starts_with([' ', '\t']);
        let (number, first) = loop {
            let (number, line) = self.rest.next()?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.trim().is_empty() {
                break (number, line);
            }
        };
        if folded(first) {
            return Some(Err(Problem::NothingToFold).at(number));
        }
        let mut whole = first.to_owned();
        while let Some((_, more)) = self.rest.next_if(|(_, line)| folded(line)) {
            let more = more.strip_suffix('\r').unwrap_or(more);
            whole.push_str(more.get(1..).unwrap_or_default());
            if whole.len() > ICS_LINE_BYTES_MAX {
                break;
            }
        }
        if whole.len() > ICS_LINE_BYTES_MAX {
            return Some(Err(Problem::LongLine).at(number));
        }
        Some(Ok((number, whole)))
    }
}

/// Takes a line apart: `NAME;PARAMETER="quoted",plain:value`.
pub(crate) fn parse(number: u32, text: &str) -> Result<Line, IcsError> {
    let wrong = || Err(Problem::NotALine).at(number);
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut quoted = false;
    let colon = text.find(|letter| {
        quoted ^= letter == '"';
        letter == ':' && !quoted
    });
    let Some((head, value)) = colon.and_then(|colon| text.split_at_checked(colon)) else { return wrong() };
    let mut quoted = false;
    let mut parts = head.split(|letter| {
        quoted ^= letter == '"';
        letter == ';' && !quoted
    });
    let name = parts.next().unwrap_or_default();
    if !is_name(name) {
        return wrong();
    }
    let mut parameters = Vec::new();
    for part in parts {
        let Some((name, value)) = part.split_once('=').filter(|(name, _)| is_name(name)) else { return wrong() };
        if parameters.len() == ICS_PARAMETERS_MAX {
            return Err(Problem::TooMany("parameters")).at(number);
        }
        parameters.push((name.to_ascii_uppercase(), value.replace('"', "")));
    }
    let value = value.get(1..).unwrap_or_default().to_owned();
    Ok(Line { number, name: name.to_ascii_uppercase(), parameters, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_unfolded_and_taken_apart() {
        let text = "\u{feff}SUMMARY;LANGUAGE=en;X=\"a:b;c\":one\r\n  two\r\n\tthr\r\n\r\n ee\nNEXT:\n";
        let lines: Vec<_> = Unfolded::new(text).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        let (number, first) = lines[0].clone().unwrap();
        let line = parse(number, &first).unwrap();
        assert_eq!((line.number, line.name.as_str(), line.value.as_str()), (1, "SUMMARY", "one twothr"));
        assert_eq!((line.parameter("LANGUAGE"), line.parameter("X")), (Some("en"), Some("a:b;c")));
        assert_eq!(lines[1], Err(IcsError { line: 5, problem: Problem::NothingToFold }));
        assert_eq!(lines[2], Ok((6, "NEXT:".to_owned())));
    }

    #[test]
    fn what_is_no_line_is_told() {
        for wrong in ["SUMMARY", "A B:c", ":value", "X;=1:v", "X;Y:v", "X\"Y:v\"", "É:v", "X;P=\"open:v"] {
            assert_eq!(parse(7, wrong), Err(IcsError { line: 7, problem: Problem::NotALine }), "{wrong}");
        }
    }
}
