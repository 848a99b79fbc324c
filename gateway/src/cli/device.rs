//! `pressgate device`: a person's devices; for operators those of everybody.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    context::Context,
    key::part,
    outcome::{Failure, Report, safe},
    reach::Reach,
    table::table,
};
use crate::{
    model::KeyId,
    operator::{By, wire::KeyView},
};

/// The environment variable with the caller's key.
const KEY: &str = "PRESSGATE_KEY";

/// `device list|revoke`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Your devices.
    List {
        /// Those of everybody, as an operator.
        #[arg(long)]
        everybody: bool,
    },
    /// End one of your devices at once.
    Revoke {
        /// Its id, as `device list` shows it.
        id: String,
        /// One of somebody else's, as an operator.
        #[arg(long)]
        everybody: bool,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::List { everybody: false } => {
            let own: Value = context.person(KEY)?.get("/v1/devices").await?;
            Ok(Report::good(listed(&own), own))
        }
        Command::Revoke { id, everybody: false } => {
            let path = format!("/v1/devices/{}", part(&id)?);
            let ended: Value = context.person(KEY)?.send(Method::DELETE, &path, None).await?.good()?;
            Ok(Report::good(format!("the device {id} has ended"), ended))
        }
        Command::List { everybody: true } => everybody(context).await,
        Command::Revoke { id, everybody: true } => revoke(context, &id).await,
    }
}

fn listed(own: &Value) -> String {
    let devices = own.get("devices").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |device: &Value, name: &str| safe(device.get(name).and_then(Value::as_str).unwrap_or("–"));
    let is = |device: &Value, name: &str| device.get(name).and_then(Value::as_bool).unwrap_or_default();
    let row = |device: &Value| {
        let state = if is(device, "live") { "live" } else { "ended" };
        let this = if is(device, "this") { "this one" } else { "" };
        let times = ["created_at", "expires_at"].map(|name| text(device, name));
        let [made, ends] = times;
        vec![text(device, "id"), text(device, "name"), state.to_owned(), made, ends, this.to_owned()]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    table(&["id", "name", "state", "enrolled", "ends", ""], &rows)
}

async fn everybody(context: &Context) -> Result<Report, Failure> {
    let mut keys: Vec<KeyView> = match Reach::open(context).await? {
        Reach::Gateway(client) => client.get("/operator/keys").await?,
        Reach::Folder(folder) => folder.ops().list_keys().await?,
    };
    keys.retain(|key| key.device.is_some());
    let row = |key: &KeyView| {
        let end = key.revoked_at.or(key.expires_at).map_or_else(|| "–".to_owned(), |end| end.to_string());
        let name = safe(key.device.as_deref().unwrap_or_default());
        vec![key.id.clone(), key.holder.clone(), name, key.state.to_string(), key.created_at.to_string(), end]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    Ok(Report::good(table(&["id", "holder", "name", "state", "enrolled", "ends"], &rows), json!(keys)))
}

async fn revoke(context: &Context, id: &str) -> Result<Report, Failure> {
    let path = format!("/operator/keys/{}", part(id)?);
    let reach = Reach::open(context).await?;
    let keys: Vec<KeyView> = match &reach {
        Reach::Gateway(client) => client.get("/operator/keys").await?,
        Reach::Folder(folder) => folder.ops().list_keys().await?,
    };
    if !keys.iter().any(|key| key.id == id && key.device.is_some()) {
        return Err(Failure::refused("nobody has a device of this id; `pressgate device list --everybody` shows them"));
    }
    let key: KeyView = match reach {
        Reach::Gateway(client) => client.send(Method::DELETE, &path, None).await?.good()?,
        Reach::Folder(folder) => folder.ops().revoke_key(&By::Local, &KeyId::new(id)).await?,
    };
    Ok(Report::good(format!("the device {} of {} has ended", key.id, key.holder), json!(key)))
}
