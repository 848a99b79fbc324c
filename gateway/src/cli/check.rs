//! `pressgate check`: every fault of a governance folder, with file and line.

use std::path::PathBuf;

use serde_json::json;

use super::{
    context::Context,
    outcome::{Failure, Report},
};
use crate::{config::Governance, operator::caution};

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
                ("brands", governance.brands.len()),
                ("accounts", governance.accounts.len()),
                ("apps", governance.apps.len()),
                ("people", governance.people.len()),
                ("grants", governance.grants.len()),
                ("deny entries", governance.denies.len()),
                ("policies", governance.policies.len()),
            ];
            let text = counts.map(|(what, count)| format!("{count} {what}")).join(", ");
            let counts: serde_json::Map<_, _> =
                counts.into_iter().map(|(what, count)| (what.replace(' ', "_"), count.into())).collect();
            let warnings: Vec<String> = caution::unjudged(&governance).into_iter().collect();
            let lines: Vec<String> = std::iter::once(format!("{text} hold"))
                .chain(warnings.iter().map(|told| format!("! {told}")))
                .collect();
            let json = json!({ "holds": true, "digest": governance.digest, "counts": counts, "warnings": warnings });
            Ok(Report::good(lines.join("\n"), json))
        }
    }
}
