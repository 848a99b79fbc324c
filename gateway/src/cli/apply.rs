//! `pressgate apply`: shows what would change, then applies the governance folder.

use serde_json::json;

use super::{
    agree::agreed,
    context::Context,
    outcome::{Failure, Report, print},
    reach::Reach,
};
use crate::operator::{
    apply::Offline,
    wire::{Applied, ApplyRequest, DiffView},
};

/// What to give where nobody can be asked.
const ELSE: &str = "give --yes to apply this, or --dry-run to only see it";

/// `apply [--yes] [--dry-run] [--allow-removal]`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Apply without asking.
    #[arg(long, short)]
    yes: bool,
    /// Only show the difference.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Files that were applied may be missing or empty now. Without it that is taken for a save that broke off.
    #[arg(long)]
    allow_removal: bool,
}

/// Shows the difference and applies exactly what was shown.
pub async fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    match Reach::open(context).await? {
        Reach::Gateway(client) => {
            let diff: DiffView = client.get("/operator/diff").await?;
            if let Some(report) = shown(context, args, &diff)? {
                return Ok(report);
            }
            let wish = ApplyRequest { expected_digest: Some(diff.folder), allow_removal: args.allow_removal };
            Ok(done(client.post("/operator/apply", &wish).await?))
        }
        Reach::Folder(folder) => {
            let shelf = context.shelf()?;
            let clock = context.clock.as_ref();
            let offline = Offline::read(&folder.stores, &context.config, &shelf, clock).await?;
            if let Some(report) = shown(context, args, &offline.diff)? {
                return Ok(report);
            }
            let applied =
                offline.apply(&folder.stores, &context.config, &shelf, &context.clock, args.allow_removal).await?;
            Ok(done(applied))
        }
    }
}

/// Shows the difference; the report where nothing is to be applied.
fn shown(context: &Context, args: &Args, diff: &DiffView) -> Result<Option<Report>, Failure> {
    let json = |applied: bool| {
        json!({
            "applied": applied,
            "digest": diff.folder,
            "changes": diff.changes,
            "removals": diff.removals,
            "notes": diff.notes,
        })
    };
    let notes = diff.notes.iter().map(|note| format!("! {note}"));
    if diff.applied.as_ref() == Some(&diff.folder) {
        let same = "the folder is applied already; nothing changes".to_owned();
        let text = std::iter::once(same).chain(notes).collect::<Vec<_>>().join("\n");
        return Ok(Some(Report::good(text, json(false))));
    }
    let mut lines: Vec<String> = diff.changes.iter().map(|change| change.text.clone()).collect();
    if lines.is_empty() {
        lines.push("only comments and spaces differ; no rule changes".to_owned());
    }
    lines.extend(diff.removals.iter().chain(&diff.notes).map(|note| format!("! {note}")));
    let text = lines.join("\n");
    if !diff.removals.is_empty() && !args.allow_removal {
        let told = "nothing was applied: a save that broke off looks like this. If it is meant, add --allow-removal";
        return Ok(Some(Report::bad(format!("{text}\n{told}"), json(false))));
    }
    if args.dry_run {
        return Ok(Some(Report::good(text, json(false))));
    }
    if !context.json {
        print(&text);
    }
    if args.yes || agreed(context, "Apply this?", ELSE)? {
        Ok(None)
    } else {
        Ok(Some(Report::bad("nothing was applied", json(false))))
    }
}

fn done(applied: Applied) -> Report {
    let json = json!({ "applied": true, "digest": applied.digest, "changes": applied.changes, "notes": applied.notes });
    Report::good(format!("applied {}", applied.digest), json)
}
