//! Property tests of the checks: arbitrary and damaged files, and every shape of a tree of brands.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    KNOWN,
    approvals::tests::{APPROVALS, house},
    calendars,
    tests::{now, plugins},
};
use crate::config::{Files, Governance};

/// A folder with every file.
fn full() -> Files {
    let mut files = house();
    files.insert("approvals.toml".to_owned(), APPROVALS.to_owned());
    files.extend(calendars::tests::house().into_iter().filter(|(name, _)| name.starts_with("calendars")));
    files
}

#[test]
fn the_full_folder_is_good() {
    let governance = Governance::check(&full(), &plugins(), now()).unwrap();
    assert_eq!((governance.workflow.rules.rules.len(), governance.calendars.blackouts.len()), (1, 2));
}

/// Headers of entries, whole and broken.
fn headers() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "[[brand]]",
        "[[account]]",
        "[[app]]",
        "[[person]]",
        "[[grant]]",
        "[[deny]]",
        "[[auditor]]",
        "[[policy]]",
        "[policy.config]",
        "[app.newsroom]",
        "[[rule]]",
        "[[rule.stages]]",
        "[[substitute]]",
        "[rotation.a]",
        "[external.a]",
        "[role.legal]",
        "[account.acme-m]",
        "[[blackout]]",
        "[[embargo]]",
        "[app]",
        "brand = 3",
        "app = [1, {}]",
        "[[brand",
        "[a",
        "\u{feff}",
        "# é",
        "\0",
    ])
}

/// Keys of entries, and what is none.
const KEYS: &[&str] = &[
    "id",
    "name",
    "parent",
    "languages",
    "network",
    "adapter",
    "endpoint",
    "private_endpoint",
    "brand",
    "brands",
    "app",
    "person",
    "account",
    "actions",
    "act_for",
    "owner",
    "expires",
    "everyone",
    "reason",
    "rights",
    "plugin",
    "config",
    "config_file",
    "calls_per_minute",
    "roles",
    "approves",
    "email",
    "notices",
    "stages",
    "escalate",
    "expires_after",
    "outside",
    "labels",
    "networks",
    "by",
    "from",
    "until",
    "people",
    "period",
    "anchor",
    "hours",
    "addresses",
    "n",
    "role",
    "zone",
    "slots",
    "file",
    "training",
    "a.b",
    "\"é\"",
    "=",
];

/// Values, whole and broken.
const VALUES: &[&str] = &[
    "\"acme\"",
    "\"a\"",
    "\"b\"",
    "\"acme/a\"",
    "[]",
    "[\"audit:read\"]",
    "[\"post.create\", 3]",
    "{}",
    "{ x = [inf, 1979-05-27] }",
    "true",
    "1",
    "-9223372036854775808",
    "99999999999999999999",
    "nan",
    "2030-01-01T00:00:00Z",
    "07:32:00",
    "\"\"\"x\ny\"\"\"",
    "\"unclosed",
    "[",
    "\"guidelines/a.toml\"",
    "\"calendars/a.ics\"",
    "[{ n = 1, role = \"approver\" }, 3, {}]",
    "[{ after = \"4h\", to = { people = [\"a\"] } }]",
    "{ zone = \"Europe/Prague\", days = [\"mon\"], from = \"08:00\", until = \"24:00\" }",
    "\"Europe/Prague\"",
    "\"99999999999d\"",
    "\"é\"",
    "[\"mon 09:00\", \"é\"]",
    "[\"a@b\"]",
    "2027-01-01T18:00:00",
    "\"guidelines\"",
    "\"plume\"",
    "\"http://[::1\"",
    "\"é\u{202e}\"",
    "",
];

/// Lines that look like ours, whole and broken, in any order.
fn tomlish() -> impl Strategy<Value = String> {
    let key = prop::sample::select(KEYS);
    let value = prop::sample::select(VALUES);
    let line = prop_oneof![
        3 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => headers().prop_map(str::to_owned),
        1 => ".{0,12}",
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn check_never_panics_and_its_lines_exist(
        mut files in prop::collection::btree_map(
            prop::sample::select(KNOWN.iter().map(|name| (*name).to_owned()).chain(["guidelines/a.toml".to_owned()]).collect::<Vec<_>>()),
            tomlish(), 0..8),
        json in ".{0,40}",
        ics in ".{0,60}",
    ) {
        files.insert("calendars/a.ics".to_owned(), ics);
        files.insert("guidelines/a.json".to_owned(), json);
        for fault in Governance::check(&files, &plugins(), now()).err().unwrap_or_default() {
            let lines = files.get(&fault.file).map_or(0, |text| text.split('\n').count());
            prop_assert!(fault.line <= lines, "{fault}");
        }
    }

    /// One byte of a good folder is changed: no panic, and what is still accepted is at least consistent in itself.
    #[test]
    fn check_never_panics_on_a_damaged_good_folder(which in 0..13_usize, at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut files = full();
        let text = files.values_mut().nth(which).unwrap();
        let mut characters: Vec<char> = text.chars().collect();
        let place = at.index(characters.len());
        characters[place] = with;
        *text = characters.into_iter().collect();
        if let Ok(governance) = Governance::check(&files, &plugins(), now()) {
            prop_assert!(governance.accounts.values().all(|account| governance.brands.contains_key(&account.brand)));
            prop_assert!(governance.grants.iter().all(|grant| governance.people.contains_key(&grant.owner)));
            let rules = &governance.workflow.rules;
            prop_assert!(rules.rules.iter().all(|rule| rule.stages.iter().all(|stage| stage.n > 0)));
            prop_assert!(rules.substitutes.iter().all(|it| governance.people.contains_key(it.by.as_str()) && it.from < it.until));
            prop_assert!(governance.calendars.accounts.keys().all(|account| governance.accounts.contains_key(account)));
        }
    }

    /// Rings and trees of brands: each ring is one fault, and a folder without one gives every brand a path.
    #[test]
    fn every_cycle_is_found_once(parents in prop::collection::vec(prop::option::of(0..12_usize), 1..12)) {
        let count = parents.len();
        let mut text = String::new();
        for (id, parent) in parents.iter().enumerate() {
            text.push_str(&format!("[[brand]]\nid = \"b{id}\"\n"));
            if let Some(parent) = parent.map(|parent| parent % count) {
                text.push_str(&format!("parent = \"b{parent}\"\n"));
            }
        }
        // Naive: from each brand, walk as often as there are brands; whoever then still stands on a brand stands in a ring.
        let up = |at: usize| parents[at].map(|parent| parent % count);
        let rings: BTreeSet<BTreeSet<usize>> = (0..count)
            .filter_map(|start| (0..count).try_fold(start, |at, _| up(at)))
            .map(|in_ring| std::iter::successors(Some(in_ring), |at| up(*at)).take(count).collect())
            .collect();
        let files = Files::from([("brands.toml".to_owned(), text)]);
        match Governance::check(&files, &plugins(), now()) {
            Ok(governance) => {
                prop_assert!(rings.is_empty());
                prop_assert_eq!(governance.brands.len(), count);
            }
            Err(faults) => prop_assert_eq!(faults.len(), rings.len(), "{:?}", faults),
        }
    }
}
