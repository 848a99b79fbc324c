//! The case files of the policies.
//!
//! `cases/policies/violations.jsonl` has texts that must be stopped, many of them disguised; `ordinary.jsonl` has texts that must not.
//! Both are judged under `guidelines.config.json` and `confidential.config.json`, as the brand `acme/<language>`.

use serde::Deserialize;
use serde_json::Value;

/// The languages of the cases.
pub const LANGUAGES: [&str; 5] = ["cs", "pl", "ru", "he", "en"];

/// One text with what the policies must say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The policy that must stop it; both must let it pass where there is none.
    #[serde(default)]
    pub policy: Option<String>,
    /// Language of the text: one of [`LANGUAGES`].
    pub language: String,
    /// Declared language, where it is another one.
    #[serde(default)]
    pub declared: Option<String>,
    /// `plain`, or how the text is disguised; of ordinary texts `hand-written` or `template`.
    pub kind: String,
    /// The text of the post.
    pub text: String,
    /// The author's labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// `deny` or `hold`.
    #[serde(default)]
    pub expect: Option<String>,
    /// Code of the finding.
    #[serde(default)]
    pub code: Option<String>,
}

/// The texts that must be stopped.
pub fn violations() -> Vec<Case> {
    read(include_str!("../cases/policies/violations.jsonl"))
}

/// The texts that must pass.
pub fn ordinary() -> Vec<Case> {
    read(include_str!("../cases/policies/ordinary.jsonl"))
}

fn read(lines: &str) -> Vec<Case> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The configuration of `guidelines` or `confidential` under which the cases are judged.
///
/// # Panics
/// For any other policy.
pub fn policy_config(name: &str) -> Value {
    let text = match name {
        "guidelines" => include_str!("../cases/policies/guidelines.config.json"),
        "confidential" => include_str!("../cases/policies/confidential.config.json"),
        _ => panic!("there are no cases for `{name}`"),
    };
    serde_json::from_str(text).expect("the configuration")
}
