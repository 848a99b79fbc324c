//! `pressgate doctor`: what would keep the gateway from working, and what to do about it.

use std::{net::SocketAddr, os::unix::fs::MetadataExt, path::Path};

use serde::Serialize;
use serde_json::json;

use super::{
    client::Client,
    context::Context,
    credential,
    outcome::{Failure, Report},
    reach::{Folder, OPERATOR_KEY, operator_address},
};
use crate::{
    config::{Governance, digest_of, process::Kek},
    gateway::Readiness,
    operator::{
        keys::is_operator,
        served,
        standing::PRINCIPALS,
        wire::{CredentialView, KeyState, StatusView},
    },
    plugins::Shelf,
    start::{self, StartError},
};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Good,
    Fault,
    /// Not looked at, and why.
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    health: Health,
    detail: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: &'static str, found: Result<String, String>) {
        let (health, detail) = match found {
            Ok(detail) => (Health::Good, detail),
            Err(detail) => (Health::Fault, detail),
        };
        self.0.push(Finding { what, health, detail });
    }

    fn skip(&mut self, what: &'static str, why: impl Into<String>) {
        self.0.push(Finding { what, health: Health::Skipped, detail: why.into() });
    }

    fn report(self) -> Report {
        let line = |finding: &Finding| {
            let mark = match finding.health {
                Health::Good => "ok   ",
                Health::Fault => "FAULT",
                Health::Skipped => "–    ",
            };
            format!("{mark}  {:<16}{}", finding.what, finding.detail.replace('\n', "\n                       "))
        };
        let text = self.0.iter().map(line).collect::<Vec<_>>().join("\n");
        let holds = self.0.iter().all(|finding| finding.health != Health::Fault);
        Report { text, json: json!({ "holds": holds, "findings": self.0 }), holds }
    }
}

/// Without a configuration nothing else can be looked at.
pub fn no_configuration(failure: &Failure) -> Report {
    let mut findings = Findings::default();
    findings.add("configuration", Err(failure.to_string()));
    findings.report()
}

/// Looks at everything.
pub async fn run(context: &Context) -> Result<Report, Failure> {
    let mut findings = Findings::default();
    findings.add("configuration", Ok("read".to_owned()));
    findings.add("data folder", private(&context.config.data));
    findings.add("key-encryption", kek(context));
    let shelf = Shelf::read(&context.config.plugins.dir);
    findings.add(
        "plugins",
        shelf.as_ref().map_err(ToString::to_string).map(|shelf| match shelf.names() {
            names if names.is_empty() => "none in the plugin folder".to_owned(),
            names => names.join(", "),
        }),
    );
    let shelf = shelf.unwrap_or_default();
    findings.add("governance", governance(context, &shelf));
    if !context.config.data.is_dir() {
        findings.skip("stores", "there is no data folder");
        return Ok(findings.report());
    }
    match start::open_stores(&context.parts()).await {
        Ok(stores) => {
            findings.add("stores", Ok("no gateway runs; log, records and vault open".to_owned()));
            let folder = Folder { context, stores };
            offline(context, &folder, &shelf, &mut findings).await;
        }
        Err(StartError::Locked(_)) => running(context, &shelf, &mut findings).await,
        Err(error) => findings.add("stores", Err(error.to_string())),
    }
    Ok(findings.report())
}

trait Names {
    fn names(&self) -> Vec<String>;
}

impl Names for Shelf {
    fn names(&self) -> Vec<String> {
        self.manifests().map(crate::host::Manifest::label).collect()
    }
}

async fn offline(context: &Context, folder: &Folder<'_>, shelf: &Shelf, findings: &mut Findings) {
    let applied = folder.stores.records.governance().await.map_err(|error| error.to_string());
    findings.add(
        "applied",
        applied.as_ref().map_err(Clone::clone).and_then(|applied| match applied {
            Some(applied) => same(context, &applied.digest),
            None => Ok("nothing yet; the first start applies the governance folder".to_owned()),
        }),
    );
    let files = match applied {
        Ok(Some(applied)) => Ok(applied.files),
        _ => Governance::read(&context.config.governance).map_err(|_| ()),
    };
    match files.and_then(|files| Governance::restart(&files, shelf).map_err(|_| ())) {
        Ok(standing) => findings.add("loading", load(context, folder, shelf, &standing)),
        Err(()) => findings.skip("loading", "the governance that a start would use does not hold"),
    }
    match credential::offline(folder, context).await {
        Ok(all) => findings.add("credentials", credentials(&all)),
        Err(failure) => findings.skip("credentials", failure.to_string()),
    }
    findings.add("operator key", operator_key(folder, shelf).await);
    for (key, address) in
        [("listen.address", context.config.listen.address), ("listen.operator", context.config.listen.operator)]
    {
        findings.add(key, free(address));
    }
}

/// Every plugin that the governance names, compiled as a start would.
fn load(context: &Context, folder: &Folder<'_>, shelf: &Shelf, governance: &Governance) -> Result<String, String> {
    let host = start::host(&context.config, &folder.stores.vault, &context.clock).map_err(|error| error.to_string())?;
    let serving = shelf.load(&host, governance, None).map_err(|error| error.to_string())?;
    Ok(format!("{} adapters and {} policies load", serving.adapters.len(), serving.policies.len()))
}

async fn running(context: &Context, shelf: &Shelf, findings: &mut Findings) {
    let address = operator_address(&context.config);
    let client = Client::new(address, None);
    let ready = match client.send(hyper::Method::GET, "/readyz", None).await {
        Ok(reply) => {
            serde_json::from_slice::<Readiness>(&reply.body).map_err(|_| "what answers is not a Pressgate".to_owned())
        }
        Err(failure) => Err(failure.to_string()),
    };
    findings.add(
        "gateway",
        ready.and_then(|view| {
            let told = format!("runs; log {}, records {}", view.audit, view.records);
            if view.ready { Ok(told) } else { Err(format!("{told}. Its own log on standard error has the cause")) }
        }),
    );
    let key = match context.key(OPERATOR_KEY) {
        Ok(Some(key)) => key,
        Ok(None) => {
            return findings
                .skip("credentials", format!("give --key-file or {OPERATOR_KEY} to look into the running gateway"));
        }
        Err(failure) => return findings.add("operator key", Err(failure.to_string())),
    };
    let client = Client::new(address, Some(key));
    match client.get::<StatusView>("/operator/status").await {
        Ok(status) => {
            findings.add("operator key", Ok("it opens the listener".to_owned()));
            findings.add("applied", same(context, &status.governance));
            let differ = served::differences(&status.components, shelf);
            let same = "what runs is what lies in the plugin folder".to_owned();
            findings.add("components", if differ.is_empty() { Ok(same) } else { Err(differ.join("\n")) });
        }
        Err(failure) => findings.add("operator key", Err(failure.to_string())),
    }
    match client.get::<Vec<CredentialView>>("/operator/credentials").await {
        Ok(all) => findings.add("credentials", credentials(&all)),
        Err(failure) => findings.skip("credentials", failure.to_string()),
    }
}

fn private(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let facts = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}. `pressgate init` makes it"))?;
    if !facts.is_dir() {
        return Err(format!("{shown} is not a folder"));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(format!(
            "others may look into {shown} (mode {:04o}); run `chmod 700 {shown}`",
            facts.mode() & 0o777
        ));
    }
    Ok(format!("{shown} is for its owner only"))
}

fn kek(context: &Context) -> Result<String, String> {
    match &context.config.kek {
        Kek::File(path) => {
            let shown = path.display();
            let facts = std::fs::metadata(path).map_err(|error| {
                format!("{shown}: {error}. `pressgate init` makes one for a new data folder; else restore it")
            })?;
            if facts.mode() & 0o077 != 0 {
                return Err(format!(
                    "others may use {shown} (mode {:04o}); run `chmod 600 {shown}`",
                    facts.mode() & 0o777
                ));
            }
            Ok(format!("{shown}; keep a copy elsewhere"))
        }
        Kek::Env(name) if std::env::var_os(name).is_some() => Ok(format!("from the environment variable {name}")),
        Kek::Env(name) => Err(format!("the environment variable {name} is not set")),
        Kek::Command(_) => Ok("from a command".to_owned()),
    }
}

fn governance(context: &Context, shelf: &Shelf) -> Result<String, String> {
    match Governance::load(&context.config.governance, shelf, context.clock.now()) {
        Ok(governance) => {
            Ok(format!("{} accounts and {} grants hold", governance.accounts.len(), governance.grants.len()))
        }
        Err(faults) => Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn same(context: &Context, applied: &str) -> Result<String, String> {
    match Governance::read(&context.config.governance) {
        Ok(files) if digest_of(&files) == applied => Ok("the governance folder is what is applied".to_owned()),
        Ok(_) => {
            Err("the governance folder holds something else than what is applied; run `pressgate apply`".to_owned())
        }
        Err(_) => Err("the governance folder can't be read".to_owned()),
    }
}

fn credentials(all: &[CredentialView]) -> Result<String, String> {
    let missing: Vec<String> = all
        .iter()
        .filter(|view| view.wanted && (view.generation.is_none() || view.again))
        .map(|view| {
            let what = if view.again { "set for another address than the account has now" } else { "missing" };
            format!("{what}: `pressgate credential set {} --label {}`", view.account, view.label)
        })
        .collect();
    if missing.is_empty() { Ok("every account has what its adapter wants".to_owned()) } else { Err(missing.join("\n")) }
}

async fn operator_key(folder: &Folder<'_>, shelf: &Shelf) -> Result<String, String> {
    let standing = folder.standing(shelf, PRINCIPALS).await.map_err(|failure| failure.to_string())?;
    let keys = folder.ops().list_keys().await.map_err(|error| error.to_string())?;
    let opens = |holder: &str| holder.strip_prefix("person:").is_some_and(|person| is_operator(&standing, person));
    let live = keys.iter().filter(|key| key.state == KeyState::Live && opens(&key.holder)).count();
    match live {
        0 => Err("no operator has a live key: `pressgate key create --person PERSON`".to_owned()),
        live => Ok(format!("{live} live")),
    }
}

#[allow(clippy::disallowed_methods, reason = "bound only to see that it is free, and closed at once")]
fn free(address: SocketAddr) -> Result<String, String> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(format!("{address}: {error}. Stop what uses it, or give another address in pressgate.toml")),
    }
}
