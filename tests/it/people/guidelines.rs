//! Guidelines: read by everybody or by people, in their language; acknowledged in a browser or with a key; asked for before a post leaves.

use jiff::{SignedDuration, Timestamp};
use pressgate::audit::leaf::Changed;
use serde_json::json;
use tests::harness::governance::FAR;
use tests::harness::{Gate, Governance, Running, network, problem, until};
use tests::http::{self, Answer};

use super::House;
use super::browser::{Browser, form};
use crate::samples::{id, post, texts};

const ACCOUNT: &str = "acme-mastodon";

fn text(brand: &str, language: &str, version: &str, effective: Timestamp, public: bool) -> String {
    format!(
        "+++\ntitle = \"Tone & <voice> {language}\"\nbrand = {brand:?}\nlanguage = {language:?}\nversion = {version:?}\npublic = {public}\n\
         effective = {effective}\n+++\nWe are *kind* in {language}, as of {version}. [More](https://acme.example/?a=1&b=2)\n"
    )
}

/// Versions in two languages for all, one later, and one for people alone.
fn texts_of(governance: &mut Governance, now: Timestamp) {
    let hours = |hours: i64| now + SignedDuration::from_hours(hours);
    governance.file("guidelines/acme-en.md", &text("acme", "en", "2027-1", hours(-1), true));
    governance.file("guidelines/acme-cs.md", &text("acme", "cs", "2027-1", hours(-1), true));
    governance.file("guidelines/acme-next.md", &text("acme", "en", "2027-2", hours(48), true));
    governance.file("guidelines/snacks.md", &text("acme/snacks", "en", "1", hours(-1), false));
}

/// The editor's grant, which asks for the guidelines of `acme`.
fn grant(governance: &mut Governance) {
    governance.grant_until("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"], FAR, &[]);
    let grants = governance.files()["grants.toml"].clone();
    let head = "id = \"editor-writes\"\n";
    governance.file("grants.toml", &grants.replace(head, &format!("{head}guidelines = [\"acme\"]\n")));
}

async fn look(gate: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    http::call("GET", &format!("{}{path}", gate.url), headers, "").await
}

/// The digest of a text, as the API tells it.
async fn digest(gate: &Running, brand: &str, version: &str) -> String {
    let path = format!("/v1/guidelines/{brand}?version={version}&language=en");
    let told = gate.caller("person:editor-7").get(&path).await.expect(200);
    told["digest"].as_str().expect("a digest").to_owned()
}

async fn acknowledge(gate: &Running, brand: &str, version: &str) -> Answer {
    let body = json!({"version": version, "digest": digest(gate, brand, version).await});
    gate.caller("person:editor-7").post(&format!("/v1/guidelines/{brand}/acknowledgements"), &body).await
}

#[tokio::test]
async fn everybody_reads_in_their_language() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let now = pressgate::clock::Clock::now(&*clock);
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|all| texts_of(all, now)).start().await;
    let listed = look(&gate, "/guidelines", &[]).await;
    assert!(listed.status == 200 && listed.text().contains("hreflang=\"cs\""), "{}", listed.text());
    assert!(listed.text().contains("2027-2") && !listed.text().contains("snacks"), "{}", listed.text());
    for (query, accept, language) in [
        ("", "cs-CZ, en;q=0.5", "cs"),
        ("", "en-GB", "en"),
        ("", "fr", "cs"),
        ("?language=cs", "en", "cs"),
        ("?language=CS-cz", "", "cs"),
    ] {
        let page = look(&gate, &format!("/guidelines/acme{query}"), &[("accept-language", accept)]).await;
        assert_eq!((page.status, page.header("content-language")), (200, Some(language)), "{query} {accept}");
        assert!(page.text().contains(&format!("<em>kind</em> in {language}")), "{}", page.text());
        assert_eq!(page.header("vary"), Some("Accept, Accept-Language, Cookie"));
    }
    let page = look(&gate, "/guidelines/acme", &[("accept-language", "en")]).await;
    assert!(page.text().contains("<a href=\"https://acme.example/?a=1&amp;b=2\" rel=\"noopener noreferrer\">"));
    assert!(page.text().contains("Tone &amp; &lt;voice&gt; en") && !page.text().contains("<script"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script") && !policy.contains("unsafe"));
    // A cache asks whether it has changed.
    let tag = page.header("etag").expect("a tag").to_owned();
    let again = look(&gate, "/guidelines/acme", &[("accept-language", "en"), ("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text().as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
    assert_eq!(look(&gate, "/guidelines/acme?language=cs", &[("if-none-match", &tag)]).await.status, 200);
    // As it was written, and as JSON.
    let markdown = look(&gate, "/guidelines/acme?language=en", &[("accept", "text/markdown")]).await;
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(markdown.text().starts_with("We are *kind* in en, as of 2027-1."));
    let next = look(&gate, "/guidelines/acme?version=2027-2", &[("accept", "application/json")]).await.expect(200);
    assert_eq!(
        (&next["state"], &next["version"], &next["language"]),
        (&json!("upcoming"), &json!("2027-2"), &json!("en"))
    );
    // What is for people is as if it were not there, for apps too.
    let (hidden, nothing) =
        (look(&gate, "/guidelines/acme/snacks", &[]).await, look(&gate, "/guidelines/acme/drinks", &[]).await);
    assert_eq!((hidden.status, hidden.text()), (404, nothing.text()));
    for path in [
        "/guidelines/acme?version=9",
        "/guidelines/acme?language=fr",
        "/guidelines/acme?language=cs&language=en",
        "/guidelines/%ff",
    ] {
        assert_eq!(look(&gate, path, &[]).await.status, 404, "{path}");
    }
    let app = gate.caller("app:newsroom");
    assert_eq!(app.get("/v1/guidelines").await.expect(200)["guidelines"].as_array().expect("a list").len(), 2);
    problem(&app.get("/v1/guidelines/acme/snacks").await, "not-found");
    let editor = gate.caller("person:editor-7");
    assert_eq!(editor.get("/v1/guidelines/acme%2Fsnacks").await.expect(200)["public"], json!(false));
    clock.advance(SignedDuration::from_hours(48));
    assert!(look(&gate, "/guidelines/acme", &[]).await.text().contains("as of 2027-2"));
}

/// What was not seen, what is not there, and apps.
async fn nothing_else_is_acknowledged(gate: &Running, place: &str, seen: &str) {
    let editor = gate.caller("person:editor-7");
    let body = json!({"version": "2027-1", "digest": seen});
    problem(&editor.post(place, &json!({"version": "2027-1", "digest": "0".repeat(64)})).await, "content-changed");
    problem(&editor.post(place, &json!({"version": "2030-1", "digest": seen})).await, "not-found");
    problem(&editor.post("/v1/guidelines/acme", &body).await, "not-found");
    problem(
        &editor.post(place, &json!({"version": "2027-1", "digest": seen, "person": "editor-8"})).await,
        "invalid-request",
    );
    problem(&gate.caller("app:newsroom").post(place, &body).await, "no-grant");
}

/// One leaf of the acknowledgement: who, what and the digest of the text.
fn the_log_has(gate: &Running, seen: &str) {
    let changes = gate.leaves().into_iter().filter_map(|leaf| match leaf.event {
        pressgate::audit::Event::Change(change) if change.what == Changed::Person => Some(change),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let (change, by) = (&changes[0], "editor-7");
    assert_eq!(
        (change.action.as_str(), change.subject.as_str(), change.by.as_str()),
        ("acknowledge", "guidelines/acme/2027-1", by)
    );
    assert_eq!(change.digest.as_deref(), Some(seen));
}

#[tokio::test]
async fn a_rule_asks_for_the_version_in_effect() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let now = pressgate::clock::Clock::now(&*clock);
    let mut gate = Gate::new()
        .account(ACCOUNT, &net)
        .clock(&clock)
        .guidelines(&json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]}))
        .govern(|all| {
            texts_of(all, now);
            grant(all);
        })
        .start()
        .await;
    let editor = gate.caller("person:editor-7");
    let told = problem(&editor.publish(&post(ACCOUNT, "unread")).await, "guidelines-required");
    let detail = told["detail"].as_str().expect("a detail");
    for part in ["version 2027-1", "`acme`", "`editor-writes`", "/guidelines/acme?version=2027-1"] {
        assert!(detail.contains(part), "{part} in {detail}");
    }
    assert_eq!(editor.get("/v1/posts").await.status, 200, "reading goes on");
    let waiting = editor.get("/v1/guidelines").await.expect(200);
    let waits: Vec<_> =
        waiting["guidelines"].as_array().expect("a list").iter().filter(|one| one["waits"] == json!(true)).collect();
    assert!(waits.len() == 1 && waits[0]["version"] == "2027-1", "{waiting}");
    // Only what was seen, by people, of what there is.
    let seen = digest(&gate, "acme", "2027-1").await;
    let place = "/v1/guidelines/acme/acknowledgements";
    let body = json!({"version": "2027-1", "digest": seen});
    nothing_else_is_acknowledged(&gate, place, &seen).await;
    let made = editor.post(place, &body).await.expect(201);
    assert_eq!((&made["person"], &made["language"]), (&json!("editor-7"), &json!("en")));
    assert_eq!(editor.post(place, &body).await.expect(200), made);
    editor.publish(&post(ACCOUNT, "read")).await.expect(201);
    the_log_has(&gate, &seen);
    // It is kept; and what waits for a vote meets the version that is in effect then.
    gate.restart().await;
    let editor = gate.caller("person:editor-7");
    let held = editor.publish(&post(ACCOUNT, "cheap crisps")).await.expect(202);
    clock.advance(SignedDuration::from_hours(47));
    editor.publish(&post(ACCOUNT, "the older still counts")).await.expect(201);
    clock.advance(SignedDuration::from_hours(1));
    let told = problem(&editor.publish(&post(ACCOUNT, "the new one asks")).await, "guidelines-required");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("version 2027-2")), "{told}");
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    let path = format!("/v1/posts/{}", id(&held));
    let view = until("the attempt has ended", || async {
        let view = editor.get(&path).await.expect(200);
        (view["targets"][0]["attempts"].as_array().map_or(0, Vec::len) > 0).then_some(view)
    })
    .await;
    assert!(view["targets"][0]["attempts"][0].to_string().contains("guidelines-required"), "{view}");
    acknowledge(&gate, "acme", "2027-2").await.expect(201);
    editor.publish(&post(ACCOUNT, "read again")).await.expect(201);
    assert_eq!(texts(&net).await, ["read", "the older still counts", "read again"]);
    // A text that was changed was not read.
    let mut changed = gate.governance.clone();
    let file = changed.files()["guidelines/acme-next.md"].replace("kind", "kinder");
    changed.file("guidelines/acme-next.md", &file);
    gate.apply(changed).await;
    problem(&editor.publish(&post(ACCOUNT, "another text")).await, "guidelines-required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_acknowledges_in_a_browser() {
    let net = network().await;
    let now = Timestamp::now();
    let plan = Gate::new().account(ACCOUNT, &net).govern(|all| texts_of(all, now));
    let Some(house) = House::open(plan, &net.url).await else { return };
    let mut browser = Browser::new(&house.gate.url);
    let stranger = browser.get("/guidelines/acme").await;
    assert!(stranger.text().contains("Sign in to acknowledge") && !stranger.text().contains("<form"));
    assert!(browser.get("/guidelines/acme/snacks").await.status == 404);
    let to = "/guidelines/acme/snacks?version=1&language=en";
    assert_eq!(browser.sign_in(&house.issuer, to).await, to);
    let page = browser.get(to).await;
    assert_eq!(
        (page.status, page.header("cache-control"), page.header("etag")),
        (200, Some("private, no-store"), None)
    );
    let (action, mut fields) = form(&page.text());
    // Another site can't do it, nor can a form without its token, nor for another text.
    assert_eq!(browser.post_from(&action, &fields, "https://evil.example").await.status, 403);
    fields.insert("form".to_owned(), "0".repeat(64));
    assert_eq!(browser.post(&action, &fields).await.status, 403);
    assert_eq!(browser.submit(&page, &[("digest", &"0".repeat(64))]).await.status, 409);
    assert!(browser.get(to).await.text().contains("<form"), "nothing was kept");
    let kept = browser.submit(&page, &[]).await;
    assert_eq!((kept.status, kept.header("location")), (303, Some(to)));
    assert!(browser.get(to).await.text().contains("You acknowledged this version on"));
    assert!(browser.get("/guidelines").await.text().contains("you acknowledged it on"));
    let actions: Vec<String> = house.changes().into_iter().map(|(_, action, ..)| action).collect();
    assert_eq!(actions, ["sign-in", "acknowledge"]);
}
