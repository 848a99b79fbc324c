//! What a command answers: text for people, JSON for machines, and an exit code that scripts can use.

use std::io::Write;

use serde_json::{Value, json};

use crate::{config::Fault, operator::OpsError, start::StartError};

/// It was done, or it holds.
pub const EXIT_OK: u8 = 0;
/// What was asked for does not hold, or was refused.
pub const EXIT_REFUSED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// The gateway can't be reached, or can't start.
pub const EXIT_UNREACHABLE: u8 = 3;

/// What a command found or did.
#[derive(Debug)]
pub struct Report {
    /// For people.
    pub text: String,
    /// For machines.
    pub json: Value,
    /// False where it does not hold: exit code 1.
    pub holds: bool,
}

impl Report {
    /// It was done, or it holds.
    pub fn good(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, holds: true }
    }

    /// It does not hold.
    pub fn bad(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, holds: false }
    }
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was refused.
    #[error("{text}")]
    Refused {
        /// What is wrong and what to do.
        text: String,
        /// Each fault, or the gateway's own answer.
        details: Value,
    },
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The gateway can't be reached, or can't start.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// A refusal in one sentence.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into(), details: Value::Null }
    }

    /// A file or folder that can't be used.
    pub fn file(path: &std::path::Path, error: &dyn std::fmt::Display) -> Self {
        Self::refused(format!("{}: {error}", path.display()))
    }

    /// Faults with file and line.
    pub fn faults(faults: &[Fault]) -> Self {
        let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Self::Refused { text, details: json!({ "faults": faults }) }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } => EXIT_REFUSED,
            Self::Usage(_) => EXIT_USAGE,
            Self::Unreachable(_) => EXIT_UNREACHABLE,
        }
    }
}

impl From<OpsError> for Failure {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::Governance(faults) | OpsError::Faults(faults) => Self::faults(&faults),
            OpsError::Missing(_) | OpsError::Invalid(_) | OpsError::Conflict(_) | OpsError::Plugins(_) => {
                Self::refused(error.to_string())
            }
            OpsError::Start(error) => error.into(),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// Standard output holds exactly one JSON value, laid out for the eye.
    Json,
    /// Each line of standard output is one JSON object: for a command that says more than one thing.
    JsonLines,
}

impl Form {
    fn render(self, value: &Value) -> String {
        if self == Self::JsonLines { value.to_string() } else { format!("{value:#}") }
    }
}

/// Prints what came out and answers the exit code.
pub fn finish(outcome: Result<Report, Failure>, form: Form) -> u8 {
    match outcome {
        Ok(report) => {
            print(&if form == Form::Text { report.text } else { form.render(&report.json) });
            if report.holds { EXIT_OK } else { EXIT_REFUSED }
        }
        Err(failure) if form == Form::Text => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "pressgate: {failure}");
            failure.code()
        }
        Err(failure) => {
            let details = match &failure {
                Failure::Refused { details, .. } => details.clone(),
                _ => Value::Null,
            };
            print(&form.render(&json!({ "error": failure.to_string(), "exit": failure.code(), "details": details })));
            failure.code()
        }
    }
}

/// Prints to standard output; a reader that went away is no error.
pub fn print(text: &str) {
    if text.is_empty() {
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    let _ = out.flush();
}

/// Without control characters, which could move the cursor of a terminal.
pub fn safe(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect::<Vec<_>>() } else { vec![letter] })
        .collect()
}

/// A number of things: `1 policy`, `2 policies`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::VaultError;

    #[test]
    fn one_thing_is_not_many() {
        let told = [0, 1, 2].map(|count| counted(count, "policy", "policies"));
        assert_eq!(told, ["0 policies", "1 policy", "2 policies"]);
    }

    #[test]
    fn exit_codes_tell_refused_from_unreachable() {
        assert_eq!(Failure::from(OpsError::Missing("no such key".into())).code(), 1);
        assert_eq!(Failure::from(OpsError::Governance(vec![Fault::new("a.toml", 1, "x")])).code(), 1);
        assert_eq!(Failure::from(OpsError::Vault(VaultError::WrongKek)).code(), 3);
        assert_eq!(Failure::from(StartError::Locked("data".into())).code(), 3);
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(finish(Ok(Report::bad("", Value::Null)), Form::Text), 1);
        assert_eq!(finish(Ok(Report::good("", Value::Null)), Form::Text), 0);
    }

    #[test]
    fn a_line_of_json_is_one_line() {
        let value = json!({ "error": "one\ntwo", "details": { "faults": [1, 2] } });
        assert_eq!(Form::JsonLines.render(&value).lines().count(), 1);
        assert!(Form::Json.render(&value).lines().count() > 1);
    }
}
