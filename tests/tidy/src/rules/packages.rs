//! Which package may use which of ours. The gateway and the SDK meet in the text of `wit/` and nowhere else; a plugin knows the SDK
//! and no other plugin; whoever checks an audit log needs the package of its format and nothing else.
//! The life of a post is a package of its own that reaches nothing: no file, no socket, no clock.

use toml::Table;

use crate::{
    Fault, Tree,
    rules::manifests::{dependencies, line_of},
};

/// Folder of packages, and the packages of ours that they may use. The first line that fits decides.
const TABLE: [(&str, &[&str]); 10] = [
    ("gateway/audit", &[]),
    ("gateway/calendar", &[]),
    ("gateway/workflow", &[]),
    ("gateway", &["pressgate-audit", "pressgate-calendar", "pressgate-workflow"]),
    ("sdk", &[]),
    ("plugins", &["pressgate-sdk"]),
    ("tests/guests", &["pressgate-sdk"]),
    ("tests/tidy", &[]),
    ("tests", &["*"]),
    ("examples", &["*"]),
];

/// The dependencies between our packages that the table does not have.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let manifests: Vec<(&str, &str, Table)> =
        tree.under("", "/Cargo.toml").filter_map(|(path, text)| Some((path, text, text.parse().ok()?))).collect();
    let ours: Vec<&str> =
        manifests.iter().filter_map(|(_, _, manifest)| manifest.get("package")?.get("name")?.as_str()).collect();
    let mut faults = Vec::new();
    for (path, text, manifest) in &manifests {
        let within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let Some((folder, allowed)) = TABLE.iter().find(|(folder, _)| within(folder)) else {
            faults.push(Fault::new(
                path,
                0,
                "no line of the table in tests/tidy/src/rules/packages.rs fits this package",
            ));
            continue;
        };
        for (name, value) in dependencies(manifest) {
            let package = value.get("package").and_then(|package| package.as_str()).unwrap_or(&name);
            if ours.contains(&package) && !allowed.contains(&package) && allowed != &["*"] {
                faults.push(Fault::new(path, line_of(text, &name), format!("{folder} may not use {package}")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_direction_is_found() {
        let package = |name: &str, uses: &[&str]| {
            let uses: String = uses.iter().map(|name| format!("{name}.workspace = true\n")).collect();
            format!("[package]\nname = \"{name}\"\n[dependencies]\n{uses}")
        };
        let (gateway, audit) =
            (package("pressgate", &["axum", "pressgate-audit"]), package("pressgate-audit", &["pressgate"]));
        let (sdk, one) = (package("pressgate-sdk", &["serde"]), package("one", &["pressgate-sdk", "two"]));
        let (two, tests) = (package("two", &["pressgate"]), package("tests", &["pressgate", "two"]));
        let tree = Tree::planted(&[
            ("gateway/Cargo.toml", &gateway),
            ("gateway/audit/Cargo.toml", &audit),
            ("sdk/Cargo.toml", &sdk),
            ("plugins/one/Cargo.toml", &one),
            ("plugins/two/Cargo.toml", &two),
            ("tests/Cargo.toml", &tests),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
        ]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        let expected = [
            ("gateway/audit/Cargo.toml", 4),
            ("plugins/one/Cargo.toml", 5),
            ("plugins/two/Cargo.toml", 4),
            ("xtask/Cargo.toml", 0),
        ];
        assert_eq!(lines, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
