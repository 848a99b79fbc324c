//! `pressgate audit export`: a part of the log into a file, as events of OCSF or as leaves.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report, counted, print},
    },
    leaves::client,
};
use crate::folders::PRIVATE_FILE_MODE;

/// `audit export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what happened at this time or later (RFC 3339).
    #[arg(long)]
    from: Option<String>,
    /// Only what happened before this time (RFC 3339).
    #[arg(long)]
    to: Option<String>,
    /// Only leaves after this index.
    #[arg(long)]
    cursor: Option<u64>,
    /// `ocsf` for events of OCSF 1.8, `leaf` for leaves as they were logged.
    #[arg(long, default_value = "ocsf", value_parser = ["ocsf", "leaf"])]
    format: String,
    /// The file, which must not be there yet; without one, standard output.
    file: Option<PathBuf>,
}

/// Exports. A file gets its name only when it is whole.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    if context.json && args.file.is_none() {
        return Err(Failure::Usage("each line is JSON already; leave --json out, or give a file".to_owned()));
    }
    let mut query = Serializer::new(String::new());
    let cursor = args.cursor.map(|cursor| cursor.to_string());
    for (name, value) in [("from", &args.from), ("to", &args.to), ("cursor", &cursor)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("format", &args.format);
    let mut target = args.file.as_deref().map(Target::begin).transpose()?;
    let mut lines = client(context)?.stream(&format!("/v1/audit/export?{}", query.finish())).await?;
    let mut count = 0;
    while let Some(line) = lines.next().await? {
        match &mut target {
            Some(target) => target.line(&line)?,
            None => print(&line),
        }
        count += 1;
    }
    let Some(target) = target else { return Ok(Report::good("", Value::Null)) };
    let shown = target.path.display().to_string();
    target.end()?;
    Ok(Report::good(
        format!("{} in {shown}", counted(count, "line", "lines")),
        json!({ "file": shown, "lines": count }),
    ))
}

/// A file that is being written, under another name. What was not ended is removed.
struct Target {
    path: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Target {
    fn begin(path: &Path) -> Result<Self, Failure> {
        if path.exists() {
            return Err(Failure::refused(format!("{}: it is there already; give another name", path.display())));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE_MODE).open(&part);
        let file = file.map_err(|error| Failure::file(&part, &error))?;
        Ok(Self { path: path.to_owned(), part, file: Some(BufWriter::new(file)) })
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Ok(()) };
        writeln!(file, "{line}").map_err(|error| Failure::file(&self.part, &error))
    }

    fn end(mut self) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let ended = file
            .flush()
            .and_then(|()| file.get_ref().sync_all())
            .and_then(|()| std::fs::hard_link(&self.part, &self.path))
            .and_then(|()| std::fs::remove_file(&self.part));
        ended.map_err(|error| Failure::file(&self.path, &error))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _gone = std::fs::remove_file(&self.part);
        }
    }
}
