//! `pressgate plugin install|activate|canary|promote|rollback|show`, and the releases in `plugin list`: through the running gateway, because
//! what serves is changed while it serves.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    client::Client,
    context::Context,
    key::part,
    outcome::{Failure, Report},
    reach::{OPERATOR_KEY, operator_address},
    table::table,
};
use crate::{
    operator::releases::{
        change::{ChangeRequest, short},
        view::{FunctionView, ReleaseView, RoutingView, SlotView},
    },
    records::ReleaseState,
    start,
};

/// What a change of a slot needs on the command line.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where: `network:NAME`, `account:ID` or `policy:NAME`.
    slot: String,
    /// The version of the routing that you saw; without it, the one of this moment.
    #[arg(long, value_name = "VERSION")]
    saw: Option<u64>,
}

/// `plugin activate`.
#[derive(Debug, clap::Args)]
pub struct Activate {
    /// The release: its digest, the beginning of it, or name@version.
    release: String,
    #[command(flatten)]
    place: Place,
    /// Agree to what it may do beyond the release that serves.
    #[arg(long)]
    accept_capabilities: bool,
}

/// `plugin canary`.
#[derive(Debug, clap::Args)]
pub struct CanaryArgs {
    #[command(flatten)]
    activate: Activate,
    /// Its share of the calls: `10%`.
    #[arg(long, value_parser = percent)]
    share: f64,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let percent: f64 = number.parse().map_err(|_| "write a share as 10%".to_owned())?;
    if percent > 0.0 && percent < 100.0 {
        Ok(percent)
    } else {
        Err("a share is more than 0 % and less than 100 %".into())
    }
}

/// The running gateway, for an operator.
///
/// # Errors
/// None runs, or no key was given.
fn gateway(context: &Context) -> Result<Client, Failure> {
    let data = &context.config.data;
    if data.is_dir() && start::lock_data(data).is_ok() {
        return Err(Failure::Unreachable(
            "no gateway runs on this data folder. Releases are changed while it serves: start it with `pressgate serve`; without one, \
             what lies in the plugin folder counts"
                .into(),
        ));
    }
    let key = context.key(OPERATOR_KEY)?;
    let key =
        key.ok_or_else(|| Failure::refused(format!("an operator's key is needed: give --key-file or {OPERATOR_KEY}")))?;
    Ok(Client::new(operator_address(&context.config), Some(key)))
}

/// Installs each component.
pub async fn install(context: &Context, path: &Path) -> Result<Report, Failure> {
    let client = gateway(context)?;
    let mut installed = Vec::new();
    for file in components(path)? {
        let bytes = std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
        let answer = client.send_bytes("/operator/plugins/releases", "application/wasm", bytes).await?;
        let release: ReleaseView = answer.good().map_err(|failure| named(&file, failure))?;
        installed.push(release);
    }
    let line = |release: &ReleaseView| {
        let ReleaseView { name, version, release, .. } = release;
        format!(
            "installed {name} {version}\n  release  {release}\n  next     pressgate plugin canary {} SLOT --share 10%",
            short(release)
        )
    };
    let text = installed.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Report::good(text, json!(installed)))
}

/// Whose failure it is, where there are several files.
fn named(file: &Path, failure: Failure) -> Failure {
    match failure {
        Failure::Refused { text, details } => Failure::Refused { text: format!("{}: {text}", file.display()), details },
        other => other,
    }
}

/// The file, or every component in the folder.
fn components(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Failure::file(path, &error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort_unstable();
    if files.is_empty() {
        return Err(Failure::file(
            path,
            &"there is no component (*.wasm) in it; build one with `pressgate plugin build`",
        ));
    }
    Ok(files)
}

/// All calls to a release.
pub async fn activate(context: &Context, args: Activate) -> Result<Report, Failure> {
    let Activate { release, place, accept_capabilities } = args;
    let wish = ChangeRequest { release: Some(release), accept_capabilities, ..ChangeRequest::default() };
    change(context, "activations", place, wish).await
}

/// A share of the calls to a release.
pub async fn canary(context: &Context, args: CanaryArgs) -> Result<Report, Failure> {
    let CanaryArgs { activate: Activate { release, place, accept_capabilities }, share } = args;
    let wish = ChangeRequest {
        release: Some(release),
        share_percent: Some(share),
        accept_capabilities,
        ..ChangeRequest::default()
    };
    change(context, "canaries", place, wish).await
}

/// The canary for all calls.
pub async fn promote(context: &Context, place: Place) -> Result<Report, Failure> {
    change(context, "promotions", place, ChangeRequest::default()).await
}

/// What served before.
pub async fn rollback(context: &Context, place: Place) -> Result<Report, Failure> {
    change(context, "rollbacks", place, ChangeRequest::default()).await
}

async fn change(context: &Context, path: &str, place: Place, wish: ChangeRequest) -> Result<Report, Failure> {
    let client = gateway(context)?;
    let Place { slot, saw } = place;
    let version = match saw {
        Some(version) => version,
        None => client.get::<RoutingView>("/operator/plugins").await?.version,
    };
    let wish = ChangeRequest { slot: slot.clone(), version, ..wish };
    let routing: RoutingView = client.post(&format!("/operator/plugins/{path}"), &wish).await?;
    let now = routing.slots.iter().find(|view| view.slot == slot);
    let text = now.map_or_else(|| "done".to_owned(), told);
    Ok(Report::good(format!("{text}\nversion  {}", routing.version), json!(routing)))
}

/// What serves in a slot, in lines.
fn told(slot: &SlotView) -> String {
    let mut lines = vec![format!("{}\n  active   {} ({})", slot.slot, slot.active.label, short(&slot.active.release))];
    if let Some(canary) = &slot.canary {
        let named = &canary.named;
        lines.push(format!(
            "  canary   {} ({}), {} % of the calls",
            named.label,
            short(&named.release),
            canary.share_percent
        ));
    }
    lines
        .extend(slot.parked.as_ref().map(|parked| format!("  parked   {} ({})", parked.label, short(&parked.release))));
    lines.extend(slot.why.as_ref().map(|why| format!("  why      {why}")));
    for counted in &slot.functions {
        let broken = if counted.broken { ", not asked for the moment" } else { "" };
        lines.push(format!(
            "  {}  {}: {} calls, {} failed, {} refused by the network{broken}",
            short(&counted.release),
            counted.function,
            counted.calls,
            counted.failed,
            counted.refused
        ));
    }
    lines.join("\n")
}

/// One release, with the steps of its way.
pub async fn show(context: &Context, release: &str) -> Result<Report, Failure> {
    let name = part_of(release)?;
    let view: ReleaseView = gateway(context)?.get(&format!("/operator/plugins/releases/{name}")).await?;
    let mut lines = vec![
        format!("{} {} ({})", view.name, view.version, view.kind),
        format!("  release    {}", view.release),
        format!("  installed  {} by {}", view.installed_at, view.installed_by),
        format!("  state      {}", state(view.state)),
        format!("  signed     {}", signed(&view.signed_by)),
    ];
    lines.extend(view.places.iter().map(|place| format!("  serves     {place}")));
    lines.extend(view.accepted.iter().map(|line| format!("  accepted   {line}")));
    lines.extend(view.functions.iter().map(used));
    for step in &view.steps {
        let word = if step.passed { "ok    " } else { "FAILED" };
        lines.push(format!("  {word}  {:<12}  {}", step.step, step.note));
    }
    Ok(Report::good(lines.join("\n"), json!(view)))
}

/// What a function was asked, how that went, and what it used up.
fn used(of: &FunctionView) -> String {
    let each = |sum: f64| if of.calls == 0 { 0.0 } else { sum / of.calls as f64 };
    let mut line = format!(
        "  {:<15} {} calls, {} failed, {} refused; {:.0} us and {:.1} host calls each, at most {} KiB",
        of.function,
        of.calls,
        of.failed,
        of.refused,
        each(of.cpu_ms * 1_000.0),
        each(of.host_calls as f64),
        of.memory_peak_bytes.div_ceil(1024),
    );
    if of.sent_bytes + of.received_bytes > 0 {
        line.push_str(&format!("; {} bytes out, {} in", of.sent_bytes, of.received_bytes));
    }
    if of.broken {
        line.push_str("; not asked now, it failed too often");
    }
    line
}

/// Who signed it, in words.
pub fn signed(keys: &[String]) -> String {
    if keys.is_empty() { "unsigned".to_owned() } else { format!("signed by {}", keys.join(", ")) }
}

/// A release's name as a part of a path.
fn part_of(release: &str) -> Result<String, Failure> {
    let (name, version) = release.split_once('@').unwrap_or((release, ""));
    part(name)?;
    if version.is_empty() {
        return Ok(name.to_owned());
    }
    let fits = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+'));
    if fits {
        Ok(format!("{name}@{version}"))
    } else {
        Err(Failure::refused(format!("`{}` is no release", release.escape_debug())))
    }
}

fn state(state: ReleaseState) -> &'static str {
    match state {
        ReleaseState::Ready => "ready",
        ReleaseState::Rejected => "rejected",
    }
}

/// What `plugin list` says of releases, where a gateway runs and a key is given: text, and an entry for each.
pub async fn listed(context: &Context) -> Option<(String, Vec<Value>)> {
    let routing: RoutingView = gateway(context).ok()?.get("/operator/plugins").await.ok()?;
    let row = |release: &ReleaseView| {
        vec![
            short(&release.release).to_owned(),
            release.name.clone(),
            release.version.clone(),
            state(release.state).to_owned(),
            signed(&release.signed_by),
            release.places.join(", "),
        ]
    };
    let rows: Vec<_> = routing.releases.iter().map(row).collect();
    let mut text = table(&["release", "name", "version", "state", "signatures", "serves"], &rows);
    for slot in &routing.slots {
        text.push_str(&format!("\n\n{}", told(slot)));
    }
    text.push_str(&format!("\n\nversion  {}", routing.version));
    let entries = routing.releases.iter().map(|release| json!(release)).collect();
    Some((text, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_names_are_read_strictly() {
        assert_eq!((percent("10%"), percent("0.5")), (Ok(10.0), Ok(0.5)));
        assert!(["", "0%", "100%", "-1", "x", "nan"].iter().all(|text| percent(text).is_err()));
        assert_eq!(part_of("square@0.2.0-rc.1").ok().as_deref(), Some("square@0.2.0-rc.1"));
        assert!(["a/b", "..", "a@b/c", "", "@1"].iter().all(|text| part_of(text).is_err()));
    }

    #[test]
    fn a_folder_stands_for_the_components_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(components(folder.path()).is_err(), "an empty one for none");
        for name in ["b.wasm", "a.wasm", "a.toml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = components(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("a.wasm"), folder.path().join("b.wasm")]);
    }
}
