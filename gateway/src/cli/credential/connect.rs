//! `pressgate credential connect` and `status`: the way to a person's consent, and how connections stand.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{
    super::{
        client::Client,
        key::part,
        outcome::{Failure, Report, print},
        table::table,
    },
    needs_a_person,
};
use crate::operator::{
    connect::CALLBACK,
    wire::{ConnectionBegun, ConnectionRequest, ConnectionView, CredentialView},
};

/// How often it asks whether the answer came.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Begins to connect, says what to open, and waits for the answer.
pub(super) async fn connect(
    client: &Client,
    found: &CredentialView,
    callback: Option<String>,
    wait: bool,
    as_json: bool,
) -> Result<Report, Failure> {
    let redirect_uri = callback.unwrap_or_else(|| format!("{}{CALLBACK}", client.base()));
    let path = format!("/operator/credentials/{}/{}/connections", part(&found.account)?, part(&found.label)?);
    let begun: ConnectionBegun = client.post(&path, &ConnectionRequest { redirect_uri }).await?;
    let told = format!(
        "open this address in a browser, sign in as the account and agree; it is good until {}:\n{}\nthe network must know this address \
         to come back to: {}",
        begun.expires_at, begun.authorization_url, begun.redirect_uri
    );
    if !wait {
        return Ok(Report::good(told, json!(begun)));
    }
    print(&if as_json { json!(begun).to_string() } else { told });
    let path = format!("/operator/connections/{}", part(&begun.id)?);
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let view: ConnectionView = client.get(&path).await?;
        match view.state.as_str() {
            "waiting" => {}
            "connected" => {
                let text = format!("{} is connected", begun.account);
                return Ok(Report::good(text, json!(view)));
            }
            _ => {
                let why = view.reason.clone().unwrap_or_default();
                return Ok(Report::bad(format!("{} was not connected: {why}", begun.account), json!(view)));
            }
        }
    }
}

/// A table of how credentials stand.
pub(super) fn status(all: &[CredentialView]) -> String {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let row = |view: &CredentialView| {
        let since = view.reconnect_since.map(|since| format!(" since {since}")).unwrap_or_default();
        vec![
            view.account.clone(),
            view.label.clone(),
            view.scheme.clone(),
            format!("{}{since}", view.state),
            time(view.expires_at),
            time(view.refreshed_at.or(view.connected_at)),
            todo(view),
        ]
    };
    let titles = ["account", "label", "scheme", "state", "expires", "tokens got", "to do"];
    table(&titles, &all.iter().map(row).collect::<Vec<_>>())
}

fn todo(view: &CredentialView) -> String {
    let account = &view.account;
    match view.state.as_str() {
        "not-connected" | "reconnect-needed" => format!("pressgate credential connect {account}"),
        "refused" if view.scheme == "oauth2" => format!("pressgate credential connect {account}"),
        _ if needs_a_person(view) => format!("pressgate credential set {account}"),
        _ => String::new(),
    }
}
