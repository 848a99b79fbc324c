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
    // Each page is a leaf itself, so what was logged is what was there when the first was asked for.
    let mut reached: Option<(Value, Value)> = None;
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
        let (indexed, logged) = reached.take().unwrap_or_else(|| (number("indexed_through"), number("logged_through")));
        // The newest leaves are on the first page, or where the oldest come first on the last.
        let indexed = if args.oldest { number("indexed_through") } else { indexed };
        if cursor.is_none() || items.len() >= args.limit {
            break (indexed, logged);
        }
        reached = Some((indexed, logged));
    };
    let mut text = table(&HEAD, &items.iter().map(row).collect::<Vec<_>>());
    if let Some(next) = cursor {
        text.push_str(&format!("\nthere may be more: --cursor {next}"));
    }
    text.push_str(&behind(&indexed, &logged));
    let json = json!({ "items": items, "next": cursor, "indexed_through": indexed, "logged_through": logged });
    Ok(Report::good(text, json))
}

/// Says so where leaves were not searched yet; nothing where none is behind.
fn behind(indexed: &Value, logged: &Value) -> String {
    let missing = match (indexed.as_u64(), logged.as_u64()) {
        (Some(indexed), Some(logged)) => logged.saturating_sub(indexed),
        (None, Some(logged)) => logged + 1,
        (_, None) => 0,
    };
    match missing {
        0 => String::new(),
        missing => format!(
            "\nthe newest {missing} of {} leaves are not searched yet: ask again",
            logged.as_u64().unwrap_or(0) + 1
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_behind_is_told() {
        for (indexed, logged) in [(json!(7), json!(7)), (json!(8), json!(7)), (Value::Null, Value::Null)] {
            assert_eq!(behind(&indexed, &logged), "", "{indexed} {logged}");
        }
        assert!(behind(&json!(4), &json!(7)).contains("newest 3 of 8 leaves"));
        assert!(behind(&Value::Null, &json!(7)).contains("newest 8 of 8 leaves"));
    }
}
