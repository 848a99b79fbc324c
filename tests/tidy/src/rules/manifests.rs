//! One place for versions: every dependency of every package comes from `[workspace.dependencies]`, and every package takes the
//! workspace's lints.

use toml::{Table, Value};

use crate::{Fault, Tree};

const ROOT: &str = "Cargo.toml";
/// Workspaces of their own: one needs another compiler, one is built for Envoy, and one is what authors had at each release.
const ALONE: [&str; 3] = ["tests/fuzz/", "tests/envoy-filter/", "tests/golden/"];
const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// The dependencies that name a version or a path of their own, and the packages without the workspace's lints.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in
        tree.under("", "/Cargo.toml").filter(|(path, _)| !ALONE.iter().any(|folder| path.starts_with(folder)))
    {
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                faults.push(Fault::new(path, 0, format!("not TOML: {error}")));
                continue;
            }
        };
        for (name, dependency) in dependencies(&manifest) {
            if !inherits(dependency) {
                let fault = format!(
                    "`{name}` has a version or path of its own: put it into [workspace.dependencies] of {ROOT}"
                );
                faults.push(Fault::new(path, line_of(text, &name), fault));
            }
        }
        if !manifest.get("lints").is_some_and(inherits) {
            faults.push(Fault::new(path, 0, "no `[lints] workspace = true`"));
        }
    }
    faults
}

/// Name and value of each dependency, whatever its kind and target.
pub fn dependencies(manifest: &Table) -> Vec<(String, &Value)> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)).filter_map(Value::as_table))
        .flat_map(|table| table.iter().map(|(name, value)| (name.clone(), value)))
        .collect()
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// The line, from 1, that sets `name`; 0 when it is set in some other way.
pub fn line_of(text: &str, name: &str) -> usize {
    let sets = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    text.lines().position(sets).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_ones_own_are_found() {
        let good = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"c\"] }\n[lints]\nworkspace = true\n";
        let bad = "[dependencies]\nok.workspace = true\na = \"1\"\n[dev-dependencies]\nb = { path = \"../b\" }\n\
            [target.'cfg(unix)'.build-dependencies]\nc.version = \"2\"\n";
        let tree = Tree::planted(&[
            ("Cargo.toml", "[workspace.dependencies]\na = \"1\"\n"),
            ("x/Cargo.toml", good),
            ("y/Cargo.toml", bad),
            ("z/Cargo.toml", "["),
        ]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        let expected =
            [("y/Cargo.toml", 3), ("y/Cargo.toml", 5), ("y/Cargo.toml", 7), ("y/Cargo.toml", 0), ("z/Cargo.toml", 0)];
        assert_eq!(lines, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
