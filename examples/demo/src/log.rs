//! The audit log for people: what each leaf says, in a line.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use pressgate_audit::leaf::{Intent, Outcome, Refused};
use pressgate_audit::{Event, Leaf, LogReader, RealDisk};

use crate::Failed;

/// Reads the log on from where it was, while the gateway writes it.
pub(crate) struct Log {
    reader: LogReader,
}

impl Log {
    /// From its beginning.
    pub(crate) fn open(dir: &Path) -> Self {
        Self { reader: LogReader::new(Arc::new(RealDisk), dir, 0) }
    }

    /// The leaves of calls that came since the last time, oldest first: what set out, what came of it, what was refused.
    pub(crate) fn news(&mut self) -> Result<Vec<String>, Failed> {
        let mut lines = Vec::new();
        while let Some((index, leaf)) = self.reader.next_leaf().map_err(|error| format!("the audit log: {error}"))? {
            lines.extend(line(index, &leaf));
        }
        Ok(lines)
    }
}

fn line(index: u64, leaf: &Leaf) -> Option<String> {
    let (kind, text) = match &leaf.event {
        Event::Intent(intent) => ("intent", set_out(intent)),
        Event::Outcome(outcome) => ("outcome", came(outcome)),
        Event::Refused(refused) => ("refused", refusal(refused)),
        Event::Finished(finished) => ("finished", format!("{} is {}", finished.account, finished.target_state)),
        Event::Held(held) => ("held", format!("{} waits for a person", held.accounts.join(", "))),
        Event::Withdrawal(withdrawal) => ("withdrawn", withdrawal.post.clone()),
        Event::Vote(vote) => ("vote", format!("{}: {}", vote.person, vote.decision)),
        _ => return None,
    };
    let at = Timestamp::from_millisecond(leaf.at_ms).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%H:%M:%S%.3f");
    Some(format!("#{index:<3} {at}  {kind:<8} {text}"))
}

fn set_out(intent: &Intent) -> String {
    let Intent { account, action, grant, adapter, .. } = intent;
    let verdicts: Vec<String> =
        intent.verdicts.iter().map(|verdict| format!("; {}: {}", verdict.policy, verdict.outcome)).collect();
    let who = intent.app.as_ref().or(intent.person.as_ref()).map_or("?", String::as_str);
    let approved = if intent.approvals.is_empty() {
        String::new()
    } else {
        format!("; approved by {}", intent.approvals.join(", "))
    };
    format!("{who}: {action} on {account} by grant {grant}{}{approved}; sent by {adapter}", verdicts.concat())
}

fn came(outcome: &Outcome) -> String {
    let status = outcome.status.map(|status| format!("the network answered {status}"));
    let status = status.unwrap_or_else(|| format!("{:?}", outcome.result).to_lowercase());
    let state = outcome.target_state.as_ref().map(|state| format!("; {state}")).unwrap_or_default();
    let ids = if outcome.platform_ids.is_empty() {
        String::new()
    } else {
        format!(" as {}", outcome.platform_ids.join(", "))
    };
    format!("of #{}: {status}{state}{ids}", outcome.intent)
}

fn refusal(refused: &Refused) -> String {
    let who = refused.app.as_ref().or(refused.person.as_ref()).map_or("?", String::as_str);
    let Refused { stage, problem, .. } = refused;
    let what = refused.action.as_ref().map(|action| format!(": {action}")).unwrap_or_default();
    let place = refused.account.as_ref().map(|account| format!(" on {account}")).unwrap_or_default();
    let codes = if refused.codes.is_empty() { String::new() } else { format!(" ({})", refused.codes.join(", ")) };
    format!("{who}{what}{place}; {problem} at {stage}{codes}")
}
