//! `target/bench/summary.json` of the checkout: every figure by name, over all benchmarks that ever ran there.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::figure::Figure;

/// Where the summary is, wherever cargo builds.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench/summary.json")
}

/// Puts the figures into the summary; names that are not among them stay as they are.
///
/// # Errors
/// The summary can't be read or written, or is no JSON object.
pub fn write(path: &Path, figures: &[Figure]) -> io::Result<()> {
    let mut all: Map<String, Value> = match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(error),
    };
    for figure in figures {
        // A hundredth is the most that any of them means. What is no number becomes null.
        let value = (figure.value * 100.0).round() / 100.0;
        all.insert(figure.name.clone(), json!({ "value": value, "unit": figure.unit }));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(&all)? + "\n";
    let new = path.with_extension("json.new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_kept_and_own_ones_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bench/summary.json");
        write(&path, &[Figure::once("a", 1.25, "µs"), Figure::once("b", 2.0, "KiB")]).expect("written");
        write(&path, &[Figure::once("b", 3.0, "MiB"), Figure::once("c", f64::NAN, "µs")]).expect("written");
        let read: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
        let expected = json!({
            "a": {"value": 1.25, "unit": "µs"}, "b": {"value": 3.0, "unit": "MiB"}, "c": {"value": null, "unit": "µs"},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_spoiled_summary_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("summary.json");
        std::fs::write(&path, "[1]").expect("written");
        assert!(write(&path, &[Figure::once("a", 1.0, "µs")]).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "[1]");
    }
}
