//! The policy `confidential`: code names, keys and tokens, card and account numbers, e-mail addresses, pieces of documents.
//!
//! Findings name the rule and the place, never what was found. The matching is the gateway's (`plugin.toml` declares the sets); the
//! configuration is read only where something was found.

use pressgate_sdk::patterns::Hit;
use pressgate_sdk::{BesideTexts, Context, Draft, Finding, Outcome, Policy, Verdict, config, json, patterns};

/// Findings that a verdict lists at most; more say nothing new.
const FINDINGS_MAX: usize = 32;

/// The policy.
pub struct Confidential;

/// A pattern set with its rule.
struct Rule {
    set: &'static str,
    /// JSON pointer to the list that the set was built from.
    list: &'static str,
    code: &'static str,
    message: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        set: "code-names",
        list: "/code_names/",
        code: "code-name",
        message: "This names something that is not public yet. Take the name out.",
    },
    Rule { set: "detectors", list: "/detectors/", code: "", message: "" },
    Rule {
        set: "documents",
        list: "/documents/",
        code: "confidential-document",
        message: "This repeats a confidential document. Say it in your own words, or ask its owner to release it.",
    },
];

impl Policy for Confidential {
    fn review(draft: &Draft, _context: &Context) -> Verdict {
        let mut verdict = Verdict::allow(Vec::new());
        for (part, entry) in draft.parts.iter().enumerate() {
            look(&entry.text, &Looked::Entry(part), &mut verdict);
        }
        let beside = BesideTexts::of(draft);
        if !beside.text().is_empty() {
            look(beside.text(), &Looked::Beside(&beside), &mut verdict);
        }
        verdict
    }
}

pressgate_sdk::export_policy!(Confidential);

/// What is looked at: the text of an entry, or all that stands beside the entries' texts.
enum Looked<'a> {
    Entry(usize),
    Beside(&'a BesideTexts),
}

fn look(text: &str, looked: &Looked<'_>, verdict: &mut Verdict) {
    for rule in &RULES {
        // An unknown set means that the manifest and this code do not belong together: fail closed.
        let Ok(hits) = patterns::scan(rule.set, text) else {
            verdict.outcome = Outcome::Deny;
            verdict
                .findings
                .push(Finding::error("policy-broken", "The policy's pattern sets are missing. Tell the operators."));
            continue;
        };
        for hit in hits {
            judge(rule, &hit, looked, verdict);
        }
    }
}

fn judge(rule: &Rule, hit: &Hit, looked: &Looked<'_>, verdict: &mut Verdict) {
    let mut pointer = String::from(rule.list);
    push_number(&mut pointer, hit.pattern);
    let held = is_held(&pointer);
    if !held {
        verdict.outcome = Outcome::Deny;
    } else if verdict.outcome == Outcome::Allow {
        verdict.outcome = Outcome::Hold;
    }
    if verdict.findings.len() >= FINDINGS_MAX {
        return;
    }
    let (code, message) = if rule.code.is_empty() { detector_words(&pointer) } else { (rule.code, rule.message) };
    let finding = if held { Finding::warning(code, message) } else { Finding::error(code, message) };
    let mut finding = match looked {
        Looked::Entry(part) => finding.in_part(*part).at(hit.start as usize..hit.end as usize),
        Looked::Beside(beside) => beside.place(finding, hit.start),
    };
    if hit.disguised {
        finding.extra.push(("disguised".into(), "true".into()));
    }
    verdict.findings.push(finding);
}

fn is_held(pointer: &str) -> bool {
    let mut outcome = String::from(pointer);
    outcome.push_str("/outcome");
    config::get(&outcome).as_deref() == Some("\"hold\"")
}

/// Code and message for what a detector found.
fn detector_words(pointer: &str) -> (&'static str, &'static str) {
    // The entry is the kind itself, or an object that has it.
    let entry = config::get(pointer).unwrap_or_default();
    let kind = json::field(&entry, "kind").unwrap_or(&entry);
    match kind.trim_matches('"') {
        "card" => ("card-number", "This is a payment card number. Take it out."),
        "iban" => ("iban", "This is a bank account number. Take it out, or ask for it to be allowed."),
        "email" => ("email-address", "This is somebody's e-mail address. Use one that is meant for the public."),
        "private-key" => ("private-key", "This is a private key. Take it out and replace the key: it was seen."),
        "secret-assignment" => {
            ("secret-value", "This looks like a password or another secret. Take it out and change it.")
        }
        _ => ("access-key", "This is an access key or token. Take it out and revoke it: it was seen."),
    }
}

fn push_number(text: &mut String, number: u32) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pressgate_sdk::testing::{self, Host, hit, picture};

    fn host() -> Host {
        Host::new()
            .config(r#"{"code_names":[{"name":"a"},{"name":"Borealis","outcome":"hold"}],"detectors":[{"kind":"card"},"jwt"]}"#)
            .phrases("code-names", &["Aurora", "Borealis"])
            .phrases("detectors", &["4111", "eyJ"])
            .matches("documents", |_| Vec::new())
    }

    fn codes(verdict: &Verdict) -> Vec<&str> {
        verdict.findings.iter().map(|f| f.code.as_str()).collect()
    }

    #[test]
    fn outcomes_follow_the_rule_and_no_finding_repeats_the_secret() {
        let _host = host().install();
        let review = |text: &str| Confidential::review(&testing::draft(text), &testing::context());
        assert_eq!(review("plain").outcome, Outcome::Allow);
        assert_eq!(review("about Borealis").outcome, Outcome::Hold);
        let verdict = review("Borealis, Aurora 4111 eyJ");
        assert_eq!(
            (verdict.outcome, codes(&verdict)),
            (Outcome::Deny, vec!["code-name", "code-name", "card-number", "access-key"])
        );
        for secret in ["Borealis", "Aurora", "4111", "eyJ"] {
            assert!(verdict.findings.iter().all(|f| !f.message.contains(secret)));
        }
    }

    #[test]
    fn alternative_texts_and_options_are_read() {
        let _host = host().install();
        let mut draft = testing::draft("plain");
        draft.parts[0].media.push(picture("m1", Some("slide about Aurora")));
        let verdict = Confidential::review(&draft, &testing::context());
        let found = &verdict.findings[0];
        assert_eq!((verdict.outcome, found.part, found.range), (Outcome::Deny, Some(0), None));
        assert_eq!(found.place.as_deref(), Some("media/0/alt"));
        let mut draft = testing::draft("plain");
        draft.options = r#"{"content_warning":"Auro\u0072a","visibility":"public"}"#.into();
        assert_eq!(Confidential::review(&draft, &testing::context()).outcome, Outcome::Deny);
    }

    #[test]
    fn a_missing_set_denies() {
        let _host = Host::new().phrases("code-names", &[]).install();
        assert_eq!(Confidential::review(&testing::draft("x"), &testing::context()).outcome, Outcome::Deny);
    }

    #[test]
    fn a_document_names_no_document() {
        let _host = host()
            .config(r#"{"documents":[{"name":"Merger plan","shingles":["1"]}]}"#)
            .matches("documents", |t| vec![hit(0, 0, t)])
            .install();
        let verdict = Confidential::review(&testing::draft("long text"), &testing::context());
        assert_eq!(codes(&verdict), ["confidential-document"]);
        assert!(!verdict.findings[0].message.contains("Merger"));
    }
}
