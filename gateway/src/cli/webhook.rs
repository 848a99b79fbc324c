//! `pressgate webhook`: receivers of events. The gateway must run: it alone knows how they are.

use std::path::PathBuf;

use hyper::Method;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    client::Client,
    context::Context,
    outcome::{Failure, Report, safe},
    reach::Reach,
    secret_input,
    table::table,
};
use crate::{
    events::webhooks::{DeadView, WebhookView},
    operator::webhooks::{ReplayRequest, ReplayView, RotationRequest, SecretView},
};

/// What the value is called where it is read.
const SECRET: &str = "secret";

/// `webhook list|dead|replay|secret`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// How the receivers of events.toml are: exit code 1 where one needs a person.
    List,
    /// Events that were given up.
    Dead {
        /// The receiver.
        id: String,
    },
    /// Send again what was given up, and enable a receiver that was disabled.
    Replay {
        /// The receiver.
        id: String,
        /// Send everything again from this leaf on.
        #[arg(long, value_name = "LEAF")]
        from: Option<u64>,
    },
    /// The secret that deliveries are signed with.
    #[command(subcommand)]
    Secret(Secret),
}

/// `webhook secret set|rotate`.
#[derive(Debug, clap::Subcommand)]
pub enum Secret {
    /// Set a secret that the receiver has (`whsec_…`), from a file, standard input or the keyboard. The one before signs no more.
    Set {
        /// The receiver.
        id: String,
        /// A file that holds it.
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// Make a fresh secret and show it, this once. The one before signs too for a day.
    Rotate {
        /// The receiver.
        id: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let reach = Reach::open(context).await?;
    let Reach::Gateway(client) = &reach else {
        return Err(Failure::refused("the gateway must run for this: start it with `pressgate serve`"));
    };
    match command {
        Command::List => list(client).await,
        Command::Dead { id } => {
            let dead: Vec<DeadView> = client.get(&format!("/operator/webhooks/{}/dead", part(&id)?)).await?;
            let row = |dead: &DeadView| vec![dead.id.clone(), safe(&dead.post), dead.at.to_string(), safe(&dead.why)];
            let rows: Vec<_> = dead.iter().map(row).collect();
            Ok(Report::good(table(&["event", "post", "given up", "why"], &rows), json!(dead)))
        }
        Command::Replay { id, from } => {
            let path = format!("/operator/webhooks/{}/replays", part(&id)?);
            let view: ReplayView = client.post(&path, &ReplayRequest { from }).await?;
            let what = if from.is_some() { "leaves are read" } else { "events are sent" };
            Ok(Report::good(format!("{} {what} again to {}", view.count, safe(&view.id)), json!(view)))
        }
        Command::Secret(Secret::Set { id, from_file }) => set(client, &id, from_file).await,
        Command::Secret(Secret::Rotate { id }) => {
            let path = format!("/operator/webhooks/{}/secret/rotations", part(&id)?);
            let view: SecretView = client.post(&path, &RotationRequest {}).await?;
            let secret = view.secret.as_deref().unwrap_or_default();
            let text = format!(
                "{secret}\ngive it to the receiver now: it is not shown again. The one before signs too for {} hours",
                view.overlap_h
            );
            Ok(Report::good(text, json!(view)))
        }
    }
}

/// An id as a part of a path.
fn part(id: &str) -> Result<&str, Failure> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    plain.then_some(id).ok_or_else(|| Failure::refused("this is not the id of a webhook"))
}

async fn list(client: &Client) -> Result<Report, Failure> {
    let all: Vec<WebhookView> = client.get("/operator/webhooks").await?;
    let row = |hook: &WebhookView| {
        let counts = [hook.lag_leaves.to_string(), hook.waiting.to_string(), hook.dead.to_string()];
        let error = hook.last_error.as_deref().map_or_else(|| "–".to_owned(), safe);
        [vec![safe(&hook.id), hook.state.clone(), safe(&hook.origin)], counts.to_vec(), vec![error]].concat()
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let holds = all.iter().all(|hook| hook.dead == 0 && !["no-secret", "disabled"].contains(&hook.state.as_str()));
    let text = table(&["webhook", "state", "to", "behind", "waiting", "dead", "last error"], &rows);
    Ok(Report { text, json: json!(all), holds })
}

async fn set(client: &Client, id: &str, from_file: Option<PathBuf>) -> Result<Report, Failure> {
    let path = format!("/operator/webhooks/{}/secret", part(id)?);
    let values = secret_input::read(from_file.as_deref(), &[SECRET.to_owned()])?;
    let value = values.get(SECRET).map(|value| value.as_str()).unwrap_or_default();
    let body = serde_json::to_vec(&json!({ SECRET: value })).map_err(|error| Failure::refused(error.to_string()))?;
    let view: SecretView = client.send(Method::PUT, &path, Some(Zeroizing::new(body))).await?.good()?;
    Ok(Report::good(format!("the secret of {} is set", safe(&view.id)), json!(view)))
}
