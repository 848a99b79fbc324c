//! What `pressgate plugin new` writes: a plugin that builds, passes its tests and serves, to be changed into what it should be.

use std::{fs, io, path::Path};

use super::sdk;
use crate::model::PluginName;

/// The template's own names, which give way to the project's.
const NAMES: [(&str, &str); 3] = [("no-shouting", "NoShouting"), ("tinynet", "Tinynet"), ("tinydesk", "Tinydesk")];
const POLICY: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../../sdk/templates/policy/Cargo.toml.in")),
    ("plugin.toml", include_str!("../../../../sdk/templates/policy/plugin.toml")),
    ("config.schema.json", include_str!("../../../../sdk/templates/policy/config.schema.json")),
    ("self-test.json", include_str!("../../../../sdk/templates/policy/self-test.json")),
    ("scenarios/loud.toml", include_str!("../../../../sdk/templates/policy/scenarios/loud.toml")),
    ("src/lib.rs", include_str!("../../../../sdk/templates/policy/lib.rs")),
];
const ADAPTER: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../../sdk/templates/adapter/Cargo.toml.in")),
    ("plugin.toml", include_str!("../../../../sdk/templates/adapter/plugin.toml")),
    ("self-test.json", include_str!("../../../../sdk/templates/adapter/self-test.json")),
    ("scenarios/post.toml", include_str!("../../../../sdk/templates/adapter/scenarios/post.toml")),
    ("src/lib.rs", include_str!("../../../../sdk/templates/adapter/lib.rs")),
];
const CONNECTOR: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../../sdk/templates/connector/Cargo.toml.in")),
    ("plugin.toml", include_str!("../../../../sdk/templates/connector/plugin.toml")),
    ("config.schema.json", include_str!("../../../../sdk/templates/connector/config.schema.json")),
    ("src/lib.rs", include_str!("../../../../sdk/templates/connector/lib.rs")),
];
const EITHER: &[(&str, &str)] =
    &[("README.md", include_str!("../../../../sdk/templates/README.md")), (".gitignore", "/target\n/built\n")];

/// The kinds of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Speaks to a network.
    Adapter,
    /// Judges calls.
    Policy,
    /// Hands events to another system.
    Connector,
}

/// Writes a project into a folder that is not there yet.
///
/// # Errors
/// It is there, or can't be written.
pub fn write(kind: Kind, name: &PluginName, folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(folder)?;
    let own = match kind {
        Kind::Adapter => ADAPTER,
        Kind::Policy => POLICY,
        Kind::Connector => CONNECTOR,
    };
    for (file, text) in own.iter().chain(EITHER) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, named(text, name.as_str()))?;
    }
    sdk::write(folder)
}

/// The text with the project's name in place of the template's.
fn named(text: &str, name: &str) -> String {
    let of_type: String = name.split('-').map(capitalised).collect();
    NAMES
        .iter()
        .fold(text.to_owned(), |text, (plain, of_template)| text.replace(plain, name).replace(of_template, &of_type))
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates_and_types_follow_the_project() {
        assert_eq!(named("NoShouting is no-shouting", "house-style"), "HouseStyle is house-style");
        assert_eq!(named("struct Tinynet; // tinynet", "y2"), "struct Y2; // y2");
    }

    #[test]
    fn a_folder_that_is_there_stays_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("mine");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("plugin.toml"), "mine").unwrap();
        let error = write(Kind::Policy, &PluginName::new("mine"), &folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(folder.join("plugin.toml")).unwrap(), "mine");
    }
}
