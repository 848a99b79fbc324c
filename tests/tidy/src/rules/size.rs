//! One idea to a file: no source file has more than 600 lines.

use crate::{Fault, Tree};

const LINES_MAX: usize = 600;
const SOURCES: [&str; 7] = [".rs", ".wit", ".sql", ".js", ".cjs", ".ts", "Makefile"];

/// The files that are too long.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    tree.files()
        .filter(|(path, _)| SOURCES.iter().any(|suffix| path.ends_with(suffix)))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| {
            Fault::new(path, LINES_MAX + 1, format!("{lines} lines, at most {LINES_MAX}: split it by idea"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let (full, over) = ("\n".repeat(LINES_MAX), "\n".repeat(LINES_MAX + 1));
        let tree = Tree::planted(&[("a.rs", &full), ("b.rs", &over), ("c.wit", &over), ("Cargo.lock", &over)]);
        let paths: Vec<String> = faults(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["b.rs", "c.wit"]);
    }
}
