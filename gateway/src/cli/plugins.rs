//! `pressgate plugin`: builds plugins, lists those in the plugin folder and whether they load, and changes what serves.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    author,
    context::Context,
    outcome::{Failure, Report},
    plugin, registry, releases, signing,
    table::table,
};
use crate::{host::Host, trust::Standing};

/// `plugin build|list|install|…`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Begin a plugin: a project that builds, passes its tests and serves.
    New(author::New),
    /// Put the SDK of this program into a project that `plugin new` made.
    Sdk {
        /// The project's folder.
        project: PathBuf,
    },
    /// Make components of Rust packages that use the SDK.
    Build(Build),
    /// Look at a component as a gateway does before it installs it: what it asks for, its contract, its limits, its self-test.
    Check {
        /// The component.
        component: PathBuf,
    },
    /// Put a plugin's scenarios to its component, as a gateway would run it, without a network.
    Test(author::Test),
    /// The plugins in the plugin folder; of a running gateway also the releases that are installed, and what serves where.
    List,
    /// Bring releases to the running gateway: try each out, and keep it. Nothing serves yet.
    Install(releases::Install),
    /// Put a component into an OCI registry.
    Push(registry::Push),
    /// Take a component from an OCI registry.
    Pull(registry::Pull),
    /// Make a key that signs plugins; prints the public part, for `plugins.trusted_keys`.
    Key(signing::Key),
    /// Sign a component and its manifest, in place. What others signed stays; what this key signed before is replaced.
    Sign(signing::Sign),
    /// Say whose signatures a component has, and what they are worth. Fails unless a trusted key signed it.
    Verify(signing::Verify),
    /// One release, with every step of its way and what became of it.
    Show {
        /// Its digest, the beginning of it, or name@version.
        release: String,
    },
    /// Put a release in place for all calls of a network, an account or a policy.
    Activate(releases::Activate),
    /// Try a release on a share of the calls.
    Canary(releases::CanaryArgs),
    /// Put the canary in place for all calls; without a canary, watch what serves no more.
    Promote(releases::Place),
    /// Take the canary away; without a canary, put back what served before.
    Rollback(releases::Place),
    /// Compile what comes in on standard input. The gateway starts this itself.
    #[command(hide = true, name = "compile-from-pipe")]
    CompileFromPipe {
        /// Memory that it may use.
        memory_bytes_max: u64,
        /// Seconds that it may take.
        wall_s_max: u64,
    },
}

/// What is done with a gateway or its folders.
pub async fn run(context: &Context, command: Command) -> Result<Report, Failure> {
    match command {
        Command::List => list(context).await,
        Command::Install(args) => releases::install(context, &args).await,
        Command::Key(args) => signing::key(&args),
        Command::Sign(args) => signing::sign(&args),
        Command::Verify(args) => signing::verify(context, &args),
        Command::Show { release } => releases::show(context, &release).await,
        Command::Activate(args) => releases::activate(context, args).await,
        Command::Canary(args) => releases::canary(context, args).await,
        Command::Promote(place) => releases::promote(context, place).await,
        Command::Rollback(place) => releases::rollback(context, place).await,
        Command::New(_)
        | Command::Sdk { .. }
        | Command::Build(_)
        | Command::Test(_)
        | Command::Push(_)
        | Command::Pull(_)
        | Command::Check { .. }
        | Command::CompileFromPipe { .. } => Err(Failure::Usage("this command was handled before".into())),
    }
}

/// What authors do where no gateway is; none for all else.
pub async fn authored(command: &Command) -> Option<Result<Report, Failure>> {
    match command {
        Command::New(args) => Some(author::new(args)),
        Command::Sdk { project } => Some(author::refresh(project)),
        Command::Build(args) => Some(build(args)),
        Command::Check { component } => Some(author::check(component).await),
        Command::Test(args) => Some(author::test(args).await),
        Command::Push(args) => Some(registry::push(args).await),
        Command::Pull(args) => Some(registry::save(args).await),
        _ => None,
    }
}

/// `plugin build`.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// Folders of the packages.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Where the components go; without it, `plugins` in cargo's target folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Builds.
fn build(args: &Build) -> Result<Report, Failure> {
    let out = match (&args.out, args.dirs.first()) {
        (Some(out), _) => out.clone(),
        (None, Some(first)) => target_of(first)?.join("plugins"),
        (None, None) => return Err(Failure::Usage("name a folder".into())),
    };
    let built = plugin::build_all(&args.dirs, &out).map_err(|error| Failure::refused(error.to_string()))?;
    let text = built.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let entry = |built: &plugin::Built| json!({ "name": built.name, "path": built.path, "size_bytes": built.size_bytes, "digest": built.digest });
    Ok(Report::good(text, built.iter().map(entry).collect()))
}

/// Where cargo builds the package.
pub fn target_of(package: &Path) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.current_dir(package).args(["metadata", "--format-version=1", "--no-deps"]);
    let output =
        command.output().map_err(|error| Failure::refused(format!("cargo in {}: {error}", package.display())))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::refused(format!("{} is no package that cargo knows: {}", package.display(), said.trim())));
    }
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let target = facts.get("target_directory").and_then(Value::as_str);
    target.map(PathBuf::from).ok_or_else(|| Failure::refused("cargo names no target folder; give --out"))
}

/// Lists, and tries to load each as the gateway would.
async fn list(context: &Context) -> Result<Report, Failure> {
    let shelf = context.shelf()?;
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    let host = Host::for_judging(Arc::clone(&context.clock)).map_err(|error| Failure::refused(error.to_string()))?;
    for manifest in shelf.manifests() {
        let kind = format!("{:?}", manifest.kind).to_lowercase();
        let keys = shelf.standing(&manifest.name).cloned().map(Standing::signers).unwrap_or_default();
        let signed = releases::signed(&keys);
        let fault = shelf.judge(&host, &manifest.name).err().map(|error| error.to_string());
        rows.push(vec![
            manifest.name.to_string(),
            manifest.version.clone(),
            kind.clone(),
            signed.clone(),
            manifest.networks.join(", "),
            fault.clone().unwrap_or_else(|| "loads".to_owned()),
        ]);
        entries.push(json!({
            "name": manifest.name, "version": manifest.version, "kind": kind, "networks": manifest.networks,
            "path": shelf.path(&manifest.name), "fault": fault, "signed_by": keys,
            "credentials": manifest.credentials.iter().map(|wish| json!({ "label": wish.label, "secrets": wish.secrets })).collect::<Vec<_>>(),
        }));
    }
    let none = || "–".to_owned();
    for stray in shelf.strays() {
        rows.push(vec![none(), none(), none(), none(), none(), stray.told()]);
        entries.push(json!({ "name": null, "path": stray.path, "fault": stray.reason }));
    }
    let mut text = table(&["name", "version", "kind", "signatures", "networks", "state"], &rows);
    if let Some((more, installed)) = releases::listed(context).await {
        text.push_str(&format!("\n\n{more}"));
        entries.extend(installed);
    }
    Ok(Report::good(text, entries.into()))
}
