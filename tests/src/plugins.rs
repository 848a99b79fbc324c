//! Components that `make plugins` built.

use std::path::PathBuf;

/// The folder of built components: `$PRESSGATE_PLUGINS`, else `plugins` in the folder where cargo builds.
///
/// # Panics
/// The running program lies outside of cargo's folders and the variable is not set.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("PRESSGATE_PLUGINS") {
        return folder.into();
    }
    let program = std::env::current_exe().expect("the running program has a path");
    let profile = program.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    let target = profile.and_then(|profile| profile.parent()).expect("set PRESSGATE_PLUGINS to the folder of components");
    target.join("plugins")
}

/// The component of that name.
///
/// # Panics
/// It was not built.
pub fn plugin(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make plugins`", path.display()))
}
