//! Tests of the guidelines' files: good ones, every planted fault with its line, and arbitrary bytes.

use proptest::prelude::*;

use super::super::tests::{good, now, plugins};
use super::*;
use crate::config::{Governance, GuidelineState};

const TEXT: &str = "+++\ntitle = \"How we speak\"\nbrand = \"acme\"\nlanguage = \"en\"\nversion = \"2027-1\"\npublic = true\neffective = 2027-01-01\n+++\n\n# Tone\n\nWe are *kind*.\n";

fn with(files: &[(&str, &str)]) -> Result<Governance, Vec<String>> {
    let mut all = good();
    for (name, text) in files {
        all.insert((*name).to_owned(), (*text).to_owned());
    }
    Governance::check(&all, &plugins(), now()).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn versions_and_languages_are_put_together() {
    let czech = TEXT.replace("\"en\"", "\"cs\"").replace("How we speak", "Jak mluvíme").replace("kind", "milí");
    let later = TEXT.replace("2027-1", "2028-1").replace("2027-01-01", "\"2028-01-01T00:00:00+01:00\"");
    let windows = TEXT.replace("\"acme\"", "\"acme/snacks\"").replace("public = true\n", "").replace('\n', "\r\n");
    let governance = with(&[
        ("guidelines/b.md", TEXT),
        ("guidelines/a/cs.md", &czech),
        ("guidelines/later.md", &later),
        ("guidelines/snacks.md", &windows),
    ])
    .unwrap();
    let (acme, snacks) = (BrandPath::new("acme"), BrandPath::new("acme/snacks"));
    let guidelines = &governance.guidelines;
    let first = guidelines.version(&acme, "2027-1").unwrap();
    assert_eq!(first.texts.iter().map(|text| text.language.as_str()).collect::<Vec<_>>(), ["cs", "en"]);
    assert!(first.public && !guidelines.version(&snacks, "2027-1").unwrap().public, "nothing is public without a word");
    let text = first.text("EN").unwrap();
    assert_eq!((&*text.markdown, text.title.as_str()), ("\n# Tone\n\nWe are *kind*.\n", "How we speak"));
    assert!(text.html.contains("<em>kind</em>"));
    assert_eq!(text.digest, hex(digest(&SHA256, text.markdown.as_bytes()).as_ref()));
    assert_eq!(first.text_of(&text.digest), Some(text));
    let in_effect = |now| guidelines.in_effect(&acme, at(now)).map(|version| version.version.as_str());
    assert_eq!(in_effect("2026-12-31T23:59:59Z"), None);
    assert_eq!(in_effect("2027-01-01T00:00:00Z"), Some("2027-1"));
    assert_eq!(in_effect("2027-12-31T22:59:59Z"), Some("2027-1"));
    assert_eq!(in_effect("2027-12-31T23:00:00Z"), Some("2028-1"));
    let state = |now| guidelines.state(first, at(now));
    assert_eq!(state("2026-01-01T00:00:00Z"), GuidelineState::Upcoming);
    assert_eq!(state("2027-06-01T00:00:00Z"), GuidelineState::InEffect);
    assert_eq!(state("2028-06-01T00:00:00Z"), GuidelineState::Superseded);
}

#[test]
fn each_fault_is_told_with_its_line() {
    for (from, to, place, part) in [
        ("+++\ntitle", "title", 1, "begins with a line"),
        ("effective = 2027-01-01\n+++\n", "effective = 2027-01-01\n", 1, "does not end"),
        ("title = \"How we speak\"\n", "", 1, "`title` is missing"),
        ("version = \"2027-1\"\n", "", 1, "`version` is missing"),
        ("effective = 2027-01-01\n", "", 1, "`effective` is missing"),
        ("brand = \"acme\"", "brand = \"acne\"", 3, "there is no brand `acne` in brands.toml; did you mean `acme`"),
        ("\"en\"", "\"english\"", 4, "not a language tag"),
        ("\"en\"", "\"e n\"", 4, "not a language tag"),
        ("\"2027-1\"", "\"2027/1\"", 5, "`version` must be"),
        ("\"2027-1\"", "3", 5, "`version` must be a string"),
        ("public = true", "public = \"yes\"", 6, "`public` must be true or false"),
        ("public = true", "publik = true", 6, "did you mean `public`"),
        ("2027-01-01", "2027-13-01", 7, "invalid TOML"),
        ("2027-01-01", "\"2027-13-01\"", 7, "RFC 3339"),
        ("2027-01-01", "2027-01-01T00:00:00", 7, "RFC 3339"),
        ("\n# Tone\n\nWe are *kind*.\n", " \n", 9, "no text below"),
        ("*kind*", "<b>kind</b>", 12, "HTML is not shown"),
        ("*kind*", "[kind](javascript:x)", 12, "the link leads to"),
    ] {
        assert!(TEXT.contains(from), "{from}");
        let faults = with(&[("guidelines/acme.md", &TEXT.replacen(from, to, 1))]).unwrap_err();
        let start = format!("guidelines/acme.md:{place}: ");
        assert!(
            faults.iter().any(|fault| fault.starts_with(&start) && fault.contains(part)),
            "{from} → {to}: {faults:#?}"
        );
    }
    let large = format!("{TEXT}{}", "a ".repeat(TEXT_BYTES_MAX / 2));
    assert!(with(&[("guidelines/acme.md", &large)]).unwrap_err()[0].contains("more than"));
}

#[test]
fn files_that_contradict_each_other_are_faults() {
    for (other, line, part) in [
        (TEXT.to_owned(), 4, "in this language"),
        (TEXT.replace("\"en\"", "\"EN\""), 4, "in this language"),
        (TEXT.replace("\"en\"", "\"cs\"").replace("public = true", "public = false"), 6, "has another"),
        (TEXT.replace("\"en\"", "\"cs\"").replace("2027-01-01", "2027-02-01"), 7, "has another"),
        (TEXT.replace("2027-1\"", "2027-2\""), 7, "at the same time"),
    ] {
        let faults = with(&[("guidelines/a.md", TEXT), ("guidelines/b.md", &other)]).unwrap_err();
        let start = format!("guidelines/b.md:{line}: ");
        assert!(faults.len() == 1 && faults[0].starts_with(&start) && faults[0].contains(part), "{part}: {faults:#?}");
    }
}

#[test]
fn rules_name_brands_that_have_guidelines() {
    let people = |brand: &str| format!("{}[role.author]\nguidelines = [{brand:?}]\n", good()["people.toml"]);
    let grants = |brand: &str, who: &str| {
        format!(
            "[[grant]]\nid = \"g9\"\n{who}\nbrand = \"acme\"\nactions = [\"post.create\"]\nguidelines = [{brand:?}]\nowner = \"ops-1\"\nexpires = 2099-01-01T00:00:00Z\n"
        )
    };
    let file = ("guidelines/a.md", TEXT);
    let governance =
        with(&[file, ("people.toml", &people("acme")), ("grants.toml", &grants("acme", "person = \"ops-1\""))])
            .unwrap();
    let acme = BrandPath::new("acme");
    assert!(governance.grants[0].guidelines.contains(&acme));
    assert!(governance.guidelines_asked_of(&crate::model::PersonId::new("ops-1"), now()).contains(&acme));
    for (bad, part) in [
        (("people.toml", people("acme/snacks")), "has none of its own"),
        (("people.toml", people("nobody")), "there is no brand"),
        (("grants.toml", grants("acme/snacks", "person = \"ops-1\"")), "has none of its own"),
        (("grants.toml", grants("acme", "app = \"newsroom\"")), "needs `act_for`"),
    ] {
        let faults = with(&[file, (bad.0, &bad.1)]).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains(part), "{part}: {faults:#?}");
    }
    // A file that can't be read is one fault, not two.
    let faults = with(&[("guidelines/a.md", "no"), ("people.toml", &people("acme"))]).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_is_read_or_refused(text in prop::collection::vec(prop_oneof![
        any::<String>(),
        prop::sample::select(vec!["+++\n", "+++", "\n", "\r\n", "title = \"a\"\n", "brand = \"acme\"\n", "language = \"en\"\n", "version = \"1\"\n",
            "effective = 2027-01-01\n", "public = true\n", "\u{feff}", "a\n", "\"\"\"", "<b>", "[a](b)"]).prop_map(str::to_owned),
    ], 0..16)) {
        let text = text.concat();
        let lines = text.split('\n').count();
        match with(&[("guidelines/a.md", &text)]) {
            Ok(governance) => {
                let all: Vec<_> = governance.guidelines.all().collect();
                prop_assert_eq!(all.len(), 1);
                prop_assert!(text.ends_with(&*all[0].texts[0].markdown));
            }
            Err(faults) => for fault in faults {
                let line: usize = fault.strip_prefix("guidelines/a.md:").and_then(|rest| rest.split(':').next()).unwrap().trim().parse().unwrap_or(0);
                prop_assert!(line <= lines, "{}", fault);
            },
        }
    }

    #[test]
    fn a_front_matter_and_its_text_make_the_file(front in "[a-z =\n]{0,40}", body in any::<String>()) {
        let file = format!("+++\n{front}\n+++\n{body}");
        let (read, at) = split(&file).unwrap();
        prop_assert_eq!(read, format!("\n{front}\n"));
        prop_assert_eq!(&file[at..], body);
    }
}
