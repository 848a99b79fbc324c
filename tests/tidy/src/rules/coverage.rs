//! Every plugin, every guest and every example has a test.
//!
//! A plugin or a guest has tests of its own, or a text in `tests/it` names it. An example has tests of its own, or a test names its
//! folder (`examples/governance`) or its package (`sample_network`).

use std::collections::BTreeSet;

use crate::{Fault, Source, Tree, source::is_word};

const INTEGRATION: &str = "tests/it";

/// The plugins, guests and examples that no test knows.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let integration: Vec<Source> = tree.under(INTEGRATION, ".rs").map(|(_, text)| Source::scan(text)).collect();
    let named: BTreeSet<&str> =
        integration.iter().flat_map(|source| &source.strings).flat_map(|(_, text)| names(text)).collect();
    let mut faults = Vec::new();
    for kind in ["plugins", "tests/guests"] {
        for name in tree.folders(kind) {
            let folder = format!("{kind}/{name}");
            if !named.contains(name.as_str()) && !has_own_test(tree, &folder) {
                let text =
                    format!("no test: nothing in {INTEGRATION} names \"{name}\", and it has no #[test] of its own");
                faults.push(Fault::new(&folder, 0, text));
            }
        }
    }
    for name in tree.folders("examples") {
        let folder = format!("examples/{name}");
        if !has_own_test(tree, &folder) && !some_test_uses(tree, &folder, &name.replace('-', "_")) {
            faults.push(Fault::new(&folder, 0, format!("no test: none names \"{folder}\" or uses its package")));
        }
    }
    faults
}

/// The names in a text: `plugins/mastodon.wasm` has `plugins`, `mastodon` and `wasm`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_word(letter) && letter != '-')
}

fn has_own_test(tree: &Tree, folder: &str) -> bool {
    tree.under(folder, ".rs").any(|(_, text)| is_test(text))
}

fn is_test(text: &str) -> bool {
    ["#[test]", "#[tokio::test"]
        .iter()
        .any(|attribute| text.lines().any(|line| line.trim_start().starts_with(attribute)))
}

fn some_test_uses(tree: &Tree, folder: &str, package: &str) -> bool {
    tree.files().filter(|(path, text)| path.ends_with(".rs") && !path.starts_with("tests/tidy/") && is_test(text)).any(
        |(_, text)| {
            let source = Source::scan(text);
            source.strings.iter().any(|(_, text)| {
                text.split_once(folder)
                    .is_some_and(|(_, rest)| !rest.starts_with(|letter| is_word(letter) || letter == '-'))
            }) || source.words().iter().any(|(_, word)| word == package)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_test_is_found() {
        let tree = Tree::planted(&[
            ("plugins/own/src/tests.rs", "#[test]\nfn a() {}"),
            ("plugins/named/src/lib.rs", ""),
            ("plugins/name/src/lib.rs", "// #[test]"),
            ("tests/guests/loops/src/lib.rs", ""),
            ("tests/guests/traps/src/lib.rs", ""),
            ("tests/it/main.rs", "#[test]\nfn b() { plugin(\"named\"); plugin(\"guests/loops.wasm\"); } // traps\n"),
            ("examples/files/a.toml", ""),
            ("examples/file/a.toml", ""),
            ("examples/some-server/src/main.rs", ""),
            ("gateway/src/c.rs", "#[test]\nfn c() { read(\"../examples/files\"); some_server::run(); }"),
        ]);
        let paths: Vec<String> = faults(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["plugins/name", "tests/guests/traps", "examples/file"]);
    }
}
