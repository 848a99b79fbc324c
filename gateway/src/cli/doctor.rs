//! `pressgate doctor`: what would keep the gateway from working, and what to do about it. It changes nothing.

mod exports;
mod forward;
mod stores;
mod witnesses;

use std::{net::SocketAddr, os::unix::fs::MetadataExt, path::Path};

use serde::Serialize;
use serde_json::json;

use super::{
    client::Client,
    context::Context,
    outcome::{Failure, Report, counted},
    reach::{OPERATOR_KEY, operator_address},
    wiring,
};
use crate::{
    config::{Governance, digest_of},
    gateway::Readiness,
    operator::{
        served,
        wire::{CredentialView, StatusView, UnattemptedView},
    },
    plugins::{Shelf, Stray},
    start::{self, StartError},
    trust::Trust,
    vault::KekSource,
};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Good,
    Fault,
    /// It works, and should not stay so.
    Warning,
    /// Not looked at, and why.
    Skipped,
}

/// Width of the marks.
const MARK_CHARS: usize = 5;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    health: Health,
    detail: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: impl Into<String>, found: Result<String, String>) {
        let (health, detail) = match found {
            Ok(detail) => (Health::Good, detail),
            Err(detail) => (Health::Fault, detail),
        };
        self.0.push(Finding { what: what.into(), health, detail });
    }

    fn warn(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Finding { what: what.into(), health: Health::Warning, detail: detail.into() });
    }

    fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.0.push(Finding { what: what.into(), health: Health::Skipped, detail: why.into() });
    }

    fn report(self) -> Report {
        let width = self.0.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
        // What goes on stands under the text: after the mark, the name and the gaps between them.
        let under = format!("\n{:1$}", "", MARK_CHARS + width + 4);
        let line = |finding: &Finding| {
            let mark = match finding.health {
                Health::Good => "ok",
                Health::Fault => "FAULT",
                Health::Warning => "WARN",
                Health::Skipped => "–",
            };
            format!("{mark:<MARK_CHARS$}  {:<width$}  {}", finding.what, finding.detail.replace('\n', &under))
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
    let kek = kek(context).await;
    let kek_is_good = kek.is_ok();
    findings.add("key-encryption", kek);
    let trust = Trust::new(&context.config.plugins);
    let shelf = Shelf::read(&context.config.plugins.dir, &trust);
    findings.add(
        "plugins",
        shelf.as_ref().map_err(ToString::to_string).map(|shelf| {
            let names = shelf.names();
            let names = if names.is_empty() { "none in the plugin folder".to_owned() } else { names.join(", ") };
            let strays = shelf.strays().iter().map(Stray::told);
            std::iter::once(names).chain(strays).collect::<Vec<_>>().join("\n")
        }),
    );
    match trust.warning() {
        Some(warning) => findings.warn("plugin signatures", warning),
        None => {
            let (trusted, revoked) = trust.counts();
            let counts = format!(
                "{} trusted, {revoked} revoked; a plugin without a good signature is refused",
                counted(trusted, "key", "keys")
            );
            findings.add("plugin signatures", Ok(counts));
        }
    }
    let shelf = shelf.unwrap_or_default();
    findings.add("governance", governance(context, &shelf));
    findings.add("listeners", listeners(context, &shelf));
    exports::configured(&context.config, &mut findings);
    witnesses::configured(&context.config, &mut findings);
    if !context.config.data.is_dir() {
        findings.skip("stores", "there is no data folder");
        return Ok(findings.report());
    }
    findings.add("log's disk", stores::room(&context.config.audit.dir, context.config.audit.segment_bytes));
    match start::look(&context.parts()).await {
        Ok(look) => stores::offline(context, &look, kek_is_good, &shelf, &mut findings).await,
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

async fn running(context: &Context, shelf: &Shelf, findings: &mut Findings) {
    let address = operator_address(&context.config);
    let client = Client::new(address, None);
    let ready = match client.send(hyper::Method::GET, "/readyz", None).await {
        Ok(reply) => {
            serde_json::from_slice::<Readiness>(&reply.body).map_err(|_| "what answers is not a Pressgate".to_owned())
        }
        Err(failure) => Err(failure.to_string()),
    };
    let key = context.key(OPERATOR_KEY);
    let client = match &key {
        Ok(Some(key)) => Client::new(address, Some(key.clone())),
        _ => client,
    };
    let status = match &key {
        Ok(Some(_)) => Some(client.get::<StatusView>("/operator/status").await),
        _ => None,
    };
    findings.add(
        "gateway",
        ready.and_then(|view| match &status {
            _ if view.ready => Ok(format!("runs; log {}, records {}", view.audit, view.records)),
            // Only who shows a key hears the causes.
            Some(Ok(status)) => Err(format!("runs; log: {}; records: {}", status.audit, status.records)),
            _ => Err(format!(
                "runs; log {}, records {}. Give --key-file or {OPERATOR_KEY} to hear the cause; its own log has it too",
                view.audit, view.records
            )),
        }),
    );
    let status = match (key, status) {
        (Err(failure), _) => return findings.add("operator key", Err(failure.to_string())),
        (Ok(_), None) => {
            return findings
                .skip("credentials", format!("give --key-file or {OPERATOR_KEY} to look into the running gateway"));
        }
        (Ok(_), Some(status)) => status,
    };
    match status {
        Ok(status) => {
            findings.add("operator key", Ok("it opens the listener".to_owned()));
            findings.add("applied", same(context, &status.governance));
            let differ = served::differences(&status.components, shelf);
            let same = "what runs is what lies in the plugin folder".to_owned();
            findings.add("components", if differ.is_empty() { Ok(same) } else { Err(differ.join("\n")) });
            exports::running(&status.exports, findings);
            witnesses::running(&status.witnesses, findings);
            findings.add("due posts", unattempted(&status.unattempted));
        }
        Err(failure) => findings.add("operator key", Err(failure.to_string())),
    }
    match client.get::<Vec<CredentialView>>("/operator/credentials").await {
        Ok(all) => findings.add("credentials", credentials(&all)),
        Err(failure) => findings.skip("credentials", failure.to_string()),
    }
    let authority = match client.send(hyper::Method::GET, "/operator/authority", None).await {
        Ok(reply) if reply.status == 404 => Ok(None),
        Ok(reply) => reply.good().map(Some).map_err(|failure| failure.to_string()),
        Err(failure) => Err(failure.to_string()),
    };
    forward::authority(&context.config, authority, findings);
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

async fn kek(context: &Context) -> Result<String, String> {
    let source = start::kek_source(&context.config);
    source.check().await.map_err(|error| match &source {
        KekSource::File(path) if !path.exists() => {
            format!("{error}. `pressgate init` makes one for a new data folder; else restore it")
        }
        _ => error.to_string(),
    })?;
    Ok(match source {
        KekSource::File(path) => format!("{}; keep a copy elsewhere", path.display()),
        KekSource::Env(name) => format!("from the environment variable {name}"),
        KekSource::Command(_) => "from a command".to_owned(),
    })
}

fn governance(context: &Context, shelf: &Shelf) -> Result<String, String> {
    match Governance::load(&context.config.governance, shelf, context.clock.now()) {
        Ok(governance) => {
            let accounts = counted(governance.accounts.len(), "account", "accounts");
            Ok(format!("{accounts} and {} hold", counted(governance.grants.len(), "grant", "grants")))
        }
        Err(faults) => Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// Where it listens, and whether the files and accounts that it needs for that are there.
fn listeners(context: &Context, shelf: &Shelf) -> Result<String, String> {
    let governance = Governance::load(&context.config.governance, shelf, context.clock.now()).ok();
    let faults = wiring::faults(context, governance.as_ref());
    if !faults.is_empty() {
        return Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let (listen, native) = (&context.config.listen, &context.config.native);
    let usual = [listen.address, listen.operator].into_iter();
    let all = usual.chain(context.config.forward.addr).chain(native.listeners.values().copied());
    let all = all.map(|address| address.to_string()).collect::<Vec<_>>().join(", ");
    Ok(format!("{all}{}", if listen.tls.is_some() { "; with TLS for apps" } else { "" }))
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

/// What is due and was not attempted.
fn unattempted(all: &[UnattemptedView]) -> Result<String, String> {
    let line = |UnattemptedView { account, targets, since }: &UnattemptedView| {
        format!(
            "{account}: {} due since {since} and not attempted; the gateway's own log says why",
            counted(*targets as usize, "post is", "posts are")
        )
    };
    match all {
        [] => Ok("whatever is due was attempted".to_owned()),
        _ => Err(all.iter().map(line).collect::<Vec<_>>().join("\n")),
    }
}

fn credentials(all: &[CredentialView]) -> Result<String, String> {
    let missing: Vec<String> = all
        .iter()
        .filter_map(|view| {
            let (what, command) = match view.state.as_str() {
                _ if view.wanted && view.again => ("set for another address than the account has now", "set"),
                _ if view.wanted && view.generation.is_none() => ("missing", "set"),
                "not-connected" | "reconnect-needed" => (view.state.as_str(), "connect"),
                _ => return None,
            };
            Some(format!("{what}: `pressgate credential {command} {} --label {}`", view.account, view.label))
        })
        .collect();
    if missing.is_empty() { Ok("every account has what its adapter wants".to_owned()) } else { Err(missing.join("\n")) }
}

#[allow(clippy::disallowed_methods, reason = "bound only to see that it is free, and closed at once")]
fn free(address: SocketAddr) -> Result<String, String> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(format!("{address}: {error}. Stop what uses it, or give another address in pressgate.toml")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_the_longest_name() {
        let mut findings = Findings::default();
        findings.add("a", Ok("good".into()));
        findings.add("a name that is longer than any", Err("one\ntwo".into()));
        findings.skip("b", "no reason");
        let report = findings.report();
        let expected = [
            "ok     a                               good",
            "FAULT  a name that is longer than any  one",
            "                                       two",
            "–      b                               no reason",
        ];
        assert_eq!(report.text.lines().collect::<Vec<_>>(), expected);
        assert!(!report.holds);
    }
}
