//! The tracked files of the repository, and what is wrong with one of them.

use std::{collections::BTreeMap, fmt, fs, path::Path, process::Command};

/// The tracked text files: path from the root of the repository, with `/`, to text.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

/// Something that a rule forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Path from the root of the repository.
    pub path: String,
    /// From 1; 0 where the fault is the file itself.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl Fault {
    /// A fault at a line of a file.
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

impl Tree {
    /// Reads what git tracks under `root`. Files that are not UTF-8 (pictures) or gone from the work tree are left out.
    ///
    /// # Errors
    /// When git cannot list the files.
    pub fn tracked(root: &Path) -> Result<Self, String> {
        let listing = Command::new("git")
            // The checkout may belong to another user than the one who tests it.
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git ls-files does not start: {error}"))?;
        if !listing.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listing.stderr)));
        }
        let names = String::from_utf8(listing.stdout).map_err(|error| format!("a file name is not UTF-8: {error}"))?;
        let read = |name: &str| Some((name.to_owned(), fs::read_to_string(root.join(name)).ok()?));
        Ok(Self { files: names.split_terminator('\0').filter_map(read).collect() })
    }

    /// A tree made of planted text, for the tests of the rules.
    pub fn planted(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// Path and text of every file, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Path and text of the files that lie under `folder` and end in `suffix`.
    pub fn under<'a>(&'a self, folder: &'a str, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files().filter(move |(path, _)| within(path, folder) && path.ends_with(suffix))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether `path` is a tracked file, or a folder of one. The empty path is the root.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.files.keys().any(|file| within(file, path))
    }

    /// The names of the folders directly in `folder`, in order.
    pub fn folders(&self, folder: &str) -> Vec<String> {
        let inside = |path: &str| {
            let rest = if folder.is_empty() { path } else { path.strip_prefix(folder)?.strip_prefix('/')? };
            Some(rest.split_once('/')?.0.to_owned())
        };
        let mut names: Vec<String> = self.files.keys().filter_map(|path| inside(path)).collect();
        names.dedup();
        names
    }
}

/// Whether the file at `path` lies somewhere under `folder`.
fn within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_found() {
        let tree = Tree::planted(&[("a/b/c.rs", "1"), ("a/d.rs", "2"), ("ab/e.rs", "3"), ("f.md", "4")]);
        assert_eq!(tree.folders(""), ["a", "ab"]);
        assert_eq!(tree.folders("a"), ["b"]);
        assert!(tree.has("a/b") && tree.has("f.md") && tree.has("") && !tree.has("a/b/c"));
        assert_eq!(tree.under("a", ".rs").map(|(path, _)| path).collect::<Vec<_>>(), ["a/b/c.rs", "a/d.rs"]);
    }

    #[test]
    fn the_repository_is_read() {
        let tree = Tree::tracked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("git lists files");
        assert_eq!(tree.text("tests/tidy/src/tree.rs"), Some(include_str!("tree.rs")));
    }
}
