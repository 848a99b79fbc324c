//! The case files of the policies, and a way to run them natively: the policies' own code on the gateway's pattern engine.
//!
//! `cases/policies/violations.jsonl` has texts that must be stopped, many of them disguised; `ordinary.jsonl` has texts that must not.
//! Both run under `guidelines.config.json` and `confidential.config.json`, as the brand `acme/<language>`.

use std::cell::RefCell;
use std::rc::Rc;

use pressgate::host::patterns::{self, FoldCache, MatchDecl, PatternSets};
use pressgate_sdk::patterns::Hit;
use pressgate_sdk::testing::{self, Host, Installed};
use pressgate_sdk::{Context, Draft, Outcome, Policy, Verdict};
use serde::Deserialize;

/// One text with what the policies must say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The policy that must stop it; both must let it pass where there is none.
    #[serde(default)]
    pub policy: Option<String>,
    /// Language of the text: `cs`, `pl`, `ru`, `he`, `en`.
    pub language: String,
    /// Declared language, where it is another one.
    #[serde(default)]
    pub declared: Option<String>,
    /// `plain`, or how the text is disguised.
    #[serde(default)]
    pub kind: Option<String>,
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

/// Manifest, schema and configuration of a policy under test.
pub fn policy_files(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "guidelines" => (
            include_str!("../../plugins/guidelines/plugin.toml"),
            include_str!("../../plugins/guidelines/config.schema.json"),
            include_str!("../cases/policies/guidelines.config.json"),
        ),
        _ => (
            include_str!("../../plugins/confidential/plugin.toml"),
            include_str!("../../plugins/confidential/config.schema.json"),
            include_str!("../cases/policies/confidential.config.json"),
        ),
    }
}

/// The draft and the context of a case.
pub fn call(case: &Case) -> (Draft, Context) {
    let mut draft = testing::draft(&case.text);
    draft.language = Some(case.declared.clone().unwrap_or_else(|| case.language.clone()));
    draft.labels = case.labels.clone();
    let mut context = testing::context();
    context.brands = vec![format!("acme/{}", case.language), "acme".into()];
    context.languages = ["cs", "pl", "ru", "he", "en"].map(str::to_owned).to_vec();
    (draft, context)
}

/// The pattern sets that the gateway would build for a policy.
pub fn sets(manifest: &str, config: &serde_json::Value) -> PatternSets {
    #[derive(Deserialize)]
    struct Manifest {
        r#match: Vec<MatchDecl>,
    }
    let manifest: Manifest = toml::from_str(manifest).expect("the manifest");
    PatternSets::build(&manifest.r#match, config).expect("the pattern sets")
}

/// A policy with its configuration on the real pattern engine.
pub struct Native {
    name: &'static str,
    config: String,
    sets: Rc<PatternSets>,
}

impl Native {
    /// Builds it from the case files; the configuration is held against its schema.
    pub fn new(name: &'static str) -> Native {
        let (manifest, schema, config) = policy_files(name);
        let value: serde_json::Value = serde_json::from_str(config).expect("the configuration");
        let schema: serde_json::Value = serde_json::from_str(schema).expect("the schema");
        let validator = jsonschema::validator_for(&schema).expect("the schema");
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        Native { name, config: config.to_owned(), sets: Rc::new(sets(manifest, &value)) }
    }

    /// The policy's verdict on a case.
    pub fn review(&self, case: &Case) -> Verdict {
        let _host = self.install();
        let (draft, context) = call(case);
        match self.name {
            "guidelines" => guidelines::Guidelines::review(&draft, &context),
            _ => confidential::Confidential::review(&draft, &context),
        }
    }

    fn install(&self) -> Installed {
        let folds = Rc::new(RefCell::new(FoldCache::new()));
        let mut host = Host::new().config(&self.config).scripts(patterns::scripts);
        for set in ["forbidden", "required", "domains", "code-names", "detectors", "documents"] {
            let (sets, folds) = (Rc::clone(&self.sets), Rc::clone(&folds));
            if sets.scan(set, "", &mut FoldCache::new()).is_ok() {
                host = host.matches(set, move |text| scan(&sets, set, text, &mut folds.borrow_mut()));
            }
        }
        host.install()
    }
}

fn scan(sets: &PatternSets, set: &str, text: &str, folds: &mut FoldCache) -> Vec<Hit> {
    let hits = sets.scan(set, text, folds).expect("a declared set");
    let hit = |h: patterns::Hit| Hit {
        pattern: h.pattern,
        start: h.start,
        end: h.end,
        score: h.score,
        disguised: h.disguised,
    };
    hits.into_iter().map(hit).collect()
}

/// `deny`, `hold` or `allow`.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::Hold => "hold",
        Outcome::Deny => "deny",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// False alarms that are forgiven over all ordinary texts.
    const FALSE_ALARMS_MAX: usize = 2;

    #[test]
    fn no_violation_is_missed() {
        let cases = violations();
        let disguised = cases.iter().filter(|c| c.kind.as_deref() != Some("plain")).count();
        assert!(cases.len() >= 200 && disguised * 2 >= cases.len(), "{} cases, {disguised} disguised", cases.len());
        let policies = [Native::new("guidelines"), Native::new("confidential")];
        let mut missed = Vec::new();
        for case in &cases {
            let Some(policy) = policies.iter().find(|p| Some(p.name) == case.policy.as_deref()) else {
                panic!("{case:?}")
            };
            let verdict = policy.review(case);
            let codes: Vec<&str> = verdict.findings.iter().map(|f| f.code.as_str()).collect();
            if Some(word(verdict.outcome)) != case.expect.as_deref()
                || !codes.contains(&case.code.as_deref().unwrap_or_default())
            {
                missed.push(format!(
                    "{} {codes:?} instead of {:?} {:?}: {}",
                    word(verdict.outcome),
                    case.expect,
                    case.kind,
                    case.text
                ));
            }
        }
        assert!(missed.is_empty(), "{} of {} missed:\n{}", missed.len(), cases.len(), missed.join("\n"));
    }

    #[test]
    fn ordinary_texts_pass() {
        let cases = ordinary();
        assert!(cases.len() >= 2_000, "{} texts", cases.len());
        for language in ["cs", "pl", "ru", "he", "en"] {
            assert!(cases.iter().filter(|c| c.language == language).count() >= 300, "{language}");
        }
        let distinct: std::collections::HashSet<&str> = cases.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(distinct.len(), cases.len(), "every text once");
        let policies = [Native::new("guidelines"), Native::new("confidential")];
        let mut alarms = Vec::new();
        for case in &cases {
            for policy in &policies {
                let verdict = policy.review(case);
                let codes: Vec<&str> = verdict.findings.iter().map(|f| f.code.as_str()).collect();
                if verdict.outcome != Outcome::Allow {
                    alarms.push(format!("{} {codes:?}: {}", policy.name, case.text));
                }
            }
        }
        assert!(
            alarms.len() <= FALSE_ALARMS_MAX,
            "{} of {} stopped:\n{}",
            alarms.len(),
            cases.len(),
            alarms.join("\n")
        );
    }

    #[test]
    fn findings_of_confidential_repeat_nothing_of_the_text() {
        let policy = Native::new("confidential");
        for case in violations().iter().filter(|c| c.policy.as_deref() == Some("confidential")) {
            for finding in policy.review(case).findings {
                let (start, end) = finding.range.expect("a place");
                let found = &case.text[start as usize..end as usize];
                assert!(
                    !finding.message.contains(found) && finding.extra.iter().all(|(_, v)| !v.contains(found)),
                    "{finding:?}"
                );
            }
        }
    }
}
