//! `pressgate credential`: sets, connects, lists and deletes what networks gave for accounts. Values are never shown.

mod connect;

use std::{collections::BTreeMap, path::PathBuf};

use hyper::Method;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    client::Client,
    context::Context,
    key::part,
    outcome::{Failure, Report},
    reach::{Folder, Reach},
    secret_input::{self, Values},
    table::table,
};
use crate::operator::{
    By,
    credentials::Wants,
    standing::ACCOUNTS,
    wire::{CredentialView, RevokedView},
};

/// Room for the body, so that it is never copied while it grows: every value may need six bytes for one.
const BODY_ROOM_FACTOR: usize = 6;

/// `credential set|connect|list|status|revoke`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Set a credential. Its values come from standard input or a file: one alone as it is (a line break at its end is left out),
    /// several in lines `name=value`. At a terminal they are asked for and not shown.
    Set {
        /// The account.
        account: String,
        /// Which of its credentials; needed where the adapter knows several.
        #[arg(long)]
        label: Option<String>,
        /// Read the values from this file; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// Connect an account whose network wants a person's consent (OAuth 2). Open the address that is printed in a browser, and agree
    /// there. The client (`client_id`, `client_secret`) must be set before, with `credential set`.
    Connect {
        /// The account.
        account: String,
        /// Which of its credentials; needed where the adapter knows several.
        #[arg(long)]
        label: Option<String>,
        /// Where the network sends the browser back to, where that is not the operator listener's own address: the address of a
        /// proxy before it, ending in `/oauth/callback`. The network must know it.
        #[arg(long, value_name = "URL")]
        callback: Option<String>,
        /// Print the address and do not wait for the answer.
        #[arg(long)]
        no_wait: bool,
    },
    /// What every account wants and has.
    List,
    /// How credentials stand: exit code 1 where one needs a person.
    Status {
        /// Only of this account.
        account: Option<String>,
    },
    /// Delete a credential at once. The tokens of a connected account are ended at its network too, where it has a way.
    Revoke {
        /// The account.
        account: String,
        /// Which of its credentials; needed where it has several.
        #[arg(long)]
        label: Option<String>,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    let reach = Reach::open(context).await?;
    match (command, &reach) {
        (Command::Set { account, label, from_file }, Reach::Folder(folder)) => {
            let shelf = context.shelf()?;
            let governance = folder.standing(&shelf, ACCOUNTS).await?;
            let wants = Wants { governance: &governance, shelf: &shelf };
            let (_, declared) = match wants.declared(&account, label.as_deref()) {
                Ok(found) => found,
                Err(error) => return Err(folder.refused(error).await),
            };
            let values = secret_input::read(from_file.as_deref(), &declared.secrets)?;
            let secrets: BTreeMap<String, SecretString> =
                values.iter().map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect();
            let view = folder.ops().set_credential(&By::Local, wants, &account, &declared.label, secrets).await?;
            folder.noted(set(view)).await
        }
        (Command::Set { account, label, from_file }, Reach::Gateway(client)) => {
            let all = all(&reach, context).await?;
            let found = pick(&all, &account, label.as_deref(), |view| view.wanted)?;
            let values = secret_input::read(from_file.as_deref(), &found.secrets)?;
            send(client, &account, &found.label, &values).await.map(set)
        }
        (Command::List, _) => {
            let all = all(&reach, context).await?;
            Ok(Report::good(listed(&all), json!(all)))
        }
        (Command::Status { account }, _) => {
            let mut all = all(&reach, context).await?;
            all.retain(|view| account.as_ref().is_none_or(|account| view.account == *account));
            if let (Some(account), true) = (account, all.is_empty()) {
                return Err(Failure::refused(format!(
                    "there is no account `{account}` with a credential; `pressgate credential list` shows them"
                )));
            }
            let holds = all.iter().all(|view| !needs_a_person(view));
            Ok(Report { text: connect::status(&all), json: json!(all), holds })
        }
        (Command::Connect { account, label, callback, no_wait }, Reach::Gateway(client)) => {
            let all = all(&reach, context).await?;
            let found = pick(&all, &account, label.as_deref(), |view| view.wanted)?;
            connect::connect(client, found, callback, !no_wait, context.json).await
        }
        (Command::Connect { .. }, Reach::Folder(_)) => Err(Failure::refused(
            "the gateway must run to connect an account: the network's answer comes to its operator listener",
        )),
        (Command::Revoke { account, label }, _) => {
            let all = all(&reach, context).await?;
            let found = pick(&all, &account, label.as_deref(), |view| view.generation.is_some())?;
            let revoked = revoke(&reach, found).await?;
            let mut text = format!("the credential `{}` of {} is deleted", found.label, found.account);
            match revoked.network.as_str() {
                "revoked" => text.push_str("; the network ended its tokens"),
                "failed" => text.push_str(&format!(
                    "\nnote: the network did not end its tokens ({}): end them there",
                    revoked.reason.as_deref().unwrap_or_default()
                )),
                _ => {}
            }
            let mut json = json!(revoked);
            if let Some(fields) = json.as_object_mut() {
                fields.insert("revoked".to_owned(), true.into());
            }
            Ok(Report::good(text, json))
        }
    }
}

/// States that only a person ends.
fn needs_a_person(view: &CredentialView) -> bool {
    matches!(view.state.as_str(), "missing" | "set-again" | "refused" | "not-connected" | "reconnect-needed")
}

async fn all(reach: &Reach<'_>, context: &Context) -> Result<Vec<CredentialView>, Failure> {
    match reach {
        Reach::Gateway(client) => client.get("/operator/credentials").await,
        Reach::Folder(folder) => offline(folder, context).await,
    }
}

/// The list of a data folder without a gateway.
async fn offline(folder: &Folder<'_>, context: &Context) -> Result<Vec<CredentialView>, Failure> {
    let shelf = context.shelf()?;
    let governance = folder.standing(&shelf, ACCOUNTS).await?;
    Ok(folder.ops().list_credentials(Wants { governance: &governance, shelf: &shelf }).await?)
}

/// The credential that is meant: the labelled one, else the only one.
fn pick<'a>(
    all: &'a [CredentialView],
    account: &str,
    label: Option<&str>,
    may: impl Fn(&CredentialView) -> bool,
) -> Result<&'a CredentialView, Failure> {
    let mut found =
        all.iter().filter(|view| view.account == account && may(view) && label.is_none_or(|label| view.label == label));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            Err(Failure::refused("there is no such account or credential; `pressgate credential list` shows them"))
        }
        (Some(one), Some(other)) => Err(Failure::refused(format!(
            "name a label with --label: `{}`, `{}`, … (`pressgate credential list` shows all)",
            one.label, other.label
        ))),
    }
}

async fn send(client: &Client, account: &str, label: &str, values: &Values) -> Result<CredentialView, Failure> {
    #[derive(Serialize)]
    struct Body<'a> {
        secrets: BTreeMap<&'a str, &'a str>,
    }
    let secrets: BTreeMap<&str, &str> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let room =
        secrets.iter().map(|(name, value)| BODY_ROOM_FACTOR * (name.len() + value.len()) + 8).sum::<usize>() + 32;
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *body, &Body { secrets }).map_err(|_| Failure::refused("the values can't be sent"))?;
    let path = format!("/operator/credentials/{}/{}", part(account)?, part(label)?);
    client.send(Method::PUT, &path, Some(body)).await?.good()
}

async fn revoke(reach: &Reach<'_>, found: &CredentialView) -> Result<RevokedView, Failure> {
    let (account, label) = (&found.account, &found.label);
    match reach {
        Reach::Folder(folder) => {
            folder.ops().revoke_credential(&By::Local, account, label, async {}).await?;
            let (network, reason) = match found.connected_at {
                Some(_) => ("failed", Some("no gateway runs, which could ask it".to_owned())),
                None => ("not-asked", None),
            };
            Ok(RevokedView { account: account.clone(), label: label.clone(), network: network.to_owned(), reason })
        }
        Reach::Gateway(client) => {
            let path = format!("/operator/credentials/{}/{}", part(account)?, part(label)?);
            client.send(Method::DELETE, &path, None).await?.good()
        }
    }
}

fn set(view: CredentialView) -> Report {
    let generation = view.generation.unwrap_or_default();
    Report::good(
        format!("the credential `{}` of {} is set (generation {generation})", view.label, view.account),
        json!(view),
    )
}

fn listed(all: &[CredentialView]) -> String {
    let row = |view: &CredentialView| {
        let state = match (view.state.as_str(), view.set_at) {
            ("set-again", _) => "the account points elsewhere now: set it again".to_owned(),
            ("unused", _) => "not used by any account; `credential revoke` deletes it".to_owned(),
            ("set", Some(at)) => format!("set {at}"),
            ("not-connected", _) => format!("not connected: `credential connect {}`", view.account),
            ("reconnect-needed", _) => format!("reconnect-needed: `credential connect {}`", view.account),
            (state, _) => state.to_owned(),
        };
        let origin = view.origin.clone().unwrap_or_default();
        let scheme = view.scheme.clone();
        vec![view.account.clone(), view.label.clone(), scheme, view.secrets.join(", "), origin, state]
    };
    table(&["account", "label", "scheme", "values", "set for", "state"], &all.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(account: &str, label: &str) -> CredentialView {
        let (account, label) = (account.to_owned(), label.to_owned());
        CredentialView { account, label, secrets: vec!["token".into()], wanted: true, ..Default::default() }
    }

    #[test]
    fn the_only_credential_needs_no_label() {
        let all = [view("one", "app"), view("two", "app"), view("two", "user")];
        assert_eq!(pick(&all, "one", None, |_| true).unwrap().label, "app");
        assert!(pick(&all, "two", None, |_| true).unwrap_err().to_string().contains("--label"));
        assert_eq!(pick(&all, "two", Some("user"), |_| true).unwrap().label, "user");
        assert!(pick(&all, "three", None, |_| true).is_err());
        assert!(pick(&all, "one", None, |view| view.generation.is_some()).is_err(), "nothing is set");
    }
}
