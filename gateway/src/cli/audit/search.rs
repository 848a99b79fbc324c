//! `pressgate audit search`.

use serde_json::{Value, json};

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report},
        table::table,
    },
    leaves::{Filters, HEAD, client, row},
};

/// Leaves of one page of the API.
const PAGE: usize = 200;
/// Leaves that are shown where nobody says how many.
const LIMIT: usize = 50;

/// `audit search`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    filters: Filters,
    /// Only what happened before this time (RFC 3339).
    #[arg(long)]
    to: Option<String>,
    /// So many leaves, at most.
    #[arg(long, default_value_t = LIMIT)]
    limit: usize,
    /// The oldest first.
    #[arg(long)]
    oldest: bool,
    /// Go on after this index, as a search before said.
    #[arg(long)]
    cursor: Option<u64>,
}

/// Searches, page by page.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let client = client(context)?;
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = args.cursor;
    let (indexed, logged) = loop {
        let wanted = args.limit.saturating_sub(items.len()).clamp(1, PAGE);
        let more = [
            ("to", args.to.clone()),
            ("order", args.oldest.then(|| "oldest".to_owned())),
            ("limit", Some(wanted.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
        ];
        let page: Value = client.get(&format!("/v1/audit{}", args.filters.query(&more))).await?;
        items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        cursor = page.get("next").and_then(Value::as_u64);
        let number = |name: &str| page.get(name).cloned().unwrap_or(Value::Null);
        if cursor.is_none() || items.len() >= args.limit {
            break (number("indexed_through"), number("logged_through"));
        }
    };
    let mut text = table(&HEAD, &items.iter().map(row).collect::<Vec<_>>());
    if let Some(next) = cursor {
        text.push_str(&format!("\nthere may be more: --cursor {next}"));
    }
    if indexed.as_u64() < logged.as_u64() {
        text.push_str(&format!(
            "\nthe index has reached leaf {indexed} of {logged}: newer leaves are not searched yet"
        ));
    }
    let json = json!({ "items": items, "next": cursor, "indexed_through": indexed, "logged_through": logged });
    Ok(Report::good(text, json))
}
