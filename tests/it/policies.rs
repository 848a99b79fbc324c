//! The shipped policies as the gateway runs them: components in their sandbox, patterns from the host, configuration from
//! governance. Every case of `tests/cases/policies`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pressgate::host::{MediaFiles, Release, ReviewContext};
use pressgate::model::{Account, BrandPath, Finding, Outcome};
use tests::harness::{Gate, Running};
use tests::policy_cases::{Case, LANGUAGES, ordinary, policy_config, violations};
use tests::samples;

/// False alarms that are forgiven over all ordinary texts.
const FALSE_ALARMS_MAX: usize = 2;
const POLICIES: [&str; 2] = ["guidelines", "confidential"];

/// A gateway with both policies.
async fn gate() -> Running {
    let plan = Gate::new().govern(|governance| {
        for name in POLICIES {
            governance.policy(name, name, &policy_config(name));
        }
    });
    plan.start().await
}

fn policy(gate: &Running, name: &str) -> Arc<Release> {
    let snapshot = gate.gateway().registry.snapshot();
    let release = snapshot.policies.get(name).unwrap_or_else(|| panic!("`{name}` does not serve"));
    Arc::clone(release)
}

/// The verdict on a case, as the brand `acme/<language>`.
async fn review(policy: &Release, case: &Case) -> (Outcome, Vec<Finding>) {
    let mut draft = samples::draft(&[&case.text]);
    draft.language = Some(case.declared.clone().unwrap_or_else(|| case.language.clone()));
    draft.labels = case.labels.clone();
    draft.campaign = None;
    let brand = BrandPath::new(format!("acme/{}", case.language));
    let context = ReviewContext {
        account: Arc::new(Account { brand, ..Account::clone(&samples::account()) }),
        languages: LANGUAGES.map(str::to_owned).to_vec(),
        ..samples::context()
    };
    let verdict = policy.review(&draft, &context, &MediaFiles::none()).await;
    verdict.unwrap_or_else(|error| panic!("{error}: {}", case.text))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::Hold => "hold",
        Outcome::Deny => "deny",
    }
}

/// How many cases each language has.
fn by_language(cases: &[Case]) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for case in cases {
        *count.entry(case.language.as_str()).or_default() += 1;
    }
    count
}

#[tokio::test]
async fn no_violation_is_missed() {
    let cases = violations();
    let disguised = cases.iter().filter(|case| case.kind != "plain").count();
    assert!(cases.len() >= 200 && disguised * 2 >= cases.len(), "{} cases, {disguised} disguised", cases.len());
    let counts = by_language(&cases);
    assert!(counts.len() == LANGUAGES.len() && counts.values().all(|count| *count >= 30), "{counts:?}");
    let gate = gate().await;
    let mut missed = Vec::new();
    for case in &cases {
        let wanted = case.policy.as_deref().expect("a policy");
        let (outcome, findings) = review(&policy(&gate, wanted), case).await;
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        let (expected, code) = (case.expect.as_deref().expect("a verdict"), case.code.as_deref().expect("a code"));
        if word(outcome) != expected || !codes.contains(&code) {
            let said = format!("{} {codes:?} instead of {expected} {code}", word(outcome));
            missed.push(format!("{said}, {}: {}", case.kind, case.text));
        }
    }
    assert!(missed.is_empty(), "{} of {} missed:\n{}", missed.len(), cases.len(), missed.join("\n"));
}

#[tokio::test]
async fn ordinary_texts_pass() {
    let cases = ordinary();
    assert!(cases.len() >= 2_000, "{} texts", cases.len());
    let written: Vec<Case> = cases.iter().filter(|case| case.kind == "hand-written").cloned().collect();
    let counts = by_language(&written);
    assert!(counts.len() == LANGUAGES.len() && counts.values().all(|count| *count >= 200), "hand-written: {counts:?}");
    let distinct: HashSet<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    assert_eq!(distinct.len(), cases.len(), "every text once");
    let gate = gate().await;
    let mut alarms = Vec::new();
    for name in POLICIES {
        let policy = policy(&gate, name);
        for case in &cases {
            let (outcome, findings) = review(&policy, case).await;
            if outcome != Outcome::Allow {
                let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
                alarms.push(format!("{name}: {} {codes:?}: {}", word(outcome), case.text));
            }
        }
    }
    let told = format!("{} of {} stopped:\n{}", alarms.len(), cases.len(), alarms.join("\n"));
    println!("{told}");
    assert!(alarms.len() <= FALSE_ALARMS_MAX, "{told}");
}

#[tokio::test]
async fn findings_of_confidential_repeat_nothing_of_the_text() {
    let gate = gate().await;
    let policy = policy(&gate, "confidential");
    let mut looked_at = 0;
    for case in violations().iter().filter(|case| case.policy.as_deref() == Some("confidential")) {
        for finding in review(&policy, case).await.1 {
            let (start, end) = finding.range.expect("a place");
            let found = &case.text[start as usize..end as usize];
            assert!(!finding.message.contains(found), "{finding:?}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 50, "{looked_at} findings");
}
