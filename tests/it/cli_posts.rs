//! The life of a post on the command line, as editors and approvers would have it: each with the program and a key of their own.

use std::process::Command;

use jiff::civil::{Date, Weekday};
use sample_network::{Fault, Plan};
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, built, network};

use crate::cli::Ran;
use crate::samples::{STATUSES, id, texts};

/// The author.
const EDITOR: &str = "person:editor-7";
/// The approvers: both are asked about an account of `acme/drinks`.
const CHIEF: &str = "person:chief-1";
const SECOND: &str = "person:chief-drinks";
/// The account on which two must agree, and one on which nobody is asked.
const STRICT: &str = "drinks-mastodon";
const FREE: &str = "snacks-mastodon";

async fn house(net: &sample_network::Running) -> GateProcess {
    Gate::new()
        .account_of("acme/drinks", STRICT, net)
        .account_of("acme/snacks", FREE, net)
        .govern(|governance| {
            let actions = ["post.create", "post.read"];
            governance.grant("editor-writes", EDITOR, "brand:acme", &actions);
            governance.grant("other-editor-writes", "person:editor-8", "brand:acme", &actions);
            let rule = "[[rule]]\nname = \"two-chiefs\"\nbrands = [\"acme/drinks\"]\n\
                        stages = [{ n = 2, role = \"approver\" }]\nexpires_after = \"3d\"\n";
            governance.file("approvals.toml", rule);
        })
        .spawn()
        .await
}

/// Runs `pressgate` with somebody's key in the environment, and with this editor.
fn run_with(gate: &GateProcess, holder: &str, editor: &str, line: &[&str]) -> Ran {
    let output = Command::new(built::program())
        .args(line)
        .current_dir(gate.site.folder())
        .env_remove("PRESSGATE_OPERATOR_KEY")
        .env_remove("VISUAL")
        .env("PRESSGATE_KEY", gate.site.key(holder))
        .env("EDITOR", editor)
        .env("TMPDIR", gate.site.folder())
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(gate: &GateProcess, holder: &str, line: &[&str]) -> Ran {
    run_with(gate, holder, "false", line)
}

fn post(gate: &GateProcess, holder: &str, line: &[&str]) -> Value {
    run(gate, holder, &[&["post", "--json"], line].concat()).json(0)
}

/// A draft of the editor.
fn draft(gate: &GateProcess, account: &str, text: &str) -> String {
    let made = post(gate, EDITOR, &["create", "--draft", "--account", account, "--text", text]);
    assert_eq!((&made["state"], &made["version"]), (&json!("draft"), &json!(1)), "{made}");
    id(&made)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_agree_and_an_edit_between_them_voids_the_first() {
    let net = network().await;
    let gate = house(&net).await;
    let id = draft(&gate, STRICT, "Loud");
    let told = run(&gate, EDITOR, &["post", "explain", &id]);
    assert!(told.text(0).contains(&format!("pressgate post submit {id}")), "{told:?}");
    assert_eq!(post(&gate, EDITOR, &["submit", &id])["state"], "held");

    let waiting = run(&gate, CHIEF, &["approvals"]);
    assert!(waiting.text(0).contains(&id) && waiting.out.contains("two-chiefs"), "{waiting:?}");
    let blind = run(&gate, CHIEF, &["post", "approve", &id]);
    assert!(blind.text(1).contains("--saw"), "{blind:?}");
    let own = run(&gate, EDITOR, &["post", "approve", &id, "--saw", "1"]);
    assert!(own.text(1).contains("Nobody approves their own post"), "{own:?}");
    assert_eq!(post(&gate, CHIEF, &["approve", &id, "--saw", "1", "--note", "fine"])["state"], "held");
    let waiting = run(&gate, CHIEF, &["approvals"]);
    assert!(!waiting.text(0).contains(&id), "who agreed is asked no more: {waiting:?}");
    let told = run(&gate, EDITOR, &["post", "explain", &id]);
    let line = "1. 2 people with the role `approver`. Agreed: chief-1. Could vote now: chief-drinks.";
    for part in
        ["is held, version 1.", "drinks-mastodon waits for votes.", "Rule `two-chiefs` wants:", line, "it expires"]
    {
        assert!(told.text(0).contains(part), "`{part}` in {told:?}");
    }

    run(&gate, SECOND, &["post", "comment", &id, "too loud"]).text(0);
    let edited = post(&gate, EDITOR, &["edit", &id, "--text", "Quiet"]);
    assert_eq!((&edited["state"], &edited["version"]), (&json!("held"), &json!(2)), "{edited}");
    let told = run(&gate, EDITOR, &["post", "explain", &id]);
    assert!(told.text(0).contains("version 2.") && told.out.contains("Agreed: nobody."), "{told:?}");
    let stale = run(&gate, SECOND, &["post", "approve", &id, "--saw", "1"]);
    assert!(stale.text(1).contains("Version 2 was made by editor-7 at "), "{stale:?}");
    assert_eq!(net.count("POST", STATUSES).await, 0);

    assert_eq!(post(&gate, CHIEF, &["approve", &id, "--saw", "2"])["state"], "held");
    let twice = run(&gate, CHIEF, &["post", "approve", &id, "--saw", "2"]);
    assert!(twice.text(1).contains("You agreed to this version before"), "{twice:?}");
    assert_eq!(net.count("POST", STATUSES).await, 0, "one is not two");
    run(&gate, SECOND, &["post", "approve", &id, "--saw", "2"]).text(0);
    gate.until_state(&id, "published").await;
    assert_eq!(texts(&net).await, ["Quiet"]);

    let history = run(&gate, EDITOR, &["post", "history", &id]);
    let found: Vec<Vec<&str>> = history.text(0).lines().map(|line| line.split_whitespace().skip(1).collect()).collect();
    let rows = [
        &["editor-7", "created"][..],
        &["editor-7", "submitted"],
        &["chief-1", "voted", "yes;", "version", "1", "fine"],
        &["chief-drinks", "commented", "comment", "1", "too", "loud"],
        &["editor-7", "edited", "version", "2"],
        &["chief-1", "voted", "yes;", "version", "2"],
        &["chief-drinks", "voted", "yes;", "version", "2"],
        &["chief-drinks", "approved"],
        &["–", "published"],
    ];
    let mut left = found.iter();
    for row in rows {
        assert!(left.any(|found| found.starts_with(row)), "{row:?}, in this order, in {history:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_has_a_reason_and_the_author_writes_it_anew() {
    let net = network().await;
    let gate = house(&net).await;
    let id = draft(&gate, STRICT, "Half price");
    post(&gate, EDITOR, &["submit", &id]);
    let rejected = post(&gate, CHIEF, &["reject", &id, "--note", "no prices"]);
    assert_eq!(rejected["state"], "rejected");
    let told = run(&gate, EDITOR, &["post", "explain", &id]);
    assert!(told.text(0).contains(&format!("pressgate post reopen {id}")), "{told:?}");
    let history = run(&gate, EDITOR, &["post", "history", &id]);
    assert!(history.text(0).lines().any(|line| line.contains("voted") && line.ends_with("no prices")), "{history:?}");
    assert_eq!(post(&gate, EDITOR, &["reopen", &id])["state"], "draft");
    assert_eq!(post(&gate, EDITOR, &["cancel", &id, "--note", "no use"])["state"], "cancelled");
    let again = run(&gate, EDITOR, &["post", "submit", &id]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_edit_at_once_do_not_overwrite_each_other() {
    let net = network().await;
    let gate = house(&net).await;
    let id = draft(&gate, STRICT, "Quiet words");
    let edited = post(&gate, "person:editor-8", &["edit", &id, "--label", "launch", "--saw", "1"]);
    assert_eq!((&edited["version"], &edited["labels"]), (&json!(2), &json!(["launch"])));
    let late = run(&gate, EDITOR, &["post", "edit", &id, "--text", "Mine", "--saw", "1"]);
    assert!(late.text(1).contains("Version 2 was made by editor-8 at "), "{late:?}");

    // The editor sees the whole request, and what it leaves alone stays.
    let by_hand = run_with(&gate, EDITOR, "sed -i s/Quiet/Loud/", &["post", "edit", &id, "--editor", "--json"]).json(0);
    assert_eq!(by_hand["targets"][0]["content"]["parts"][0]["text"], "Loud words", "{by_hand}");
    assert_eq!((&by_hand["version"], &by_hand["labels"]), (&json!(3), &json!(["launch"])));
    let left = || {
        let names =
            std::fs::read_dir(gate.site.folder()).expect("a folder").map(|entry| entry.expect("an entry").path());
        names.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect::<Vec<_>>()
    };
    assert_eq!(left(), Vec::<std::path::PathBuf>::new(), "nothing stays behind");
    let same = run_with(&gate, EDITOR, "true", &["post", "edit", &id, "--editor"]);
    assert_eq!(same.text(0), "nothing was changed\n");
    let failed = run_with(&gate, EDITOR, "false", &["post", "edit", &id, "--editor"]);
    assert!(failed.text(1).contains("nothing was sent"), "{failed:?}");

    // What is refused is not lost: it is mended and sent again.
    let broken = run_with(&gate, EDITOR, "printf x >>", &["post", "edit", &id, "--editor"]);
    assert!(broken.text(1).contains("What you wrote is in "), "{broken:?}");
    let file = left().pop().expect("the file is kept");
    let text = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, text.trim_end_matches('x').replace("Loud", "Mended")).expect("written");
    let mended = post(&gate, EDITOR, &["edit", &id, "--request", &file.display().to_string()]);
    assert_eq!(mended["targets"][0]["content"]["parts"][0]["text"], "Mended words");

    // Who may only vote does not read the request.
    let chief = run(&gate, CHIEF, &["post", "edit", &id, "--editor"]);
    assert_eq!(chief.code, Some(1), "{chief:?}");
    let nothing = run(&gate, EDITOR, &["post", "edit", &id]);
    assert!(nothing.text(2).contains("say what changes"), "{nothing:?}");
}

/// The last Sunday of March of next year, when clocks in Prague jump from two to three.
fn gap() -> Date {
    let last = Date::new(jiff::Zoned::now().year() + 1, 3, 31).expect("a day");
    if last.weekday() == Weekday::Sunday { last } else { last.nth_weekday(-1, Weekday::Sunday).expect("a Sunday") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_no_clock_shows_is_told_with_both_instants() {
    let net = network().await;
    let gate = house(&net).await;
    let id = draft(&gate, FREE, "Spring");
    let (day, local) = (gap(), format!("{}T02:30", gap()));
    let when = ["post", "schedule", &id, "--local", &local, "--zone", "Europe/Prague"];
    let refused = run(&gate, EDITOR, &when);
    for part in [
        "can't be scheduled".to_owned(),
        format!("/schedule/local: the earlier is {day}T00:30:00Z"),
        format!("/schedule/local: the later is {day}T01:30:00Z"),
    ] {
        assert!(refused.text(1).contains(&part), "`{part}` in {refused:?}");
    }
    let refused = run(&gate, EDITOR, &[&when[..], &["--json"]].concat()).json(1);
    assert_eq!(refused["details"]["status"], 422, "{refused}");
    let set = run(&gate, EDITOR, &[&when[..], &["--disambiguation", "later", "--json"]].concat()).json(0);
    let due = format!("{day}T01:30:00Z");
    assert_eq!((&set["due_at"], &set["state"]), (&json!(due), &json!("draft")), "{set}");
    assert_eq!(post(&gate, EDITOR, &["submit", &id])["state"], "scheduled");

    let until = format!("{}-12-31T00:00:00Z", day.year());
    let planned = run(&gate, EDITOR, &["calendar", "--until", &until]);
    assert!(planned.text(0).contains(&due) && planned.out.contains(&id), "{planned:?}");
    run(&gate, EDITOR, &["calendar", "--until", &until, "--ics", "posts.ics"]).text(0);
    let ics = std::fs::read_to_string(gate.site.path("posts.ics")).expect("written");
    assert!(ics.starts_with("BEGIN:VCALENDAR\r\n") && ics.contains(&format!("UID:{id}@pressgate")), "{ics}");

    // The request says the time as it is now, and an edit of the text leaves it.
    let edited = post(&gate, EDITOR, &["edit", &id, "--text", "Summer"]);
    assert_eq!(edited["due_at"], json!(due), "{edited}");
    let request: Value = gate.caller(EDITOR).get(&format!("/v1/posts/{id}/request")).await.expect(200);
    assert_eq!((&request["schedule"]["local"], &request["content"]["text"]), (&json!(local), &json!("Summer")));
    let moved = post(&gate, EDITOR, &["edit", &id, "--at", &until]);
    assert_eq!(moved["due_at"], json!(until), "nothing of the time before stays: {moved}");
    assert_eq!(post(&gate, EDITOR, &["cancel", &id])["state"], "cancelled");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_when_somebody_says_so() {
    let net = network().await;
    let gate = house(&net).await;
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Status { status: 422, stored: false })).await;
    let failed = run(&gate, EDITOR, &["post", "create", "--account", FREE, "--text", "Again", "--wait", "30"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let listed = post(&gate, EDITOR, &["list", "--state", "failed", "--account", FREE]);
    let id = id(&listed["posts"][0]);
    let told = run(&gate, EDITOR, &["post", "explain", &id]);
    assert!(told.text(0).contains(&format!("pressgate post retry {id}")), "{told:?}");
    run(&gate, EDITOR, &["post", "retry", &id, "--note", "the limit is gone"]).text(0);
    gate.until_state(&id, "published").await;
    assert_eq!(texts(&net).await, ["Again"]);
    let history = run(&gate, EDITOR, &["post", "history", &id]);
    let retried =
        |line: &str| line.contains("editor-7") && line.contains(" again ") && line.ends_with("the limit is gone");
    assert!(history.text(0).lines().any(retried), "{history:?}");

    let confirm = run(&gate, EDITOR, &["post", "confirm", &id]);
    assert!(confirm.text(1).contains("waits for nobody's word"), "{confirm:?}");
    let retry = run(&gate, EDITOR, &["post", "retry", &id]);
    assert!(retry.text(1).contains("only what failed is tried again"), "{retry:?}");
    let resolve =
        run(&gate, EDITOR, &["post", "resolve", &id, "--account", FREE, "--not-published", "--note", "looked"]);
    assert_eq!(resolve.code, Some(1), "{resolve:?}");
    assert_eq!(net.count("POST", STATUSES).await, 2);
}
