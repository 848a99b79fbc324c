//! The size of each shipped plugin, as it is installed.

use std::path::Path;

use crate::figure::Figure;

/// One figure for each folder in `plugins`.
///
/// # Panics
/// A plugin was not built.
pub fn measure() -> Vec<Figure> {
    let shipped = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")).expect("the plugins");
    let folders =
        shipped.map(|entry| entry.expect("an entry").path()).filter(|path| path.join("plugin.toml").is_file());
    let mut names: Vec<String> = folders.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    let size = |name: &String| {
        let kib = tests::plugins::plugin(name).len() as f64 / 1024.0;
        Figure::once(format!("guest_kib_{}", name.replace('-', "_")), kib, "KiB")
    };
    names.iter().map(size).collect()
}
