//! Links for outside approvers: used once, looked at as often as one likes, and every way in which one works no longer.

mod mails;

use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use pressgate::audit::Event;
use pressgate::audit::leaf::Transition;
use pressgate::clock::ManualClock;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::gate::clock;
use tests::harness::{Gate, Governance, Running, intents, network, problem, until};
use tests::http::{self, Answer};

use crate::samples::{PNG, STATUSES, id, texts};

const ACCOUNT: &str = "acme-mastodon";
const ADDRESS: &str = "approvals@agency-x.example";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The agency agrees to launches; `before` are stages before it, `n` is how many of its addresses must.
fn rules(governance: &mut Governance, before: &str, n: u32, addresses: &[&str]) {
    governance.file(
        "approvals.toml",
        &format!(
            "[[rule]]\nname = \"launch\"\nlabels = [\"launch\"]\nstages = [{before}{{ n = {n}, external = \"agency-x\" }}]\n\
             [external.agency-x]\naddresses = {addresses:?}\n"
        ),
    );
}

/// A gate whose `chief-1` may write, and has no part in what the newsroom makes.
async fn open(net: &sample_network::Running, before: &str, n: u32, addresses: &[&str]) -> (Running, Arc<ManualClock>) {
    let clock = clock();
    let gate = Gate::new().account(ACCOUNT, net).clock(&clock).govern(|governance| {
        rules(governance, before, n, addresses);
        governance.grant("chief-writes", "person:chief-1", "brand:acme", &["post.create", "post.read"]);
        governance.grant("editor-reads", "person:editor-7", "brand:acme", &["post.read"]);
    });
    (gate.start().await, clock)
}

fn launch(text: &str) -> Value {
    json!({"accounts": [ACCOUNT], "labels": ["launch"], "content": {"text": text}})
}

async fn held(gate: &Running, body: &Value) -> String {
    id(&gate.publish(body).await.expect(202))
}

async fn invite(gate: &Running, who: &str, post: &str, more: Value) -> Answer {
    let mut body = json!({"external": "agency-x"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    gate.caller(who).post(&format!("/v1/posts/{post}/invite"), &body).await
}

/// The paths of new links.
async fn links(gate: &Running, post: &str, more: Value) -> Vec<String> {
    let invited = invite(gate, "person:chief-1", post, more).await.expect(201);
    let links = invited["links"].as_array().expect("links");
    links.iter().map(|link| link["url"].as_str().expect("an address").to_owned()).collect()
}

async fn link(gate: &Running, post: &str) -> String {
    links(gate, post, json!({})).await.remove(0)
}

async fn look(gate: &Running, path: &str) -> Answer {
    http::call("GET", &format!("{}{path}", gate.url), &[], Bytes::new()).await
}

async fn decide(gate: &Running, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    // A browser that was told to name no page names no origin either.
    let headers = [FORM, ("origin", "null"), ("sec-fetch-site", "same-origin")];
    http::call("POST", &format!("{}{path}", gate.url), &headers, body).await
}

async fn approve(gate: &Running, path: &str) -> Answer {
    decide(gate, path, &[("decision", "approve"), ("version", "1")]).await
}

#[track_caller]
fn says(answer: &Answer, status: u16, part: &str) {
    let text = answer.text();
    assert!(answer.status == status && text.contains(part), "{status} {part}: {} {text}", answer.status);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert!(!text.contains("<script") && answer.header("set-cookie").is_none());
}

fn transitions(gate: &Running, name: &str) -> Vec<Transition> {
    let told = |event| match event {
        Event::Transition(leaf) if leaf.transition == name => Some(*leaf),
        _ => None,
    };
    gate.leaves().into_iter().filter_map(|leaf| told(leaf.event)).collect()
}

#[tokio::test]
async fn an_agency_approves_once() {
    let net = network().await;
    let (gate, _clock) = open(&net, "", 1, &[ADDRESS]).await;
    let medium = gate.upload("image/png", PNG).await;
    let mut body = launch("Crisps & <b>dips</b>");
    body["content"]["media"] = json!([{"id": medium, "alt": "a \"pixel\""}]);
    let post = held(&gate, &body).await;
    let invited = invite(&gate, "person:chief-1", &post, json!({})).await.expect(201);
    let told = &invited["links"][0];
    assert_eq!((&invited["links"].as_array().map(Vec::len), &told["address"]), (&Some(1), &json!(ADDRESS)));
    let path = told["url"].as_str().expect("an address").to_owned();
    let secret = path.strip_prefix("/approve/").expect("a link").to_owned();
    assert!(secret.len() == 64 && !told["id"].as_str().expect("an id").contains(&secret[..8]));
    // Programs look before people do, and use nothing up.
    for _ in 0..3 {
        let page = look(&gate, &path).await;
        for part in
            ["<html lang=\"en\">", "Crisps &amp; &lt;b&gt;dips&lt;/b&gt;", "a &quot;pixel&quot;", "agency-x", ACCOUNT]
        {
            says(&page, 200, part);
        }
        assert_eq!(http::call("HEAD", &format!("{}{path}", gate.url), &[], "").await.status, 200);
    }
    let picture = look(&gate, &format!("{path}/media/{medium}")).await;
    assert_eq!((picture.status, picture.body.as_ref()), (200, PNG));
    assert_eq!(
        (picture.header("content-type"), picture.header("referrer-policy")),
        (Some("image/png"), Some("no-referrer"))
    );
    let other = gate.upload("image/png", PNG).await;
    says(&look(&gate, &format!("{path}/media/{other}")).await, 404, "no such medium");
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(
            http::call(method, &format!("{}{path}", gate.url), &[FORM], "decision=approve&version=1").await.status,
            405
        );
    }
    assert_eq!(net.count("POST", STATUSES).await, 0);
    says(&approve(&gate, &path).await, 200, "Thank you");
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["Crisps & <b>dips</b>"]);
    for again in
        [look(&gate, &path).await, approve(&gate, &path).await, look(&gate, &format!("{path}/media/{medium}")).await]
    {
        says(&again, 410, "was used");
    }
    assert_eq!(net.count("POST", STATUSES).await, 1);
    // The log names the link, and neither what opens it nor where it went; the records do not have what opens it.
    let id = told["id"].as_str().map(str::to_owned);
    let (invited, voted) = (transitions(&gate, "invited"), transitions(&gate, "voted"));
    assert_eq!((invited.len(), &invited[0].link, &invited[0].person), (1, &id, &Some("chief-1".to_owned())));
    assert_eq!(
        (voted.len(), &voted[0].link, &voted[0].person, &voted[0].detail),
        (1, &id, &None, &Some("approve".to_owned()))
    );
    let log = serde_json::to_string(&gate.leaves()).expect("JSON");
    assert!(!log.contains(&secret) && !log.contains("agency-x.example"));
    for file in std::fs::read_dir(gate.data())
        .expect("the data folder")
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
    {
        assert!(!file.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    let history = gate.get(&format!("/v1/posts/{post}/history")).await.text();
    assert!(history.contains("invited") && history.contains("agency-x") && !history.contains(&secret));
}

#[tokio::test]
async fn who_sees_the_post_sees_that_an_agency_agreed() {
    let net = network().await;
    let (gate, _clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    let invited = invite(&gate, "person:chief-1", &post, json!({})).await.expect(201);
    let told = &invited["links"][0];
    says(&approve(&gate, told["url"].as_str().expect("an address")).await, 200, "Thank you");
    let published = gate.until_state(&post, "published").await;
    // People see where the link went, apps do not; the intent names party and link.
    let external = |address: Value| json!({"party": "agency-x", "link": told["id"], "address": address});
    let approval = |post: &Value| post["approvals"][0].clone();
    assert_eq!(
        (&approval(&published)["external"], &approval(&published)["person"]),
        (&external(Value::Null), &Value::Null)
    );
    let seen = gate.caller("person:chief-1").get(&format!("/v1/posts/{post}")).await.expect(200);
    assert_eq!((&approval(&seen)["external"], &approval(&seen)["counts"]), (&external(json!(ADDRESS)), &json!(true)));
    let named = format!("external:agency-x/{}", told["id"].as_str().expect("an id"));
    assert_eq!(intents(&gate.leaves()).last().expect("an intent").1.approvals, [named]);
}

#[tokio::test]
async fn an_agency_rejects_with_a_reason() {
    let net = network().await;
    let (gate, _clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    let path = link(&gate, &post).await;
    let no = |reason: &'static str| [("decision", "reject"), ("version", "1"), ("reason", reason)];
    says(&decide(&gate, &path, &no(" ")).await, 422, "Say why");
    let long: &'static str = "x".repeat(1001).leak();
    says(&decide(&gate, &path, &no(long)).await, 422, "at most 1000 characters");
    for fields in [
        &[("decision", "approve")][..],
        &[("decision", "maybe"), ("version", "1")],
        &[("version", "1"), ("version", "1")],
    ] {
        says(&decide(&gate, &path, fields).await, 422, "role=\"alert\"");
    }
    says(&decide(&gate, &path, &no("wrong <flavour>")).await, 200, "You rejected");
    assert_eq!(gate.read(&post).await["state"], "rejected");
    assert!(gate.get(&format!("/v1/posts/{post}/history")).await.text().contains("wrong <flavour>"));
    assert!(!serde_json::to_string(&gate.leaves()).expect("JSON").contains("flavour"), "a leaf only commits to it");
    says(&look(&gate, &path).await, 410, "was used");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn a_link_ends_with_its_time_its_version_its_address_and_its_post() {
    let net = network().await;
    let (mut gate, clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    // Another version in the form is shown the post again; the link goes on.
    let path = link(&gate, &post).await;
    let stale = decide(&gate, &path, &[("decision", "approve"), ("version", "7")]).await;
    says(&stale, 409, "You saw version 7; the post is at version 1 now");
    says(&stale, 409, "not used up");
    // A newer one for the same address.
    let newer = link(&gate, &post).await;
    says(&look(&gate, &path).await, 410, "newer link");
    says(&approve(&gate, &path).await, 410, "newer link");
    says(&look(&gate, &newer).await, 200, "crisps");
    // Its time.
    let short = links(&gate, &post, json!({"valid_for": "30m"})).await.remove(0);
    clock.advance(SignedDuration::from_mins(30));
    says(&look(&gate, &short).await, 410, "worked until");
    says(&approve(&gate, &short).await, 410, "worked until");
    assert_eq!(gate.read(&post).await["state"], "held");
    // An edit voids it, and the agency is asked anew by itself.
    let path = link(&gate, &post).await;
    let before = transitions(&gate, "invited").len();
    let edited = json!({"content": {"text": "better crisps"}}).to_string();
    gate.send("PATCH", &format!("/v1/posts/{post}"), &[JSON, ("if-match", "\"1\"")], edited).await.expect(200);
    says(&approve(&gate, &path).await, 410, "was changed");
    says(&decide(&gate, &path, &[("decision", "approve"), ("version", "2")]).await, 410, "was changed");
    clock.advance(SignedDuration::from_secs(2));
    let asked = || async { (transitions(&gate, "invited").len() > before).then_some(()) };
    until("the agency is asked anew", asked).await;
    // Who is no longer of the party.
    let path = link(&gate, &post).await;
    says(&look(&gate, &path).await, 200, "better crisps");
    let mut other = gate.governance.clone();
    rules(&mut other, "", 1, &["somebody@agency-x.example"]);
    gate.apply(other).await;
    says(&look(&gate, &path).await, 410, "no longer asked");
    let path = link(&gate, &post).await;
    gate.caller("person:chief-1").post(&format!("/v1/posts/{post}/cancel"), &json!({})).await.expect(200);
    says(&look(&gate, &path).await, 410, "nobody&#39;s agreement");
    says(&decide(&gate, &path, &[("decision", "approve"), ("version", "2")]).await, 410, "nothing to do");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn what_is_no_link_is_told_the_same_and_guessing_ends() {
    let net = network().await;
    let (gate, clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    let good = link(&gate, &post).await;
    let unknown = look(&gate, &format!("/approve/{}", "0".repeat(64))).await;
    says(&unknown, 404, "no such link");
    let long = "x".repeat(3000);
    for bad in ["x", "%ff%fe", "..%2f..", &long, &good["/approve/".len()..][..63]] {
        let answer = look(&gate, &format!("/approve/{bad}")).await;
        assert_eq!((answer.status, answer.body), (404, unknown.body.clone()), "{bad}");
        let answer = approve(&gate, &format!("/approve/{bad}")).await;
        assert_eq!((answer.status, answer.body), (404, unknown.body.clone()), "{bad}");
    }
    for _ in 0..40 {
        look(&gate, &format!("/approve/{}", "1".repeat(64))).await;
    }
    for answer in [look(&gate, "/approve/2").await, look(&gate, &good).await, approve(&gate, &good).await] {
        says(&answer, 429, "Wait a minute");
    }
    assert_eq!(gate.read(&post).await["state"], "held");
    clock.advance(SignedDuration::from_mins(1));
    says(&look(&gate, &good).await, 200, "crisps");
    let strangers = || async {
        let counted = gate.leaves().into_iter().any(|leaf| matches!(leaf.event, Event::Unauthenticated(_)));
        counted.then_some(())
    };
    until("guesses are counted in the log", strangers).await;
}

#[tokio::test]
async fn stages_come_one_after_the_other_and_each_address_is_one_voice() {
    let net = network().await;
    let addresses = ["a@agency-x.example", "b@agency-x.example"];
    let (gate, clock) = open(&net, "{ n = 1, role = \"approver\" }, ", 2, &addresses).await;
    let post = held(&gate, &launch("crisps")).await;
    clock.advance(SignedDuration::from_secs(2));
    // Too early: said on the page, and the link is as good as before.
    let early = links(&gate, &post, json!({})).await;
    assert_eq!(early.len(), 2);
    says(&approve(&gate, &early[0]).await, 409, "its stage 1; yours comes later");
    gate.caller("person:chief-1").vote(&post, "approve").await.expect(200);
    says(&approve(&gate, &early[0]).await, 200, "Thank you");
    says(&approve(&gate, &early[0]).await, 410, "was used");
    assert_eq!(gate.read(&post).await["state"], "held");
    // Who voted gets no second voice.
    let more = links(&gate, &post, json!({})).await;
    assert_eq!(more.len(), 1);
    says(&look(&gate, &early[1]).await, 410, "newer link");
    says(&approve(&gate, &more[0]).await, 200, "Thank you");
    gate.until_state(&post, "published").await;
    problem(&invite(&gate, "person:chief-1", &post, json!({})).await, "already-voted");
    assert_eq!(texts(&net).await, ["crisps"]);
}

#[tokio::test]
async fn a_stage_that_opens_asks_by_itself() {
    let net = network().await;
    let addresses = ["a@agency-x.example", "b@agency-x.example"];
    let (gate, clock) = open(&net, "{ n = 1, role = \"approver\" }, ", 1, &addresses).await;
    let post = held(&gate, &launch("crisps")).await;
    clock.advance(SignedDuration::from_mins(10));
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    assert!(transitions(&gate, "invited").is_empty(), "it is not their turn");
    gate.caller("person:chief-1").vote(&post, "approve").await.expect(200);
    clock.advance(SignedDuration::from_secs(2));
    until("each address is asked", || async { (transitions(&gate, "invited").len() == 2).then_some(()) }).await;
    for _ in 0..5 {
        clock.advance(SignedDuration::from_mins(6));
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let asked = transitions(&gate, "invited");
    assert_eq!(asked.len(), 2, "once");
    assert!(
        asked.iter().all(|leaf| leaf.person.is_none() && leaf.app.is_none() && leaf.version == 1),
        "by the gateway"
    );
    assert!(asked[0].link.is_some() && asked[0].link != asked[1].link);
}

#[tokio::test]
async fn a_link_whose_time_is_over_is_made_again_three_times() {
    let net = network().await;
    let (gate, clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    for count in 1..=4_usize {
        clock.advance(SignedDuration::from_hours(if count == 1 { 1 } else { 49 }));
        let what = format!("link {count} is made");
        until(&what, || async { (transitions(&gate, "invited").len() == count).then_some(()) }).await;
    }
    for _ in 0..3 {
        clock.advance(SignedDuration::from_hours(49));
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
    assert_eq!(transitions(&gate, "invited").len(), 4, "and not for ever");
    assert_eq!(gate.read(&post).await["state"], "held");
    // Somebody may ask for more.
    assert_eq!(links(&gate, &post, json!({})).await.len(), 1);
}

#[tokio::test]
async fn who_may_invite_and_who_sees_the_link() {
    let net = network().await;
    let (gate, _clock) = open(&net, "", 1, &[ADDRESS]).await;
    let post = held(&gate, &launch("crisps")).await;
    // Nobody is mailed, so the inviter carries the link: who has a part in the post could use it, and no link is made.
    let seen = invite(&gate, "person:chief-1", &post, json!({"version": 1, "valid_for": "2d"})).await.expect(201);
    assert_eq!(seen["links"][0]["address"], ADDRESS, "{seen}");
    let path = seen["links"][0]["url"].as_str().expect("an address");
    let own = id(&gate.caller("person:chief-1").publish(&launch("mine")).await.expect(202));
    for (who, post) in [("app:newsroom", &post), ("person:chief-1", &own)] {
        let told = problem(&invite(&gate, who, post, json!({})).await, "no-grant");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("sends no mail")), "{told}");
    }
    assert_eq!(look(&gate, path).await.status, 200, "the link that was made still works");
    let told = invite(&gate, "person:editor-7", &post, json!({})).await;
    problem(&told, "no-grant");
    problem(&invite(&gate, "person:chief-drinks", &post, json!({})).await, "not-found");
    problem(&invite(&gate, "person:chief-1", "post_nobody", json!({})).await, "not-found");
    let bad = |more: Value| invite(&gate, "person:chief-1", &post, more);
    problem(&bad(json!({"external": "nobody"})).await, "invalid-request");
    problem(&bad(json!({"external": "<b>"})).await, "invalid-request");
    problem(&bad(json!({"valid_for": "8d"})).await, "invalid-request");
    problem(&bad(json!({"valid_for": "soon"})).await, "invalid-request");
    problem(&bad(json!({"surprise": 1})).await, "invalid-request");
    problem(&bad(json!({"version": 2})).await, "content-changed");
    let plain = gate.publish(&crate::samples::post(ACCOUNT, "out")).await.expect(201);
    problem(&invite(&gate, "person:chief-1", &id(&plain), json!({})).await, "wrong-state");
    let anybody =
        http::post(&format!("{}/v1/posts/{post}/invite", gate.url), "", &json!({"external": "agency-x"})).await;
    problem(&anybody, "unauthenticated");
}
