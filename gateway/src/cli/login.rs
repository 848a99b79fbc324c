//! `pressgate login` and `logout`: this device becomes one of a person's own (RFC 8628). What it gets is kept in the person's folder
//! of configuration, for nobody else's eyes, and used by the commands that speak as a person.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Url, form_urlencoded::Serializer};
use zeroize::Zeroizing;

use super::{
    client::Client,
    context::{Context, private_text},
    outcome::{Failure, Report, safe},
    reply::Reply,
};

/// The client's name at the gate.
const CLIENT_ID: &str = "pressgate-cli";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Nobody waits longer, whatever the gate says, in seconds.
const WAIT_MAX_S: u64 = 1_800;
/// The longest pause between two questions, in seconds.
const INTERVAL_MAX_S: u64 = 60;

/// `login URL --name laptop`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gate, as your browser reaches it: `https://gate.acme.example`.
    url: String,
    /// What you call this device.
    #[arg(long)]
    name: String,
    /// A certificate authority of the house (PEM), where the gate's certificate is none of the public ones.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What this device is, at which gate. No `Debug`: it holds the token.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// The gate.
    url: Url,
    /// The certificate authority of the house.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
    /// Whose device it is.
    person: String,
    /// Its id.
    device_id: String,
    /// Its key.
    token: String,
}

impl Drop for Login {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.token);
    }
}

impl Login {
    fn path() -> Result<PathBuf, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = variable("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".config")));
        let none = || Failure::refused("neither XDG_CONFIG_HOME nor HOME says where your configuration lies");
        Ok(base.ok_or_else(none)?.join("pressgate").join("login.json"))
    }

    /// What an earlier login left; none where there was none.
    pub fn read() -> Result<Option<Self>, Failure> {
        let Ok(path) = Self::path() else { return Ok(None) };
        if !path.exists() {
            return Ok(None);
        }
        let text = private_text(&path)?;
        let login = serde_json::from_str(&text);
        login.map(Some).map_err(|_| Failure::file(&path, &"it can't be read; run `pressgate login` again"))
    }

    /// Written beside and put in place, so that it is whole or not there.
    fn keep(&self) -> Result<PathBuf, Failure> {
        let path = Self::path()?;
        let failed = |error: std::io::Error| Failure::file(&path, &error);
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let fresh = path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let text = Zeroizing::new(serde_json::to_vec(self).map_err(|error| Failure::refused(error.to_string()))?);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&fresh, &path).map_err(failed)?;
        Ok(path)
    }

    /// Speaks to the gate as this device.
    pub fn client(&self) -> Result<Client, Failure> {
        Client::of_gate(&self.url, self.ca.as_deref(), Some(Zeroizing::new(self.token.clone())))
    }
}

/// Whose device it is, and at which gate.
pub fn told(login: &Login) -> String {
    format!("{} at {}", safe(&login.person), login.url)
}

#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    device_id: String,
    person: String,
    expires_in: u64,
}

/// Runs `login`.
pub async fn login(context: &Context, args: Args) -> Result<Report, Failure> {
    let url = gate(&args.url)?;
    let ca = args.ca.map(|path| fs::canonicalize(&path).map_err(|error| Failure::file(&path, &error))).transpose()?;
    let client = Client::of_gate(&url, ca.as_deref(), None)?;
    let form = [("client_id", CLIENT_ID), ("device_name", &args.name)];
    let started: Started = answer(&post(&client, "/people/device_authorization", &form).await?)?;
    let place = started.verification_uri_complete.as_deref().unwrap_or(&started.verification_uri);
    // On standard error, so that standard output holds the outcome alone.
    if context.json {
        let told = json!({ "user_code": started.user_code, "verification_uri": started.verification_uri });
        tell(&told.to_string());
    } else {
        tell(&format!("Open {}\nand compare the code: {}", safe(place), safe(&started.user_code)));
    }
    let given = wait(&client, &started).await?;
    let days = given.expires_in / 86_400;
    let login = Login { url, ca, person: given.person, device_id: given.device_id, token: given.access_token };
    let path = login.keep()?;
    let text = format!("this device is {}'s for {days} days; its key is in {}", safe(&login.person), path.display());
    let json = json!({ "person": login.person, "device_id": login.device_id, "file": path.display().to_string() });
    Ok(Report::good(text, json))
}

/// Asks until somebody decided, as often as the gate says.
async fn wait(client: &Client, started: &Started) -> Result<Given, Failure> {
    let mut interval_s = started.interval.unwrap_or(5).clamp(1, INTERVAL_MAX_S);
    let mut left_s = started.expires_in.min(WAIT_MAX_S);
    let form = [("grant_type", DEVICE_GRANT), ("client_id", CLIENT_ID), ("device_code", &started.device_code)];
    while left_s > 0 {
        tokio::time::sleep(Duration::from_secs(interval_s)).await;
        left_s = left_s.saturating_sub(interval_s);
        let reply = match post(client, "/people/token", &form).await {
            Ok(reply) => reply,
            // What fails for a moment is asked again, more slowly (RFC 8628 section 3.5).
            Err(Failure::Unreachable(_)) => {
                interval_s = (interval_s * 2).min(INTERVAL_MAX_S);
                continue;
            }
            Err(other) => return Err(other),
        };
        match error_of(&reply).as_deref() {
            Some("authorization_pending") => {}
            Some("slow_down") => interval_s = (interval_s + 5).min(INTERVAL_MAX_S),
            _ => return answer(&reply),
        }
    }
    Err(Failure::refused("nobody decided in time; run `pressgate login` again"))
}

/// Runs `logout`: the device ends at the gate, and its file goes.
pub async fn logout() -> Result<Report, Failure> {
    let Some(login) = Login::read()? else {
        return Err(Failure::refused("this device is nobody's: there is no login"));
    };
    let path = Login::path()?;
    let reply = login.client()?.send(Method::DELETE, &format!("/v1/devices/{}", login.device_id), None).await?;
    let gone = |path: &Path| fs::remove_file(path).map_err(|error| Failure::file(path, &error));
    match reply.status {
        200 => {
            gone(&path)?;
            Ok(Report::good(format!("logged out: {}", told(&login)), json!({ "device_id": login.device_id })))
        }
        // It had ended already, so that its key opens nothing any more.
        401 | 404 => {
            gone(&path)?;
            Ok(Report::good("the device had ended already; its file is gone", json!({ "device_id": login.device_id })))
        }
        _ => Err(reply.problem()),
    }
}

fn gate(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| url.has_host() && ["http", "https"].contains(&url.scheme()));
    let bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let wrong = || Failure::refused("the gate's address is scheme, host and port: `https://gate.acme.example`");
    let url = url.filter(bare).filter(|url| url.username().is_empty() && url.password().is_none()).ok_or_else(wrong)?;
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        return Err(Failure::refused("the gate's address begins with `https://` unless it is on this machine"));
    }
    Ok(url)
}

async fn post(client: &Client, path: &str, fields: &[(&str, &str)]) -> Result<Reply, Failure> {
    let form = Serializer::new(String::new()).extend_pairs(fields).finish();
    client.send_form(path, Zeroizing::new(form.into_bytes())).await
}

fn error_of(reply: &Reply) -> Option<String> {
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}

/// A good answer, or what the gate says in its place.
fn answer<T: for<'de> Deserialize<'de>>(reply: &Reply) -> Result<T, Failure> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match (error_of(reply), body.get("error_description").and_then(Value::as_str)) {
        (Some(_), Some(text)) => Err(Failure::refused(safe(text))),
        (Some(error), None) => Err(Failure::refused(format!("the gate answers `{}`", safe(&error)))),
        (None, _) => reply.good(),
    }
}

fn tell(text: &str) {
    // Who closed standard error does not want to read it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_an_origin_on_tls_or_this_machine() {
        for good in [
            "https://gate.acme.example",
            "https://gate.acme.example:8443/",
            "http://127.0.0.1:8420",
            "http://localhost:1",
        ] {
            assert!(gate(good).is_ok(), "{good}");
        }
        for bad in [
            "gate.acme.example",
            "http://gate.acme.example",
            "https://gate.acme.example/x",
            "https://u@gate.example",
            "ftp://x",
        ] {
            assert!(gate(bad).is_err(), "{bad}");
        }
    }
}
