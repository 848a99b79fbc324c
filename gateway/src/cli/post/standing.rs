//! `pressgate approvals` and `pressgate calendar`: what waits for me, and what is planned.

use std::path::PathBuf;

use hyper::Method;
use serde_json::{Value, json};

use super::{
    KEY, query,
    told::{beginning, by, several, text},
};
use crate::cli::{
    context::Context,
    feed,
    outcome::{Failure, Report, counted, safe},
    table::table,
};

/// Posts that wait for the caller's vote.
pub async fn approvals(context: &Context) -> Result<Report, Failure> {
    let waiting: Value = context.person(KEY)?.get("/v1/approvals").await?;
    let row = |waiting: &Value| {
        let post = waiting.get("post").unwrap_or(&Value::Null);
        let version = post.get("version").and_then(Value::as_u64).unwrap_or_default();
        let names = |value: &Value, name: &str| {
            several(value, name).filter_map(Value::as_str).map(safe).collect::<Vec<_>>().join(", ")
        };
        let accounts: Vec<String> = several(post, "targets").map(|target| safe(text(target, "account"))).collect();
        vec![
            safe(text(post, "id")),
            version.to_string(),
            names(waiting, "rules"),
            by(post),
            safe(text(post, "due_at")),
            accounts.join(", "),
            beginning(post),
        ]
    };
    let rows: Vec<_> = several(&waiting, "waiting").map(row).collect();
    let text = if rows.is_empty() {
        "nothing waits for you".to_owned()
    } else {
        table(&["id", "version", "rules", "author", "due", "accounts", "text"], &rows)
    };
    Ok(Report::good(text, waiting))
}

/// Which part of the calendar, and where it goes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Calendar {
    #[command(subcommand)]
    part: Option<Part>,
    /// From this instant on; a month ago where it is left out.
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Before this instant; three months ahead where it is left out.
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
    /// Only posts for this account.
    #[arg(long)]
    account: Option<String>,
    /// Write it into this file as a calendar program reads it; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    ics: Option<PathBuf>,
}

/// What belongs to the calendar besides what is in it.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Addresses at which calendar programs read it.
    #[command(subcommand)]
    Feed(feed::Command),
}

/// Posts with a time.
pub async fn calendar(context: &Context, wanted: Calendar) -> Result<Report, Failure> {
    let Calendar { part, from, until, account, ics } = wanted;
    if let Some(Part::Feed(command)) = part {
        return feed::run(context, command).await;
    }
    let client = context.person(KEY)?;
    let query = query(&[("from", from), ("until", until), ("account", account)]);
    if let Some(file) = ics {
        let reply = client.send(Method::GET, &format!("/v1/calendar.ics{query}"), None).await?;
        if reply.status != 200 {
            return Err(reply.problem());
        }
        if file.as_os_str() == "-" {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            return Ok(Report::good(text.clone(), json!(text)));
        }
        std::fs::write(&file, &reply.body).map_err(|error| Failure::file(&file, &error))?;
        let shown = file.display().to_string();
        let json = json!({ "file": shown, "bytes": reply.body.len() });
        return Ok(Report::good(format!("written to {shown}"), json));
    }
    let calendar: Value = client.get(&format!("/v1/calendar{query}")).await?;
    Ok(Report::good(planned(&calendar), calendar))
}

fn planned(calendar: &Value) -> String {
    let row = |post: &Value| {
        let accounts: Vec<String> = several(post, "accounts").filter_map(Value::as_str).map(safe).collect();
        let recurs = post.get("recurs").and_then(Value::as_bool) == Some(true);
        vec![
            safe(text(post, "due_at")),
            safe(text(post, "state")),
            if recurs { "recurs" } else { "" }.to_owned(),
            safe(text(post, "post")),
            accounts.join(", "),
            safe(text(post, "summary")),
        ]
    };
    let rows: Vec<_> = several(calendar, "posts").map(row).collect();
    if rows.is_empty() {
        return format!("nothing from {} until {}", safe(text(calendar, "from")), safe(text(calendar, "until")));
    }
    let mut told = table(&["due", "state", "", "id", "accounts", "text"], &rows);
    if calendar.get("more").and_then(Value::as_bool) == Some(true) {
        let shown = counted(rows.len(), "post", "posts");
        told.push_str(&format!("\nthere are more than these {shown}; ask for a shorter time"));
    }
    told
}
