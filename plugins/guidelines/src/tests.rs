//! Tests against the scripted host; the real pattern engine runs in the package `tests`.

use pressgate_sdk::testing::{self, Host, picture};

use super::*;

const CONFIG: &str = r#"{
  "forbidden": [
    {"phrase": "risk-free", "message": "Nothing is free of risk."},
    {"phrase": "cheap", "outcome": "hold", "brands": ["acme/snacks"]}
  ],
  "required": [{"name": "ad", "phrase": "Advertisement", "message": "Mark advertising."}, {"name": "sign", "phrase": "Your Acme"}],
  "domains": [{"domain": "acme.example"}, {"domain": "snacks.example", "brands": ["acme/snacks"]}],
  "brands": {
    "*": {"links": {"mode": "any"}},
    "acme": {"required": [{"name": "ad", "labels": ["ad", "paid"]}], "links": {"mode": "allowed"}},
    "acme/snacks": {"required": [{"name": "sign", "place": "end", "outcome": "hold"}], "language": {"declared": true, "outcome": "hold"}}
  }
}"#;

fn host() -> pressgate_sdk::testing::Installed {
    let domains = |text: &str| {
        let mut hits = Vec::new();
        for word in text.split(' ').filter(|w| w.contains(".example")) {
            let pattern = if word.contains("acme") {
                0
            } else if word.contains("snacks") {
                1
            } else {
                u32::MAX as usize
            };
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            hits.push(pressgate_sdk::patterns::Hit { pattern: pattern as u32, ..testing::hit(0, start, word) });
        }
        hits
    };
    Host::new()
        .config(CONFIG)
        .phrases("forbidden", &["risk-free", "cheap"])
        .phrases("required", &["Advertisement", "Your Acme"])
        .matches("domains", domains)
        .scripts(|text| {
            let cyrillic = text.chars().filter(|c| ('а'..='я').contains(c)).count() as u32;
            let latin = text.chars().filter(char::is_ascii_alphabetic).count() as u32;
            vec![("Latn".into(), latin), ("Cyrl".into(), cyrillic)]
        })
        .install()
}

fn review(brands: &[&str], change: impl FnOnce(&mut Draft)) -> (Outcome, Vec<String>) {
    let mut context = testing::context();
    context.brands = brands.iter().map(|b| (*b).to_owned()).collect();
    context.languages = vec!["cs".into(), "pt-BR".into(), "ru".into()];
    let mut draft = testing::draft("An ordinary text.");
    change(&mut draft);
    let verdict = Guidelines::review(&draft, &context);
    assert_eq!(verdict.outcome == Outcome::Allow, verdict.findings.is_empty());
    (verdict.outcome, verdict.findings.into_iter().map(|f| f.code).collect())
}

fn say(brands: &[&str], text: &str) -> (Outcome, Vec<String>) {
    review(brands, |d| d.parts = vec![testing::part(text)])
}

#[test]
fn forbidden_phrases_by_brand() {
    let _host = host();
    assert_eq!(say(&["acme"], "A risk-free and cheap offer"), (Outcome::Deny, vec!["forbidden-phrase".into()]));
    assert_eq!(say(&["acme"], "A cheap offer").0, Outcome::Allow);
    let (outcome, codes) = review(&["acme/snacks", "acme"], |d| {
        d.parts = vec![testing::part("A cheap offer. Your Acme")];
        d.language = Some("cs".into());
    });
    assert_eq!((outcome, codes), (Outcome::Hold, vec!["forbidden-phrase".to_owned()]));
}

#[test]
fn alternative_texts_options_and_threads_are_read() {
    let _host = host();
    let (_, codes) = review(&["acme"], |d| d.parts[0].media.push(picture("m", Some("risk-free"))));
    assert_eq!(codes, ["forbidden-phrase"]);
    let (_, codes) = review(&["acme"], |d| d.options = r#"{"a":{"content_warning":"risk\u002dfree"}}"#.into());
    assert_eq!(codes, ["forbidden-phrase"]);
    let (_, codes) = review(&["acme"], |d| d.parts.push(testing::part("risk-free")));
    assert_eq!(codes, ["forbidden-phrase"]);
}

#[test]
fn required_phrases_by_label_and_place() {
    let _host = host();
    let (_, codes) = review(&["acme"], |d| d.labels = vec!["paid".into()]);
    assert_eq!(codes, ["required-phrase-missing"]);
    for label in ["Paid", "PAID"] {
        let (_, codes) = review(&["acme"], |d| d.labels = vec![label.into()]);
        assert_eq!(codes, ["required-phrase-missing"], "{label}");
    }
    let (outcome, _) = review(&["acme"], |d| {
        d.labels = vec!["Ad".into()];
        d.parts.push(testing::part("Advertisement"));
    });
    assert_eq!(outcome, Outcome::Allow);
    let signed = |text: &str| {
        review(&["acme/snacks", "acme"], |d| {
            d.parts = vec![testing::part(text)];
            d.language = Some("cs-CZ".into());
        })
    };
    assert_eq!(signed("News from the bakery. Your Acme!").0, Outcome::Allow);
    assert_eq!(signed("Your Acme has news from the bakery."), (Outcome::Hold, vec!["required-phrase-missing".into()]));
}

#[test]
fn links_follow_the_nearest_rule() {
    let _host = host();
    assert_eq!(say(&["acme"], "see www.acme.example now").0, Outcome::Allow);
    assert_eq!(say(&["acme"], "see evil.example now"), (Outcome::Deny, vec!["link-not-allowed".into()]));
    assert_eq!(say(&["acme"], "see snacks.example now").1, ["link-not-allowed"]);
    assert_eq!(say(&["other"], "see evil.example now").0, Outcome::Allow);
}

#[test]
fn languages_of_the_brand_and_their_scripts() {
    let _host = host();
    let speak = |language: &str, text: &str| {
        review(&["acme"], |d| {
            d.language = Some(language.into());
            d.parts = vec![testing::part(text)];
        })
        .1
    };
    assert!(speak("cs", "Obyčejná věta, kterou napsal člověk").is_empty());
    assert!(speak("pt", "uma frase normal para todos").is_empty() && speak("PT-br", "uma frase normal").is_empty());
    assert_eq!(speak("pt-PT", "uma frase normal"), ["language-not-of-brand"]);
    assert_eq!(speak("ru", "this is not russian at all"), ["script-mismatch"]);
    assert_eq!(speak("cs", "это не по чешски совсем"), ["script-mismatch"]);
    assert!(speak("ru", "смотрите https://www.acme.example/a/very/long/address/of/a/page @acmeofficial").is_empty());
    // Also where something stands directly before the mention or the tag: a direction mark, a bracket, a preposition.
    assert!(speak("ru", "ура, \u{200f}@the_first_name, (@and.the.second) и по-#TheLongestTag!").is_empty());
    assert_eq!(speak("ru", "ура, this is not russian at all @name"), ["script-mismatch"]);
    assert!(speak("ru-Latn", "eto napisano latinicej").is_empty());
    let (outcome, codes) = say(&["acme/snacks", "acme"], "Some text. Your Acme");
    assert_eq!((outcome, codes), (Outcome::Hold, vec!["language-missing".to_owned()]));
}
