//! Tests of `approvals.toml`: a file with everything, each planted fault with its line, and rules that can't be satisfied.

use pressgate_workflow::{
    approval::Who,
    ids::{Brand, PersonId, Role},
};

use super::super::tests::{good, now, plugins};
use crate::config::{Files, Governance};

/// People who can agree, and one with a role of the company's own.
const PEOPLE: &str = "[[person]]\nid = \"chief-2\"\nroles = [\"approver\"]\napproves = [\"acme\"]\n\
    [[person]]\nid = \"legal-1\"\nroles = [\"legal\"]\nbrands = { legal = [\"acme/snacks\"] }\n\
    [[person]]\nid = \"legal-2\"\nroles = [\"legal\", \"responder\"]\n[role.legal]\n";

/// Everything that the file may hold.
pub(in super::super) const APPROVALS: &str = r#"[[rule]]
name = "launch"
brands = ["acme/snacks"]
accounts = ["acme-m"]
networks = ["plume"]
labels = ["launch"]
campaigns = ["spring"]
author_roles = ["author", "app", "legal"]
policies = ["rules"]
outside = { zone = "Europe/Prague", days = ["mon", "fri"], from = "08:00", until = "24:00" }
stages = [
    { n = 1, role = "approver" },
    { n = 2, people = ["chief-1", "legal-1", "legal-2"], on_call = "weekend" },
    { n = 1, external = "agency-x" },
]
escalate = [{ after = "2d", to = { role = "legal" } }, { after = "4h", to = { people = ["chief-2"] } }]
expires_after = "3d"
open_comments_block = true
[[substitute]]
person = "chief-1"
by = "chief-2"
from = 2027-07-01T00:00:00Z
until = 2027-07-15T00:00:00Z
[rotation.weekend]
people = ["legal-1", "legal-2"]
period = "168h"
anchor = 2027-01-01T18:00:00
hours = { zone = "Europe/Prague", days = ["sat"], from = "22:00", until = "06:00" }
[external.agency-x]
addresses = ["approvals@agency-x.example"]
"#;

/// A folder in which that file is without fault.
pub(in super::super) fn house() -> Files {
    let mut files = good();
    files.get_mut("people.toml").unwrap().push_str(PEOPLE);
    files
}

fn checked(mut files: Files, approvals: &str) -> Result<Governance, Vec<String>> {
    files.insert("approvals.toml".to_owned(), approvals.to_owned());
    Governance::check(&files, &plugins(), now()).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn only(result: Result<Governance, Vec<String>>, line: usize, part: &str) {
    let faults = result.expect_err(part);
    assert!(faults.len() == 1, "{part}: {faults:#?}");
    assert!(
        faults[0].starts_with(&format!("approvals.toml:{line}: ")) && faults[0].contains(part),
        "{part}: {faults:#?}"
    );
}

#[test]
fn the_file_is_read_as_it_is_written() {
    let governance = checked(house(), APPROVALS).unwrap();
    let rules = &governance.workflow.rules;
    let rule = &rules.rules[0];
    let when = &rule.when;
    let during = when.during.as_ref().unwrap();
    assert_eq!(
        (rule.name.as_str(), when.brands[0].as_str(), when.accounts[0].as_str()),
        ("launch", "acme/snacks", "acme-m")
    );
    assert_eq!(
        (when.networks[0].as_str(), when.labels[0].as_str(), when.campaigns[0].as_str()),
        ("plume", "launch", "spring")
    );
    assert_eq!((when.author_roles.len(), when.policies[0].as_str(), during.outside), (3, "rules", true));
    // Monday from eight in Prague to midnight.
    let within = |at: &str| during.hours.contains(at.parse().unwrap());
    assert_eq!(
        ["2027-07-05T05:59:00Z", "2027-07-05T06:00:00Z", "2027-07-05T21:59:00Z", "2027-07-05T22:00:00Z"].map(within),
        [false, true, true, false]
    );
    let votes: Vec<_> = rule.stages.iter().map(|stage| (stage.n, stage.on_call.as_deref())).collect();
    assert_eq!(votes, [(1, None), (2, Some("weekend")), (1, None)]);
    assert_eq!(rule.stages[0].who, Who::Role("approver".into()));
    assert_eq!(rule.stages[2].who, Who::External("agency-x".into()));
    // The sooner first, as they happen.
    let escalations: Vec<_> = rule.escalate.iter().map(|escalation| escalation.after_s).collect();
    assert_eq!(
        (escalations, rule.expires_after_s, rule.open_comments_block),
        (vec![14_400, 172_800], Some(259_200), true)
    );
    assert_eq!((rules.substitutes[0].person.as_str(), rules.substitutes[0].by.as_str()), ("chief-1", "chief-2"));
    let weekend = &rules.rotations["weekend"];
    // Friday evening is the first one's turn, and the week after the second one's.
    let on_call = |at: &str| weekend.on_call(at.parse().unwrap()).map(PersonId::as_str);
    assert_eq!([on_call("2027-01-01T17:00:00Z"), on_call("2027-01-08T17:00:00Z")], [Some("legal-1"), Some("legal-2")]);
    assert_eq!(rules.externals[&"agency-x".into()].addresses, 1);
    assert_eq!(governance.externals[&"agency-x".into()][0].as_str(), "approvals@agency-x.example");
    assert!(!format!("{:?}", governance.externals).contains("approvals@"));
}

#[test]
fn without_the_file_nothing_is_asked() {
    let governance = Governance::check(&good(), &plugins(), now()).unwrap();
    assert!(governance.workflow.rules.rules.is_empty() && governance.externals.is_empty());
}

#[test]
fn people_and_accounts_are_those_of_the_other_files() {
    let workflow = checked(house(), "").unwrap().workflow;
    let (acme, snacks): (Brand, Brand) = ("acme".into(), "acme/snacks".into());
    let has = |person: &str, role: &str| {
        let facts = &workflow.people[&PersonId::from(person)];
        [&acme, &snacks].map(|brand| facts.holds(&Role::from(role), brand))
    };
    assert_eq!(has("chief-1", "approver"), [true, true]);
    assert_eq!(has("legal-1", "legal"), [false, true]);
    assert_eq!(has("legal-2", "legal"), [true, true], "without a limit for all brands");
    assert_eq!((has("legal-2", "responder"), has("legal-2", "approver")), ([true, true], [false, false]));
    let account = &workflow.accounts[&"acme-m".into()];
    assert_eq!((account.brand.as_str(), account.network.as_str()), ("acme/snacks", "plume"));
}

#[test]
fn the_example_of_the_documentation_is_without_fault() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/approvals.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rules = &checked(house(), example).unwrap().workflow.rules;
    assert_eq!((rules.rules.len(), rules.substitutes.len(), rules.rotations.len()), (2, 1, 1));
}

/// What is replaced by what, the line of the fault, and a part of it.
const RULE_FAULTS: &[(&str, &str, usize, &str)] = &[
    ("name = \"launch\"\n", "", 1, "`name` is missing"),
    ("\"launch\"", "\"Launch!\"", 2, "`name` must be"),
    ("name = \"launch\"", "name = \"hold\"", 2, "built-in rule"),
    ("brands = [\"acme/snacks\"]", "brands = [\"acme/snack\"]", 3, "did you mean `acme/snacks`?"),
    ("brands = [\"acme/snacks\"]", "brands = []", 3, "leave it out to ask nothing"),
    ("brands = [\"acme/snacks\"]", "brands = \"acme\"", 3, "an array of strings"),
    ("brands = ", "brand = ", 3, "did you mean `brands`?"),
    ("[\"acme-m\"]", "[\"acme-n\"]", 4, "there is no account `acme-n` in accounts.toml; did you mean `acme-m`?"),
    ("[\"plume\"]", "[\"plum\"]", 5, "there is no network `plum` in accounts.toml; did you mean `plume`?"),
    ("labels = [\"launch\"]", "labels = [\" \"]", 6, "one line of 1 to 200 characters"),
    ("campaigns = [\"spring\"]", "campaigns = [\"a\\nb\"]", 7, "one line of 1 to 200 characters"),
    ("\"legal\"]\npol", "\"legl\"]\npol", 8, "there is no role `legl`; did you mean `legal`?"),
    ("[\"rules\"]", "[\"rule\"]", 9, "there is no policy `rule` in policies.toml; did you mean `rules`?"),
    (
        "outside = {",
        "during = { zone = \"UTC\", days = [\"mon\"], from = \"08:00\", until = \"09:00\" }\noutside = {",
        11,
        "only one of `during` and `outside`",
    ),
    (
        "zone = \"Europe/Prague\", days = [\"mon\"",
        "zone = \"Europe/Prage\", days = [\"mon\"",
        10,
        "did you mean `Europe/Prague`?",
    ),
    ("zone = \"Europe/Prague\", days = [\"mon\"", "days = [\"mon\"", 10, "`zone` is missing"),
    ("[\"mon\", \"fri\"]", "[\"mon\", \"frid\"]", 10, "did you mean `fri`?"),
    ("[\"mon\", \"fri\"]", "[\"mon\", \"mon\"]", 10, "`mon` is given twice"),
    ("[\"mon\", \"fri\"]", "[]", 10, "at least one day"),
    ("from = \"08:00\"", "from = \"8:00\"", 10, "no time of day"),
    ("from = \"08:00\"", "from = \"24:00\"", 10, "no time of day"),
    ("from = \"08:00\"", "from = \"08:60\"", 10, "no time of day"),
    ("until = \"24:00\"", "till = \"24:00\", until = \"24:00\"", 10, "unknown key `till`"),
    ("{ n = 1, role = \"approver\" }", "{ n = 0, role = \"approver\" }", 12, "`n` must be within 1 and 20"),
    ("{ n = 1, role = \"approver\" }", "{ role = \"approver\" }", 12, "`n`, how many must agree, is missing"),
    ("{ n = 1, role = \"approver\" }", "{ n = 1 }", 12, "`role`, `people` or `external` is missing"),
    ("{ n = 1, role = \"approver\" }", "{ n = 1, role = \"aprover\" }", 12, "did you mean `approver`?"),
    ("{ n = 1, role = \"approver\" }", "{ n = 1, role = \"app\" }", 12, "apps propose and never agree"),
    (
        "{ n = 1, role = \"approver\" }",
        "{ n = 1, role = \"approver\", people = [\"chief-1\"] }",
        12,
        "only one of `role`",
    ),
    ("{ n = 1, role = \"approver\" }", "3", 12, "tables only, not an integer"),
    (
        "[\"chief-1\", \"legal-1\", \"legal-2\"]",
        "[\"chief-1\", \"legal-1\", \"legal-3\"]",
        13,
        "there is no person `legal-3`",
    ),
    ("[\"chief-1\", \"legal-1\", \"legal-2\"]", "[\"chief-1\", \"legal-1\", \"legal-1\"]", 13, "named twice"),
    ("[\"chief-1\", \"legal-1\", \"legal-2\"]", "[]", 13, "at least one person"),
    (
        "on_call = \"weekend\"",
        "on_call = \"weekends\"",
        13,
        "there is no rotation `weekends` in approvals.toml; did you mean",
    ),
    (
        "external = \"agency-x\"",
        "external = \"agency-y\"",
        14,
        "there is no external `agency-y` in approvals.toml; did you mean",
    ),
    ("{ n = 1, external", "{ n = 2, external", 14, "which has 1 addresses"),
    ("after = \"4h\"", "after = \"4 hours\"", 16, "a length of time such as"),
    ("after = \"4h\"", "after = \"0h\"", 16, "a length of time such as"),
    ("after = \"4h\"", "after = \"99999999w\"", 16, "at most `366d`"),
    ("after = \"4h\"", "after = \"-4h\"", 16, "a length of time such as"),
    ("after = \"4h\"", "after = 4", 16, "`after` must be a string"),
    ("after = \"4h\", ", "", 16, "`after` is missing"),
    ("after = \"4h\"", "after = \"72h\"", 16, "the post has expired by then"),
    (", to = { role = \"legal\" }", "", 16, "`to` is missing"),
    ("{ role = \"legal\" }", "{ rolle = \"legal\", people = [\"legal-1\"] }", 16, "did you mean `role`?"),
    ("open_comments_block = true", "open_comments_block = \"yes\"", 18, "must be true or false"),
    ("[[rule]]", "[[rules]]", 1, "did you mean `rule`?"),
];

#[test]
fn each_fault_of_a_rule_is_told_with_its_line() {
    for (from, to, line, part) in RULE_FAULTS {
        assert!(APPROVALS.contains(*from), "{from}");
        only(checked(house(), &APPROVALS.replacen(*from, to, 1)), *line, part);
    }
    only(checked(house(), "[[rule]]\nname = \"a\"\n"), 1, "`stages` is missing");
    only(checked(house(), "[[rule]]\nname = \"a\"\nstages = []\n"), 3, "the rule asks nothing");
    assert!(checked(house(), "[[rule]]\nname = \"a\"\nstages = []\nopen_comments_block = true\n").is_ok());
    let twice = format!("{APPROVALS}[[rule]]\nname = \"launch\"\nstages = [{{ n = 1, role = \"approver\" }}]\n");
    only(checked(house(), &twice), 32, "there is another `launch` above");
}

/// The same, below the rules.
const OTHER_FAULTS: &[(&str, &str, usize, &str)] = &[
    (
        "person = \"chief-1\"\nby",
        "person = \"chief-3\"\nby",
        20,
        "there is no person `chief-3` in people.toml; did you mean",
    ),
    ("by = \"chief-2\"", "by = \"chief-1\"", 21, "their own substitute"),
    ("by = \"chief-2\"\n", "", 19, "`by` is missing"),
    ("from = 2027-07-01T00:00:00Z\n", "", 19, "`from` is missing"),
    ("2027-07-01T00:00:00Z", "2027-07-01T00:00:00", 22, "with an offset"),
    ("2027-07-15T00:00:00Z", "2027-07-01T02:00:00+02:00", 23, "later than `from`"),
    ("people = [\"legal-1\", \"legal-2\"]\nper", "people = []\nper", 25, "1 to 200 people"),
    (
        "people = [\"legal-1\", \"legal-2\"]\nper",
        "people = [\"legal-1\", \"legal-4\"]\nper",
        25,
        "there is no person `legal-4`",
    ),
    ("period = \"168h\"\n", "", 24, "`period` is missing"),
    ("period = \"168h\"", "period = \"90m\"", 26, "whole hours"),
    ("2027-01-01T18:00:00", "2027-01-01T18:00:00Z", 27, "without an offset"),
    ("2027-01-01T18:00:00", "\"2027-01-01T18:00:00+01:00[Europe/Prague]\"", 27, "without an offset"),
    ("2027-01-01T18:00:00", "2027-01-01", 27, "without an offset"),
    ("2027-01-01T18:00:00", "\"2027-02-30T18:00:00\"", 27, "without an offset"),
    ("days = [\"sat\"], ", "", 28, "`days` is missing"),
    (
        "[external.agency-x]",
        "[external.\"Agency X\"]\naddresses = [\"a@x.example\"]\n[external.agency-x]",
        29,
        "the name must be",
    ),
    (
        "addresses = [\"approvals@agency-x.example\"]",
        "addresses = [\"jana agency-x.example\"]",
        30,
        "write one address",
    ),
    (
        "addresses = [\"approvals@agency-x.example\"]",
        "addresses = [\"a@x.example\", \"a@X.example\"]",
        30,
        "given twice",
    ),
    ("addresses = [\"approvals@agency-x.example\"]", "addresses = []", 30, "1 to 20 addresses"),
    ("addresses = [\"approvals@agency-x.example\"]", "", 29, "`addresses` is missing"),
    ("addresses = [\"", "address = 1\naddresses = [\"", 30, "did you mean `addresses`?"),
];

#[test]
fn each_fault_of_the_others_is_told_with_its_line() {
    for (from, to, line, part) in OTHER_FAULTS {
        assert!(APPROVALS.contains(*from), "{from}");
        let result = checked(house(), &APPROVALS.replacen(*from, to, 1));
        assert!(!format!("{result:?}").contains("jana"), "an address is personal");
        only(result, *line, part);
    }
    assert!(checked(house(), &APPROVALS.replace("2027-01-01T18:00:00", "\"2027-01-01T18:00\"")).is_ok());
}

#[test]
fn nothing_is_without_a_bound() {
    let rules = |count: usize| -> String {
        let rule = |n: usize| format!("[[rule]]\nname = \"r{n}\"\nstages = [{{ n = 1, role = \"approver\" }}]\n");
        (0..count).map(rule).collect()
    };
    assert!(checked(house(), &rules(200)).is_ok());
    only(checked(house(), &rules(201)), 601, "there may be 200 rules");
    let stages = |count: usize| {
        format!("[[rule]]\nname = \"a\"\nstages = [{}]\n", "{ n = 1, role = \"approver\" },".repeat(count))
    };
    only(checked(house(), &stages(11)), 3, "`stages` may hold 10");
    let labels = |count: usize| APPROVALS.replace("[\"launch\"]", &format!("[{}]", "\"a\",".repeat(count)));
    assert!(checked(house(), &labels(100)).is_ok());
    only(checked(house(), &labels(101)), 6, "may have 100 values");
    let parties: String = (0..101).map(|n| format!("[external.p{n}]\naddresses = [\"a@x.example\"]\n")).collect();
    only(checked(house(), &parties), 201, "there may be 100 of them");
}

#[test]
fn a_rule_that_can_never_be_satisfied_is_found_by_its_line() {
    let rule = |stages: &str| format!("# Ours.\n[[rule]]\nname = \"r\"\nstages = [{stages}]\n");
    let three = rule("{ n = 3, role = \"approver\" }");
    only(
        checked(house(), &three),
        2,
        "rule `r`: posts of `acme/snacks` could never be approved: stage 1: it wants 3 votes and only 2 people could give one",
    );
    // Who is on call counts, and so does an escalation.
    let more = format!("{three}escalate = [{{ after = \"4h\", to = {{ people = [\"legal-1\"] }} }}]\n");
    assert!(checked(house(), &more).is_ok());
    let same = rule("{ n = 2, role = \"approver\" }, { n = 1, people = [\"chief-1\", \"chief-2\"] }");
    only(checked(house(), &same), 2, "a person counts in one stage only");
    // `legal-1` is for the snacks only, and that is where the account is.
    assert!(checked(house(), &rule("{ n = 2, role = \"legal\" }")).is_ok());
    let mut other = house();
    let account = other["accounts.toml"].replace("acme-m", "acme-n").replace("acme/snacks", "acme");
    other.get_mut("accounts.toml").unwrap().push_str(&account);
    only(checked(other.clone(), &rule("{ n = 2, role = \"legal\" }")), 2, "posts of `acme` could never");
    only(checked(other.clone(), &three), 2, "posts of `acme`, `acme/snacks` could never");
    // A rule that is for no such post harms nobody.
    let elsewhere = three.replace("stages", "accounts = [\"acme-m\"]\nstages");
    only(checked(other, &elsewhere), 2, "posts of `acme/snacks` could never");
}

#[test]
fn other_faults_hide_no_rule_that_can_never_be_satisfied() {
    let never = "[[rule]]\nname = \"never\"\nstages = [{ n = 9, role = \"approver\" }]\n";
    let told = |files: Files, approvals: &str| checked(files, approvals).unwrap_err().join("\n");
    let mut files = house();
    for (file, wrong) in [("limits.toml", "surprise = 1\n"), ("accounts.toml", "[[account]]\nid = \"half\"\n")] {
        files.entry(file.to_owned()).or_default().insert_str(0, wrong);
    }
    let all = told(
        files,
        &format!("{never}[[rule]]\nname = \"odd\"\nsurprise = 1\nstages = [{{ n = 9, role = \"approver\" }}]\n"),
    );
    for part in
        ["limits.toml:1: ", "accounts.toml:1: ", "approvals.toml:6: ", "approvals.toml:1: rule `never`: posts of"]
    {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert!(!all.contains("rule `odd`: posts of"), "who knows what it was to say: {all}");
    // Where people are missing by a fault, they are not missed twice.
    let mut people = house();
    people.get_mut("people.toml").unwrap().push_str("[[person]]\nid = \"x\"\nroles = [\"nonsense\"]\n");
    let all = told(people, never);
    assert!(all.contains("people.toml:") && !all.contains("could never be approved"), "{all}");
}

#[test]
fn a_rule_that_the_owner_of_the_app_would_have_to_satisfy_is_found() {
    let rule = "[[rule]]\nname = \"r\"\nstages = [{ n = 1, people = [\"chief-1\"] }]\n";
    let mut files = house();
    assert!(checked(files.clone(), rule).is_ok());
    files.insert("apps.toml".into(), "[[app]]\nid = \"newsroom\"\nowner = \"chief-1\"\n".into());
    only(checked(files.clone(), rule), 1, "on posts of app `newsroom` nobody is left to agree: chief-1");
    // Not for posts that there can't be: of authors with a role, which this app does not act for, …
    let authors = format!("{rule}author_roles = [\"legal\"]\n");
    assert!(checked(files.clone(), &authors).is_ok());
    let mut acting = files.clone();
    let grants = acting.get_mut("grants.toml").unwrap();
    *grants = grants.replace("owner", "act_for = [\"legal-1\"]\nowner");
    only(checked(acting, &authors), 1, "on posts of app `newsroom`");
    // … or of an app that may only read.
    let grants = files.get_mut("grants.toml").unwrap();
    *grants = grants.replace("post.create", "post.read");
    assert!(checked(files, rule).is_ok());
}

#[test]
fn a_fault_elsewhere_is_not_told_as_a_rule_that_nobody_satisfies() {
    let mut files = house();
    let people = files.get_mut("people.toml").unwrap();
    *people = people.replace("[\"approver\"]", "[\"aprover\"]");
    let faults = checked(files, "[[rule]]\nname = \"r\"\nstages = [{ n = 2, role = \"approver\" }]\n").unwrap_err();
    assert!(faults.iter().all(|fault| fault.starts_with("people.toml")), "{faults:#?}");
}
