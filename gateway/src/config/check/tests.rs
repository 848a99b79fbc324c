//! Tests of the checks: a good folder, one planted fault at a time, eight at once, and arbitrary text.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::super::{PluginInfo, PluginKind, Role};
use super::*;
use crate::{
    config::{Decision, decide},
    model::{AccountId, Action, AppId, BrandPath, PersonId, PluginName, Principal, Scope},
};

pub(super) fn plugins() -> BTreeMap<PluginName, PluginInfo> {
    let schema = json!({
        "type": "object",
        "properties": {
            "forbidden": {
                "type": "object",
                "properties": { "phrases": { "type": "array", "items": { "type": "string", "pattern": "^[a-z ]+$" } } },
                "additionalProperties": false
            },
            "links": {
                "type": "object",
                "properties": { "allowed_domains": { "type": "array", "items": { "type": "string" } } },
                "required": ["allowed_domains"]
            }
        },
        "additionalProperties": false
    });
    let adapter = |network: &str| PluginInfo {
        kind: PluginKind::Adapter,
        networks: vec![network.to_owned()],
        config_schema: None,
    };
    let policy = PluginInfo { kind: PluginKind::Policy, networks: vec![], config_schema: Some(schema) };
    [("plume", adapter("plume")), ("chirp", adapter("chirp")), ("guidelines", policy)]
        .map(|(name, info)| (PluginName::new(name), info))
        .into()
}

/// A small folder without a fault.
pub(super) fn good() -> Files {
    [
        (
            "brands.toml",
            "[[brand]]\nid = \"acme\"\nlanguages = [\"en\"]\n[[brand]]\nid = \"snacks\"\nparent = \"acme\"\n",
        ),
        (
            "accounts.toml",
            "[[account]]\nid = \"acme-m\"\nnetwork = \"plume\"\nadapter = \"plume\"\n\
             endpoint = \"https://social.example\"\nbrand = \"acme/snacks\"\n",
        ),
        ("apps.toml", "[[app]]\nid = \"newsroom\"\nowner = \"ops-1\"\n"),
        (
            "people.toml",
            "[[person]]\nid = \"ops-1\"\nroles = [\"operator\"]\n[[person]]\nid = \"chief-1\"\nroles = [\"approver\"]\n\
             approves = [\"acme\"]\n",
        ),
        (
            "grants.toml",
            "[[grant]]\nid = \"g\"\napp = \"newsroom\"\naccount = \"acme-m\"\nactions = [\"post.create\"]\n\
             owner = \"ops-1\"\nexpires = 2030-01-01T00:00:00Z\n",
        ),
        (
            "policies.toml",
            "[[policy]]\nname = \"rules\"\nplugin = \"guidelines\"\nconfig_file = \"guidelines/a.toml\"\n",
        ),
        ("limits.toml", "[app.newsroom]\ncalls_per_minute = 60\n"),
        ("guidelines/a.toml", "[forbidden]\nphrases = [\"free money\"]\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

pub(super) fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn faults(files: &Files) -> Vec<String> {
    let faults = Governance::check(files, &plugins(), now()).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

/// The faults after one file got more text.
fn with(file: &str, more: &str) -> Vec<String> {
    let mut files = good();
    files.entry(file.to_owned()).or_default().push_str(more);
    faults(&files)
}

/// The faults after a replacement.
fn replaced(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut files = good();
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    *text = text.replacen(from, to, 1);
    faults(&files)
}

#[track_caller]
fn only(faults: &[String], place: &str, part: &str) {
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].starts_with(&format!("{place}: ")), "{faults:#?}");
    assert!(faults[0].contains(part), "{faults:#?}");
}

#[test]
fn a_good_folder_is_read_as_it_is_written() {
    let governance = Governance::check(&good(), &plugins(), now()).unwrap();
    let snacks = BrandPath::new("acme/snacks");
    assert_eq!(governance.languages_of(&snacks), ["en"]);
    let account = &governance.accounts[&AccountId::new("acme-m")];
    assert_eq!((account.origin().as_str(), &account.brand), ("https://social.example", &snacks));
    assert_eq!(governance.apps[&AppId::new("newsroom")].name, "newsroom");
    assert_eq!(governance.grants[0].scope, Scope::Account(AccountId::new("acme-m")));
    assert_eq!(governance.policies[0].config, json!({"forbidden": {"phrases": ["free money"]}}));
    assert_eq!(governance.limits.apps[&AppId::new("newsroom")].calls_per_minute, 60);
    let chief = PersonId::new("chief-1");
    assert!(governance.people[&chief].roles.contains(&Role::Approver) && governance.may_approve(&chief, &snacks));
    assert!(!governance.may_approve(&PersonId::new("ops-1"), &snacks));
    assert_eq!(governance.policies_of(&snacks).count(), 1);
}

#[test]
fn an_empty_folder_is_a_governance_that_allows_nothing() {
    let governance = Governance::check(&Files::new(), &plugins(), now()).unwrap();
    assert!(governance.brands.is_empty() && governance.grants.is_empty());
}

#[test]
fn the_digest_depends_on_names_and_bytes() {
    let digest = |files: &Files| Governance::check(files, &plugins(), now()).unwrap().digest;
    let first = digest(&good());
    assert_eq!((first.len(), &first), (64, &digest(&good())));
    let mut comment = good();
    comment.get_mut("apps.toml").unwrap().push('#');
    assert_ne!(first, digest(&comment));
    let (mut left, mut right) = (Files::new(), Files::new());
    left.insert("notes/a.md".to_owned(), "bc".to_owned());
    right.insert("notes/a.mdb".to_owned(), "c".to_owned());
    assert_ne!(digest(&left), digest(&right));
}

#[test]
fn eight_planted_faults_are_all_found_each_with_its_line() {
    let mut files = good();
    let mut put = |name: &str, text: &str| files.insert(name.to_owned(), text.to_owned());
    put(
        "brands.toml",
        "[[brand]]\nid = \"acme\"\n[[brand]]\nid = \"snacks\"\nparent = \"acme\"\n\
         [[brand]]\nid = \"a\"\nparent = \"b\"\n[[brand]]\nid = \"b\"\nparent = \"a\"\n",
    );
    put(
        "accounts.toml",
        "[[account]]\nid = \"acme-m\"\nnetwork = \"plume\"\nadapter = \"plume\"\n\
         endpoint = \"https://social.example\"\nbrand = \"acme/drinks\"\nhandel = \"@acme\"\n",
    );
    put(
        "grants.toml",
        "[[grant]]\nid = \"g1\"\napp = \"intranet\"\naccount = \"acme-m\"\nactions = [\"post.create\"]\n\
         owner = \"ops-1\"\nexpires = 2030-01-01T00:00:00Z\n\
         [[grant]]\nid = \"g2\"\napp = \"newsroom\"\nbrand = \"acme\"\nactions = [\n  \"post.create\",\n  \"post.shout\",\n]\n\
         expires = \"2026-01-01T00:00:00Z\"\n",
    );
    // The wrong type, in a file that is valid TOML, beside the other faults above.
    files.get_mut("grants.toml").unwrap().push_str(
        "[[grant]]\nid = \"g3\"\napp = \"newsroom\"\naccount = 5\nactions = [\"post.read\"]\nowner = \"ops-1\"\n\
         expires = 2030-01-01T00:00:00Z\n",
    );
    files.insert("guidelines/a.toml".to_owned(), "[forbidden]\nphrases = [\n  \"good\",\n  7,\n]\n".to_owned());
    let expected = [
        "accounts.toml:6: account `acme-m`: `brand`: there is no brand `acme/drinks` in brands.toml",
        "accounts.toml:7: account `acme-m`: unknown key `handel`; did you mean `handle`?",
        "brands.toml:8: brand `a`: the brands form a cycle by `parent`: a → b → a",
        "grants.toml:3: grant `g1`: `app`: there is no app `intranet` in apps.toml",
        "grants.toml:8: grant `g2`: `owner` is missing",
        "grants.toml:14: grant `g2`: `actions`: there is no action `post.shout`",
        "grants.toml:16: grant `g2`: `expires`: 2026-01-01T00:00:00Z is in the past; renew it or delete the grant",
        "grants.toml:20: grant `g3`: `account` must be a string, not an integer",
        "guidelines/a.toml:4: `/forbidden/phrases/1`: value is not of type \"string\"",
    ];
    assert_eq!(faults(&files), expected);
}

#[test]
fn faults_of_brands() {
    only(&with("brands.toml", "[[brand]]\nid = \"acme\"\n"), "brands.toml:8", "another brand `acme` on line 1");
    only(&with("brands.toml", "[[brand]]\nid = \"a/b\"\n"), "brands.toml:8", "the path comes from `parent`");
    only(&with("brands.toml", "[[brand]]\nid = \"Acme Two\"\n"), "brands.toml:8", "lower-case");
    only(&with("brands.toml", "[[brand]]\nname = \"x\"\n"), "brands.toml:7", "`id` is missing");
    only(&with("brands.toml", "[[brand]]\nid = \"x\"\nparent = \"acmee\"\n"), "brands.toml:9", "did you mean `acme`?");
    only(&with("brands.toml", "[[brand]]\nid = \"x\"\nparent = \"x\"\n"), "brands.toml:9", "x → x");
    only(&with("brands.toml", "[[brand]]\nid = \"x\"\nlanguages = [\"english!\"]\n"), "brands.toml:9", "BCP 47");
    only(&with("brands.toml", "[[brands]]\nid = \"x\"\n"), "brands.toml:7", "did you mean `brand`?");
    // What hangs below a cycle, and refers to it, is not a second fault.
    let cycle =
        "[[brand]]\nid=\"c\"\nparent=\"b\"\n[[brand]]\nid=\"b\"\nparent=\"a\"\n[[brand]]\nid=\"a\"\nparent=\"b\"\n";
    let mut files = good();
    files.get_mut("brands.toml").unwrap().push_str(cycle);
    let account = files.get_mut("accounts.toml").unwrap();
    *account = account.replace("acme/snacks", "a/b/c");
    only(&faults(&files), "brands.toml:12", "b → a → b");
}

#[test]
fn a_tree_deeper_than_the_limit_is_refused() {
    let mut text = "[[brand]]\nid = \"b0\"\n".to_owned();
    for at in 1..20 {
        text.push_str(&format!("[[brand]]\nid = \"b{at}\"\nparent = \"b{}\"\n", at - 1));
    }
    let files = Files::from([("brands.toml".to_owned(), text)]);
    assert!(faults(&files).iter().all(|fault| fault.contains("nested deeper than 16")));
    assert_eq!(faults(&files).len(), 4);
}

#[test]
fn faults_of_accounts() {
    let file = "accounts.toml";
    let origin = "https://social.example";
    only(&replaced(file, origin, "http://social.example"), "accounts.toml:5", "private_endpoint = true");
    only(&replaced(file, origin, "https://127.0.0.1"), "accounts.toml:5", "not on the public internet");
    only(&replaced(file, origin, "https://[::ffff:10.0.0.1]:8443"), "accounts.toml:5", "not on the public internet");
    only(&replaced(file, origin, "https://social.example/api"), "accounts.toml:5", "no path");
    only(&replaced(file, origin, "https://social.example?x"), "accounts.toml:5", "no path");
    only(&replaced(file, origin, "ftp://social.example"), "accounts.toml:5", "must be https");
    only(&replaced(file, origin, "social.example"), "accounts.toml:5", "not an address");
    let secret = replaced(file, origin, "https://me:hunter2@social.example");
    only(&secret, "accounts.toml:5", "user name or password");
    assert!(!secret[0].contains("hunter2"));
    only(&replaced(file, "adapter = \"plume\"", "adapter = \"plumme\""), "accounts.toml:4", "did you mean `plume`?");
    only(&replaced(file, "adapter = \"plume\"", "adapter = \"guidelines\""), "accounts.toml:4", "is a policy");
    only(&replaced(file, "adapter = \"plume\"", "adapter = \"chirp\""), "accounts.toml:4", "it speaks `chirp`");
    only(&replaced(file, "acme/snacks", "snacks"), "accounts.toml:6", "write its whole path, `acme/snacks`");
    only(&with(file, "native_hold = \"keep\"\n"), "accounts.toml:7", "write `refuse` or `draft`");
    only(&with(file, "private_endpoint = \"yes\"\n"), "accounts.toml:7", "must be true or false, not a string");
    let private = "endpoint = \"http://127.0.0.1:8480\"\nprivate_endpoint = true";
    assert!(replaced(file, "endpoint = \"https://social.example\"", private).is_empty());
    only(&replaced(file, "[[account]]", "[account]"), "accounts.toml:1", "double brackets");
}

#[test]
fn faults_of_people_apps_and_limits() {
    only(
        &with("people.toml", "[[person]]\nid = \"x\"\nroles = [\"autor\"]\n"),
        "people.toml:10",
        "did you mean `author`?",
    );
    only(&with("people.toml", "[[person]]\nid = \"x\"\napproves = [\"acme\"]\n"), "people.toml:10", "role `approver`");
    only(&with("people.toml", "[[person]]\nid = \"ops-1\"\n"), "people.toml:9", "another `ops-1`");
    only(&with("apps.toml", "[[app]]\nid = \"x\"\n"), "apps.toml:4", "`owner` is missing");
    let app = |more: &str| with("apps.toml", &format!("[[app]]\nid = \"x\"\nowner = \"ops-1\"\n{more}"));
    assert!(app("certificates = [\"spiffe://acme.example/x\", \"dns:x.internal\"]\n").is_empty());
    for name in ["x.internal", "dns:", "dns:*.internal", "spiffe:"] {
        only(&app(&format!("certificates = [\"{name}\"]\n")), "apps.toml:7", "write a URI");
    }
    let token = "[app.token.ci]\nissuer = \"https://login.acme.example\"\naudience = \"pressgate\"\nsubject = \"x\"\n";
    assert!(app(token).is_empty());
    only(&app(&token.replace("https:", "http:")), "apps.toml:8", "an https address");
    assert!(app(&token.replace("https:", "http:").replace("subject", "private_issuer = true\nsubject")).is_empty());
    assert_eq!(app(&token.replace("audience", "audiance")).len(), 2, "an unknown key, and one that is missing");
    only(&app("token = \"x\"\n"), "apps.toml:7", "must be a table");
    let twice = format!("{token}[[app]]\nid = \"y\"\nowner = \"ops-1\"\n{token}");
    only(&app(&twice), "apps.toml:17", "this token is the app `x` already");
    only(&with("apps.toml", "[[app]]\nid = \"x\"\nowner = \"ops1\"\n"), "apps.toml:6", "did you mean `ops-1`?");
    only(&with("limits.toml", "[app.x]\ncalls_per_minute = 1\n"), "limits.toml:3", "there is no app `x`");
    only(&with("limits.toml", "burst = 0\n"), "limits.toml:3", "within 1 and");
    only(&replaced("limits.toml", "60", "-1"), "limits.toml:2", "within 1 and");
    only(&replaced("limits.toml", "60", "6.5"), "limits.toml:2", "not a float");
}

#[test]
fn faults_of_grants() {
    let file = "grants.toml";
    only(&replaced(file, "post.create", "post.*"), "grants.toml:5", "wildcards are not allowed");
    only(&replaced(file, "[\"post.create\"]", "[]"), "grants.toml:5", "at least one action");
    only(&replaced(file, "[\"post.create\"]", "\"post.create\""), "grants.toml:5", "an array of strings, not a string");
    only(&replaced(file, "app = \"newsroom\"\n", ""), "grants.toml:1", "`app` or `person` is missing");
    only(&replaced(file, "app =", "person = \"ops-1\"\napp ="), "grants.toml:3", "only one of `app` or `person`");
    only(
        &replaced(file, "account = \"acme-m\"", "brand = \"acme\"\naccount = \"acme-m\""),
        "grants.toml:4",
        "only one of",
    );
    only(&replaced(file, "\nexpires = 2030-01-01T00:00:00Z", ""), "grants.toml:1", "`expires` is missing");
    only(&replaced(file, "2030-01-01T00:00:00Z", "2030-01-01T00:00:00"), "grants.toml:7", "with an offset");
    only(&replaced(file, "2030-01-01T00:00:00Z", "\"soon\""), "grants.toml:7", "`soon` is none");
    only(&replaced(file, "2030-01-01T00:00:00Z", "2026-06-01T02:00:00+02:00"), "grants.toml:7", "in the past");
    let person = replaced(file, "app = \"newsroom\"", "person = \"ops-1\"\nact_for = [\"chief-1\"]");
    only(&person, "grants.toml:4", "`act_for` is for apps");
    only(&with(file, "act_for = [\"nobody\"]\n"), "grants.toml:8", "there is no person `nobody` in people.toml");
    let deny = |rest: &str| with(file, &format!("[[deny]]\nid = \"d\"\n{rest}"));
    assert!(deny("everyone = true\nbrand = \"acme\"\nreason = \"crisis\"\n").is_empty());
    only(&deny("everyone = false\nbrand = \"acme\"\nreason = \"crisis\"\n"), "grants.toml:10", "can only be true");
    only(&deny("everyone = true\nreason = \"crisis\"\n"), "grants.toml:8", "`account` or `brand` is missing");
    only(&deny("everyone = true\nbrand = \"acme\"\n"), "grants.toml:8", "`reason` is missing");
    only(&deny("everyone = true\nbrand = \"acme\"\nactions = []\nreason = \"x\"\n"), "grants.toml:12", "at least one");
    let twin = deny(
        "everyone = true\nbrand = \"acme\"\nreason = \"x\"\n[[deny]]\nid = \"g\"\napp = \"newsroom\"\n\
                     brand = \"acme\"\nreason = \"x\"\n",
    );
    only(&twin, "grants.toml:14", "another `g` above");
}

#[test]
fn faults_of_auditors() {
    let auditor = |rest: &str| with("grants.toml", &format!("[[auditor]]\nid = \"soc\"\n{rest}"));
    let good = "person = \"chief-1\"\nrights = [\"audit:read\"]\nowner = \"ops-1\"\nexpires = 2030-01-01T00:00:00Z\n";
    assert!(auditor(good).is_empty());
    assert!(auditor(&format!("{good}brand = \"acme/snacks\"\n")).is_empty());
    only(&auditor(&format!("{good}brand = \"acme/x\"\n")), "grants.toml:14", "there is no brand `acme/x`");
    only(&auditor(&format!("{good}brand = 3\n")), "grants.toml:14", "must be a string");
    only(&auditor(&format!("{good}account = \"acme-m\"\n")), "grants.toml:14", "unknown key `account`");
    only(&auditor(&format!("{good}app = \"newsroom\"\n")), "grants.toml:10", "only one of `app` or `person`");
    only(&auditor(&good.replace("chief-1", "chief-2")), "grants.toml:10", "did you mean `chief-1`?");
    only(&auditor(&good.replace("audit:read", "audit:raed")), "grants.toml:11", "did you mean `audit:read`?");
    only(&auditor(&good.replace("audit:read", "audit:*")), "grants.toml:11", "wildcards are not allowed");
    only(&auditor(&good.replace("\"audit:read\"", "")), "grants.toml:11", "at least one right");
    only(&auditor(&good.replace("rights = [\"audit:read\"]\n", "")), "grants.toml:8", "`rights` is missing");
    assert!(auditor(&good.replace("2030", "2020")).is_empty(), "one that has ended gives no right, and is no fault");
    only(&auditor(&good.replace("expires = 2030-01-01T00:00:00Z\n", "")), "grants.toml:8", "`expires` is missing");
    only(&auditor(&good.replace("owner = \"ops-1\"\n", "")), "grants.toml:8", "`owner` is missing");
    let everyone = good.replace("person = \"chief-1\"", "everyone = true");
    let faults = auditor(&everyone);
    assert!(faults.iter().any(|fault| fault.contains("unknown key `everyone`")), "{faults:?}");
    let twin = with("grants.toml", &format!("[[auditor]]\nid = \"g\"\n{good}"));
    only(&twin, "grants.toml:9", "another `g` above");
}

#[test]
fn a_restart_accepts_what_expired_meanwhile() {
    let later = "2031-01-01T00:00:00Z".parse().unwrap();
    assert!(Governance::check(&good(), &plugins(), later).is_err());
    assert!(Governance::restart(&good(), &plugins()).is_ok());
}

#[test]
fn faults_of_policies() {
    let file = "policies.toml";
    let source = "config_file = \"guidelines/a.toml\"";
    let inline = |config: &str| replaced(file, source, config);
    only(
        &inline("[policy.config]\nforbiden = 1\n"),
        "policies.toml:5",
        "`/forbiden`: the plugin does not know this key",
    );
    only(&inline("config = { forbidden = { phrases = [\"Ž\"] } }"), "policies.toml:4", "`/forbidden/phrases/0`");
    only(&inline("[policy.config.links]\n"), "policies.toml:4", "\"allowed_domains\" is a required property");
    only(&inline("config = 3"), "policies.toml:4", "must be a table");
    only(&inline("config = { forbidden = { phrases = [inf] } }"), "policies.toml:4", "infinity");
    only(&inline("config_file = \"guidelines/b.toml\""), "policies.toml:4", "did you mean `guidelines/a.toml`?");
    only(&inline("config_file = \"../guidelines/a.toml\""), "policies.toml:4", "there is no file");
    only(&replaced(file, source, &format!("{source}\nconfig = {{}}")), "policies.toml:4", "only one of");
    only(&replaced(file, "\"guidelines\"", "\"guideline\""), "policies.toml:3", "did you mean `guidelines`?");
    only(&replaced(file, "\"guidelines\"", "\"plume\""), "policies.toml:3", "is an adapter");
    only(&with(file, "brands = []\n"), "policies.toml:5", "leave it out to mean all");
    only(&with(file, "brands = [\"acme/x\"]\n"), "policies.toml:5", "there is no brand `acme/x`");
    only(&with(file, "on_failure = \"allow\"\n"), "policies.toml:5", "can only be \"deny\"");
    only(&with(file, "[[policy]]\nname = \"rules\"\nplugin = \"guidelines\"\n"), "policies.toml:6", "another `rules`");
    only(&with("guidelines/a.toml", "x = \n"), "guidelines/a.toml:3", "invalid TOML");
    let mut files = good();
    files.insert("guidelines/a.json".to_owned(), "{\n \"forbidden\": {\n  \"phrases\": [\n   true ]}}".to_owned());
    let text = files.get_mut(file).unwrap();
    *text = text.replace("a.toml", "a.json");
    only(&faults(&files), "guidelines/a.json:4", "not of type \"string\"");
    files.insert("guidelines/a.json".to_owned(), "{\n \"forbidden\": {},\n \"forbidden\": {}}".to_owned());
    only(&faults(&files), "guidelines/a.json:3", "stands twice");
}

#[test]
fn a_plugin_with_an_unusable_schema_is_blamed_itself() {
    let mut plugins = plugins();
    plugins.get_mut(&PluginName::new("guidelines")).unwrap().config_schema = Some(json!({"type": "no such type"}));
    let faults = Governance::check(&good(), &plugins, now()).unwrap_err();
    only(
        &[faults[0].to_string()],
        "policies.toml:3",
        "the configuration schema of the plugin `guidelines` is unusable",
    );
    plugins.get_mut(&PluginName::new("guidelines")).unwrap().config_schema =
        Some(json!({"$ref": "https://elsewhere.example/schema"}));
    assert!(Governance::check(&good(), &plugins, now()).is_err(), "no reference leaves the schema");
}

#[test]
fn invalid_toml_names_its_line_and_hides_no_other_fault() {
    let mut files = good();
    files.get_mut("apps.toml").unwrap().push_str("[[app]\nid = 3\n");
    files.get_mut("people.toml").unwrap().push_str("[[person]]\nid = \"x\"\nroles = 3\n");
    let faults = faults(&files);
    assert!(faults[0].starts_with("apps.toml:4: invalid TOML"), "{faults:#?}");
    assert!(faults.last().unwrap().starts_with("people.toml:10: "), "{faults:#?}");
    // The grant to `newsroom` is not blamed, whatever became of the list of apps.
    assert!(!faults.iter().any(|fault| fault.starts_with("grants.toml")), "{faults:#?}");
}

#[test]
fn the_same_key_twice_is_a_fault() {
    let faults = with("apps.toml", "owner = \"ops-1\"\n");
    only(&faults, "apps.toml:4", "duplicate key");
}

#[test]
fn a_misspelt_file_is_a_fault_and_a_readme_is_not() {
    only(&with("grant.toml", ""), "grant.toml", "did you mean `grants.toml`?");
    only(&with("grants.tml", ""), "grants.tml", "did you mean `grants.toml`?");
    only(&with("notes.toml", ""), "notes.toml", "no meaning here");
    assert!(with("README.md", "# Our rules").is_empty());
    only(&with("guidelines/acme.md", "be kind"), "guidelines/acme.md:1", "begins with a line");
    assert!(with("guidelines/acme.txt", "be kind").is_empty());
}

#[test]
fn a_file_that_cannot_be_read_hides_no_fault_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in good() {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert!(Governance::load(dir.path(), &plugins(), now()).is_ok());
    std::fs::write(dir.path().join("people.toml"), b"\xff").unwrap();
    std::fs::write(dir.path().join("guidelines/a.toml"), b"a = 1\n# \xff").unwrap();
    std::fs::write(dir.path().join("limits.toml"), "[app.newsroom]\ncalls_per_minute = \"many\"\n").unwrap();
    let faults = Governance::load(dir.path(), &plugins(), now()).unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (fault.file.as_str(), fault.line)).collect();
    assert_eq!(places, [("guidelines/a.toml", 2), ("limits.toml", 2), ("people.toml", 1)]);
    assert_eq!(Governance::read(dir.path()).unwrap_err().len(), 2);
}

/// Adapters that are named after their network, and one policy; the shipped plugins' own schemas are compared where they are built.
struct Shipped;

impl Catalogue for Shipped {
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo> {
        let kind = if name.as_str() == "guidelines" { PluginKind::Policy } else { PluginKind::Adapter };
        Some(PluginInfo { kind, networks: vec![name.to_string()], config_schema: None })
    }
}

#[test]
fn the_example_folder_is_without_fault() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/governance");
    let governance = Governance::load(&dir, &Shipped, now()).unwrap();
    assert_eq!(governance.languages_of(&BrandPath::new("acme/drinks")), ["en"]);
    assert!(governance.may_approve(&PersonId::new("chief-1"), &BrandPath::new("acme/snacks")));
    // The newsroom may post for the snacks, for itself and for its editor; the careers site may not.
    let account = |brand: &str| governance.accounts.values().find(|account| account.brand.as_str() == brand).unwrap();
    let may = |app: &str, person: Option<&str>, brand: &str| {
        let (app, person) = (Principal::App(AppId::new(app)), person.map(PersonId::new));
        let decision = decide(&governance, &app, person.as_ref(), account(brand), Action::POST_CREATE, now());
        matches!(decision, Decision::Granted { .. })
    };
    assert!(may("newsroom", None, "acme/snacks") && may("newsroom", Some("editor-7"), "acme/snacks"));
    assert!(!may("newsroom", None, "acme/drinks") && !may("newsroom", Some("chief-1"), "acme/snacks"));
    assert!(may("careers", None, "acme/drinks") && !may("careers", None, "acme/snacks"));
}

#[test]
fn nesting_without_end_is_a_fault_and_no_overflow() {
    let deep = 200_000;
    let nested = [
        format!("a = {}", "[".repeat(deep)),
        format!("a = {}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}", "{a=".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]\nb = 1", "a.".repeat(deep)),
        format!("a = {{ {}a = 1 }}", "a.".repeat(deep)),
    ];
    for text in nested {
        let start: String = text.chars().take(12).collect();
        assert!(!with("guidelines/a.toml", &format!("\n{text}\n")).is_empty(), "{start}");
        assert!(!with("policies.toml", &format!("config.x = 1\n{text}\n")).is_empty(), "{start}");
    }
    let mut files = good();
    let text = files.get_mut("policies.toml").unwrap();
    *text = text.replace("a.toml", "a.json");
    files.insert("guidelines/a.json".to_owned(), "[".repeat(deep));
    only(&faults(&files), "guidelines/a.json:1", "invalid JSON");
}

#[test]
fn a_large_folder_is_read_whole() {
    let mut files = good();
    let phrases: Vec<String> = (0..50_000).map(|at| format!("  \"phrase {}\",", "x".repeat(at % 40))).collect();
    files.insert("guidelines/a.toml".to_owned(), format!("[forbidden]\nphrases = [\n{}\n]\n", phrases.join("\n")));
    let grants = files.get_mut("grants.toml").unwrap();
    for at in 0..5_000 {
        grants.push_str(&format!(
            "[[grant]]\nid = \"g{at}\"\napp = \"newsroom\"\nbrand = \"acme\"\nactions = [\"post.read\"]\nowner = \"ops-1\"\n\
             expires = 2030-01-01T00:00:00Z\n"
        ));
    }
    assert_eq!(faults(&files), [""; 0]);
}

#[test]
fn limits_are_read_with_classes_networks_and_what_is_kept() {
    let text = r#"
[app.newsroom]
calls_per_minute = 60
[app.newsroom.reply]
calls_per_minute = 30
burst = 3
[network.somewhere.api]
limit = 300
window_s = 300
counts = "rolling"
points = { "post.create" = 3, "post.delete" = 1 }
calls_per_minute = 50
burst = 50
[urgent]
percent = 10
labels = ["crisis"]
apps = ["newsroom"]
[waiting]
seconds = 5
"#;
    let mut files = good();
    files.insert("limits.toml".into(), text.into());
    let limits = Governance::check(&files, &plugins(), now()).unwrap().limits;
    let reply = &limits.classes[&(AppId::new("newsroom"), crate::model::ActionClass::Reply)];
    assert_eq!((reply.calls_per_minute, reply.burst), (30, Some(3)));
    let api = &limits.networks[&("somewhere".to_owned(), "api".to_owned())];
    assert_eq!((api.limit, api.window_s, api.rolling, api.points.len()), (300, 300, true, 2));
    assert_eq!((limits.urgent.percent, limits.urgent.labels.len(), limits.wait_s), (10, 1, 5));

    let fault = |text: &str| {
        let mut files = good();
        files.insert("limits.toml".into(), text.into());
        let faults = Governance::check(&files, &plugins(), now()).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // Fifty at once and 51 a minute are up to 305 in five minutes.
    only(
        &fault(&text.replace("calls_per_minute = 50\n", "calls_per_minute = 51\n")),
        "limits.toml:12",
        "up to 305 in 300 s, but the limit is 300",
    );
    only(&fault(&text.replace("\"rolling\"", "\"sliding\"")), "limits.toml:10", "\"fixed\" or \"rolling\"");
    only(&fault(&text.replace("post.delete", "post.remove")), "limits.toml:11", "unknown action `post.remove`");
    only(&fault(&text.replace("window_s = 300\n", "")), "limits.toml:7", "`window_s` is missing");
    only(&fault(&text.replace("apps = [\"newsroom\"]\n", "")), "limits.toml:14", "both `labels` and `apps`");
    only(&fault(&text.replace("newsroom.reply", "newsroom.replies")), "limits.toml:4", "unknown key `replies`");
}
