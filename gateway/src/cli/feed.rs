//! `pressgate calendar feed`: your own addresses for calendar programs.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    key::part,
    outcome::{Failure, Report, safe},
    table::table,
};

/// The environment variable with the caller's key.
const KEY: &str = "PRESSGATE_KEY";
const PATH: &str = "/v1/calendar/feeds";

/// `calendar feed create|list|revoke`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an address that a calendar program reads without a key. It is shown this once; whoever has it reads what you may read.
    Create {
        /// Only posts for this account.
        #[arg(long)]
        account: Option<String>,
        /// What the calendar is called where it is shown.
        #[arg(long)]
        name: Option<String>,
        /// It ends after so many days; a year where this is left out.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=365))]
        expires_in_days: Option<u16>,
    },
    /// Your feeds, and when they were read last.
    List,
    /// Revoke one of your feeds at once.
    Revoke {
        /// Its id, as `calendar feed list` shows it.
        id: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let client = context.person(KEY)?;
    match command {
        Command::Create { account, name, expires_in_days } => {
            let given =
                [("account", json!(account)), ("name", json!(name)), ("expires_in_days", json!(expires_in_days))];
            let given = given.into_iter().filter(|(_, value)| !value.is_null());
            let body: Map<String, Value> = given.map(|(key, value)| (key.to_owned(), value)).collect();
            let made: Value = client.post(PATH, &body).await?;
            let feed = made.get("feed").unwrap_or(&Value::Null);
            let text = format!(
                "{}\nSubscribe to it in your calendar program. It is shown this once, and whoever has it reads what you may read; \
                 it ends at {}.\nRevoke it with `pressgate calendar feed revoke {}`.",
                text(&made, "url"),
                text(feed, "expires_at"),
                text(feed, "id"),
            );
            Ok(Report::good(text, made))
        }
        Command::List => {
            let own: Value = client.get(PATH).await?;
            Ok(Report::good(listed(&own), own))
        }
        Command::Revoke { id } => {
            let path = format!("{PATH}/{}", part(&id)?);
            let ended: Value = client.send(Method::DELETE, &path, None).await?.good()?;
            Ok(Report::good(format!("the feed {id} is revoked; its address shows nothing any more"), ended))
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    safe(value.get(name).and_then(Value::as_str).unwrap_or("–"))
}

fn listed(own: &Value) -> String {
    let feeds = own.get("feeds").and_then(Value::as_array).cloned().unwrap_or_default();
    if feeds.is_empty() {
        return "you have no feeds".to_owned();
    }
    let columns = ["id", "name", "account", "created_at", "expires_at", "last_used_at"];
    let rows: Vec<_> = feeds.iter().map(|feed| columns.map(|name| text(feed, name)).to_vec()).collect();
    table(&["id", "name", "account", "made", "ends", "last read (hour)"], &rows)
}
