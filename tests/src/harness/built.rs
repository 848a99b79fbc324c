//! What was built before the tests run: components and the program.

use std::path::{Path, PathBuf};

/// The folder of built components, see [`crate::plugins::folder`].
///
/// # Panics
/// When it is not there.
pub fn plugins() -> PathBuf {
    let folder = crate::plugins::folder();
    assert!(folder.join("mastodon.wasm").is_file(), "{} holds no components; run `make plugins`", folder.display());
    folder
}

/// The program: what `PRESSGATE_BIN` names, else `pressgate` of the same profile as the running test.
///
/// # Panics
/// When it is not there.
pub fn program() -> PathBuf {
    let program = std::env::var_os("PRESSGATE_BIN").map_or_else(|| profile().join("pressgate"), PathBuf::from);
    assert!(program.is_file(), "{} is not there; run `cargo build -p pressgate`", program.display());
    program
}

/// `target/debug`, where the running test lies in `deps`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the running program has a path");
    let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    profile.map(Path::to_owned).expect("the test runs in cargo's folders; else set PRESSGATE_PLUGINS and PRESSGATE_BIN")
}
