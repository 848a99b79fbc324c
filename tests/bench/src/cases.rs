//! What the benchmarks work on: posts as people write them, and policies as companies configure them (design §11).

use pressgate::host::patterns;
use serde_json::{Value, json};

/// Confidential documents with fingerprints.
const DOCUMENTS: usize = 10_000;
/// Sentences of one document.
const SENTENCES: usize = 6;

/// Posts of about 500 characters in Czech with some English, each with a link, each fine by the rules of `acme/snacks`.
pub fn posts() -> Vec<String> {
    serde_json::from_str(include_str!("../cases/posts.json")).expect("a list of texts")
}

/// 200 phrases, 50 domains, rules of 4 brands.
pub fn guidelines() -> Value {
    serde_json::from_str(include_str!("../cases/guidelines.json")).expect("JSON")
}

/// 20 code names, every detector, and the fingerprints of 10,000 documents.
pub fn confidential() -> Value {
    confidential_of(DOCUMENTS)
}

/// The same with the fingerprints of so many documents.
pub fn confidential_of(documents: usize) -> Value {
    let mut config: Value = serde_json::from_str(include_str!("../cases/confidential.json")).expect("JSON");
    let documents: Vec<Value> = (0..documents)
        .map(|number| {
            let shingles = patterns::fingerprint(&document(number));
            let shingles: Vec<String> = shingles.iter().map(|hash| format!("{hash:x}")).collect();
            json!({ "name": format!("document {number}"), "shingles": shingles })
        })
        .collect();
    config["documents"] = documents.into();
    config
}

/// A confidential document: minutes of a meeting, different for each number.
fn document(number: usize) -> String {
    const WHO: [&str; 8] = [
        "Výrobní ředitelka",
        "Finanční oddělení",
        "The board",
        "Vedoucí nákupu",
        "Our counsel",
        "Odbory",
        "The auditor",
        "Závod v Plzni",
    ];
    const DOES: [&str; 8] = [
        "navrhuje odložit",
        "approved the plan for",
        "požaduje přepočítat",
        "warned about",
        "schválilo rozpočet na",
        "zamítá smlouvu na",
        "expects a loss from",
        "připravuje na podzim",
    ];
    const WHAT: [&str; 8] = [
        "novou balicí linku číslo",
        "the transfer of warehouse",
        "převzetí dodavatele číslo",
        "the second recipe trial",
        "uzavření směny",
        "the bond issue",
        "reklamaci šarže",
        "prodej pozemku",
    ];
    const WHEN: [&str; 8] = [
        "do konce čtvrtletí bez oznámení",
        "before the next earnings call",
        "a nikdo mimo vedení to neví",
        "until the regulator has answered",
        "za cenu pod tržním odhadem",
        "with immediate effect for all sites",
        "po dohodě s bankou a pojišťovnou",
        "unless the price falls again",
    ];
    let mut seed = number as u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let sentence = |_| {
        let part = |list: &[&'static str; 8], at: usize| list[at % list.len()];
        format!(
            "{} v-{number}-{} {} z-{number}-{} {} {} {} m-{number}-{}. ",
            part(&WHO, next()),
            next() % 100,
            part(&DOES, next()),
            next() % 100,
            part(&WHAT, next()),
            next() % 10_000,
            part(&WHEN, next()),
            next() % 100
        )
    };
    (0..SENTENCES).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_are_as_large_as_the_bars_say() {
        let posts = posts();
        assert!(posts.len() >= 5);
        for post in &posts {
            assert!((480..=500).contains(&post.chars().count()), "{post}");
            assert!(post.contains("https://") || post.contains("www."), "{post}");
        }
        let config = guidelines();
        let size = |name: &str| config[name].as_array().map_or(0, Vec::len);
        assert_eq!((size("forbidden"), size("domains")), (200, 50));
        assert_eq!(config["brands"].as_object().map(serde_json::Map::len), Some(4));
        let mut phrases: Vec<&str> =
            config["forbidden"].as_array().into_iter().flatten().filter_map(|rule| rule["phrase"].as_str()).collect();
        phrases.sort_unstable();
        phrases.dedup();
        assert_eq!(phrases.len(), 200, "each once");
    }

    #[test]
    fn documents_differ() {
        let config = confidential();
        let documents = config["documents"].as_array().expect("a list");
        assert_eq!(documents.len(), DOCUMENTS);
        let mut shingles: Vec<&str> = documents
            .iter()
            .flat_map(|document| document["shingles"].as_array().expect("hashes"))
            .filter_map(Value::as_str)
            .collect();
        let all = shingles.len();
        shingles.sort_unstable();
        shingles.dedup();
        assert!(shingles.len() * 10 > all * 8, "{} of {all} differ", shingles.len());
    }
}
