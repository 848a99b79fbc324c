//! JSON Lines in a file: appended, synced for each batch, renamed by size, and opened again where somebody moved it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{Failed, Taken};
use crate::export::batch::Batch;

/// The owner writes, a group that collects may read; the process's mask takes away from it.
const FILE_MODE: u32 = 0o640;
/// Digits of the index in the name of a renamed file, so that names sort.
const INDEX_DIGITS: usize = 20;
/// Names that are tried for a renamed file.
const NAMES_MAX: u32 = 1_000;
/// How much is looked through at once for the end of the last line, in bytes.
const CHUNK_BYTES: u64 = 64 * 1024;

/// The sink. The disk is asked on a thread that may wait, and one that hangs is waited for, never doubled.
pub(in crate::export) struct FileSink {
    timeout: Duration,
    idle: Option<Appender>,
    busy: Option<JoinHandle<(Appender, io::Result<()>)>>,
    path: PathBuf,
    rotate_bytes: u64,
    rotate_keep: Option<u32>,
}

impl FileSink {
    pub(super) fn new(path: &Path, rotate_bytes: u64, rotate_keep: Option<u32>, timeout: Duration) -> Self {
        Self { timeout, idle: None, busy: None, path: path.to_owned(), rotate_bytes, rotate_keep }
    }

    pub(super) async fn deliver(&mut self, batch: &Batch) -> Result<Taken, Failed> {
        if self.busy.is_some() {
            // Of before: whether it came to an end well or not, the batch is written again after it.
            let _ended = self.wait().await?;
        }
        let mut appender = self.idle.take().unwrap_or_else(|| Appender {
            path: self.path.clone(),
            rotate_bytes: self.rotate_bytes,
            rotate_keep: self.rotate_keep,
            file: None,
        });
        let (first, lines) = (batch.first, batch.body.clone());
        self.busy = Some(tokio::task::spawn_blocking(move || {
            let done = appender.append(first, &lines);
            if done.is_err() {
                // What the file holds now is looked at when it is opened again.
                appender.file = None;
            }
            (appender, done)
        }));
        match self.wait().await? {
            Ok(()) => Ok(Taken::default()),
            Err(error) => Err(Failed::new(format!("{}: {error}", self.path.display()))),
        }
    }

    async fn wait(&mut self) -> Result<io::Result<()>, Failed> {
        let Some(busy) = &mut self.busy else { return Ok(Ok(())) };
        let ended = tokio::time::timeout(self.timeout, busy).await;
        let Ok(ended) = ended else {
            let ms = self.timeout.as_millis();
            return Err(Failed::new(format!("{}: the disk did not answer within {ms} ms", self.path.display())));
        };
        self.busy = None;
        let (appender, done) = ended.map_err(|error| Failed::new(error.to_string()))?;
        self.idle = Some(appender);
        Ok(done)
    }
}

/// The file, on a thread that may wait.
struct Appender {
    path: PathBuf,
    rotate_bytes: u64,
    rotate_keep: Option<u32>,
    file: Option<File>,
}

impl Appender {
    /// Appends whole lines and makes them durable. `first` is the index of the first.
    fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        if self.file.as_ref().is_some_and(|file| was_moved(file, &self.path)) {
            self.file = None;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let mut size = file.metadata()?.len();
        if size > 0 && size.saturating_add(lines.len() as u64) > self.rotate_bytes {
            self.rotate(first)?;
            file = open(&self.path)?;
            size = file.metadata()?.len();
        }
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand before the next one. Where even that fails, the next opening cuts it.
            let _ = file.set_len(size);
            return Err(error);
        }
        self.file = Some(file);
        Ok(())
    }

    /// Renames the file to its name and the index of the first leaf that is not in it.
    fn rotate(&self, first: u64) -> io::Result<()> {
        for number in 0..NAMES_MAX {
            let more = if number == 0 { String::new() } else { format!(".{number}") };
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{first:0INDEX_DIGITS$}{more}"));
            let target = PathBuf::from(name);
            if !target.try_exists()? {
                fs::rename(&self.path, target)?;
                sync_folder(&self.path)?;
                return self.forget_old();
            }
        }
        Err(io::Error::other("there are too many renamed files of the same index; move them away"))
    }

    /// Removes the oldest renamed files, where so many were not to be kept.
    fn forget_old(&self) -> io::Result<()> {
        let Some(keep) = self.rotate_keep.and_then(|keep| usize::try_from(keep).ok()) else { return Ok(()) };
        let Some(stem) = self.path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let folder = folder(&self.path);
        let mut ours = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.')) else {
                continue;
            };
            let index = rest.split('.').next().unwrap_or_default();
            if index.len() == INDEX_DIGITS && index.bytes().all(|byte| byte.is_ascii_digit()) {
                ours.push(name);
            }
        }
        ours.sort();
        let over = ours.len().saturating_sub(keep);
        ours.into_iter().take(over).try_for_each(|name| fs::remove_file(folder.join(name)))
    }
}

/// True where the path no longer leads to the open file: `logrotate` renamed or removed it.
fn was_moved(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) != (there.dev(), there.ino()),
        _ => true,
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Opens the file for appending, and cuts what a crash left of a last line.
fn open(path: &Path) -> io::Result<File> {
    // A pipe without a reader must not hold the thread up.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let fresh = !path.try_exists()?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(FILE_MODE).custom_flags(nonblocking);
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
    }
    if fresh {
        sync_folder(path)?;
    }
    let size = file.metadata()?.len();
    let whole = end_of_lines(&mut file, size)?;
    if whole < size {
        tracing::warn!(file = %path.display(), bytes = size - whole, "half a line at the end of the file was cut; it comes again");
        file.set_len(whole)?;
    }
    Ok(file)
}

/// Where the last whole line ends.
fn end_of_lines(file: &mut File, size: u64) -> io::Result<u64> {
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        let mut chunk = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appender(path: &Path, rotate_bytes: u64, rotate_keep: Option<u32>) -> Appender {
        Appender { path: path.to_owned(), rotate_bytes, rotate_keep, file: None }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_rotates_by_size_and_loses_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut sink = appender(&path, 30, None);
        for number in 0..10 {
            sink.append(number, format!("{{\"line\":{number}}}\n").as_bytes()).unwrap();
        }
        let all: String = names(dir.path())
            .into_iter()
            .filter(|name| name != "out.jsonl")
            .chain(["out.jsonl".to_owned()])
            .map(|name| fs::read_to_string(dir.path().join(name)).unwrap())
            .collect();
        let expected: String = (0..10).map(|number| format!("{{\"line\":{number}}}\n")).collect();
        assert_eq!(all, expected);
        assert!(names(dir.path()).contains(&format!("out.jsonl.{:020}", 2)), "{:?}", names(dir.path()));
        for name in names(dir.path()) {
            assert!(fs::metadata(dir.path().join(name)).unwrap().len() <= 30);
        }
    }

    #[test]
    fn only_as_many_renamed_files_are_kept_as_was_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("out.jsonl.of-somebody-else"), "x").unwrap();
        let mut sink = appender(&dir.path().join("out.jsonl"), 5, Some(2));
        for number in 0..6 {
            sink.append(number, b"line\n").unwrap();
        }
        let kept = [format!("out.jsonl.{:020}", 4), format!("out.jsonl.{:020}", 5)];
        assert_eq!(names(dir.path()), ["out.jsonl", &kept[0], &kept[1], "out.jsonl.of-somebody-else"]);
    }

    #[test]
    fn a_file_that_was_moved_is_opened_anew_and_half_a_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut sink = appender(&path, 1_000, None);
        sink.append(0, b"a\n").unwrap();
        fs::rename(&path, dir.path().join("out.jsonl.1")).unwrap();
        sink.append(1, b"b\n").unwrap();
        fs::remove_file(&path).unwrap();
        sink.append(2, b"c\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"c\n");
        assert_eq!(fs::read(dir.path().join("out.jsonl.1")).unwrap(), b"a\n");
        for (left, whole) in [("c\nd", "c\n"), ("half", ""), ("", ""), (&format!("c\n{}", "x".repeat(200_000)), "c\n")]
        {
            fs::write(&path, left).unwrap();
            appender(&path, 1_000_000, None).append(3, b"e\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}e\n"));
        }
        // Cut from outside: the next line stands at the new end.
        let mut sink = appender(&path, 1_000, None);
        sink.append(4, b"f\n").unwrap();
        fs::write(&path, "").unwrap();
        sink.append(5, b"g\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"g\n");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(appender(dir.path(), 10, None).append(0, b"a\n").is_err());
        assert!(appender(&dir.path().join("none/out"), 10, None).append(0, b"a\n").is_err());
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(appender(&pipe, 10, None).append(0, b"a\n").is_err());
    }
}
