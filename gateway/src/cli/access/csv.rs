//! A review as CSV (RFC 4180), for spreadsheets: a cell that one would take for a formula is marked as text.

use crate::operator::access::AccessRow;

/// The head.
const HEAD: [&str; 16] = [
    "kind",
    "account",
    "brand",
    "holder",
    "grant",
    "actions",
    "denied",
    "act_for",
    "owner",
    "expires_at",
    "state",
    "last_used_at",
    "uses",
    "refused",
    "live_keys",
    "findings",
];

/// All rows under their head.
pub(super) fn csv(rows: &[AccessRow]) -> String {
    let mut text = line(&HEAD.map(str::to_owned));
    for row in rows {
        text.push_str(&line(&cells(row)));
    }
    text
}

fn cells(row: &AccessRow) -> [String; 16] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = |value: Option<jiff::Timestamp>| value.map(|at| at.to_string()).unwrap_or_default();
    let findings: Vec<&str> = row.findings.iter().map(|finding| finding.as_str()).collect();
    [
        row.kind.as_str().to_owned(),
        text(&row.account),
        text(&row.brand),
        row.holder.clone(),
        text(&row.grant),
        row.actions.join(" "),
        row.denied.join(" "),
        row.act_for.join(" "),
        text(&row.owner),
        time(row.expires_at),
        row.state.as_str().to_owned(),
        time(row.last_used_at),
        row.uses.to_string(),
        row.refused.to_string(),
        row.live_keys.to_string(),
        findings.join(" "),
    ]
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|value| cell(value)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell. Spreadsheets take what begins with `=`, `+`, `-`, `@`, a tab or a line's end for a formula, also after an empty space; an
/// apostrophe before it says that it is text.
fn cell(value: &str) -> String {
    let first = value.trim_start_matches(' ').chars().next();
    let formula = first
        .is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    let text = if formula { format!("'{value}") } else { value.to_owned() };
    if text.contains([',', '"', '\r', '\n', ';', '\t', '\'']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "=cmd|' /C calc'!A0", "＝1"] {
            assert!(cell(bad).starts_with("\"'"), "{bad}: {}", cell(bad));
        }
        assert_eq!(cell("acme/snacks"), "acme/snacks");
        assert_eq!(cell("a,b\"c"), "\"a,b\"\"c\"");
        assert_eq!(cell("2030-01-01T00:00:00Z"), "2030-01-01T00:00:00Z");
        assert_eq!(cell(""), "");
    }

    proptest! {
        #[test]
        fn a_line_reads_back(values in proptest::collection::vec(any::<String>(), 1..5)) {
            let line = line(&values);
            let read = read(line.strip_suffix("\r\n").unwrap());
            prop_assert_eq!(read.len(), values.len());
            for (found, value) in read.iter().zip(&values) {
                let marked = found.strip_prefix('\'').filter(|_| found.len() > value.len()).unwrap_or(found);
                prop_assert_eq!(marked, value);
                let first = found.trim_start_matches(' ').chars().next();
                prop_assert!(!first.is_some_and(|first| "=+-@\t\r\n".contains(first)), "{:?}", found);
            }
        }
    }

    /// A reader of RFC 4180 of its own.
    fn read(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let (mut quoted, mut letters) = (false, line.chars().peekable());
        while let Some(letter) = letters.next() {
            let cell = cells.last_mut().unwrap();
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    cell.push('"');
                }
                '"' if quoted || cell.is_empty() => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                other => cell.push(other),
            }
        }
        cells
    }
}
