//! `pressgate audit verify-openings`: whether the values beside the log are still what its leaves commit to.

use std::sync::Arc;

use pressgate_audit::{
    RealDisk,
    reader::LogReader,
    tree::{TREE_DIR, entries_from},
};
use serde_json::{Value, json};

use super::super::{
    context::Context,
    outcome::{Failure, Report, counted},
};
use crate::{
    openings::check::{Fault, Found},
    start,
};

/// Faults that are shown to people; `--json` has more.
const SHOWN_MAX: usize = 20;

/// Checks the values beside the log. Nothing of them is shown.
pub async fn run(context: &Context) -> Result<Report, Failure> {
    let values = start::values(&context.parts()).await?;
    let (disk, dir) = (Arc::new(RealDisk), &context.config.audit.dir);
    let from = entries_from(&*disk, &dir.join(TREE_DIR));
    let mut log = LogReader::new(disk, dir, from).until(values.until);
    let found = values.openings.check(&mut || log.next_leaf()).await;
    let found = found.map_err(|error| Failure::Unreachable(error.to_string()))?;
    let (text, json) = (text(&found, values.running), json(&found));
    Ok(if found.holds() { Report::good(text, json) } else { Report::bad(text, json) })
}

fn text(found: &Found, running: bool) -> String {
    let values = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "value", "values");
    let mut lines = vec![format!(
        "{} open and are what the leaves {}..{} commit to",
        values(found.values),
        found.from,
        found.until
    )];
    if found.from > 0 {
        lines.push(format!("the leaves below {} are gone by retention", found.from));
    }
    if found.erased > 0 {
        lines.push(format!("{} were erased, as the log states", values(found.erased)));
    }
    if found.cut_off > 0 {
        lines.push(format!(
            "{} of refusals were cut off by the end of the process, or are being written",
            values(found.cut_off)
        ));
    }
    if found.unsent > 0 {
        lines.push(format!(
            "{} open and belong to no leaf that is there: of posts that were not sent, of leaves that are gone by retention{}",
            values(found.unsent),
            if running { ", or of what came meanwhile" } else { "" }
        ));
    }
    for Fault { leaf, field, why } in found.faults.iter().take(SHOWN_MAX) {
        let field = field.as_deref().unwrap_or("opening");
        let place = leaf.map_or_else(|| "an opening".to_owned(), |leaf| format!("leaf {leaf}, `{field}`"));
        lines.push(format!("FAULT  {place}: {}", why.text()));
    }
    if !found.holds() {
        lines.push(format!(
            "{} not what the log says",
            values(found.faults_total) + if found.faults_total == 1 { " is" } else { " are" }
        ));
    }
    lines.push(
        "the leaves were taken for what they are: `pressgate audit verify` shows that they are those that were logged"
            .to_owned(),
    );
    lines.join("\n")
}

fn json(found: &Found) -> Value {
    let faults: Vec<Value> = found
        .faults
        .iter()
        .map(|fault| json!({ "leaf": fault.leaf, "field": fault.field, "code": fault.why.code(), "error": fault.why.text() }))
        .collect();
    json!({
        "holds": found.holds(),
        "from": found.from,
        "until": found.until,
        "values": found.values,
        "erased": found.erased,
        "cut_off": found.cut_off,
        "unsent": found.unsent,
        "faults": faults,
        "faults_total": found.faults_total,
    })
}
