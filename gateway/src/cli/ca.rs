//! `pressgate ca`: the certificate authority of the forward door. Its key is made by the gateway and never shown.

use hyper::Method;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    agree::agreed,
    context::Context,
    outcome::{Failure, Report},
    reach::Reach,
};
use crate::operator::{
    By,
    authority::{AuthorityRequest, AuthorityView},
    credentials::Wants,
    standing::ACCOUNTS,
};

/// Where the operator listener has it.
const PATH: &str = "/operator/authority";

/// What a new key means.
const BREAKS: &str = "With a new key no client trusts the gateway before it has the new certificate (`pressgate ca export`): until then every call \
                      through the forward door fails. Without --new-key clients go on.";

/// `ca init|export`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make the authority, for exactly the hosts of the accounts.
    Init {
        /// In place of the one that there is: for the hosts of this moment, with the same key, so that clients go on.
        #[arg(long)]
        renew: bool,
        /// With a new key: no client trusts it before it has the new certificate.
        #[arg(long, requires = "renew")]
        new_key: bool,
        /// Replace the key without asking.
        #[arg(long, short, requires = "new_key")]
        yes: bool,
    },
    /// Print its certificate, PEM: what clients of the forward door are to trust.
    Export,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    if let Command::Init { new_key: true, yes: false, .. } = command
        && !agreed(context, &format!("{BREAKS} Replace it?"), &format!("give --yes to replace the key. {BREAKS}"))?
    {
        return Ok(Report::bad("nothing was changed", json!({ "made": false })));
    }
    let reach = Reach::open(context).await?;
    match (command, &reach) {
        (Command::Init { renew, new_key, .. }, Reach::Folder(folder)) => {
            let shelf = context.shelf()?;
            let governance = folder.standing(&shelf, ACCOUNTS).await?;
            let wants = Wants { governance: &governance, shelf: &shelf };
            let wish = AuthorityRequest { renew, new_key };
            let (_, view) = folder.ops().init_authority(&By::Local, wants, wish).await?;
            folder.noted(made(&view)).await
        }
        (Command::Init { renew, new_key, .. }, Reach::Gateway(client)) => {
            let wish = serde_json::to_vec(&AuthorityRequest { renew, new_key });
            let wish = wish.map_err(|_| Failure::refused("the wish can't be sent"))?;
            let view: AuthorityView = client.send(Method::POST, PATH, Some(Zeroizing::new(wish))).await?.good()?;
            Ok(made(&view))
        }
        (Command::Export, Reach::Folder(folder)) => {
            let shelf = context.shelf()?;
            let governance = folder.standing(&shelf, ACCOUNTS).await?;
            let view = folder.ops().authority(Wants { governance: &governance, shelf: &shelf }).await?;
            view.map(|view| exported(&view))
                .ok_or_else(|| Failure::refused("there is no authority; `pressgate ca init` makes it"))
        }
        (Command::Export, Reach::Gateway(client)) => client.get(PATH).await.map(|view| exported(&view)),
    }
}

fn made(view: &AuthorityView) -> Report {
    let hosts = view.hosts.join("\n  ");
    let text = format!(
        "{} is good until {}, for these hosts and what lies below them, and no other:\n  {hosts}\nClients must trust its certificate: `pressgate ca export`",
        view.name, view.until
    );
    Report::good(text, json!(view))
}

fn exported(view: &AuthorityView) -> Report {
    Report::good(view.certificate.trim_end(), json!(view))
}
