//! `pressgate post`: votes on held posts and looks at posts, with a person's own key, through the public API.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::{
    client::Client,
    context::Context,
    key::part,
    outcome::{Failure, Report, safe},
    table::table,
};

/// The environment variable with the caller's key.
const KEY: &str = "PRESSGATE_KEY";

/// `post approve|reject|withdraw|show|list`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Release a held post.
    Approve(Vote),
    /// End a held post.
    Reject(Vote),
    /// Take a held post back, as its author or with `post.delete` on all its accounts: nobody can release it any more.
    Withdraw {
        /// The post's id.
        id: String,
    },
    /// One post.
    Show {
        /// The post's id.
        id: String,
    },
    /// The newest posts that you may see.
    List {
        /// Only those in this state: `held`, `published`, …
        #[arg(long)]
        state: Option<String>,
    },
}

/// A vote.
#[derive(Debug, clap::Args)]
pub struct Vote {
    /// The post's id.
    id: String,
    /// Vote only if the content is still the one with this digest, as `post show` gave it.
    #[arg(long)]
    digest: Option<String>,
    /// A note for the author.
    #[arg(long)]
    note: Option<String>,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let client = context.person(KEY)?;
    match command {
        Command::Approve(vote) => cast(&client, &vote, "approve").await,
        Command::Reject(vote) => cast(&client, &vote, "reject").await,
        Command::Withdraw { id } => withdraw(&client, &id).await,
        Command::Show { id } => {
            let post: Value = client.get(&format!("/v1/posts/{}", part(&id)?)).await?;
            Ok(Report::good(told(&post), post))
        }
        Command::List { state } => {
            let query = state.as_deref().map(|state| part(state).map(|state| format!("?state={state}"))).transpose()?;
            let page: Value = client.get(&format!("/v1/posts{}", query.unwrap_or_default())).await?;
            Ok(Report::good(listed(&page), page))
        }
    }
}

/// The API takes back what is published by the same request, which is more than was asked for here.
async fn withdraw(client: &Client, id: &str) -> Result<Report, Failure> {
    let path = format!("/v1/posts/{}", part(id)?);
    let post: Value = client.get(&path).await?;
    let state = text(&post, "state");
    if state != "held" {
        let state = safe(state);
        return Err(Failure::refused(format!("the post is `{state}`; only what is `held` can be withdrawn")));
    }
    let post: Value = client.send(Method::DELETE, &path, None).await?.good()?;
    Ok(Report::good(told(&post), post))
}

async fn cast(client: &Client, vote: &Vote, decision: &str) -> Result<Report, Failure> {
    let mut body = Map::from_iter([("decision".to_owned(), Value::from(decision))]);
    for (name, value) in [("digest", &vote.digest), ("note", &vote.note)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.as_str().into());
        }
    }
    let post: Value = client.post(&format!("/v1/posts/{}/votes", part(&vote.id)?), &json!(body)).await?;
    Ok(Report::good(told(&post), post))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn several<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A post for people. What came from others is escaped: it must not move the cursor of a terminal.
fn told(post: &Value) -> String {
    let mut lines = vec![
        format!("post    {}", safe(text(post, "id"))),
        format!("state   {}", safe(text(post, "state"))),
        format!("digest  {}", safe(text(post, "digest"))),
    ];
    let author = post.get("author").unwrap_or(&Value::Null);
    let by = [text(author, "app"), text(author, "person")].into_iter().find(|by| !by.is_empty()).unwrap_or_default();
    let whom = Some(text(author, "on_behalf_of")).filter(|person| !person.is_empty());
    lines.push(format!("author  {}{}", safe(by), whom.map(|whom| format!(" for {}", safe(whom))).unwrap_or_default()));
    for target in several(post, "targets") {
        lines.extend(told_target(target));
    }
    for verdict in several(post, "verdicts") {
        let found: Vec<String> = several(verdict, "findings").map(|finding| safe(text(finding, "message"))).collect();
        let line = format!(
            "policy  {}: {} {}",
            safe(text(verdict, "policy")),
            safe(text(verdict, "outcome")),
            found.join("; ")
        );
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// One account: where it stands, what is said there, and why it failed.
fn told_target(target: &Value) -> Vec<String> {
    let place = [text(target, "url"), text(target, "platform_id")].into_iter().find(|place| !place.is_empty());
    let (account, state) = (safe(text(target, "account")), safe(text(target, "state")));
    let mut lines =
        vec![format!("target  {account}: {state} {}", safe(place.unwrap_or_default())).trim_end().to_owned()];
    let content = target.get("content").unwrap_or(&Value::Null);
    for part in several(content, "parts") {
        lines.push(format!("  text    {}", safe(text(part, "text"))));
        for medium in several(part, "media") {
            let (id, kind, alt) = (text(medium, "id"), text(medium, "media_type"), text(medium, "alt"));
            lines.push(format!("  shows   {} {}: {}", safe(id), safe(kind), safe(alt)));
        }
    }
    if let Some(options) = content.get("options").and_then(Value::as_object).filter(|options| !options.is_empty()) {
        lines.push(format!("  options {}", safe(&json!(options).to_string())));
    }
    let reply_to = text(content, "reply_to");
    if !reply_to.is_empty() {
        lines.push(format!("  answers {}", safe(reply_to)));
    }
    let why = several(target, "attempts").last().map(|attempt| text(attempt, "message")).unwrap_or_default();
    if !why.is_empty() {
        lines.push(format!("  said    {}", safe(why)));
    }
    lines
}

fn listed(page: &Value) -> String {
    let row = |post: &Value| {
        let accounts: Vec<String> = several(post, "targets").map(|target| safe(text(target, "account"))).collect();
        vec![safe(text(post, "id")), safe(text(post, "state")), safe(text(post, "created_at")), accounts.join(", ")]
    };
    table(&["id", "state", "made", "accounts"], &several(page, "posts").map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_told_without_control_characters() {
        let post = json!({
            "id": "post_1", "state": "held", "digest": "ab",
            "author": { "app": "newsroom", "person": null, "on_behalf_of": "ada" },
            "targets": [
                { "account": "acme", "state": "held\u{1b}[2J", "content": {
                    "parts": [{ "text": "hello\u{1b}[1m", "media": [{ "id": "media_1", "media_type": "image/png", "alt": "a cat" }] }],
                    "options": { "visibility": "direct" } } },
                { "account": "b", "state": "published", "url": "https://x" },
                { "account": "c", "state": "failed", "attempts": [{ "message": "first" }, { "message": "too long" }] },
            ],
            "verdicts": [{ "policy": "rules", "outcome": "hold", "findings": [{ "message": "names a price" }] }],
        });
        let text = told(&post);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("target  b: published https://x"), "{text}");
        assert!(text.contains("policy  rules: hold names a price"), "{text}");
        assert!(text.contains("author  newsroom for ada"), "{text}");
        assert!(text.contains("  text    hello\\u{1b}[1m\n  shows   media_1 image/png: a cat"), "{text}");
        assert!(text.contains("  options {\"visibility\":\"direct\"}"), "{text}");
        assert!(text.contains("target  c: failed\n  said    too long"), "{text}");
        assert_eq!(listed(&json!({ "posts": [post] })).lines().count(), 2);
    }
}
