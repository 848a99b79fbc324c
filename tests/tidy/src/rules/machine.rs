//! Nothing in the repository knows the machine it was written on: no path of a home or of a workplace, nothing beside the checkout.

use crate::{Fault, Tree};

/// The folders that only some machine has. In pieces, so that this file keeps its own rule.
const FOLDERS: [&str; 3] = ["work", "root", "home"];
/// Only `.ci/run` may look beside the checkout: for the published specifications.
const BESIDE_ALLOWED: &str = ".ci/run";

/// The lines that name a path of a machine.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let beside = ["..", "/shared"].concat();
    let mut faults = Vec::new();
    for (path, text) in tree.files() {
        for (index, line) in text.lines().enumerate() {
            for folder in FOLDERS {
                if names_root_folder(line, folder) {
                    faults.push(Fault::new(path, index + 1, format!("a path of a machine: /{folder}")));
                }
            }
            if line.contains(&beside) && path != BESIDE_ALLOWED {
                faults.push(Fault::new(path, index + 1, "a path beside the checkout: read it from the environment"));
            }
        }
    }
    faults
}

/// Whether the line has `/folder/` where a path begins, so not inside a longer path or an address.
fn names_root_folder(line: &str, folder: &str) -> bool {
    let pattern = format!("/{folder}/");
    line.match_indices(&pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-*})]".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found() {
        let (work, beside) = (["/wo", "rk/x"].concat(), ["../sha", "red/specs"].concat());
        let text = format!("ok src{work} https://a.example{work} {{id}}{work}\n'{work}'\n\nfile://{work}\n{beside}\n");
        let tree = Tree::planted(&[("a.md", &text), (".ci/run", &beside)]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        assert_eq!(lines, [2, 4, 5].map(|line| ("a.md".to_owned(), line)));
    }
}
