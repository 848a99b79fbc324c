//! The top of the repository: these folders and no others, besides those that begin with a dot; and the files a reader expects.

use crate::{Fault, Tree};

const FOLDERS: [&str; 7] = ["docs", "examples", "gateway", "plugins", "sdk", "tests", "wit"];
const FILES: [&str; 7] = [".ci/run", "CHANGELOG.md", "Cargo.toml", "LICENSE", "Makefile", "clippy.toml", "deny.toml"];

/// The folders and files that are missing at the top, and the folders that are too many.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let found = tree.folders("");
    let missing = FOLDERS.iter().filter(|folder| !found.iter().any(|name| name == *folder));
    let absent = FILES.iter().filter(|file| tree.text(file).is_none());
    let extra = found.iter().filter(|name| !name.starts_with('.') && !FOLDERS.contains(&name.as_str()));
    missing
        .map(|folder| Fault::new(folder, 0, "this folder is missing"))
        .chain(absent.map(|file| Fault::new(file, 0, "this file is missing")))
        .chain(extra.map(|name| {
            Fault::new(name, 0, format!("a folder too many at the top: put it into {}", FOLDERS.join(", ")))
        }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_an_extra_folder_are_found() {
        let inside = FOLDERS.iter().skip(1).map(|folder| format!("{folder}/a"));
        let paths: Vec<String> = inside.chain(["xtask/a", ".config/a", "README.md"].map(str::to_owned)).collect();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files.extend(FILES.iter().skip(1).map(|file| (*file, "")));
        let found: Vec<String> = faults(&Tree::planted(&files)).into_iter().map(|fault| fault.path).collect();
        assert_eq!(found, ["docs", ".ci/run", "xtask"]);
    }
}
