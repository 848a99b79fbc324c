//! `pressgate post`: the life of a post with one's own key, through the public API.

mod edit;
mod explain;
mod history;
mod invite;
mod make;
mod merge;
pub(super) mod standing;
mod steps;
mod told;
mod when;
mod words;

use std::path::Path;

use hyper::Method;
use serde_json::Value;

use super::{
    client::Client,
    context::Context,
    key::part,
    outcome::{Failure, Report, safe},
};
use told::{listed, text, told};

/// The environment variable with the caller's key.
pub(super) const KEY: &str = "PRESSGATE_KEY";
/// Longest text or request that is read from a file, in bytes; the gateway takes no longer body.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// `post create|edit|submit|…`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a post: it goes out at once or at its time, or is only written down.
    Create(Box<make::Create>),
    /// Change a post that is not out yet: a new version, which voids what was approved.
    Edit(Box<edit::Edit>),
    /// The author is done with a draft: policies look at it, and people are asked.
    Submit(steps::Step),
    /// Agree to a post that waits for votes.
    Approve(steps::Vote),
    /// Say no to a post that waits for votes, with a reason.
    Reject(steps::Vote),
    /// Say that a post which is late, was frozen or was stopped goes after all.
    Confirm(steps::Step),
    /// Say something of a post, or resolve what was said.
    Comment(steps::Comment),
    /// Ask an outside party for its vote, by links that work once.
    Invite(invite::Invite),
    /// Set another time.
    Schedule(steps::Schedule),
    /// End a post that is not out yet.
    Cancel(steps::Step),
    /// Make a draft again of what was denied, rejected, cancelled or expired.
    Reopen(steps::Step),
    /// Try again what failed.
    Retry(steps::Retry),
    /// Say what became of a target that is `unknown`.
    Resolve(steps::Resolve),
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
        /// Only those for this account.
        #[arg(long)]
        account: Option<String>,
        /// Only those of this campaign.
        #[arg(long)]
        campaign: Option<String>,
        /// At most this many, 1 to 200; 50 where it is left out.
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u32>,
    },
    /// Everything that happened to a post: who, when, what and why.
    History {
        /// The post's id.
        id: String,
    },
    /// What a post waits for: which rule wants whom, who could vote, and what comes by itself.
    Explain {
        /// The post's id.
        id: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let client = context.person(KEY)?;
    match command {
        Command::Create(create) => make::create(&client, *create).await,
        Command::Edit(edit) => edit::edit(&client, *edit).await,
        Command::Submit(step) => step.take(&client, "submit").await,
        Command::Approve(vote) => vote.cast(&client, "approve").await,
        Command::Reject(vote) => vote.cast(&client, "reject").await,
        Command::Confirm(step) => step.confirm(&client).await,
        Command::Comment(comment) => comment.say(&client).await,
        Command::Invite(invite) => invite.run(&client).await,
        Command::Schedule(schedule) => schedule.set(&client).await,
        Command::Cancel(step) => step.take(&client, "cancel").await,
        Command::Reopen(step) => step.take(&client, "reopen").await,
        Command::Retry(retry) => retry.run(&client).await,
        Command::Resolve(resolve) => resolve.run(&client).await,
        Command::Withdraw { id } => withdraw(&client, &id).await,
        Command::Show { id } => {
            let post: Value = client.get(&path(&id, "")?).await?;
            let history: Value = client.get(&path(&id, "history")?).await?;
            let said = history::comments(&history);
            let text = if said.is_empty() { told(&post) } else { format!("{}\n{}", told(&post), said.join("\n")) };
            Ok(Report::good(text, post))
        }
        Command::List { state, account, campaign, limit } => {
            let limit = limit.map(|limit| limit.to_string());
            let query = query(&[("state", state), ("account", account), ("campaign", campaign), ("limit", limit)]);
            let page: Value = client.get(&format!("/v1/posts{query}")).await?;
            Ok(Report::good(listed(&page), page))
        }
        Command::History { id } => history::run(&client, &id).await,
        Command::Explain { id } => explain::run(&client, &id).await,
    }
}

/// The path of a post, or of something below it.
fn path(id: &str, below: &str) -> Result<String, Failure> {
    let slash = if below.is_empty() { "" } else { "/" };
    Ok(format!("/v1/posts/{}{slash}{below}", part(id)?))
}

/// A query of what was given, with its question mark; nothing where nothing was.
pub(super) fn query(given: &[(&str, Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(given.iter().filter_map(|(name, value)| value.as_deref().map(|value| (name, value))));
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

/// The text of a file, or of standard input for `-`.
fn read(file: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let failed = |error: std::io::Error| Failure::file(file, &error);
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::file(file, &format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The API takes back what is published by the same request, which is more than was asked for here.
async fn withdraw(client: &Client, id: &str) -> Result<Report, Failure> {
    let path = path(id, "")?;
    let post: Value = client.get(&path).await?;
    let state = text(&post, "state");
    if state != "held" {
        let state = safe(state);
        return Err(Failure::refused(format!("the post is `{state}`; only what is `held` can be withdrawn")));
    }
    let post: Value = client.send(Method::DELETE, &path, None).await?.good()?;
    Ok(Report::good(told(&post), post))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_what_was_given_and_nothing_else() {
        assert_eq!(query(&[("state", None)]), "");
        let given = [("state", Some("held&x=1".to_owned())), ("account", None), ("campaign", Some("a b".to_owned()))];
        assert_eq!(query(&given), "?state=held%26x%3D1&campaign=a+b");
        assert_eq!(path("post_1", "history").unwrap(), "/v1/posts/post_1/history");
        assert!(path("../x", "").is_err());
    }

    #[test]
    fn a_file_has_a_greatest_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text");
        std::fs::write(&file, "x".repeat(FILE_BYTES_MAX as usize)).unwrap();
        assert_eq!(read(&file).unwrap().len() as u64, FILE_BYTES_MAX);
        std::fs::write(&file, "x".repeat(FILE_BYTES_MAX as usize + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("longer"));
    }
}
