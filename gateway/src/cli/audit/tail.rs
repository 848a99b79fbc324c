//! `pressgate audit tail`: the newest leaves, and those that come.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::{
        client::Client,
        context::Context,
        outcome::{Failure, Report, print},
        table::table,
    },
    leaves::{Filters, HEAD, client, row},
};

/// How long a broken stream waits before it goes on.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// `audit tail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    filters: Filters,
    /// So many of the newest leaves.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=200))]
    lines: u64,
    /// Go on with what comes, until it is interrupted. With --json each leaf is one line.
    #[arg(long, short)]
    follow: bool,
}

/// Shows the newest; follows where that is asked for.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let client = client(context)?;
    let more = [("limit", Some(args.lines.max(1).to_string()))];
    let page: Value = client.get(&format!("/v1/audit{}", args.filters.query(&more))).await?;
    let mut items: Vec<Value> = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    items.truncate(usize::try_from(args.lines).unwrap_or(usize::MAX));
    items.reverse();
    if !args.follow {
        let text = table(&HEAD, &items.iter().map(row).collect::<Vec<_>>());
        return Ok(Report::good(text, items.into()));
    }
    for item in &items {
        show(item, context.json);
    }
    // What the search had not reached yet comes with the stream.
    let mut last = page.get("indexed_through").and_then(Value::as_u64);
    loop {
        match follow(&client, args, context.json, &mut last).await {
            Ok(Some(why)) if why == "revoked" => {
                return Err(Failure::refused("the right to read the log, or the key, was taken away"));
            }
            Ok(_) | Err(Failure::Unreachable(_)) => tokio::time::sleep(RETRY_AFTER).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Follows until the stream ends; answers why, where the gateway said so.
async fn follow(client: &Client, args: &Args, json: bool, last: &mut Option<u64>) -> Result<Option<String>, Failure> {
    let query = args.filters.query(&[("cursor", last.map(|last| last.to_string()))]);
    let mut lines = client.stream(&format!("/v1/audit/stream{query}")).await?;
    let mut event = Event::default();
    while let Some(line) = lines.next().await? {
        let Some(Event { name, data, id }) = event.take(&line) else { continue };
        match name.as_str() {
            "leaf" => show(&serde_json::from_str(&data).unwrap_or_default(), json),
            "end" => {
                let end: Value = serde_json::from_str(&data).unwrap_or_default();
                return Ok(end.get("why").and_then(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        *last = id.or(*last);
    }
    Ok(None)
}

fn show(item: &Value, json: bool) {
    print(&if json { item.to_string() } else { row(item).join("  ") });
}

/// One server-sent event, gathered line by line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
    id: Option<u64>,
}

impl Event {
    /// Takes a line; the event, where the line ends one.
    fn take(&mut self, line: &str) -> Option<Self> {
        if line.is_empty() {
            let whole = std::mem::take(self);
            return Some(whole).filter(|event| *event != Self::default());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => self.data.push_str(value),
            "id" => self.id = value.parse().ok(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_line_by_line() {
        let text =
            "retry: 2000\n\n: alive\nid: 6\n\nid: 7\nevent: leaf\ndata: {\"index\":7}\n\nevent: end\ndata:{}\n\n";
        let mut event = Event::default();
        let events: Vec<Event> = text.lines().filter_map(|line| event.take(line)).collect();
        let expected = [("", "", Some(6)), ("leaf", "{\"index\":7}", Some(7)), ("end", "{}", None)]
            .map(|(name, data, id)| Event { name: name.into(), data: data.into(), id });
        assert_eq!(events, expected);
    }
}
