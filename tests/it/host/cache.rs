//! The compiled-code cache, and what is not loaded at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate::clock::SystemClock;
use pressgate::host::{Host, HostError, HostOptions, LoadError, Origin, PluginGrant};
use serde_json::json;
use tests::{plugins, samples};

fn host_with_key(folder: &Path, key: u8) -> Result<Arc<Host>, HostError> {
    let options =
        HostOptions { cache_dir: Some(folder.to_owned()), cache_key: [key; 32], instances_max: 4, compiler: None };
    Host::new(options, Arc::new(SystemClock))
}

fn load(folder: &Path, key: u8) -> Origin {
    let host = host_with_key(folder, key).unwrap();
    let wasm = plugins::plugin("hostile-policy");
    host.load_telling_origin(&wasm, &PluginGrant::default(), &json!({})).unwrap().1
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn compiled_code_is_used_again_and_only_when_authentic() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("compiled");
    assert_eq!(load(&folder, 1), Origin::Compiler);
    assert_eq!(load(&folder, 1), Origin::Cache);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

    let file = only_file(&folder);
    let whole = fs::read(&file).unwrap();
    for at in [0, 25, 60, whole.len() / 2, whole.len() - 1] {
        let mut tampered = whole.clone();
        tampered[at] ^= 1;
        fs::write(&file, tampered).unwrap();
        assert_eq!(load(&folder, 1), Origin::Compiler, "byte {at}");
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert_eq!(load(&folder, 1), Origin::Cache, "replaced after byte {at}");
    }
    for length in [0, 10, 40, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(load(&folder, 1), Origin::Compiler, "cut to {length}");
    }
    assert_eq!(load(&folder, 2), Origin::Compiler, "another key");
    assert_eq!(load(&folder, 1), Origin::Compiler, "the first key again");
    only_file(&folder);
}

#[test]
fn a_link_is_not_followed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("compiled");
    load(&folder, 1);
    let file = only_file(&folder);
    let elsewhere = parent.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert_eq!(load(&folder, 1), Origin::Compiler);
    assert!(!fs::symlink_metadata(&file).unwrap().is_symlink(), "replaced by a file");
}

#[test]
fn a_folder_that_others_may_open_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = host_with_key(parent.path(), 1).unwrap_err();
    assert!(error.to_string().contains("0700"), "{error}");
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(host_with_key(&file, 1), Err(HostError::CacheFolder { .. })));
}

#[test]
fn what_is_no_plugin_is_not_loaded() {
    let host = super::host();
    let load = |wasm: &[u8], config| host.load(wasm, &PluginGrant::default(), &config).unwrap_err();
    let policy = plugins::plugin("hostile-policy");
    assert!(matches!(load(b"", json!({})), LoadError::NotAComponent(_)));
    assert!(matches!(load(b"\0asm\x01\0\0\0", json!({})), LoadError::NotAComponent(_)));
    assert!(matches!(load(b"\0asm\x0d\0\x01\0", json!({})), LoadError::NoManifest));
    for length in [policy.len() / 3, policy.len() - 1] {
        let error = load(&policy[..length], json!({}));
        assert!(matches!(error, LoadError::NotAComponent(_) | LoadError::NoManifest), "{error}");
    }
    assert!(matches!(load(&vec![0; 17 << 20], json!({})), LoadError::TooLarge { .. }));
    let faults = match load(&policy, json!({"phrases": ["a", 1], "unknown": true})) {
        LoadError::Config { faults } => faults,
        other => panic!("{other}"),
    };
    assert_eq!(faults.len(), 2);
}

/// A component that says it is something else than it is.
#[test]
fn the_manifest_must_fit_the_component() {
    let host = super::host();
    let relabelled = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut wasm = plugins::plugin("hostile");
        let at = wasm.windows(from.len()).rposition(|window| window == from.as_bytes()).unwrap();
        wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
        host.load(&wasm, &PluginGrant::default(), &json!({})).unwrap_err()
    };
    let error = relabelled(r#""0.1.0","networks""#, r#""0.9.0","networks""#);
    assert!(error.to_string().contains("0.9.0") && error.to_string().contains("Update the gateway"), "{error}");
    assert!(matches!(relabelled(r#""kind":"adapter""#, r#""kind":"connect""#), LoadError::Manifest(_)));
}

/// An adapter's code with a policy's manifest wants `http`, which a policy does not get.
#[test]
fn a_policy_can_not_import_the_network() {
    let mut wasm = plugins::plugin("hostile");
    let at = wasm.windows(18).rposition(|window| window == b"pressgate:manifest").unwrap();
    // The section's id and length stand before its name; cut from there and put another manifest.
    let start = (at - 6..at).find(|start| wasm[*start] == 0).unwrap();
    wasm.truncate(start);
    let json = r#"{"plugin":{"name":"p","version":"0.1.0","kind":"policy","wit":"0.1.0"}}"#;
    pressgate::host::manifest::embed(&mut wasm, json);
    let error = super::host().load(&wasm, &PluginGrant::default(), &json!({})).unwrap_err();
    assert!(matches!(error, LoadError::World(_)), "{error}");
    assert!(error.to_string().contains("http"), "{error}");
}

#[test]
fn another_configuration_compiles_nothing_and_is_checked() {
    let host = super::host();
    let release = super::policy();
    let other = host.reconfigure(&release, &json!({"phrases": ["crisp"]})).unwrap();
    assert_eq!(other.digest(), release.digest());
    assert_ne!(other.config_digest(), release.config_digest());
    assert!(host.reconfigure(&release, &json!({"phrases": [1]})).is_err());
    let review = |release: &Arc<pressgate::host::Release>, text: &str| {
        let draft = samples::draft(&[text]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(release.review(&draft, &samples::context(), &Default::default())).unwrap().1.len()
    };
    assert_eq!((review(&other, "crisp"), review(&release, "crisp")), (1, 0));
}
