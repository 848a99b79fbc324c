//! `pressgate access`: who may do what, and when it was done last.

mod csv;

use serde_json::json;
use url::form_urlencoded::Serializer;

use super::{
    context::Context,
    outcome::{Failure, Report, counted, safe},
    reach::Reach,
    table::table,
};
use crate::operator::{
    By,
    access::{AccessRequest, AccessRow, AccessView, Finding, UNUSED_DAYS_DEFAULT},
    standing::RIGHTS,
};

/// `access …`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Review rights: who may do what on each account, through which grant, and when it was used last.
    Report(Args),
}

/// `access report`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Review rights: who may do what on each account, through which grant, who answers for it, when it ends, and when it \
was used last.

Rights are those of the applied governance: grants with their deny entries, approvers, rights on the audit log, operators. Their use \
comes from the whole audit log. Findings: `never-used` and `unused` (not for --days), `expires-soon` (within 30 days), `expired`, \
`denied` (deny entries forbid all of it), `no-account` (it reaches none), `no-key` (its holder has no live key).

Through a running gateway it needs an operator's key (--key-file or PRESSGATE_OPERATOR_KEY). That a review was made is in the log."
)]
pub struct Args {
    /// How it is shown. CSV is for spreadsheets: no cell of it is taken for a formula.
    #[arg(long, default_value = "table", value_parser = ["table", "csv", "json"])]
    format: String,
    /// A right that was not used for so many days is unused.
    #[arg(long, default_value_t = UNUSED_DAYS_DEFAULT)]
    days: u32,
    /// Only rights that reach this account.
    #[arg(long)]
    account: Option<String>,
    /// Only rights that reach accounts of this brand and those below.
    #[arg(long)]
    brand: Option<String>,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let Command::Report(args) = command;
    if context.json && args.format == "csv" {
        return Err(Failure::Usage("give --json or --format csv, not both".to_owned()));
    }
    let wish = AccessRequest { days: Some(args.days), account: args.account, brand: args.brand };
    let view: AccessView = match Reach::open(context).await? {
        Reach::Folder(folder) => {
            let governance = folder.standing(&context.shelf()?, RIGHTS).await?;
            folder.ops().access(&By::Local, &governance, &wish).await?
        }
        Reach::Gateway(client) => client.get(&path(&wish)).await?,
    };
    let json = json!(view);
    let text = match args.format.as_str() {
        "csv" => csv::csv(&view.rows),
        "json" => format!("{json:#}"),
        _ => told(&view),
    };
    Ok(Report::good(text, json))
}

fn path(wish: &AccessRequest) -> String {
    let mut query = Serializer::new(String::new());
    let days = wish.days.map(|days| days.to_string());
    for (name, value) in [("days", &days), ("account", &wish.account), ("brand", &wish.brand)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("/operator/access?{}", query.finish())
}

/// For people: a table, and what it was made from.
fn told(view: &AccessView) -> String {
    let head = ["account", "brand", "right", "holder", "grant", "may", "owner", "ends", "last used", "findings"];
    let rows: Vec<Vec<String>> = view.rows.iter().map(cells).collect();
    let with = |finding: Finding| view.rows.iter().filter(|row| row.findings.contains(&finding)).count();
    let days = view.days;
    let found = [
        (Finding::NeverUsed, "never used".to_owned()),
        (Finding::Unused, format!("not used for {days} days")),
        (Finding::ExpiresSoon, format!("ending within {} days", view.soon_days)),
        (Finding::Expired, "ended".to_owned()),
    ];
    let found: Vec<String> = found.iter().map(|(finding, text)| format!("{} {text}", with(*finding))).collect();
    let since = view.log.since.map_or_else(|| "an empty log".to_owned(), |since| format!("the log since {since}"));
    let gone = match view.log.missing {
        0 => String::new(),
        missing => format!("; {missing} leaves are gone by retention, and what they told is not here"),
    };
    format!(
        "{}\n\n{}: {}\nmade at {} from {since} ({} leaves){gone}",
        table(&head, &rows),
        counted(view.rows.len(), "right", "rights"),
        found.join(", "),
        view.at,
        view.log.leaves
    )
}

fn cells(row: &AccessRow) -> Vec<String> {
    let day =
        |at: Option<jiff::Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_string().chars().take(10).collect());
    let may: Vec<String> = row
        .actions
        .iter()
        .map(|action| if row.denied.contains(action) { format!("({action})") } else { action.clone() })
        .collect();
    let findings: Vec<&str> = row.findings.iter().map(|finding| finding.as_str()).collect();
    [
        row.account.clone().unwrap_or_else(|| "–".to_owned()),
        row.brand.clone().unwrap_or_else(|| "–".to_owned()),
        row.kind.as_str().to_owned(),
        row.holder.clone(),
        row.grant.clone().unwrap_or_else(|| "–".to_owned()),
        may.join(" "),
        row.owner.clone().unwrap_or_else(|| "–".to_owned()),
        day(row.expires_at),
        day(row.last_used_at),
        findings.join(" "),
    ]
    .iter()
    .map(|cell| safe(cell))
    .collect()
}
