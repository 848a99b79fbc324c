//! Courses: who lapsed publishes nothing, reads on and takes back, also where a post waited.

use jiff::{SignedDuration, Timestamp};
use pressgate::operator::wire::TrainingRequest;
use pressgate::operator::{By, Ops};
use serde_json::json;
use tests::harness::governance::FAR;
use tests::harness::{Gate, Running, network, problem, until};

use crate::samples::{PNG, STATUSES, id, post, texts};

const ACCOUNT: &str = "acme-mastodon";

/// Adds a grant that asks for courses.
fn grant(governance: &mut tests::harness::Governance, id: &str, holder: &str, act_for: &[&str], training: &str) {
    let actions = ["post.create", "post.read"];
    governance.grant_until(id, holder, "brand:acme", &actions, FAR, act_for);
    let grants = governance.files()["grants.toml"].clone();
    let head = format!("id = {id:?}\n");
    governance.file("grants.toml", &grants.replace(&head, &format!("{head}training = {training}\n")));
}

async fn import(gate: &Running, csv: &str) -> Result<usize, String> {
    let gateway = gate.gateway();
    let wish = TrainingRequest { csv: Some(csv.to_owned()), records: None };
    let by = By::Person(pressgate::model::PersonId::new("ops-1"));
    let governance = gateway.governance.load_full();
    let (imported, records) =
        Ops::running(gateway).import_training(&by, &governance, wish).await.map_err(|error| format!("{error:?}"))?;
    gateway.people.training.add(records);
    Ok(imported.records)
}

/// The time of the gate, in whole seconds: the records keep no finer one than microseconds.
fn whole(gate: &Running) -> Timestamp {
    Timestamp::from_second(gate.gateway().clock.now().as_second()).expect("a time")
}

fn passed(course: &str, at: Timestamp, end: Option<Timestamp>) -> String {
    let end = end.map(|end| end.to_string()).unwrap_or_default();
    format!("person,course,passed_at,expires_at\neditor-7,{course},{at},{end}\n")
}

#[tokio::test]
async fn a_course_opens_publishing_and_its_lapse_closes_it() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let mut gate = Gate::new()
        .account(ACCOUNT, &net)
        .clock(&clock)
        .govern(|governance| grant(governance, "editor-writes", "person:editor-7", &[], "[\"social-basics\"]"))
        .start()
        .await;
    let now = whole(&gate);
    let editor = gate.caller("person:editor-7");
    let told = problem(&editor.publish(&post(ACCOUNT, "untrained")).await, "training-required");
    let detail = told["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("`social-basics`") && detail.contains("`editor-writes`") && detail.contains("training import")
    );
    assert_eq!(editor.get("/v1/posts").await.status, 200, "reading goes on");
    let end = now + SignedDuration::from_hours(48);
    assert_eq!(import(&gate, &passed("crisis", now, None)).await, Ok(1));
    problem(&editor.publish(&post(ACCOUNT, "another course")).await, "training-required");
    import(&gate, &passed("social-basics", now, Some(end))).await.expect("imported");
    editor.publish(&post(ACCOUNT, "trained")).await.expect(201);
    gate.restart().await;
    let editor = gate.caller("person:editor-7");
    editor.publish(&post(ACCOUNT, "trained, after a restart")).await.expect(201);
    clock.advance(SignedDuration::from_hours(48));
    let told = problem(&editor.publish(&post(ACCOUNT, "lapsed")).await, "training-required");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(&format!("lapsed at {end}"))), "{told}");
    assert_eq!(texts(&net).await, ["trained", "trained, after a restart"]);
    // The log says who imported how much, and no more.
    let log = serde_json::to_string(&gate.leaves()).expect("JSON");
    assert!(log.contains("training-import") && log.contains("training/1") && !log.contains("social-basics"), "{log}");
}

#[tokio::test]
async fn who_lapsed_still_takes_back_what_they_said() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let next_day = pressgate::clock::Clock::now(&*clock) + SignedDuration::from_hours(24);
    let gate = Gate::new()
        .account(ACCOUNT, &net)
        .clock(&clock)
        .govern(|governance| {
            let head = "+++\ntitle = \"Tone\"\nbrand = \"acme\"\nlanguage = \"en\"\nversion = \"1\"\npublic = true\n";
            governance.file("guidelines/acme.md", &format!("{head}effective = {next_day}\n+++\nBe kind.\n"));
            let actions = ["post.create", "post.delete", "post.read", "media.upload"];
            governance.grant("editor-writes", "person:editor-7", "brand:acme", &actions);
            let grants = governance.files()["grants.toml"].clone();
            let head = "id = \"editor-writes\"\n";
            let asks = format!("{head}training = [\"social-basics\"]\nguidelines = [\"acme\"]\n");
            governance.file("grants.toml", &grants.replace(head, &asks));
            // The role asks too.
            let people =
                format!("{}[role.author]\ntraining = [\"social-basics\"]\n", governance.files()["people.toml"]);
            governance.file("people.toml", &people);
        })
        .start()
        .await;
    let now = whole(&gate);
    import(&gate, &passed("social-basics", now, Some(now + SignedDuration::from_hours(48)))).await.expect("imported");
    let editor = gate.caller("person:editor-7");
    let medium = json!({"id": editor.upload("image/png", PNG).await, "alt": "a dot"});
    let body = json!({"accounts": [ACCOUNT], "content": {"text": "regretted", "media": [medium]}});
    let sent = editor.publish(&body).await.expect(201);
    let native = editor.publish(&post(ACCOUNT, "regretted too")).await.expect(201);
    clock.advance(SignedDuration::from_hours(48));
    // By now there are guidelines too, which they have not acknowledged.
    let told = problem(&editor.publish(&post(ACCOUNT, "lapsed")).await, "training-required");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("guidelines")), "{told}");
    editor.delete(&format!("/v1/posts/{}", id(&sent))).await.expect(200);
    let status = &native["targets"][0]["platform_id"];
    let path = format!("/native/{ACCOUNT}{STATUSES}/{}", status.as_str().expect("an id"));
    editor.delete(&path).await.expect(200);
    assert!(texts(&net).await.is_empty(), "both are taken back");
}

#[tokio::test]
async fn a_post_that_waited_meets_the_lapse() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let gate = Gate::new()
        .account(ACCOUNT, &net)
        .clock(&clock)
        .guidelines(&json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]}))
        .govern(|governance| grant(governance, "editor-writes", "person:editor-7", &[], "[\"social-basics\"]"))
        .start()
        .await;
    // Monday: held. Wednesday: the course lapses. Friday: somebody votes.
    let monday = whole(&gate);
    let wednesday = monday + SignedDuration::from_hours(48);
    import(&gate, &passed("social-basics", monday, Some(wednesday))).await.expect("imported");
    let editor = gate.caller("person:editor-7");
    let held = editor.publish(&post(ACCOUNT, "cheap crisps")).await.expect(202);
    let control = editor.publish(&post(ACCOUNT, "cheap nuts")).await.expect(202);
    let chief = gate.caller("person:chief-1");
    chief.vote(&id(&control), "approve").await.expect(200);
    until("the other is out", || async { (texts(&net).await == ["cheap nuts"]).then_some(()) }).await;
    clock.advance(SignedDuration::from_hours(96));
    chief.vote(&id(&held), "approve").await.expect(200);
    let path = format!("/v1/posts/{}", id(&held));
    let view = until("the attempt has ended", || async {
        let view = editor.get(&path).await.expect(200);
        let attempts = view["targets"][0]["attempts"].as_array().map_or(0, Vec::len);
        (attempts > 0).then_some(view)
    })
    .await;
    let attempt = view["targets"][0]["attempts"][0].clone();
    let said = attempt.to_string();
    assert!(said.contains("training-required") && said.contains("social-basics"), "{view}");
    assert!(said.contains(&wednesday.to_string()), "{said}");
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(texts(&net).await, ["cheap nuts"], "nothing of Friday's was sent");
}

#[tokio::test]
async fn apps_act_for_people_with_their_courses_and_another_grant_may_do() {
    let net = network().await;
    let mut gate = Gate::new()
        .account(ACCOUNT, &net)
        .without_grants()
        .govern(|governance| {
            governance.grant("editor-free", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
            grant(governance, "newsroom-acts", "app:newsroom", &["editor-7"], "[\"social-basics\"]");
        })
        .start()
        .await;
    let now = gate.gateway().clock.now();
    let told = problem(&gate.publish(&post(ACCOUNT, "nobody's")).await, "training-required");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("on_behalf_of")), "{told}");
    let mut body = post(ACCOUNT, "for the editor");
    body["on_behalf_of"] = json!("editor-7");
    problem(&gate.publish(&body).await, "training-required");
    import(&gate, &passed("social-basics", now, None)).await.expect("imported");
    gate.publish(&body).await.expect(201);
    // The same rule by role, which no grant gets around.
    let mut governance = gate.governance.clone();
    let people = format!("{}[role.author]\ntraining = [\"crisis\"]\n", governance.files()["people.toml"]);
    governance.file("people.toml", &people);
    gate.apply(governance).await;
    let editor = gate.caller("person:editor-7");
    let told = problem(&editor.publish(&post(ACCOUNT, "by role")).await, "training-required");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("their role")), "{told}");
    problem(&gate.publish(&body).await, "training-required");
    import(&gate, &passed("crisis", now, None)).await.expect("imported");
    editor.publish(&post(ACCOUNT, "by role")).await.expect(201);
    // Of two grants the one whose courses are passed decides, though the other lasts longer.
    let mut governance = gate.governance.clone();
    governance.file("grants.toml", "");
    let mut both = tests::harness::Governance::new();
    both.without_grants();
    both.grant_until("short-free", "person:editor-7", "brand:acme", &["post.create"], "2098-01-01T00:00:00Z", &[]);
    grant(&mut both, "long-trained", "person:editor-7", &[], "[\"never-passed\"]");
    governance.file("grants.toml", &both.files()["grants.toml"]);
    gate.apply(governance).await;
    editor.publish(&post(ACCOUNT, "by the other grant")).await.expect(201);
    let intents = tests::harness::intents(&gate.leaves());
    assert!(intents.last().is_some_and(|(_, intent)| format!("{intent:?}").contains("short-free")));
}

#[tokio::test]
async fn an_import_is_whole_or_nothing() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).start().await;
    let head = "person,course,passed_at,expires_at\n";
    let told = import(&gate, &format!("{head}editor-7,a,2020-01-01,\nJane Doe,a,2020-01-01,\n")).await.unwrap_err();
    assert!(told.contains('3') && told.contains("no such person") && !told.contains("Jane"), "{told}");
    assert!(import(&gate, head).await.is_err(), "nothing to import");
    assert!(Ops::running(gate.gateway()).list_training().await.expect("a list").is_empty());
    assert!(!serde_json::to_string(&gate.leaves()).expect("JSON").contains("training"));
}
