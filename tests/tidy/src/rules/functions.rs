//! No function is longer than 70 lines; those that already are may only become shorter.
//!
//! `tests/tidy/long-functions.txt` holds a line for each that is longer: path, name, lines. A function that grew, or a new long
//! one, is a fault; so is a line that says more than is true, so that the list shrinks with the code. `UPDATE_EXPECT=1 cargo test
//! -p tidy` writes the smaller figures; a line that is added, or grows, is written by hand and seen in review.

use std::collections::BTreeMap;

use crate::{Fault, Source, Tree};

const LINES_MAX: usize = 70;
/// The list of the functions that were too long when the rule came.
pub const LIST: &str = "tests/tidy/long-functions.txt";

/// Path and name of a function to its line and its lines. Of functions with one name in one file, the longest counts.
type Long = BTreeMap<(String, String), (usize, usize)>;

/// The functions that are too long and not on the list, and the lines of the list that are no longer true.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let long = long(tree);
    let mut faults = Vec::new();
    let mut listed = BTreeMap::new();
    for (index, text) in tree.text(LIST).unwrap_or_default().lines().enumerate() {
        match entry(text) {
            Some((key, lines)) => {
                listed.insert(key.clone(), lines);
                let now = long.get(&key).map_or(0, |(_, lines)| *lines);
                if now < lines {
                    let text = match now {
                        0 => "this function is no longer too long: take the line out".to_owned(),
                        _ => format!("this function has {now} lines now: make it {} {} {now}", key.0, key.1),
                    };
                    faults.push(Fault::new(LIST, index + 1, text));
                }
            }
            None if text.is_empty() || text.starts_with('#') => {}
            None => faults.push(Fault::new(LIST, index + 1, "not `path name lines`")),
        }
    }
    for (key, (line, lines)) in long {
        let most = listed.get(&key).copied().unwrap_or(LINES_MAX);
        if lines > most {
            faults.push(Fault::new(&key.0, line, format!("`{}` has {lines} lines, at most {most}: split it", key.1)));
        }
    }
    faults
}

/// The list as it may be written now: figures go down and lines go, nothing is added.
pub fn shrunk(tree: &Tree) -> String {
    let long = long(tree);
    let keep = |text: &&str| entry(text).is_none_or(|(key, _)| long.contains_key(&key));
    let lower = |text: &str| match entry(text) {
        Some((key, lines)) => {
            format!("{} {} {}\n", key.0, key.1, lines.min(long.get(&key).map_or(0, |(_, lines)| *lines)))
        }
        None => format!("{text}\n"),
    };
    tree.text(LIST).unwrap_or_default().lines().filter(keep).map(lower).collect()
}

fn entry(text: &str) -> Option<((String, String), usize)> {
    let mut words = text.split_whitespace();
    let key = (words.next()?.to_owned(), words.next()?.to_owned());
    let lines = words.next()?.parse().ok()?;
    words.next().is_none().then_some((key, lines))
}

fn long(tree: &Tree) -> Long {
    let mut long = Long::new();
    for (path, text) in tree.under("", ".rs") {
        for (line, name, lines) in functions(&Source::scan(text)) {
            let known = long.entry((path.to_owned(), name)).or_insert((line, lines));
            if known.1 < lines {
                *known = (line, lines);
            }
        }
    }
    long.retain(|_, (_, lines)| *lines > LINES_MAX);
    long
}

/// Line, name and lines of each function with a body, from the line of `fn` to the line of the closing brace.
fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let words = source.words();
    let mut functions = Vec::new();
    for pair in words.windows(2) {
        let ((start, keyword), (name_at, name)) = (&pair[0], &pair[1]);
        // `fn(u8) -> u8` is a type, and has no name right after it.
        if keyword != "fn" || source.solid(start + 2) != *name_at {
            continue;
        }
        if let Some(open) = body(source, name_at + name.chars().count()) {
            let (first, last) = (source.line(*start), source.line(source.close(open) - 1));
            functions.push((first, name.clone(), last - first + 1));
        }
    }
    functions
}

/// The opening brace of a function's body; nothing for a declaration.
fn body(source: &Source, mut at: usize) -> Option<usize> {
    while let Some(letter) = source.code.get(at) {
        match letter {
            '{' => return Some(at),
            ';' => return None,
            '(' | '[' => at = source.close(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}(a: [u8; 2]) -> fn(u8) {{{}}}\n", "\n".repeat(lines - 1))
    }

    #[test]
    fn a_long_function_is_found() {
        let text =
            format!("//! a\n{}{}trait T {{ fn c(&self); }}\n", function("a", LINES_MAX), function("b", LINES_MAX + 1));
        let found = faults(&Tree::planted(&[("x.rs", &text)]));
        assert_eq!(found, [Fault::new("x.rs", 72, "`b` has 71 lines, at most 70: split it")]);
    }

    #[test]
    fn the_list_may_only_shrink() {
        let text = format!("{}{}", function("a", 80), function("b", 90));
        let list = "# why\n\nx.rs a 85\nx.rs b 80\nx.rs gone 99\nnonsense\n";
        let tree = Tree::planted(&[("x.rs", &text), (LIST, list)]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        let list = |line| (LIST.to_owned(), line);
        assert_eq!(lines, [list(3), list(5), list(6), ("x.rs".to_owned(), 81)]);
        assert_eq!(shrunk(&tree), "# why\n\nx.rs a 80\nx.rs b 80\nnonsense\n");
    }
}
