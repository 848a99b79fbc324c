//! `pressgate credential`: sets, lists and deletes what networks gave for accounts. Values are never shown.

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
use crate::operator::{By, credentials::Wants, standing::ACCOUNTS, wire::CredentialView};

/// Room for the body, so that it is never copied while it grows: every value may need six bytes for one.
const BODY_ROOM_FACTOR: usize = 6;

/// `credential set|list|revoke`.
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
    /// What every account wants and has.
    List,
    /// Delete a credential at once.
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
        (Command::Revoke { account, label }, _) => {
            let all = all(&reach, context).await?;
            let found = pick(&all, &account, label.as_deref(), |view| view.generation.is_some())?;
            revoke(&reach, &found.account, &found.label).await?;
            let json = json!({ "account": found.account, "label": found.label, "revoked": true });
            Ok(Report::good(format!("the credential `{}` of {} is deleted", found.label, found.account), json))
        }
    }
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

async fn revoke(reach: &Reach<'_>, account: &str, label: &str) -> Result<(), Failure> {
    match reach {
        Reach::Folder(folder) => Ok(folder.ops().revoke_credential(&By::Local, account, label).await?),
        Reach::Gateway(client) => {
            let path = format!("/operator/credentials/{}/{}", part(account)?, part(label)?);
            let reply = client.send(Method::DELETE, &path, None).await?;
            if reply.status == 204 { Ok(()) } else { Err(reply.problem()) }
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
        let state = match (view.wanted, view.set_at) {
            (true, Some(_)) if view.again => "the account points elsewhere now: set it again".to_owned(),
            (true, Some(at)) => format!("set {at}"),
            (true, None) => "missing".to_owned(),
            (false, _) => "not used by any account; `credential revoke` deletes it".to_owned(),
        };
        let origin = view.origin.clone().unwrap_or_default();
        vec![view.account.clone(), view.label.clone(), view.secrets.join(", "), origin, state]
    };
    table(&["account", "label", "values", "set for", "state"], &all.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(account: &str, label: &str) -> CredentialView {
        let (account, label) = (account.to_owned(), label.to_owned());
        let secrets = vec!["token".into()];
        let (generation, set_at, origin) = (None, None, None);
        CredentialView { account, label, secrets, wanted: true, generation, set_at, origin, again: false }
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
