//! Every module says what it is for: its first line is `//!`.

use crate::{Fault, Tree};

/// The Rust files that do not open with a module comment.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let is_silent =
        |text: &str| text.lines().next().is_none_or(|first| first.trim_start_matches("//!").trim().is_empty());
    tree.under("", ".rs")
        .filter(|(_, text)| !text.starts_with("//!") || is_silent(text))
        .map(|(path, _)| Fault::new(path, 1, "the first line is not `//! what this module is for`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_module_is_found() {
        let tree = Tree::planted(&[
            ("a.rs", "//! Says it.\n"),
            ("b.rs", "use a;\n//! Too late.\n"),
            ("c.rs", "//!\n//! An empty line first.\n"),
            ("d.rs", ""),
            ("e.md", "No Rust."),
        ]);
        let paths: Vec<String> = faults(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs", "d.rs"]);
    }
}
