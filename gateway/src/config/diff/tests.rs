//! Tests of the difference.

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    config::{Catalogue, Files, Governance, PluginInfo, PluginKind},
    model::PluginName,
};

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every plugin there could be; what it is for shows in its name.
struct Any;

impl Catalogue for Any {
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo> {
        let kind = if name.as_str() == "guidelines" { PluginKind::Policy } else { PluginKind::Adapter };
        Some(PluginInfo { kind, networks: vec![name.to_string()], config_schema: None })
    }
}

fn governance(files: &Files) -> Governance {
    Governance::restart(files, &Any).unwrap()
}

/// The example folder, with a plugin configuration of our own.
fn example() -> Files {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/governance");
    let mut files = Governance::read(&dir).unwrap();
    let config = "[forbidden]\nphrases = [\"guaranteed\", \"miracle cure\"]\n";
    files.insert("guidelines/acme.toml".to_owned(), config.to_owned());
    files
}

fn changes(edits: &[(&str, &str, &str)]) -> Vec<String> {
    let (old, mut new) = (example(), example());
    for (file, from, to) in edits {
        let text = new.get_mut(*file).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        *text = text.replacen(from, to, 1);
    }
    Governance::diff(&governance(&old), &governance(&new)).iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_changed_is_no_change() {
    assert_eq!(changes(&[]), [""; 0]);
    assert_eq!(changes(&[("grants.toml", "# Who may do what", "# Who, and what")]), [""; 0]);
}

#[test]
fn a_person_reads_what_changes() {
    let edits = [
        ("grants.toml", "\"post.delete\", ", "\"post.edit\", "),
        ("grants.toml", "2099-01-01T00:00:00Z", "2098-01-01T00:00:00Z"),
        ("grants.toml", "id = \"editor-7-snacks\"", "id = \"editor-7-all\""),
        ("limits.toml", "burst = 60\n", ""),
        ("brands.toml", "languages = [\"en\"] ", "languages = [\"en\", \"de\"] "),
        ("guidelines/acme.toml", "\"miracle cure\"", "\"miracle\", \"cure\""),
    ];
    assert_eq!(
        changes(&edits),
        [
            "~ brand acme: languages +de",
            "~ brand acme/drinks: languages +de",
            "- grant editor-7-snacks: for person:editor-7; on brand acme/snacks; actions media.upload, post.create, post.read; owner chief-1; \
         expires 2099-01-01T00:00:00Z",
            "~ grant newsroom-snacks: actions -post.delete +post.edit; expires 2099-01-01T00:00:00Z → 2098-01-01T00:00:00Z",
            "+ grant editor-7-all: for person:editor-7; on brand acme/snacks; actions media.upload, post.create, post.read; \
         owner chief-1; expires 2099-01-01T00:00:00Z",
            "~ policy house-rules: config /forbidden/phrases/1 \"miracle cure\" → \"miracle\", +/forbidden/phrases/2 \"cure\"",
            "~ limit newsroom: burst 60 → (none)",
        ]
    );
}

#[test]
fn a_right_on_the_log_shows_what_it_reaches() {
    let soc = "[[auditor]]\nid = \"soc\"\nperson = \"chief-1\"\nrights = [\"audit:read\"]\nowner = \"chief-1\"\n\
               expires = 2099-01-01T00:00:00Z\nbrand = \"acme\"\n";
    let (old, mut new) = (example(), example());
    new.get_mut("grants.toml").unwrap().push_str(soc);
    let lines = |old: &Files, new: &Files| {
        let changes = Governance::diff(&governance(old), &governance(new));
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let added = "+ auditor soc: for person:chief-1; rights audit:read; on brand acme; owner chief-1; expires 2099-01-01T00:00:00Z";
    assert_eq!(lines(&old, &new), [added]);
    let mut wider = new.clone();
    let text = wider.get_mut("grants.toml").unwrap();
    text.truncate(text.len() - "brand = \"acme\"\n".len());
    *text = text.replace("audit:read\"", "audit:read\", \"audit:export\"");
    assert_eq!(lines(&new, &wider), ["~ auditor soc: rights +audit:export; on brand acme → the whole log"]);
}

#[test]
fn a_rule_of_approvals_shows_what_it_asks_and_no_address() {
    let rule = "[[rule]]\nname = \"night\"\nlabels = [\"launch\"]\nexpires_after = \"36h\"\n\
                outside = { zone = \"Europe/Prague\", days = [\"mon\"], from = \"08:00\", until = \"18:00\" }\n\
                stages = [{ n = 1, role = \"approver\", on_call = \"w\" }, { n = 1, external = \"x\" }]\n\
                escalate = [{ after = \"4h\", to = { people = [\"chief-1\", \"ops-1\"] } }]\n\
                [rotation.w]\npeople = [\"chief-1\", \"ops-1\"]\nperiod = \"7d\"\nanchor = 2027-01-01T18:00:00\n\
                hours = { zone = \"UTC\", days = [\"sat\", \"sun\"], from = \"00:00\", until = \"24:00\" }\n\
                [external.x]\naddresses = [\"jana@x.example\"]\n\
                [[substitute]]\nperson = \"chief-1\"\nby = \"ops-1\"\nfrom = 2027-07-01T00:00:00Z\nuntil = 2027-07-15T00:00:00Z\n";
    let with = |text: &str| {
        let mut files = example();
        files.insert("approvals.toml".to_owned(), text.to_owned());
        governance(&files)
    };
    let lines = |old: &Governance, new: &Governance| {
        Governance::diff(old, new).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (none, one) = (with("# None."), with(rule));
    assert_eq!(
        lines(&none, &one),
        [
            "+ rule night: labels launch; hours outside mon 08:00–18:00 Europe/Prague; stages 1 of role approver or on call in w, \
             then 1 of external x; escalates after 4h to chief-1/ops-1; expires after 36h",
            "+ substitute chief-1 by ops-1 from 2027-07-01T00:00:00Z: until 2027-07-15T00:00:00Z",
            "+ rotation w: turns chief-1, ops-1; period 168h; anchor 2027-01-01T18:00:00; working hours sat sun 00:00–00:00 UTC",
            "+ external x: addresses 1",
        ]
    );
    let other = with(&rule.replace("jana@", "petr@").replace("\"approver\"", "\"operator\"").replace("36h", "48h"));
    assert_eq!(
        lines(&one, &other),
        [
            "~ rule night: stages 1 of role approver or on call in w, then 1 of external x → 1 of role operator or on call in w, \
             then 1 of external x; expires after 36h → 2d",
            "~ external x: addresses changed",
        ]
    );
    let more = with(&rule.replace("\"jana@x.example\"", "\"jana@x.example\", \"petr@x.example\""));
    assert_eq!(lines(&one, &more), ["~ external x: addresses 1 → 2"]);
}

#[test]
fn another_order_of_policies_is_a_change() {
    let (mut old, mut new) = (example(), example());
    let (one, two) =
        ("[[policy]]\nname=\"one\"\nplugin=\"guidelines\"\n", "[[policy]]\nname=\"two\"\nplugin=\"guidelines\"\n");
    for (files, text) in [(&mut old, format!("{one}{two}")), (&mut new, format!("{two}{one}"))] {
        files.insert("policies.toml".to_owned(), text);
        files.remove("guidelines/acme.toml");
    }
    let changes = Governance::diff(&governance(&old), &governance(&new));
    assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["~ policy (order): one, two → two, one"]);
}
