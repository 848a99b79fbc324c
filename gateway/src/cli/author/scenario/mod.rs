//! `pressgate plugin test`: scenarios of a plugin, put to its component in the real host, without a network.

mod conform;
mod differ;
mod file;
mod network;
mod run;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use self::{conform::Case, file::Scenario, run::Stage};
use super::super::{
    outcome::{Failure, Report},
    plugin,
    plugins::target_of,
};
use crate::{
    clock::SystemClock,
    host::{Host, PluginGrant, Release},
};

/// The folder of a project that has scenarios.
const FOLDER: &str = "scenarios";

/// `plugin test`.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// The plugin's folder, with plugin.toml and scenarios/
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A component that is built already; without it the folder is built
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Also try what every adapter must bear: stops between steps, and answers that no network should give
    #[arg(long)]
    conformance: bool,
    /// Only scenarios whose file has this in its name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs the scenarios.
///
/// # Errors
/// There are none, or the plugin can't be built or loaded.
pub async fn test(args: &Test) -> Result<Report, Failure> {
    let files = scenarios(&args.folder, args.only.as_deref())?;
    let component = match &args.component {
        Some(file) => file.clone(),
        None => {
            let out = target_of(&args.folder)?.join("plugins");
            plugin::build(&args.folder, &out).map_err(|error| Failure::refused(error.to_string()))?.path
        }
    };
    let wasm = fs::read(&component).map_err(|error| Failure::file(&component, &error))?;
    let host = Host::for_trying(Arc::new(SystemClock)).map_err(|error| Failure::refused(error.to_string()))?;
    let release = host
        .try_out(&wasm, &PluginGrant::default(), &mut |_, _| {})
        .map_err(|error| Failure::file(&component, &error))?;
    let (mut lines, mut entries, mut failed) = (Vec::new(), Vec::new(), 0);
    for file in &files {
        let told = one(&host, &release, file, args.conformance).await;
        failed += usize::from(!told.holds);
        lines.extend(told.lines);
        entries.push(told.json);
    }
    let sum = match failed {
        0 => format!("{} scenarios hold", files.len()),
        _ => format!("{failed} of {} scenarios do not hold", files.len()),
    };
    lines.push(sum);
    let (text, json) = (lines.join("\n"), json!({ "scenarios": entries }));
    Ok(if failed == 0 { Report::good(text, json) } else { Report::bad(text, json) })
}

struct Told {
    holds: bool,
    lines: Vec<String>,
    json: Value,
}

async fn one(host: &Host, release: &Arc<Release>, file: &Path, conformance: bool) -> Told {
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (about, differences, cases) = match Scenario::read(file) {
        Err(why) => (String::new(), vec![why], Vec::new()),
        Ok(scenario) => {
            let stage = Stage { host, release, scenario: &scenario };
            let differences = stage.differences().await;
            let cases = match conformance && differences.is_empty() {
                true => conform::cases(&stage)
                    .await
                    .unwrap_or_else(|why| vec![Case { name: "conformance".into(), fault: Some(why) }]),
                false => Vec::new(),
            };
            (scenario.about.clone(), differences, cases)
        }
    };
    let faults: Vec<&Case> = cases.iter().filter(|case| case.fault.is_some()).collect();
    let holds = differences.is_empty() && faults.is_empty();
    let mut lines = vec![format!("{}  {name}: {about}", if holds { "ok    " } else { "failed" })];
    lines.extend(differences.iter().map(|difference| format!("          {difference}")));
    if !cases.is_empty() {
        lines.push(format!("          {} of {} cases of conformance hold", cases.len() - faults.len(), cases.len()));
    }
    let fault = |case: &&Case| format!("          {}: {}", case.name, case.fault.as_deref().unwrap_or_default());
    lines.extend(faults.iter().map(fault));
    let told = |case: &Case| json!({ "case": case.name, "fault": case.fault });
    let json = json!({
        "scenario": name, "about": about, "holds": holds, "differences": differences,
        "conformance": cases.iter().map(told).collect::<Vec<_>>(),
    });
    Told { holds, lines, json }
}

fn scenarios(project: &Path, only: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
    let folder = project.join(FOLDER);
    let entries = fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
    files.retain(|file| {
        only.is_none_or(|only| file.file_name().is_some_and(|name| name.to_string_lossy().contains(only)))
    });
    files.sort_unstable();
    if files.is_empty() {
        return Err(Failure::file(&folder, &"there is no scenario (*.toml) in it"));
    }
    Ok(files)
}
