//! `pressgate plugin test`: every shipped plugin's scenarios and the conformance of adapters, and what it finds.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::plugins;

use crate::cli::{Ran, run};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("it is there")
}

fn tested(folder: &Path, plugin: &str, more: &str) -> Ran {
    let component = plugins::folder().join(format!("{plugin}.wasm"));
    let line = format!("plugin test {} --component {} {more} --json", folder.display(), component.display());
    run(folder, &line, "")
}

#[test]
fn every_adapter_conforms_and_every_scenario_holds() {
    for (plugin, scenarios, cases) in
        [("mastodon", 2, 104), ("bluesky", 1, 18), ("x", 1, 35), ("threads", 1, 86), ("guidelines", 1, 0)]
    {
        let told = tested(&repository().join("plugins").join(plugin), plugin, "--conformance").json(0);
        let all = told["scenarios"].as_array().expect("a list");
        assert!(all.iter().all(|one| one["holds"] == true), "{plugin}: {told}");
        let held: usize = all.iter().map(|one| one["conformance"].as_array().expect("a list").len()).sum();
        assert_eq!((all.len(), held), (scenarios, cases), "{plugin}");
    }
}

fn scenario(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join("scenarios")).expect("a folder");
    std::fs::write(folder.join("scenarios/one.toml"), text).expect("written");
}

/// What is said against the one scenario.
fn against(ran: &Ran) -> Vec<String> {
    let told: Value = ran.json(1);
    let one = &told["scenarios"][0];
    let differences = one["differences"].as_array().expect("a list").iter();
    let faults = one["conformance"].as_array().expect("a list").iter().filter(|case| case["fault"].is_string());
    differences
        .map(|text| text.as_str().expect("a text").to_owned())
        .chain(
            faults.map(|case| {
                format!("{}: {}", case["case"].as_str().unwrap_or(""), case["fault"].as_str().unwrap_or(""))
            }),
        )
        .collect()
}

const POST: &str = r#"about = "A post"
[perform]
text = "Hello"
[[step]]
name = "part-0"
kind = "effect"
method = "POST"
path = "/api/v1/statuses"
json = { status = "Hello" }
answer = { json = { id = "1" } }
[expect]
published = ["1"]
"#;

#[test]
fn a_difference_is_told_by_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to, says) in [
        (
            "json = { status = \"Hello\" }",
            "json = { status = \"Hullo\" }",
            "`part-0`: /status should be \"Hullo\" and is \"Hello\"",
        ),
        ("json = { status = \"Hello\" }", "json = { status = \"Hello\", more = 1 }", "`part-0`: /more is missing"),
        ("kind = \"effect\"", "kind = \"read\"", "the kind should be `read` and is `effect`"),
        (
            "kind = \"effect\"",
            "kind = \"effect\"\nsafety = \"none\"",
            "the safety should be `none` and is `native-key:3600`",
        ),
        ("method = \"POST\"", "method = \"PUT\"", "the method should be `PUT` and is `POST`"),
        ("/api/v1/statuses", "/api/v2/statuses", "the path should be `/api/v2/statuses`"),
        ("kind = \"effect\"", "kind = \"effect\"\nheaders = { x-more = \"1\" }", "the header `x-more` is missing"),
        ("name = \"part-0\"", "name = \"part-1\"", "`part-0` is asked for, POST"),
        ("published = [\"1\"]", "published = [\"2\"]", "it should publish 2, and published 1"),
        ("published = [\"1\"]", "failure = \"rejected\"", "it should end as `rejected`, and published 1"),
        (
            "{ json = { id = \"1\" } }",
            "{ status = 422, json = { error = \"no\" } }",
            "it should publish, and ended as `rejected`",
        ),
        (
            "[expect]",
            "[[step]]\nname = \"more\"\nkind = \"read\"\nmethod = \"GET\"\npath = \"/\"\nanswer = {}\n[expect]",
            "`more` is in the scenario, and was not asked for",
        ),
        ("text = \"Hello\"", "text = \"Hello\"\nmood = \"x\"", "unknown field `mood`"),
        ("[perform]", "[check]", "only [perform] speaks to the network"),
        (
            "text = \"Hello\"",
            "text = \"Hello\"\naction = \"post.explode\"",
            "`post.explode` is not in the gateway's list",
        ),
    ] {
        assert_eq!(POST.matches(from).count(), 1, "{from}");
        scenario(folder.path(), &POST.replace(from, to));
        let said = against(&tested(folder.path(), "mastodon", ""));
        assert!(said.iter().any(|text| text.contains(says)), "{says}: {said:?}");
    }
    scenario(folder.path(), POST);
    tested(folder.path(), "mastodon", "").json(0);
    std::fs::remove_file(folder.path().join("scenarios/one.toml")).expect("removed");
    let none = tested(folder.path(), "mastodon", "").json(1);
    assert!(none["error"].as_str().is_some_and(|text| text.contains("there is no scenario")), "{none}");
}

#[test]
fn an_adapter_that_does_not_conform_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    // It checks nothing at all.
    scenario(folder.path(), &POST.replace("part-0", "status"));
    let said = against(&tested(folder.path(), "keyless", "--conformance"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("is found by check: nothing of the severity `error` was found"), "{said:?}");
    // One that works without end, and one that crashes.
    for (text, says) in [("spin", "the plugin failed"), ("panic", "the plugin failed")] {
        scenario(folder.path(), &POST.replace("text = \"Hello\"", &format!("text = \"{text}\"")));
        let said = against(&tested(folder.path(), "hostile", "--conformance"));
        assert!(said.iter().any(|found| found.contains(says)), "{text}: {said:?}");
    }
}
