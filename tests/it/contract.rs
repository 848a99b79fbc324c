//! The contract over time: what was released is never broken within its minor version.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wit_component::semver_check;
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup, WorldId};

/// A component that a host of these versions must load was built for one of these worlds.
const WORLDS: [&str; 3] = ["adapter", "connector", "policy"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// The versions that were released, oldest first.
fn released() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(root().join("released")).expect("wit/released");
    let mut all: Vec<_> = folders
        .map(|entry| {
            let path = entry.expect("an entry").path();
            (path.file_name().expect("a name").to_string_lossy().into_owned(), path)
        })
        .collect();
    all.sort();
    all
}

/// The files of a version as one text each, `change`d.
fn texts(folder: &Path, change: impl Fn(&str) -> String) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "wit")).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), change(&fs::read_to_string(&path).expect("a text")))).collect()
}

fn push(resolve: &mut Resolve, texts: &[(PathBuf, String)]) -> Result<PackageId, String> {
    let mut sources = wit_parser::SourceMap::new();
    for (path, text) in texts {
        sources.push(path, text);
    }
    let group: UnresolvedPackageGroup = sources.parse().map_err(|(_, error)| error.to_string())?;
    resolve.push_group(group).map_err(|error| error.to_string())
}

/// May a plugin that was built for the old one be loaded by a host that has the new one?
fn is_compatible(old: &[(PathBuf, String)], new: &[(PathBuf, String)], world: &str) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let old = push(&mut resolve, old)?;
    let new = push(&mut resolve, new)?;
    let find = |package: PackageId| -> Result<WorldId, String> {
        resolve.select_world(&[package], Some(world)).map_err(|error| error.to_string())
    };
    let (old, new) = (find(old)?, find(new)?);
    semver_check(resolve, old, new).map_err(|error| format!("{error:#}"))
}

/// The newest is looked at as if it were a later version, so that both can be held against each other.
fn later(text: &str) -> String {
    let (head, rest) = text.split_once(';').expect("a package");
    let (name, _) = head.split_once('@').expect("a version");
    format!("{name}@0.1.999;{rest}")
}

#[test]
fn every_released_world_is_still_spoken() {
    let now = texts(&root(), later);
    let all = released();
    assert!(!all.is_empty(), "nothing was released");
    for (version, folder) in &all {
        let old = texts(folder, str::to_owned);
        assert!(old.iter().all(|(_, text)| text.starts_with(&format!("package pressgate:plugin@{version};"))));
        for world in WORLDS {
            is_compatible(&old, &now, world).unwrap_or_else(|why| panic!("{world} of {version}: {why}"));
        }
        assert!(pressgate::host::contract::takes(version), "the host says that it does not take {version}");
    }
    let newest = all.iter().map(|(version, _)| version.as_str()).max();
    assert_eq!(newest, Some(pressgate::host::contract::CONTRACT), "the newest that was released is the host's own");
}

#[test]
fn a_change_of_what_was_released_is_found() {
    let folder = &released()[0].1;
    let old = texts(folder, str::to_owned);
    let changed = |from: &str, to: &str| {
        let mut new = texts(folder, later);
        let hits: usize = new.iter().map(|(_, text)| text.matches(from).count()).sum();
        assert_eq!(hits, 1, "{from}");
        for (_, text) in &mut new {
            *text = text.replace(from, to);
        }
        new
    };
    let fits = |new: &[(PathBuf, String)]| is_compatible(&old, new, "adapter").is_ok();
    assert!(fits(&texts(folder, later)));
    // What may be added: a world, an import, a function of an import.
    assert!(fits(&changed(
        "/// Speaks to a network.\n",
        "world another { import log; }\n\n/// Speaks to a network.\n"
    )));
    assert!(fits(&changed("    now-ms: func() -> u64;", "    now-ms: func() -> u64;\n    zone: func() -> string;")));
    // What breaks a plugin: a field more, a case more, another type, an export more, an import less.
    for (from, to) in [
        ("        labels: list<string>,\n", "        labels: list<string>,\n        mood: string,\n"),
        ("        open-lasting,\n", "        open-lasting,\n        open-twice,\n"),
        ("        fresh-s: u32,\n", "        fresh-s: u64,\n"),
        (
            "    describe: func() -> description;",
            "    describe: func() -> description;\n    explain: func() -> string;",
        ),
        ("    import random;\n    export adapter-api;", "    export adapter-api;"),
    ] {
        assert!(!fits(&changed(from, to)), "{from:?} became {to:?}, and nobody saw it");
    }
}
