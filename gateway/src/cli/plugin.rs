//! `pressgate plugin build`: a Rust package → a component that the gateway loads.
//!
//! cargo makes a core module for `wasm32-unknown-unknown`, the component encoder wraps it, and the manifest goes into a custom
//! section together with the configuration schema. Nothing but the gateway's own interfaces may be imported.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest;
use wit_component::ComponentEncoder;

use crate::host::manifest::{self, Manifest, ManifestError};

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "plugin";
const MANIFEST_FILE: &str = "plugin.toml";

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
    packages
        .iter()
        .map(|package| {
            let module = modules.get(&package.crate_name).ok_or_else(|| BuildError::Package {
                path: package.dir.clone(),
                reason: "cargo made no module of it; Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`".into(),
            })?;
            package.finish(module, out_dir)
        })
        .collect()
}

/// A package as its folder describes it.
struct Package {
    dir: PathBuf,
    crate_name: String,
    manifest: Manifest,
    manifest_json: String,
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
        Ok(Self { dir: dir.to_owned(), crate_name, manifest, manifest_json })
    }

    fn finish(&self, module: &Path, out_dir: &Path) -> Result<Built, BuildError> {
        let name = self.manifest.name.as_str().to_owned();
        let file = |path: PathBuf| move |error| BuildError::File { path, error };
        let core = fs::read(module).map_err(file(module.to_owned()))?;
        let component = encode(&name, &core, &self.manifest_json)?;
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
    command.current_dir(dir).args(["build", "--profile", PROFILE, "--target", TARGET, "--lib"]);
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
