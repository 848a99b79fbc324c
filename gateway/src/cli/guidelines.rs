//! `pressgate guidelines`: texts that people acknowledge.

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, safe},
    reach::Reach,
    table::table,
};
use crate::operator::{
    guidelines::{AcknowledgementRow, GuidelineRow},
    standing::PRINCIPALS,
};

/// `guidelines list|acknowledgements`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every version, and how many people acknowledged it.
    List {
        /// Only of this brand.
        #[arg(long)]
        brand: Option<String>,
    },
    /// Who acknowledged which version, and when.
    Acknowledgements {
        /// Only of this brand.
        #[arg(long)]
        brand: Option<String>,
        /// Only of this person.
        #[arg(long)]
        person: Option<String>,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::List { brand } => list(context, brand.as_deref()).await,
        Command::Acknowledgements { brand, person } => {
            acknowledgements(context, brand.as_deref(), person.as_deref()).await
        }
    }
}

async fn list(context: &Context, brand: Option<&str>) -> Result<Report, Failure> {
    let mut all: Vec<GuidelineRow> = match Reach::open(context).await? {
        Reach::Gateway(client) => client.get("/operator/guidelines").await?,
        Reach::Folder(folder) => {
            let governance = folder.standing(&context.shelf()?, PRINCIPALS).await?;
            folder.ops().list_guidelines(&governance).await?
        }
    };
    all.retain(|row| brand.is_none_or(|brand| row.brand == brand));
    let row = |row: &GuidelineRow| {
        let seen = if row.public { "everybody" } else { "people" };
        let (languages, people) = (row.languages.join(", "), row.acknowledged.to_string());
        let (state, seen, from) = (safe(&row.state), seen.to_owned(), row.effective.to_string());
        vec![safe(&row.brand), safe(&row.version), state, from, seen, safe(&languages), people]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let head = ["brand", "version", "state", "effective", "seen by", "languages", "acknowledged"];
    Ok(Report::good(table(&head, &rows), json!(all)))
}

async fn acknowledgements(context: &Context, brand: Option<&str>, person: Option<&str>) -> Result<Report, Failure> {
    let mut all: Vec<AcknowledgementRow> = match Reach::open(context).await? {
        Reach::Gateway(client) => client.get("/operator/guidelines/acknowledgements").await?,
        Reach::Folder(folder) => folder.ops().list_acknowledgements().await?,
    };
    all.retain(|row| brand.is_none_or(|brand| row.brand == brand) && person.is_none_or(|person| row.person == person));
    let row = |row: &AcknowledgementRow| {
        let short: String = row.digest.chars().take(12).collect();
        let (language, at) = (safe(&row.language), row.acknowledged_at.to_string());
        vec![safe(&row.person), safe(&row.brand), safe(&row.version), language, short, at]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(Report::good(table(&["person", "brand", "version", "language", "text", "at"], &rows), json!(all)))
}
