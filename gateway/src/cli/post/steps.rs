//! What people do with a post: each is one request, and the post as it is then.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::{
    path,
    told::{several, text, told},
    when::When,
};
use crate::{
    cli::{
        client::Client,
        outcome::{Failure, Report, safe},
    },
    refusal::problem,
};

/// A step that needs nothing but the post.
#[derive(Debug, clap::Args)]
pub struct Step {
    /// The post's id.
    id: String,
    /// Only if it is still at this version, as `post show` gave it.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
    /// Why.
    #[arg(long)]
    note: Option<String>,
}

/// A vote.
#[derive(Debug, clap::Args)]
pub struct Vote {
    #[command(flatten)]
    step: Step,
    /// Vote only if the content is still the one with this digest, as `post show` gave it.
    #[arg(long)]
    digest: Option<String>,
}

/// Something to say, or the end of it.
#[derive(Debug, clap::Args)]
pub struct Comment {
    /// The post's id.
    id: String,
    /// What is said.
    #[arg(required_unless_present = "resolves", conflicts_with = "resolves")]
    text: Option<String>,
    /// The number of a comment that is resolved; `post history` has it.
    #[arg(long, value_name = "NUMBER")]
    resolves: Option<u32>,
    /// Only if the post is still at this version.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
}

/// Another time.
#[derive(Debug, clap::Args)]
pub struct Schedule {
    /// The post's id.
    id: String,
    #[command(flatten)]
    when: When,
    /// A series ends: the post leaves once more, at this time.
    #[arg(long, conflicts_with = "rule")]
    no_repeat: bool,
    /// Only if it is still at this version.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u32>,
}

/// What is tried again.
#[derive(Debug, clap::Args)]
pub struct Retry {
    /// The post's id.
    id: String,
    /// Only this account's; all that failed without it.
    #[arg(long)]
    account: Option<String>,
    /// Why.
    #[arg(long)]
    note: Option<String>,
}

/// What a person found out.
#[derive(Debug, clap::Args)]
pub struct Resolve {
    /// The post's id.
    id: String,
    /// Which target.
    #[arg(long)]
    account: String,
    #[command(flatten)]
    found: Found,
    /// Its address for people, where it is there.
    #[arg(long, requires = "published")]
    url: Option<String>,
    /// How you know.
    #[arg(long)]
    note: String,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Found {
    /// It is on the network, under this id of the network.
    #[arg(long, value_name = "PLATFORM_ID")]
    published: Option<String>,
    /// It is not on the network.
    #[arg(long)]
    not_published: bool,
}

impl Step {
    fn body(&self) -> Value {
        fields([("version", json!(self.saw)), ("note", json!(self.note))])
    }

    /// Asks for it.
    pub async fn take(&self, client: &Client, name: &str) -> Result<Report, Failure> {
        ask(client, &self.id, name, &self.body()).await
    }

    /// An approving word on what waits for a person, never a vote on what waits for votes.
    pub async fn confirm(&self, client: &Client) -> Result<Report, Failure> {
        let post: Value = client.get(&path(&self.id, "")?).await?;
        let waits: Vec<&str> = several(&post, "targets").map(|target| text(target, "waits_for")).collect();
        if waits.contains(&"votes") {
            let text = "the post waits for votes: `pressgate post approve` is one";
            return Err(Failure::refused(text));
        }
        if waits.iter().all(|wait| wait.is_empty()) {
            let state = safe(text(&post, "state"));
            return Err(Failure::refused(format!("the post is `{state}`, and waits for nobody's word")));
        }
        // What is confirmed is what was looked at.
        let saw = self.saw.map_or_else(|| post.get("version").cloned().unwrap_or_default(), |saw| json!(saw));
        let body = fields([("version", saw), ("note", json!(self.note))]);
        let report = ask(client, &self.id, "approve", &body).await?;
        // It was stopped for a reason of its own, and votes are missing besides.
        let votes = several(&report.json, "targets").any(|target| text(target, "waits_for") == "votes");
        let more = format!(
            "\nIt is confirmed, and still waits for votes: pressgate post explain {} says whose.",
            safe(&self.id)
        );
        let more = if votes { more } else { String::new() };
        Ok(Report { text: format!("{}{more}", report.text), ..report })
    }
}

impl Vote {
    /// Casts it.
    pub async fn cast(&self, client: &Client, decision: &str) -> Result<Report, Failure> {
        let Step { id, saw, note } = &self.step;
        let body = fields([
            ("decision", json!(decision)),
            ("digest", json!(self.digest)),
            ("version", json!(saw)),
            ("note", json!(note)),
        ]);
        ask(client, id, "votes", &body).await
    }
}

impl Comment {
    /// Says it.
    pub async fn say(&self, client: &Client) -> Result<Report, Failure> {
        let body =
            fields([("text", json!(self.text)), ("resolves", json!(self.resolves)), ("version", json!(self.saw))]);
        ask(client, &self.id, "comment", &body).await
    }
}

impl Schedule {
    /// Sets it.
    pub async fn set(&self, client: &Client) -> Result<Report, Failure> {
        let Some(schedule) = self.when.body() else {
            return Err(Failure::Usage("say when: --at, --local with --zone, or --queue".to_owned()));
        };
        let repeat = if self.no_repeat { json!(false) } else { Value::Null };
        let body = fields([("schedule", schedule), ("repeat", repeat), ("version", json!(self.saw))]);
        ask(client, &self.id, "schedule", &body).await
    }
}

impl Retry {
    /// Asks for it.
    pub async fn run(&self, client: &Client) -> Result<Report, Failure> {
        let body = fields([("account", json!(self.account)), ("note", json!(self.note))]);
        ask(client, &self.id, "retry", &body).await
    }
}

impl Resolve {
    /// Tells it.
    pub async fn run(&self, client: &Client) -> Result<Report, Failure> {
        let body = fields([
            ("account", json!(self.account)),
            ("published", json!(!self.found.not_published)),
            ("platform_id", json!(self.found.published)),
            ("url", json!(self.url)),
            ("note", json!(self.note)),
        ]);
        ask(client, &self.id, "resolve", &body).await
    }
}

/// What was given.
pub fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    let given = all.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

async fn ask(client: &Client, id: &str, step: &str, body: &Value) -> Result<Report, Failure> {
    let reply = client.send_with(Method::POST, &path(id, step)?, &[], body).await?;
    match reply.good::<Value>() {
        Ok(post) => Ok(Report::good(told(&post), post)),
        Err(failure) => Err(changed(client, id, failure).await),
    }
}

/// Says who made the version that is there, where a change or a vote met another than it named.
pub async fn changed(client: &Client, id: &str, failure: Failure) -> Failure {
    let Failure::Refused { details, .. } = &failure else { return failure };
    let kinds = [problem::VERSION_MISMATCH.address(), problem::CONTENT_CHANGED.address()];
    if !kinds.iter().any(|kind| text(details, "type") == kind) {
        return failure;
    }
    let Ok(below) = path(id, "history") else { return failure };
    let Ok(history) = client.get::<Value>(&below).await else { return failure };
    let edits: Vec<&Value> = several(&history, "events").filter(|event| text(event, "event") == "edited").collect();
    let Some(last) = edits.last() else { return failure };
    let version = last.get("data").and_then(|data| data.get("version")).and_then(Value::as_u64).unwrap_or_default();
    let line = format!(
        "Version {version} was made by {} at {}. Look at it (pressgate post show {id}), then do it again on what it says now.",
        super::history::who(last.get("by").unwrap_or(&Value::Null)),
        safe(text(last, "at"))
    );
    also(failure, &line)
}

/// The failure with one line more.
pub fn also(failure: Failure, line: &str) -> Failure {
    match failure {
        Failure::Refused { text, details } => Failure::Refused { text: format!("{text}\n{line}"), details },
        Failure::Usage(text) => Failure::Usage(format!("{text}\n{line}")),
        Failure::Unreachable(text) => Failure::Unreachable(format!("{text}\n{line}")),
    }
}
