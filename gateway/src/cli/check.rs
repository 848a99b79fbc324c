//! `pressgate check`: every fault of a governance folder, with file and line.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, counted},
    wiring,
};
use crate::{
    config::{Fault, Governance},
    host::Host,
    model::PluginName,
    operator::caution,
    plugins::Stray,
};

/// `check [DIR]`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; without one, that of the configuration.
    dir: Option<PathBuf>,
}

/// Checks the folder against the plugins in the plugin folder and the configuration, and that the gateway would load those. Changes nothing.
pub fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let dir = args.dir.as_ref().unwrap_or(&context.config.governance);
    if !dir.is_dir() {
        return Err(Failure::refused(format!("{} is not a folder", dir.display())));
    }
    let shelf = context.shelf()?;
    let mut warnings: Vec<String> = shelf.strays().iter().map(Stray::told).collect();
    let governance = match Governance::load(dir, &shelf, context.clock.now()) {
        Ok(governance) => governance,
        Err(mut faults) => {
            faults.extend(wiring::faults(context, None));
            return Ok(faulty(&faults, &warnings));
        }
    };
    let mut together = wiring::faults(context, Some(&governance));
    let strange = caution::issuers(&governance, context.config.sign_in.as_ref());
    if context.config.sign_in.is_some() {
        together.extend(strange.iter().cloned());
    }
    if !together.is_empty() {
        return Ok(faulty(&together, &warnings));
    }
    // Where the folder is checked alone, the process may have its own `[sign_in]` elsewhere.
    warnings.extend(strange.iter().map(ToString::to_string));
    warnings.extend(caution::unjudged(&governance));
    warnings.extend(caution::ended(&governance, context.clock.now()));
    let used = used(&governance);
    if shelf.manifests().next().is_some() {
        let host =
            Host::for_judging(Arc::clone(&context.clock)).map_err(|error| Failure::refused(error.to_string()))?;
        if let Err(error) = shelf.load(&host, &governance, None) {
            let folder = context.config.plugins.dir.display().to_string();
            return Ok(faulty(&[Fault::new(folder, 0, error.to_string())], &warnings));
        }
        let spare = shelf.manifests().map(|manifest| &manifest.name).filter(|name| !used.contains(name));
        warnings.extend(spare.filter_map(|name| shelf.judge(&host, name).err()).map(|error| error.to_string()));
    }
    let counts = [
        ("brand", "brands", governance.brands.len()),
        ("account", "accounts", governance.accounts.len()),
        ("app", "apps", governance.apps.len()),
        ("person", "people", governance.people.len()),
        ("grant", "grants", governance.grants.len()),
        ("deny entry", "deny entries", governance.denies.len()),
        ("auditor", "auditors", governance.auditors.len()),
        ("policy", "policies", governance.policies.len()),
    ];
    // Rights on the log are rare; a house without them reads nothing of them.
    let shown = counts.iter().filter(|(one, _, count)| *count > 0 || *one != "auditor");
    let text = shown.map(|(one, many, count)| counted(*count, one, many)).collect::<Vec<_>>().join(", ");
    let counts: serde_json::Map<_, _> =
        counts.into_iter().map(|(_, many, count)| (many.replace(' ', "_"), count.into())).collect();
    let json = json!({ "holds": true, "digest": governance.digest, "counts": counts, "warnings": warnings });
    Ok(Report::good(lines(vec![format!("{text} hold")], &warnings), json))
}

/// The plugins that the governance names.
fn used(governance: &Governance) -> BTreeSet<&PluginName> {
    let adapters = governance.accounts.values().map(|account| &account.adapter);
    adapters.chain(governance.policies.iter().map(|rule| &rule.plugin)).collect()
}

fn faulty(faults: &[Fault], warnings: &[String]) -> Report {
    let text = lines(faults.iter().map(ToString::to_string).collect(), warnings);
    Report::bad(text, json!({ "holds": false, "faults": faults, "warnings": warnings }))
}

fn lines(mut lines: Vec<String>, warnings: &[String]) -> String {
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}
