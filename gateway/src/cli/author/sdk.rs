//! The SDK that goes into a new project: the sources that this program was built beside, so that what is built with them fits it.

use std::{fs, io, path::Path};

use toml_edit::{DocumentMut, Item, value};

/// Its folder in a project.
pub const FOLDER: &str = "sdk";
/// The package's own manifest. What it takes from the workspace is written out.
const CARGO: &str = include_str!("../../../../sdk/Cargo.toml");
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
/// Names in the folder, and texts.
const FILES: &[(&str, &str)] = &[
    ("rust/src/adapter.rs", include_str!("../../../../sdk/src/adapter.rs")),
    ("rust/src/alloc.rs", include_str!("../../../../sdk/src/alloc.rs")),
    ("rust/src/beside.rs", include_str!("../../../../sdk/src/beside.rs")),
    ("rust/src/bindings.rs", include_str!("../../../../sdk/src/bindings.rs")),
    ("rust/src/classify.rs", include_str!("../../../../sdk/src/classify.rs")),
    ("rust/src/clock.rs", include_str!("../../../../sdk/src/clock.rs")),
    ("rust/src/config.rs", include_str!("../../../../sdk/src/config.rs")),
    ("rust/src/connector.rs", include_str!("../../../../sdk/src/connector.rs")),
    ("rust/src/failure.rs", include_str!("../../../../sdk/src/failure.rs")),
    ("rust/src/finding.rs", include_str!("../../../../sdk/src/finding.rs")),
    ("rust/src/http.rs", include_str!("../../../../sdk/src/http.rs")),
    ("rust/src/json.rs", include_str!("../../../../sdk/src/json.rs")),
    ("rust/src/lib.rs", include_str!("../../../../sdk/src/lib.rs")),
    ("rust/src/log.rs", include_str!("../../../../sdk/src/log.rs")),
    ("rust/src/media.rs", include_str!("../../../../sdk/src/media.rs")),
    ("rust/src/panics.rs", include_str!("../../../../sdk/src/panics.rs")),
    ("rust/src/patterns.rs", include_str!("../../../../sdk/src/patterns.rs")),
    ("rust/src/policy.rs", include_str!("../../../../sdk/src/policy.rs")),
    ("rust/src/random.rs", include_str!("../../../../sdk/src/random.rs")),
    ("rust/src/records.rs", include_str!("../../../../sdk/src/records.rs")),
    ("rust/src/state.rs", include_str!("../../../../sdk/src/state.rs")),
    ("rust/src/testing/mod.rs", include_str!("../../../../sdk/src/testing/mod.rs")),
    ("rust/src/testing/samples.rs", include_str!("../../../../sdk/src/testing/samples.rs")),
    ("rust/src/text/entities.rs", include_str!("../../../../sdk/src/text/entities.rs")),
    ("rust/src/text/measure.rs", include_str!("../../../../sdk/src/text/measure.rs")),
    ("rust/src/text/mod.rs", include_str!("../../../../sdk/src/text/mod.rs")),
    ("wit/adapter.wit", include_str!("../../../../wit/adapter.wit")),
    ("wit/connector.wit", include_str!("../../../../wit/connector.wit")),
    ("wit/host.wit", include_str!("../../../../wit/host.wit")),
    ("wit/policy.wit", include_str!("../../../../wit/policy.wit")),
    ("wit/types.wit", include_str!("../../../../wit/types.wit")),
];

/// Writes it into a project, in place of one that is there.
///
/// # Errors
/// The folder can't be written; what is there stays as long as the new one is not whole.
pub fn write(project: &Path) -> io::Result<()> {
    let (folder, draft) = (project.join(FOLDER), project.join(format!(".{FOLDER}-{}", std::process::id())));
    let made = write_into(&draft).and_then(|()| match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(&draft, &folder),
    });
    made.inspect_err(|_| drop(fs::remove_dir_all(&draft)))
}

fn write_into(folder: &Path) -> io::Result<()> {
    let cargo = ("rust/Cargo.toml", cargo().map_err(io::Error::other)?);
    let texts = FILES.iter().map(|(name, text)| (*name, (*text).to_owned())).chain([cargo]);
    for (name, text) in texts {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// The manifest without a workspace around it.
fn cargo() -> Result<String, String> {
    let read = |text: &str| text.parse::<DocumentMut>().map_err(|error| error.to_string());
    let (mut package, workspace) = (read(CARGO)?, read(WORKSPACE)?);
    let Some(known) = workspace.get("workspace") else { return Err("there is no workspace".into()) };
    for table in ["lints", "dev-dependencies"] {
        package.remove(table);
    }
    write_out(package.get_mut("package"), known.get("package"));
    write_out(package.get_mut("dependencies"), known.get("dependencies"));
    if let Some(targets) = package.get_mut("target").and_then(Item::as_table_mut) {
        for (_, target) in targets.iter_mut() {
            write_out(target.get_mut("dependencies"), known.get("dependencies"));
        }
    }
    if let Some(own) = package.get_mut("package") {
        own["publish"] = value(false);
    }
    Ok(package.to_string())
}

/// Puts what the workspace says where the table only says that the workspace does.
fn write_out(table: Option<&mut Item>, known: Option<&Item>) {
    let Some(table) = table.and_then(Item::as_table_mut) else { return };
    for (name, entry) in table.iter_mut() {
        let asks = entry.get("workspace").and_then(Item::as_bool) == Some(true);
        if let Some(said) = known.and_then(|known| known.get(name.get())).filter(|_| asks) {
            *entry = value(said.as_value().cloned().unwrap_or_else(|| true.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(folder: &Path, under: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, under, found);
            } else {
                found.insert(path.strip_prefix(under).unwrap().display().to_string());
            }
        }
    }

    #[test]
    fn it_is_the_whole_sdk_of_this_repository() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (mut sources, mut contract, mut written) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        names(&repository.join("sdk/src"), &repository.join("sdk"), &mut sources);
        names(&repository.join("wit"), &repository, &mut contract);
        contract.retain(|name| !name.starts_with("wit/released/"));
        let project = tempfile::tempdir().unwrap();
        fs::create_dir_all(project.path().join("sdk/stale")).unwrap();
        write(project.path()).unwrap();
        names(project.path(), project.path(), &mut written);
        let expected = sources.iter().map(|name| format!("sdk/rust/{name}"));
        let expected = expected.chain(contract.iter().map(|name| format!("sdk/{name}")));
        assert_eq!(written, expected.chain(["sdk/rust/Cargo.toml".to_owned()]).collect());
    }

    #[test]
    fn its_manifest_stands_alone() {
        let text = cargo().unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        assert!(!text.contains("workspace"), "{text}");
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"));
        assert!(manifest["dependencies"]["wit-bindgen"]["version"].is_str(), "{text}");
    }
}
