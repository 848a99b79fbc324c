//! Reads the governance folder into memory, within limits.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::{Fault, fault::line_of};

/// Texts by name; the name is relative to the folder, with `/` between its parts.
pub type Files = BTreeMap<String, String>;

/// The largest file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most files.
const FILES_MAX: usize = 1_000;
/// The deepest folder; it also ends a loop of symbolic links.
const DEPTH_MAX: usize = 4;

/// Reads what can be read, and says what could not.
pub(super) fn read(dir: &Path) -> (Files, Vec<Fault>) {
    let mut reader = Reader { files: Files::new(), faults: Vec::new(), full: false };
    reader.folder(dir, "", 0);
    reader.faults.sort();
    (reader.files, reader.faults)
}

struct Reader {
    files: Files,
    faults: Vec<Fault>,
    full: bool,
}

impl Reader {
    fn fault(&mut self, name: &str, line: usize, message: impl Into<String>) {
        self.faults.push(Fault::new(name, line, message));
    }

    fn folder(&mut self, path: &Path, name: &str, depth: usize) {
        let shown = if name.is_empty() { path.display().to_string() } else { name.to_owned() };
        if depth > DEPTH_MAX {
            return self.fault(&shown, 0, format!("folders are nested deeper than {DEPTH_MAX}"));
        }
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.fault(&shown, 0, format!("the folder can't be read: {error}")),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Some(last) = path.file_name().and_then(|last| last.to_str()) else {
                self.fault(&path.to_string_lossy(), 0, "the file's name is not UTF-8");
                continue;
            };
            // Editors' and version control's files, and the hidden folders behind a mounted ConfigMap's links.
            if last.starts_with('.') || last.ends_with('~') {
                continue;
            }
            let name = if name.is_empty() { last.to_owned() } else { format!("{name}/{last}") };
            match fs::metadata(&path) {
                // Its rules would be gone without a word.
                Ok(kind) if kind.is_dir() && name.ends_with(".toml") => {
                    self.fault(&name, 0, "this is a folder; a file of this name is meant");
                }
                Ok(kind) if kind.is_dir() => self.folder(&path, &name, depth + 1),
                Ok(kind) if kind.is_file() => self.file(&path, name),
                Ok(_) => self.fault(&name, 0, "this is neither a file nor a folder"),
                Err(error) => self.fault(&name, 0, format!("the file can't be read: {error}")),
            }
        }
    }

    fn file(&mut self, path: &Path, name: String) {
        if self.full || self.files.len() >= FILES_MAX {
            if !self.full {
                self.fault(&name, 0, format!("the folder has more than {FILES_MAX} files"));
            }
            self.full = true;
            return;
        }
        let mut bytes = Vec::new();
        // One byte more than is allowed, so that a file that grew after `metadata` is noticed too.
        let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return self.fault(&name, 0, format!("the file can't be read: {error}"));
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return self.fault(&name, 0, format!("the file has more than {FILE_BYTES_MAX} bytes"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.files.insert(name, text);
            }
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = line_of(&String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()), good);
                self.fault(&name, line, "the file is not UTF-8 from here on; save it as UTF-8");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_relative_name_and_every_bad_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        fs::create_dir(dir.path().join("guidelines")).unwrap();
        put("brands.toml", "# příklad\n".as_bytes());
        put("guidelines/acme.toml", b"a = 1\n");
        put(".hidden.toml", b"\xff");
        put("people.toml~", b"\xff");
        fs::create_dir(dir.path().join("policies.toml")).unwrap();
        put("grants.toml", b"# one\n# two\n# \xff three\n");
        put("apps.toml", &vec![b'#'; FILE_BYTES_MAX as usize + 1]);
        std::os::unix::fs::symlink("nowhere", dir.path().join("limits.toml")).unwrap();
        let (files, faults) = read(dir.path());
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["brands.toml", "guidelines/acme.toml"]);
        let places: Vec<_> = faults.iter().map(|fault| (fault.file.as_str(), fault.line)).collect();
        assert_eq!(places, [("apps.toml", 0), ("grants.toml", 3), ("limits.toml", 0), ("policies.toml", 0)]);
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("again")).unwrap();
        let (_, faults) = read(dir.path());
        assert!(faults.iter().any(|fault| fault.message.contains("nested deeper")), "{faults:?}");
    }

    #[test]
    fn a_missing_folder_is_one_fault() {
        let (files, faults) = read(Path::new("/no/such/folder"));
        assert!(files.is_empty());
        assert_eq!(faults.len(), 1);
    }
}
