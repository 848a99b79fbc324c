//! `pressgate training`: courses that people passed.

use std::{fs, io::Read, path::PathBuf};

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, counted, safe},
    reach::Reach,
    table::table,
};
use crate::{
    operator::{
        By,
        standing::PRINCIPALS,
        wire::{TrainingImported, TrainingRequest, TrainingView},
    },
    people::csv::CSV_BYTES_MAX,
};

/// `training import|list`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Record what people passed, from CSV with the columns person,course,passed_at,expires_at. All lines or none.
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
    /// Everything that is recorded.
    List {
        /// Only of this person.
        #[arg(long)]
        person: Option<String>,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::Import { file } => import(context, file).await,
        Command::List { person } => list(context, person.as_deref()).await,
    }
}

fn text(file: &PathBuf) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::file(file, &error);
    let mut text = String::new();
    let bound = u64::try_from(CSV_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(bound).read_to_string(&mut text).map_err(failed)?;
    } else {
        fs::File::open(file).map_err(failed)?.take(bound).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}

async fn import(context: &Context, file: PathBuf) -> Result<Report, Failure> {
    let wish = TrainingRequest { csv: Some(text(&file)?), records: None };
    let imported: TrainingImported = match Reach::open(context).await? {
        Reach::Gateway(client) => client.post("/operator/training", &wish).await?,
        Reach::Folder(folder) => {
            let governance = folder.standing(&context.shelf()?, PRINCIPALS).await?;
            match folder.ops().import_training(&By::Local, &governance, wish).await {
                Ok((imported, _)) => imported,
                Err(error) => return Err(folder.refused(error).await),
            }
        }
    };
    let (records, people) =
        (counted(imported.records, "record", "records"), counted(imported.people, "person", "people"));
    Ok(Report::good(format!("{records} of {people} recorded"), json!(imported)))
}

async fn list(context: &Context, person: Option<&str>) -> Result<Report, Failure> {
    let mut all: Vec<TrainingView> = match Reach::open(context).await? {
        Reach::Gateway(client) => client.get("/operator/training").await?,
        Reach::Folder(folder) => folder.ops().list_training().await?,
    };
    all.retain(|record| person.is_none_or(|person| record.person == person));
    let now = context.clock.now();
    let row = |record: &TrainingView| {
        let (state, end) = match record.expires_at {
            None => ("holds", "–".to_owned()),
            Some(end) => (if now < end { "holds" } else { "lapsed" }, end.to_string()),
        };
        vec![safe(&record.person), safe(&record.course), state.to_owned(), record.passed_at.to_string(), end]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(Report::good(table(&["person", "course", "state", "passed", "ends"], &rows), json!(all)))
}
