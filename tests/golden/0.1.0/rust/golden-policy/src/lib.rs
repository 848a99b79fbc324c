//! Refuses texts in capital letters and the words that the configuration calls loud.

use pressgate_sdk::{Context, Draft, Finding, Outcome, Policy, Verdict, patterns};

/// The policy.
pub struct GoldenPolicy;

pressgate_sdk::export_policy!(GoldenPolicy);

impl Policy for GoldenPolicy {
    fn review(draft: &Draft, _context: &Context) -> Verdict {
        let mut findings = Vec::new();
        for (part, entry) in draft.parts.iter().enumerate() {
            let alternatives = entry.media.iter().filter_map(|medium| medium.alt.as_deref());
            for text in alternatives.chain([entry.text.as_str()]) {
                if text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase) {
                    findings.push(Finding::error("shouting", "Do not write in capital letters.").in_part(part));
                }
                // A panic is a failing policy, and what can't be judged does not go out.
                let hits = patterns::scan("loud", text).expect("plugin.toml declares the set `loud`");
                if !hits.is_empty() {
                    findings.push(Finding::error("loud-word", "Say it more quietly.").in_part(part));
                }
            }
        }
        let outcome = if findings.is_empty() { Outcome::Allow } else { Outcome::Deny };
        Verdict { outcome, findings, extra: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use pressgate_sdk::testing::{self, Host};

    use super::*;

    #[test]
    fn loud_texts_are_denied() {
        let _host = Host::new().phrases("loud", &["sensation"]).install();
        for (text, outcome) in [
            ("A quiet word.", Outcome::Allow),
            ("BUY NOW", Outcome::Deny),
            ("What a sensation!", Outcome::Deny),
        ] {
            assert_eq!(GoldenPolicy::review(&testing::draft(text), &testing::context()).outcome, outcome, "{text}");
        }
    }
}
