//! `pressgate check`: every fault of a governance folder, with file and line.

use std::path::PathBuf;

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report, counted},
};
use crate::config::Governance;

/// `check [DIR]`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; without one, that of the configuration.
    dir: Option<PathBuf>,
}

/// Checks the folder against the plugins in the plugin folder. Changes nothing.
pub fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let dir = args.dir.as_ref().unwrap_or(&context.config.governance);
    if !dir.is_dir() {
        return Err(Failure::refused(format!("{} is not a folder", dir.display())));
    }
    match Governance::load(dir, &context.shelf()?, context.clock.now()) {
        Err(faults) => {
            let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            Ok(Report::bad(text, json!({ "holds": false, "faults": faults })))
        }
        Ok(governance) => {
            let counts = [
                ("brand", "brands", governance.brands.len()),
                ("account", "accounts", governance.accounts.len()),
                ("app", "apps", governance.apps.len()),
                ("person", "people", governance.people.len()),
                ("grant", "grants", governance.grants.len()),
                ("deny entry", "deny entries", governance.denies.len()),
                ("policy", "policies", governance.policies.len()),
            ];
            let text = counts.map(|(one, many, count)| counted(count, one, many)).join(", ");
            let counts: serde_json::Map<_, _> =
                counts.into_iter().map(|(_, many, count)| (many.replace(' ', "_"), count.into())).collect();
            let json = json!({ "holds": true, "digest": governance.digest, "counts": counts });
            Ok(Report::good(format!("{text} hold"), json))
        }
    }
}
