//! `pressgate connector`: other systems that events are handed to. The gateway must run: it alone knows how they are.

use serde_json::json;

use super::{
    client::Client,
    context::Context,
    outcome::{Failure, Report, safe},
    reach::Reach,
    table::table,
};
use crate::{
    connectors::ConnectorView,
    events::webhooks::DeadView,
    operator::connectors::{EventsRequest, EventsView},
};

/// `connector list|status|retry|close`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// How the connectors of connectors.toml are: exit code 1 where one needs a person.
    List,
    /// One connector, and the events that were given up: exit code 1 where it needs a person.
    Status {
        /// The connector.
        id: String,
    },
    /// Try again what was given up: without events all that was refused. What may have happened already is tried again only where it is
    /// named.
    Retry {
        /// The connector.
        id: String,
        /// Events: `evt_4711`.
        #[arg(value_name = "EVENT")]
        events: Vec<String>,
    },
    /// Take events off the list of what was given up: somebody saw to them.
    Close {
        /// The connector.
        id: String,
        /// Events: `evt_4711`.
        #[arg(value_name = "EVENT", required = true)]
        events: Vec<String>,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let reach = Reach::open(context).await?;
    let Reach::Gateway(client) = &reach else {
        return Err(Failure::refused("the gateway must run for this: start it with `pressgate serve`"));
    };
    match command {
        Command::List => {
            let all: Vec<ConnectorView> = client.get("/operator/connectors").await?;
            let holds = all.iter().all(holds);
            Ok(Report { text: rows(&all), json: json!(all), holds })
        }
        Command::Status { id } => status(client, &id).await,
        Command::Retry { id, events } => {
            let path = format!("/operator/connectors/{}/retries", part(&id)?);
            let view: EventsView = client.post(&path, &EventsRequest { events }).await?;
            Ok(Report::good(format!("{} events are tried again for {}", view.count, safe(&view.id)), json!(view)))
        }
        Command::Close { id, events } => {
            let path = format!("/operator/connectors/{}/closings", part(&id)?);
            let view: EventsView = client.post(&path, &EventsRequest { events }).await?;
            Ok(Report::good(format!("{} events are off the list of {}", view.count, safe(&view.id)), json!(view)))
        }
    }
}

async fn status(client: &Client, id: &str) -> Result<Report, Failure> {
    let path = format!("/operator/connectors/{}/dead", part(id)?);
    let dead: Vec<DeadView> = client.get(&path).await?;
    let mut all: Vec<ConnectorView> = client.get("/operator/connectors").await?;
    all.retain(|connector| connector.id == id);
    let row = |dead: &DeadView| {
        let what = if dead.unknown { "unknown" } else { "refused" };
        vec![dead.id.clone(), safe(&dead.post), what.to_owned(), dead.at.to_string(), safe(&dead.why)]
    };
    let mut text = rows(&all);
    if !dead.is_empty() {
        let given_up: Vec<_> = dead.iter().map(row).collect();
        text = format!("{text}\n\n{}", table(&["event", "post", "what", "given up", "why"], &given_up));
    }
    let holds = all.iter().all(holds);
    Ok(Report { text, json: json!({ "connector": all.first(), "dead": dead }), holds })
}

fn holds(connector: &ConnectorView) -> bool {
    connector.dead == 0 && connector.state != "no-plugin"
}

fn rows(all: &[ConnectorView]) -> String {
    let row = |connector: &ConnectorView| {
        let counts = [connector.lag_leaves.to_string(), connector.waiting.to_string(), connector.dead.to_string()];
        let error = connector.last_error.as_deref().map_or_else(|| "–".to_owned(), safe);
        let what = [safe(&connector.id), safe(&connector.plugin), connector.state.clone(), safe(&connector.origin)];
        [what.to_vec(), counts.to_vec(), vec![error]].concat()
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(&["connector", "plugin", "state", "to", "behind", "waiting", "given up", "last error"], &rows)
}

/// An id as a part of a path.
fn part(id: &str) -> Result<&str, Failure> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    plain.then_some(id).ok_or_else(|| Failure::refused("this is not the id of a connector"))
}
