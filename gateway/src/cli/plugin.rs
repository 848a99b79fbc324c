//! `pressgate plugin build`: a Rust package → a component that the gateway loads.
//!
//! cargo makes a core module for `wasm32-unknown-unknown`, the component encoder wraps it, and the manifest goes into a custom
//! section together with the configuration schema. Nothing but the gateway's own interfaces may be imported. What comes out is
//! loaded as a gateway loads it, so that what can't be loaded is not built.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aws_lc_rs::digest;
use wit_component::ComponentEncoder;

use crate::clock::SystemClock;
use crate::host::manifest::{self, Manifest, ManifestError};
use crate::host::{Host, HostError, LoadError};
use crate::releases::vectors::{self, Vectors};

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "plugin";
const MANIFEST_FILE: &str = "plugin.toml";
/// What the plugin says that it answers, if it says so.
const SELF_TEST_FILE: &str = "self-test.json";
/// For the linker: a stack of 256 KiB instead of 1 MiB. After each call the gateway looks through all of an instance's memory.
const LINK_CONFIG: &str = "target.wasm32-unknown-unknown.rustflags=['-Clink-arg=-zstack-size=262144']";
/// Where the profile is written down. cargo gets it from here, since a package outside of this workspace does not know it.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The plugin's name.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size_bytes: usize,
    /// SHA-256, hexadecimal.
    pub digest: String,
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = self.size_bytes.div_ceil(1024);
        write!(f, "{}  {kib} KiB  sha256:{}", self.path.display(), self.digest)
    }
}

/// A plugin can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file can't be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The manifest has a fault.
    #[error("{path}: {error}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The fault, with its line.
        error: ManifestError,
    },
    /// The folder holds no package that can become a plugin.
    #[error("{path}: {reason}")]
    Package {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// cargo failed; it said why on its own standard error.
    #[error("cargo could not build the plugin (its message is above)")]
    Cargo,
    /// The module can't be made a component.
    #[error("{name}: the module can't be made a component: {reason}")]
    Encode {
        /// The plugin.
        name: String,
        /// Why.
        reason: String,
    },
    /// The plugin host can't start on this machine.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It was built, and the gateway would not load it.
    #[error("{path}: it was built, and the gateway would not load it: {error}")]
    Load {
        /// The package's folder.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
    /// It wants something that the gateway does not offer.
    #[error(
        "{name} imports `{import}`. A plugin may only use what the SDK offers: no files, sockets, clock or threads of its own, \
         and no crate that needs them"
    )]
    Import {
        /// The plugin.
        name: String,
        /// The import.
        import: String,
    },
}

/// Builds the package in `package_dir` and writes `<plugin's name>.wasm` to `out_dir`.
///
/// # Errors
/// The first thing that stands in the way.
pub fn build(package_dir: &Path, out_dir: &Path) -> Result<Built, BuildError> {
    let mut built = build_all(&[package_dir.to_owned()], out_dir)?;
    built.pop().ok_or(BuildError::Cargo)
}

/// Builds several packages of one workspace, with one run of cargo.
///
/// # Errors
/// The first thing that stands in the way.
pub fn build_all(package_dirs: &[PathBuf], out_dir: &Path) -> Result<Vec<Built>, BuildError> {
    let packages = package_dirs.iter().map(|dir| Package::read(dir)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = packages.first() else { return Ok(Vec::new()) };
    let modules = compile(&first.dir, &packages)?;
    fs::create_dir_all(out_dir).map_err(|error| BuildError::File { path: out_dir.to_owned(), error })?;
    let host = Host::for_judging(Arc::new(SystemClock))?;
    packages
        .iter()
        .map(|package| {
            let module = modules.get(&package.crate_name).ok_or_else(|| BuildError::Package {
                path: package.dir.clone(),
                reason: "cargo made no module of it; Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`".into(),
            })?;
            package.finish(&host, module, out_dir)
        })
        .collect()
}

/// A package as its folder describes it.
struct Package {
    dir: PathBuf,
    crate_name: String,
    manifest: Manifest,
    manifest_json: String,
    self_test: Option<String>,
}

impl Package {
    fn read(dir: &Path) -> Result<Self, BuildError> {
        let text = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|error| BuildError::File { path, error })
        };
        let cargo = text("Cargo.toml")?;
        let crate_name = cargo
            .parse::<toml::Table>()
            .ok()
            .and_then(|table| Some(table.get("package")?.get("name")?.as_str()?.to_owned()))
            .ok_or_else(|| BuildError::Package {
                path: dir.to_owned(),
                reason: "Cargo.toml names no package".into(),
            })?;
        let (manifest, manifest_json) = Manifest::source(&text(MANIFEST_FILE)?, |file| schema(dir, file))
            .map_err(|error| BuildError::Manifest { path: dir.join(MANIFEST_FILE), error })?;
        let self_test = if dir.join(SELF_TEST_FILE).exists() { Some(text(SELF_TEST_FILE)?) } else { None };
        if let Some(vectors) = &self_test {
            let fault = |reason: String| BuildError::Package { path: dir.join(SELF_TEST_FILE), reason };
            Vectors::read(vectors.as_bytes()).map_err(fault)?;
        }
        Ok(Self { dir: dir.to_owned(), crate_name, manifest, manifest_json, self_test })
    }

    fn finish(&self, host: &Host, module: &Path, out_dir: &Path) -> Result<Built, BuildError> {
        let name = self.manifest.name.as_str().to_owned();
        let file = |path: PathBuf| move |error| BuildError::File { path, error };
        let core = fs::read(module).map_err(file(module.to_owned()))?;
        let mut component = encode(&name, &core, &self.manifest_json)?;
        if let Some(vectors) = &self.self_test {
            manifest::append(&mut component, vectors::SECTION, vectors.as_bytes());
        }
        host.judge(&component).map_err(|error| BuildError::Load { path: self.dir.clone(), error })?;
        let path = out_dir.join(format!("{name}.wasm"));
        fs::write(&path, &component).map_err(file(path.clone()))?;
        let digest = crate::model::hex::hex(digest::digest(&digest::SHA256, &component).as_ref());
        Ok(Built { name, path, size_bytes: component.len(), digest })
    }
}

/// The schema's text; a file in the package's own folder.
fn schema(dir: &Path, file: &str) -> Result<String, String> {
    let plain = Path::new(file).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !plain {
        return Err("the schema must be in the package's folder".into());
    }
    fs::read_to_string(dir.join(file)).map_err(|error| format!("{file}: {error}"))
}

/// Runs cargo and gives the core modules by package name. Where it writes, `CARGO_TARGET_DIR` included, is cargo's to say.
fn compile(dir: &Path, packages: &[Package]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(dir).args([
        "build",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
        "--lib",
        "--config",
        LINK_CONFIG,
    ]);
    command.args(profile(WORKSPACE).iter().flat_map(|setting| ["--config", setting]));
    command.arg("--message-format=json-render-diagnostics").stderr(std::process::Stdio::inherit());
    for package in packages {
        command.args(["--package", &package.crate_name]);
    }
    let output = command.output().map_err(|error| BuildError::File { path: "cargo".into(), error })?;
    if !output.status.success() {
        return Err(BuildError::Cargo);
    }
    let mut modules = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let text = |pointer: &str| message.pointer(pointer).and_then(serde_json::Value::as_str);
        if text("/reason") != Some("compiler-artifact") {
            continue;
        }
        let crate_name = text("/package_id").and_then(package_name);
        let files = message.get("filenames").and_then(serde_json::Value::as_array);
        let module =
            files.into_iter().flatten().filter_map(serde_json::Value::as_str).find(|file| file.ends_with(".wasm"));
        if let (Some(crate_name), Some(module)) = (crate_name, module) {
            modules.insert(crate_name.to_owned(), PathBuf::from(module));
        }
    }
    Ok(modules)
}

/// The settings of the profile as arguments of `--config`: `profile.plugin.lto=true`.
fn profile(workspace: &str) -> Vec<String> {
    let table = workspace.parse::<toml::Table>().unwrap_or_default();
    let profile = table.get("profile").and_then(|profiles| profiles.get(PROFILE)).and_then(toml::Value::as_table);
    let setting = |(key, value): (&String, &toml::Value)| format!("profile.{PROFILE}.{key}={value}");
    profile.into_iter().flatten().map(setting).collect()
}

/// The name in a package id: `path+file:///x/guidelines#0.1.0` or `…/y#guidelines@0.1.0`.
fn package_name(id: &str) -> Option<&str> {
    let (source, version) = id.rsplit_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name),
        None => source.rsplit('/').next(),
    }
}

/// Core module → component with its manifest.
fn encode(name: &str, core: &[u8], manifest_json: &str) -> Result<Vec<u8>, BuildError> {
    let fault = |reason: String| BuildError::Encode { name: name.to_owned(), reason };
    if let Some(import) = foreign_import(core).map_err(fault)? {
        return Err(BuildError::Import { name: name.to_owned(), import });
    }
    let mut component = ComponentEncoder::default()
        .module(core)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| fault(format!("{error:#}")))?;
    manifest::embed(&mut component, manifest_json);
    if let Err(error) = crate::host::foreign_imports(&component) {
        return Err(fault(error.to_string()));
    }
    Ok(component)
}

/// The first import of a core module that is not of the gateway's contract.
fn foreign_import(core: &[u8]) -> Result<Option<String>, String> {
    for payload in wasmparser::Parser::new(0).parse_all(core) {
        let wasmparser::Payload::ImportSection(section) = payload.map_err(|error| error.to_string())? else {
            continue;
        };
        for import in section.into_imports() {
            let import = import.map_err(|error| error.to_string())?;
            if !import.module.starts_with("pressgate:plugin/") {
                return Ok(Some(format!("{}.{}", import.module, import.name)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_give_their_name() {
        assert_eq!(package_name("path+file:///src/plugins/guidelines#0.1.0"), Some("guidelines"));
        assert_eq!(package_name("path+file:///src/plugins/x#guidelines@0.1.0"), Some("guidelines"));
        assert_eq!(package_name("nonsense"), None);
    }

    #[test]
    fn a_module_with_a_foreign_import_is_named() {
        // (module (import "env" "now" (func)))
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0b\x01\x03env\x03now\0\0";
        assert_eq!(foreign_import(module), Ok(Some("env.now".into())));
        let error = encode("p", module, "{}").unwrap_err().to_string();
        assert!(error.contains("p imports `env.now`"), "{error}");
    }

    #[test]
    fn the_profile_goes_along() {
        let settings = profile(WORKSPACE);
        for setting in
            ["profile.plugin.inherits=\"release\"", "profile.plugin.panic=\"abort\"", "profile.plugin.lto=true"]
        {
            assert!(settings.iter().any(|known| known == setting), "{setting} is not in {settings:?}");
        }
    }

    #[test]
    fn a_schema_stays_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.schema.json"), "{}").unwrap();
        assert_eq!(schema(dir.path(), "config.schema.json"), Ok("{}".into()));
        assert!(schema(dir.path(), "../config.schema.json").is_err());
        assert!(schema(dir.path(), "/etc/passwd").is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = build(dir.path(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("Cargo.toml"), "{error}");
        fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"p\"\n").unwrap();
        let error = build(dir.path(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("plugin.toml"), "{error}");
        fs::write(dir.path().join("plugin.toml"), "[plugin]\nname = \"P\"\n").unwrap();
        let error = build(dir.path(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("line"), "{error}");
    }
}
