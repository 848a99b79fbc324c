//! How far an export has come, on disk: written beside, synced, renamed, so that it is whole whatever happens.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    config::process::{Export, ExportFrom},
    folders::PRIVATE_FILE_MODE,
};

/// More than a cursor can be, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The log's name: another log has other leaves.
    pub(super) origin: String,
    /// The next leaf's index; the sink took all below it.
    pub(super) next: u64,
    /// Codes of the alarms that stand in the log as raised.
    #[serde(default)]
    pub(super) alarms: Vec<String>,
}

/// The file of one export.
pub(super) struct CursorFile {
    path: PathBuf,
    /// What the file holds.
    pub(super) known: Cursor,
}

impl CursorFile {
    /// Reads it, or begins where the configuration says. `log_next` is the index that the log gives next.
    pub(super) fn open(dir: &Path, export: &Export, origin: &str, log_next: u64) -> Result<Self, String> {
        let path = dir.join(format!("{}.cursor", export.name));
        let shown = path.display().to_string();
        let fresh = || Cursor {
            origin: origin.to_owned(),
            next: match export.from {
                ExportFrom::Start => 0,
                ExportFrom::Now => log_next,
            },
            alarms: Vec::new(),
        };
        let mut cursor = match read(&path) {
            Ok(Some(cursor)) => cursor,
            Ok(None) => fresh(),
            // To begin anew without a word would send all again, or lose what is between.
            Err(why) => {
                return Err(format!(
                    "{shown}: {why}. Restore it, or remove it: then this export begins anew as `from` says"
                ));
            }
        };
        if cursor.origin != origin {
            tracing::warn!(file = shown, found = cursor.origin, "the cursor is of another log; the export begins anew");
            cursor = fresh();
        }
        if cursor.next > log_next {
            tracing::warn!(
                file = shown,
                cursor = cursor.next,
                log = log_next,
                "the log is shorter than what was exported: it was restored. The export goes on at its end"
            );
            cursor.next = log_next;
        }
        let mut file = Self { path, known: cursor.clone() };
        file.store(cursor).map_err(|error| format!("{shown}: {error}"))?;
        Ok(file)
    }

    /// Makes it durable. Blocks.
    pub(super) fn store(&mut self, cursor: Cursor) -> io::Result<()> {
        let unfinished = self.path.with_extension("cursor-new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE_MODE).open(&unfinished)?;
        let mut text = serde_json::to_vec(&cursor)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.known = cursor;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Cursor>, String> {
    match fs::metadata(path) {
        Ok(facts) if facts.len() > FILE_BYTES_MAX => return Err("it is no cursor".to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map(Some).map_err(|_| "it is no cursor".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn export(from: &str) -> Export {
        let text = format!("[[export]]\nname = \"a\"\nkind = \"file\"\npath = \"o\"\nfrom = \"{from}\"\n");
        Config::parse(&text, "p.toml", Path::new("/")).unwrap().export.remove(0)
    }

    #[test]
    fn a_cursor_is_found_again_and_begins_where_the_configuration_says() {
        let dir = tempfile::tempdir().unwrap();
        let open = |from: &str, origin: &str, next| CursorFile::open(dir.path(), &export(from), origin, next);
        assert_eq!(open("now", "o", 7).unwrap().known.next, 7);
        let mut file = open("start", "o", 9).unwrap();
        assert_eq!(file.known.next, 7, "what is remembered counts");
        let cursor = Cursor { next: 9, alarms: vec!["export-lag".into()], ..file.known.clone() };
        file.store(cursor.clone()).unwrap();
        assert_eq!(open("start", "o", 20).unwrap().known, cursor);
        assert_eq!(open("start", "o", 5).unwrap().known.next, 5, "a log that was restored is shorter");
        assert_eq!(open("start", "other", 5).unwrap().known.next, 0, "another log");
        fs::write(dir.path().join("a.cursor"), "{").unwrap();
        let why = open("start", "o", 5).err().unwrap();
        assert!(why.contains("no cursor") && why.contains("remove it"), "{why}");
    }
}
