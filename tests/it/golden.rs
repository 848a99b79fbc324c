//! Components of every released contract, built from what authors had then: this gateway loads them all, and they still do what they did.

use std::fs;
use std::path::{Path, PathBuf};

use pressgate::host::PluginGrant;
use serde_json::json;
use tests::harness::built;
use tests::{plugins, samples};

use crate::cli::run;

fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(parent)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "sdk" && name != "target"))
        .collect();
    all.sort();
    all
}

/// Builds the packages of a language's folder; where the components are.
fn build(language: &Path, packages: &[PathBuf], out: &Path) {
    let target = plugins::folder().parent().expect("cargo's folder").to_owned();
    let output = std::process::Command::new(built::program())
        .args(["plugin", "build"])
        .args(packages)
        .arg("--out")
        .arg(out)
        .current_dir(language)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_was_built_for_a_released_contract_is_loaded_and_works() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let released = folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released"));
    let versions = folders(&golden);
    let names =
        |all: &[PathBuf]| -> Vec<_> { all.iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect() };
    assert_eq!(names(&versions), names(&released), "each released contract has its golden components");
    let (out, host) = (tempfile::tempdir().expect("a folder"), samples::host(None));
    let mut loaded = 0;
    for version in &versions {
        for language in folders(version) {
            let packages = folders(&language);
            build(&language, &packages, out.path());
            for package in &packages {
                let name = package.file_name().expect("a name").to_string_lossy().into_owned();
                let component = out.path().join(format!("{name}.wasm"));
                let wasm = fs::read(&component).expect("it was built");
                let release = host.load(&wasm, &PluginGrant::default(), &json!({})).expect("it is loaded");
                assert_eq!(release.manifest().wit, version.file_name().expect("a version").to_string_lossy());
                if package.join("scenarios").is_dir() {
                    let line =
                        format!("plugin test {} --component {} --conformance", package.display(), component.display());
                    let told = run(package, &line, "");
                    assert!(told.text(0).contains("1 scenarios hold"), "{told:?}");
                }
                loaded += 1;
            }
        }
    }
    assert_eq!(loaded, 3 * versions.len(), "an adapter, a policy and a connector of each");
}
