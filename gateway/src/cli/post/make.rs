//! `pressgate post create`.

use std::path::PathBuf;

use hyper::Method;
use serde_json::{Value, json};

use super::{
    read,
    told::{several, text, told, verdict},
    when::When,
    words::Words,
};
use crate::cli::{
    client::Client,
    outcome::{Failure, Report, safe},
};

/// A new post.
#[derive(Debug, clap::Args)]
pub struct Create {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    when: When,
    /// The whole request as JSON, as `POST /v1/posts` takes it; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Words", "When"])]
    request: Option<PathBuf>,
    /// Only write it down; `post submit` goes on with it.
    #[arg(long)]
    draft: bool,
    /// The person for whom an app acts.
    #[arg(long, value_name = "PERSON")]
    on_behalf_of: Option<String>,
    /// Say what would happen, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Wait up to this many seconds, at most 60, for the outcome.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Of your own: the same command with the same key makes no second post.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Makes it.
pub async fn create(client: &Client, create: Create) -> Result<Report, Failure> {
    let Create { words, when, request, draft, on_behalf_of, dry_run, wait, idempotency_key } = create;
    let mut request = match request {
        Some(file) => serde_json::from_str(&read(&file)?).map_err(|error| Failure::file(&file, &error))?,
        None => {
            let mut fields = words.fields()?;
            if !(fields.contains_key("accounts") && fields.contains_key("content")) {
                let text = "say where and what: --account and --text, or --request with a file";
                return Err(Failure::Usage(text.to_owned()));
            }
            fields.extend(when.body().map(|schedule| ("schedule".to_owned(), schedule)));
            Value::Object(fields)
        }
    };
    if let Some(fields) = request.as_object_mut() {
        let more = [
            ("draft", draft.then_some(json!(true))),
            ("dry_run", dry_run.then_some(json!(true))),
            ("on_behalf_of", on_behalf_of.map(|person| json!(person))),
        ];
        fields.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    let wait = wait.map(|seconds| format!("wait={seconds}"));
    let headers: Vec<_> = [("prefer", &wait), ("idempotency-key", &idempotency_key)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
    let post: Value = client.send_with(Method::POST, "/v1/posts", &headers, &request).await?.good()?;
    let text = if post.get("id").is_some() { told(&post) } else { would(&post) };
    Ok(Report::good(text, post))
}

/// What would happen.
fn would(answer: &Value) -> String {
    let mut lines = vec![format!("it would be {}", safe(text(answer, "state")))];
    lines.extend(several(answer, "verdicts").map(verdict));
    lines.join("\n")
}
