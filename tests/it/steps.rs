//! Steps on posts: what is answered of freezes and missing votes, who reads on, repetitions, races, and what the log names.

use jiff::{SignedDuration, Timestamp};
use pressgate::clock::Clock;
use pressgate::operator::wire::TrainingRequest;
use pressgate::operator::{By, Ops};
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::leaves::refusals;
use tests::harness::{Caller, Gate, Running, gate, network, problem, until};
use tests::http::Answer;
use tokio::task::JoinSet;

use crate::samples::{STATUSES, TWO, after, edit, id, launch, post, step, texts};

const ACCOUNT: &str = "acme-mastodon";
async fn once(caller: &Caller, post: &str, what: &str, key: &str, body: &Value) -> Answer {
    let path = format!("/v1/posts/{post}/{what}");
    caller.send("POST", &path, &[JSON, ("idempotency-key", key)], body.to_string()).await
}

async fn reword(caller: &Caller, post: &str, version: u32, text: &str) -> Answer {
    edit(caller, post, version, &json!({"content": {"text": text}})).await
}

async fn freeze(gate: &Running) -> String {
    let wish = json!({"scope": format!("account:{ACCOUNT}"), "reason": "data-leak"});
    id(&gate.caller("person:chief-1").post("/v1/freezes", &wish).await.expect(201))
}

async fn lift(gate: &Running, freeze: &str) {
    for who in ["person:chief-1", "person:ops-1"] {
        gate.caller(who).post(&format!("/v1/freezes/{freeze}/lift"), &json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn an_edit_under_a_freeze_is_answered_as_what_it_is() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let mut body = post(ACCOUNT, "one");
    body["schedule"] = json!({"at": after(&gate, 600)});
    let post = id(&gate.publish(&body).await.expect(202));
    let freeze = freeze(&gate).await;
    clock.advance(SignedDuration::from_secs(601));
    let frozen = gate.until_state(&post, "frozen").await;
    assert_eq!(frozen["targets"][0]["frozen_by"], json!(freeze));
    let edited = reword(&gate, &post, 1, "two").await.expect(200);
    let target = &edited["targets"][0];
    assert_eq!((&edited["state"], &target["state"]), (&json!("frozen"), &json!("frozen")), "{edited}");
    assert_eq!(target["frozen_by"], json!(freeze));
    let listed = gate.get("/v1/posts").await.expect(200);
    assert_eq!(listed["posts"][0]["targets"][0]["frozen_by"], json!(freeze));
    let told = gate.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    assert_eq!(told["frozen"], json!([{"account": ACCOUNT, "freeze": freeze}]));
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn a_word_after_a_freeze_says_that_votes_are_missing_too() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let mut gate = gate.start().await;
    let mut body = launch(ACCOUNT, "one");
    body["schedule"] = json!({"at": after(&gate, 600)});
    let post = id(&gate.publish(&body).await.expect(202));
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 1})).await.expect(200);
    }
    let freeze = freeze(&gate).await;
    clock.advance(SignedDuration::from_secs(601));
    gate.until_state(&post, "frozen").await;
    // Meanwhile the rule asks for others.
    let mut other = gate.governance.clone();
    other.file("approvals.toml", &TWO.replace("\"chief-drinks\", ", "\"editor-8\", "));
    gate.apply(other).await;
    lift(&gate, &freeze).await;
    gate.until_state(&post, "held").await;
    let chief = gate.caller("person:chief-1");
    let told = chief.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    let wait = &told["waits"][0];
    assert_eq!((&wait["waits_for"], &wait["votes_missing"]), (&json!("thawed"), &json!(true)), "{told}");
    let confirmed = step(&chief, &post, "approve", json!({"version": 1})).await.expect(200);
    assert_eq!(
        (&confirmed["state"], &confirmed["targets"][0]["waits_for"]),
        (&json!("held"), &json!("votes")),
        "{confirmed}"
    );
    step(&gate.caller("person:editor-8"), &post, "approve", json!({"version": 1})).await.expect(200);
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["one"]);
}

#[tokio::test]
async fn who_had_a_say_reads_on() {
    let (net, clock) = (network().await, gate::clock());
    let day = |hours: i64| (clock.now() + SignedDuration::from_hours(hours)).to_string();
    let rule = format!(
        "[[rule]]\nname = \"launch\"\nlabels = [\"launch\"]\nstages = [{{ n = 1, people = [\"chief-1\"] }}]\n\
         [[substitute]]\nperson = \"chief-1\"\nby = \"editor-8\"\nfrom = {}\nuntil = {}\n",
        day(-1),
        day(1)
    );
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file("approvals.toml", &rule);
    });
    let gate = gate.start().await;
    let (substitute, stranger) = (gate.caller("person:editor-8"), gate.caller("person:editor-7"));
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    let seen = async |who: &Caller| who.get(&format!("/v1/posts/{post}")).await.status;
    assert_eq!((seen(&substitute).await, seen(&stranger).await), (200, 404));
    step(&substitute, &post, "approve", json!({"version": 1})).await.expect(200);
    gate.until_state(&post, "published").await;
    clock.advance(SignedDuration::from_hours(3));
    assert_eq!((seen(&substitute).await, seen(&stranger).await), (200, 404), "who voted reads on, nobody else");
    let history = substitute.get(&format!("/v1/posts/{post}/history")).await.expect(200);
    assert!(history["events"].as_array().is_some_and(|events| events.len() > 4));
}

#[tokio::test]
async fn a_step_with_a_key_is_done_once_and_answered_the_same() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let mut gate = gate.start().await;
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    let comment = json!({"text": "is the date right?"});
    let first = once(&gate, &post, "comment", "c-1", &comment).await;
    let again = once(&gate, &post, "comment", "c-1", &comment).await;
    assert_eq!((first.status, first.text()), (200, again.text()));
    assert_eq!((again.status, again.header("etag")), (200, Some("\"1\"")));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (caller, post, comment) = (gate.caller("app:newsroom"), post.clone(), comment.clone());
        tasks.spawn(async move { once(&caller, &post, "comment", "c-2", &comment).await });
    }
    let together = tasks.join_all().await;
    assert!(together.iter().all(|answer| answer.status == 200 && answer.text() == together[0].text()));
    let told = gate.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    assert_eq!(told["open_comments"], 2, "one for each key");
    problem(&once(&gate, &post, "comment", "c-1", &json!({"text": "other"})).await, "idempotency-mismatch");
    // Another step has keys of its own, and so has another caller.
    let chief = gate.caller("person:chief-1");
    let vote = json!({"version": 1});
    let agreed = once(&chief, &post, "approve", "c-1", &vote).await;
    gate.restart().await;
    let chief = gate.caller("person:chief-1");
    let repeated = once(&chief, &post, "approve", "c-1", &vote).await;
    assert_eq!((agreed.status, repeated.status, agreed.text()), (200, 200, repeated.text()), "after a restart too");
    problem(&once(&chief, &post, "approve", "c-9", &vote).await, "already-voted");
    // What was refused leaves the key free for the mended request.
    problem(&once(&chief, &post, "reject", "r-1", &json!({})).await, "invalid-request");
    let no = json!({"note": "not now"});
    assert_eq!(once(&chief, &post, "reject", "r-1", &no).await.expect(200)["state"], "rejected");
    assert_eq!(once(&chief, &post, "reject", "r-1", &no).await.expect(200)["state"], "rejected");
    problem(&once(&chief, &post, "reject", "r-2", &no).await, "not-held");
}

#[tokio::test]
async fn of_two_editors_at_once_one_hears_that_the_version_is_another() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    for round in 0..10_u32 {
        let version = round + 1;
        let mut tasks = JoinSet::new();
        for editor in 0..4 {
            let (caller, post) = (gate.caller("app:newsroom"), post.clone());
            tasks.spawn(
                async move { reword(&caller, &post, version, &format!("round {round}, editor {editor}")).await },
            );
        }
        let answers = tasks.join_all().await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            let told = problem(lost, "version-mismatch");
            assert_eq!(told["status"], 412);
            assert!(told["detail"].as_str().expect("a detail").contains("If-Match"), "{told}");
        }
    }
}

#[tokio::test]
async fn the_log_names_the_step_and_what_happened() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
        it.auditor("everything", "person:ops-1", &["audit:read"], None);
    });
    let gate = gate.start().await;
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    let chief = gate.caller("person:chief-1");
    problem(&step(&chief, &post, "approve", json!({"version": 7})).await, "content-changed");
    problem(&step(&chief, &post, "reject", json!({})).await, "invalid-request");
    problem(&step(&chief, &post, "cancel", json!({})).await, "no-grant");
    problem(&step(&gate, &post, "comment", json!({})).await, "invalid-request");
    problem(&reword(&gate, &post, 9, "two").await, "version-mismatch");
    let tried: Vec<String> = refusals(&gate.leaves()).into_iter().filter_map(|leaf| leaf.action).collect();
    assert_eq!(tried, ["post.approve", "post.reject", "post.cancel", "post.comment", "post.edit"]);
    step(&chief, &post, "approve", json!({"version": 1})).await.expect(200);
    step(&gate.caller("person:chief-drinks"), &post, "approve", json!({"version": 1})).await.expect(200);
    gate.until_state(&post, "published").await;
    let ops = gate.caller("person:ops-1");
    for (action, kind) in
        [("post.approved", "transition"), ("post.voted", "vote"), ("post.cancel", "refused"), ("post.held", "held")]
    {
        let found = until("the search has it", || async {
            let found = ops.get(&format!("/v1/audit?action={action}")).await.expect(200);
            let leaves = found["items"].as_array().expect("a list").clone();
            (!leaves.is_empty()).then_some(leaves)
        })
        .await;
        assert!(found.iter().all(|item| item["leaf"]["kind"] == kind), "{action}: {found:?}");
    }
}

#[tokio::test]
async fn a_vote_needs_the_course_that_a_role_asks_for() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
        let people = it.files()["people.toml"].clone();
        it.file("people.toml", &format!("{people}\n[role.approver]\ntraining = [\"social-basics\"]\n"));
    });
    let gate = gate.start().await;
    let now = gate.gateway().clock.now().as_second();
    let time = |seconds: i64| Timestamp::from_second(now + seconds).expect("a time");
    let csv = |end: String| format!("person,course,passed_at,expires_at\nchief-1,social-basics,{},{end}\n", time(-100));
    train(&gate, &csv(time(-10).to_string())).await;
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    let chief = gate.caller("person:chief-1");
    let told = problem(&step(&chief, &post, "approve", json!({"version": 1})).await, "training-required");
    let detail = told["detail"].as_str().expect("a detail");
    assert!(detail.contains("`social-basics`") && detail.contains("lapsed at") && detail.contains("agree"), "{detail}");
    let explained = chief.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    let stage = &explained["rules"][0]["stages"][0];
    assert_eq!((&stage["can_vote"], &stage["lacking"]), (&json!(["chief-drinks"]), &json!(["chief-1"])), "{stage}");
    // A no is welcome all the same.
    let other = id(&gate.publish(&launch(ACCOUNT, "two")).await.expect(202));
    step(&chief, &other, "reject", json!({"note": "not now"})).await.expect(200);
    train(&gate, &csv(String::new())).await;
    step(&chief, &post, "approve", json!({"version": 1})).await.expect(200);
}

async fn train(gate: &Running, csv: &str) {
    let gateway = gate.gateway();
    let wish = TrainingRequest { csv: Some(csv.to_owned()), records: None };
    let by = By::Person(pressgate::model::PersonId::new("ops-1"));
    let governance = gateway.governance.load_full();
    let (_, records) = Ops::running(gateway).import_training(&by, &governance, wish).await.expect("imported");
    gateway.people.training.add(records);
}

#[tokio::test]
async fn another_time_keeps_what_keeps_a_post_from_leaving_too_late() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let mut body = post(ACCOUNT, "in time or not at all");
    body["schedule"] = json!({"at": after(&gate, 3600), "earliest": after(&gate, 1800), "latest": after(&gate, 7200),
        "until": after(&gate, 14_400), "late_max_s": 300});
    let post = id(&gate.publish(&body).await.expect(202));
    let set = async |schedule: Value| step(&gate, &post, "schedule", json!({"schedule": schedule})).await;
    // Beyond what was approved: `earliest` and `latest` went with the time that they were said with.
    let moved = set(json!({"at": after(&gate, 10_800)})).await.expect(200);
    let kept = json!({"at": after(&gate, 10_800), "until": after(&gate, 14_400), "late_max_s": 300});
    assert_eq!((&moved["schedule"], &moved["version"]), (&kept, &json!(2)), "{moved}");
    let told = problem(&set(json!({"at": after(&gate, 14_400)})).await, "time-invalid");
    assert_eq!(told["errors"][0]["pointer"], "/schedule/until", "{told}");
    assert!(told["detail"].as_str().expect("a detail").contains("null"), "{told}");
    let moved = set(json!({"at": after(&gate, 18_000), "until": after(&gate, 20_000)})).await.expect(200);
    assert_eq!(
        (&moved["schedule"]["until"], &moved["schedule"]["late_max_s"]),
        (&json!(after(&gate, 20_000)), &json!(300))
    );
    let moved = set(json!({"at": after(&gate, 25_000), "until": null, "late_max_s": null})).await.expect(200);
    assert_eq!(moved["schedule"], json!({"at": after(&gate, 25_000)}), "what is said to be nothing is dropped");
    let moved = set(json!({"at": after(&gate, 25_000), "until": after(&gate, 26_000)})).await.expect(200);
    let version = moved["version"].clone();
    let moved = set(json!({"at": after(&gate, 25_000), "until": null})).await.expect(200);
    assert_eq!(moved["schedule"], json!({"at": after(&gate, 25_000)}), "the same time without its end is another plan");
    assert_ne!(moved["version"], version);
}
