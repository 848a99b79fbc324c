//! The policy `guidelines`: forbidden and required phrases, sign-offs and disclaimers, link domains, languages.
//!
//! The matching is the gateway's (`plugin.toml` declares the sets). The configuration is read piecemeal: the rules of the call's brands
//! on each call, texts of messages only where something was found.

mod language;
mod rules;

use pressgate_sdk::patterns::{self, Hit};
use pressgate_sdk::{BesideTexts, Context, Draft, Finding, Outcome, Policy, Verdict, config, json};

use rules::{BrandRules, append_number, applies_to, sentence, text_at};

/// Findings that a verdict lists at most; more say nothing new.
const FINDINGS_MAX: usize = 32;
/// The pattern of a host that the list of domains does not have.
const NOT_LISTED: u32 = u32::MAX;

/// The policy.
pub struct Guidelines;

impl Policy for Guidelines {
    fn review(draft: &Draft, context: &Context) -> Verdict {
        let levels = rules::read(&context.brands);
        let rules = BrandRules::of(&levels);
        let mut review = Review { context, rules: &rules, outcome: Outcome::Allow, findings: Vec::new() };
        for (part, entry) in draft.parts.iter().enumerate() {
            review.text(&entry.text, Looked::Entry(part));
        }
        let beside = BesideTexts::of(draft);
        if !beside.text().is_empty() {
            review.text(beside.text(), Looked::Beside(&beside));
        }
        review.required(draft);
        language::check(&mut review, draft);
        Verdict { outcome: review.outcome, findings: review.findings, extra: Vec::new() }
    }
}

pressgate_sdk::export_policy!(Guidelines);

/// A review in progress.
struct Review<'a> {
    context: &'a Context,
    rules: &'a BrandRules<'a>,
    outcome: Outcome,
    findings: Vec<Finding>,
}

/// What is looked at: the text of an entry, or all that stands beside the entries' texts.
#[derive(Clone, Copy)]
enum Looked<'a> {
    Entry(usize),
    Beside(&'a BesideTexts),
}

impl Review<'_> {
    /// Adds a finding and its consequence; `outcome` is JSON (`"hold"`) or absent, which denies.
    fn add(&mut self, outcome: Option<&str>, code: &str, message: &str, place: Option<(Looked<'_>, &Hit)>) {
        let held = outcome == Some("\"hold\"");
        if !held {
            self.outcome = Outcome::Deny;
        } else if self.outcome == Outcome::Allow {
            self.outcome = Outcome::Hold;
        }
        if self.findings.len() >= FINDINGS_MAX {
            return;
        }
        let mut finding = if held { Finding::warning(code, message) } else { Finding::error(code, message) };
        if let Some((looked, hit)) = place {
            finding = match looked {
                Looked::Entry(part) => finding.in_part(part).at(hit.start as usize..hit.end as usize),
                Looked::Beside(beside) => beside.place(finding, hit.start),
            };
            if hit.disguised {
                finding.extra.push(("disguised".into(), "true".into()));
            }
        }
        self.findings.push(finding);
    }

    /// Hits of a set. A set that does not exist means that manifest and code do not belong together: fail closed.
    fn scan(&mut self, set: &str, text: &str) -> Vec<Hit> {
        match patterns::scan(set, text) {
            Ok(hits) => hits,
            Err(_) => {
                self.add(None, "policy-broken", "The policy's pattern sets are missing. Tell the operators.", None);
                Vec::new()
            }
        }
    }

    /// Forbidden phrases and links of one text.
    fn text(&mut self, text: &str, looked: Looked<'_>) {
        for hit in self.scan("forbidden", text) {
            let mut pointer = String::from("/forbidden/");
            append_number(&mut pointer, hit.pattern);
            let rule = config::get(&pointer).unwrap_or_default();
            if applies_to(json::field(&rule, "brands"), &self.context.brands) {
                let message = sentence(&rule, "Our guidelines forbid this phrase. Put it another way.");
                self.add(json::field(&rule, "outcome"), "forbidden-phrase", &message, Some((looked, &hit)));
            }
        }
        let may_link = || text.bytes().any(|b| matches!(b, b'.' | b'/' | b'\\' | 0xE2 | 0xE3 | 0xEF));
        if let Some(links) = self.rules.links
            && let Some(mode) = json::field(links, "mode").filter(|mode| *mode != "\"any\"")
            && may_link()
        {
            self.links(text, looked, links, mode == "\"allowed\"");
        }
    }

    fn links(&mut self, text: &str, looked: Looked<'_>, rule: &str, allow_list: bool) {
        for hit in self.scan("domains", text) {
            if self.is_listed(hit.pattern) == allow_list {
                continue;
            }
            let (code, message) = if allow_list {
                (
                    "link-not-allowed",
                    "This brand links only to the domains of its list. Take the link out, or ask for the domain.",
                )
            } else {
                ("link-blocked", "This brand does not link to this domain. Take the link out.")
            };
            let message = sentence(rule, message);
            self.add(json::field(rule, "outcome"), code, &message, Some((looked, &hit)));
        }
    }

    fn is_listed(&self, pattern: u32) -> bool {
        if pattern == NOT_LISTED {
            return false;
        }
        let mut pointer = String::from("/domains/");
        append_number(&mut pointer, pattern);
        pointer.push_str("/brands");
        applies_to(config::get(&pointer).as_deref(), &self.context.brands)
    }

    /// Phrases that the brand's rules ask for.
    fn required(&mut self, draft: &Draft) {
        let rules = self.rules;
        let mut found: Option<Vec<Found>> = None;
        for rule in rules.required.iter().copied().flat_map(json::items) {
            let for_labels = json::field(rule, "labels");
            if for_labels.is_some_and(|labels| !has_label(labels, &draft.labels)) {
                continue;
            }
            let found = found.get_or_insert_with(|| self.required_hits(draft));
            let name = json::field(rule, "name").unwrap_or_default();
            let at_end = json::field(rule, "place") == Some("\"end\"");
            if found.iter().any(|f| f.name == name && (f.at_end || !at_end)) {
                continue;
            }
            let message = required_message(name, at_end);
            self.add(json::field(rule, "outcome"), "required-phrase-missing", &message, None);
        }
    }

    fn required_hits(&mut self, draft: &Draft) -> Vec<Found> {
        let mut found = Vec::new();
        let last = draft.parts.len().saturating_sub(1);
        for (part, entry) in draft.parts.iter().enumerate() {
            let end = entry.text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '!')).len();
            for hit in self.scan("required", &entry.text) {
                let mut pointer = String::from("/required/");
                append_number(&mut pointer, hit.pattern);
                pointer.push_str("/name");
                let name = config::get(&pointer).unwrap_or_default();
                found.push(Found { name, at_end: part == last && hit.end as usize >= end });
            }
        }
        found
    }
}

/// True where a rule's list of labels (JSON) has one of the draft's. Case does not count: `Sponsored` is `sponsored`.
fn has_label(list: &str, labels: &[String]) -> bool {
    if labels.is_empty() {
        return false;
    }
    let wanted: Vec<String> = json::items(list).filter_map(json::string).map(|label| label.to_lowercase()).collect();
    labels.iter().any(|label| wanted.contains(&label.to_lowercase()))
}

/// A required phrase that a text has: its name as JSON, and whether the last text ends with it.
struct Found {
    name: String,
    at_end: bool,
}

/// The message of the entry of `required` called `name` (JSON text). Runs only where the phrase is missing.
fn required_message(name: &str, at_end: bool) -> String {
    let list = config::get("/required").unwrap_or_default();
    let entry = json::items(&list).find(|entry| json::field(entry, "name") == Some(name));
    let mut message = match entry {
        Some(entry) => match json::field(entry, "message").and_then(json::string) {
            Some(own) => return own.into_owned(),
            None => String::from("This post needs a phrase that the brand asks for"),
        },
        None => String::from(
            "The brand asks for a phrase that the policy's configuration does not have: tell the operators",
        ),
    };
    if at_end {
        message.push_str(", at its end");
    }
    if let Some(phrase) = entry.and_then(|e| text_at(e, "phrase")) {
        message.push_str(": ");
        message.push_str(&phrase);
    }
    message.push('.');
    message
}

#[cfg(test)]
mod tests;
