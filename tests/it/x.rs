//! X, simulated: threads, media in pieces, deletion, windows, what is not answered, and three clients of its API.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::harness::gate::clock;
use tests::harness::{Gate, intents, problem, until};
use tests::networks::x::{KEYS, Trouble, XNetwork};
use tests::sdks::Sdk;
use tests::specs::specs;

use crate::cli::run_as;
use crate::samples::{PNG, id, post};

const X: &str = "acme-x";
const POSTS: &str = "/2/tweets";
/// A window and two minutes: the network's clock runs while the gateway's stands, so that each sees its begin apart.
const WINDOW: Duration = Duration::from_secs(15 * 60 + 120);

fn plan(net: &XNetwork) -> Gate {
    let keys = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Gate::new().account_on("x", "acme/snacks", X, &net.url, "keys", keys)
}

/// Every request and every answer is as the published API has it.
fn check(net: &XNetwork) {
    let Some(specs) = specs() else { return };
    match net.check(&specs.x()) {
        Ok(requests) => println!("{requests} requests and their answers fit x/openapi.json"),
        Err(faults) => panic!("not as the API has it:\n  {}", faults.join("\n  ")),
    }
}

fn texts(net: &XNetwork) -> Vec<String> {
    net.posts().iter().map(|post| post["text"].as_str().expect("a text").to_owned()).collect()
}

/// A film of three pieces.
fn film() -> &'static [u8] {
    let mut film: Vec<u8> = (0..9_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    film[..16].copy_from_slice(b"\0\0\0\x20ftypisom\0\0\x02\0");
    Box::leak(film.into_boxed_slice())
}

#[tokio::test]
async fn a_thread_with_a_described_picture_is_published_and_recalled() {
    let net = XNetwork::start().await;
    net.slow_media(2);
    let gate = plan(&net).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let first = "Žluťoučký kůň 🐴 & <3 https://acme.example/nabídka";
    let content = json!({"text": first, "media": [{"id": medium, "alt": "Červený bod"}],
        "thread": [{"text": "dva"}, {"text": "三"}]});
    let options = json!({"x": {"made_with_ai": true}});
    let made = gate.publish(&json!({"accounts": [X], "content": content, "options": options})).await.expect(201);
    assert_eq!(texts(&net), [first, "dva", "三"]);
    let posts = net.posts();
    assert_eq!((&posts[0]["answers"], &posts[0]["alts"]), (&Value::Null, &json!(["Červený bod"])));
    assert_eq!((&posts[1]["answers"], &posts[2]["answers"]), (&posts[0]["id"], &posts[1]["id"]));
    assert_eq!(net.medium(posts[0]["media_ids"][0].as_str().expect("an id")), PNG);
    assert_eq!(made["targets"][0]["platform_id"], posts[0]["id"]);
    let too_long = problem(&gate.publish(&post(X, &"日".repeat(141))).await, "content-invalid");
    assert_eq!((&too_long["errors"][0]["measured"], &too_long["errors"][0]["allowed"]), (&json!(282), &json!(280)));
    gate.delete(&format!("/v1/posts/{}", id(&made))).await.expect(200);
    assert!(net.posts().is_empty(), "recalled");
    check(&net);
}

#[tokio::test]
async fn a_network_that_is_long_at_work_uses_up_no_attempt() {
    let net = XNetwork::start().await;
    net.very_slow_media(12, 90);
    let clock = clock();
    let gate = plan(&net).clock(&clock).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let content = json!({"text": "dlouho", "media": [{"id": medium, "alt": "Bod"}]});
    let made = gate.post("/v1/posts", &json!({"accounts": [X], "content": content})).await.expect(202);
    let target = || async { gate.read(&id(&made)).await["targets"][0].clone() };
    for attempts in 1..12 {
        until("the attempt", || async {
            (target().await["attempts"].as_array().is_some_and(|told| told.len() == attempts)).then_some(())
        })
        .await;
        let told = &target().await["attempts"][attempts - 1];
        assert_eq!((&told["code"], &told["state"]), (&json!("media-processing"), &json!("publishing")), "{told}");
        clock.advance(SignedDuration::from_secs(301));
    }
    gate.until_state(&id(&made), "published").await;
    assert_eq!((net.posts().len(), net.count("POST", "/2/media/upload/initialize")), (1, 1), "uploaded once");
    check(&net);
}

#[tokio::test]
async fn a_film_goes_in_pieces_and_arrives_whole() {
    let net = XNetwork::start().await;
    let gate = plan(&net).start().await;
    let film = film();
    let medium = gate.upload("video/mp4", film).await;
    gate.publish(&json!({"accounts": [X], "content": {"text": "film", "media": [{"id": medium}]}})).await.expect(201);
    let shown = net.posts()[0]["media_ids"][0].as_str().expect("an id").to_owned();
    assert!(net.medium(&shown) == film, "other bytes arrived");
    let appended = net.requests().iter().filter(|one| one.path.ends_with("/append")).count();
    assert_eq!(appended, 3);
    check(&net);
}

#[tokio::test]
async fn no_more_leaves_than_the_networks_window_has_room_for() {
    let net = XNetwork::start().await;
    // Less than the adapter knows of: a smaller plan. The first answer tells.
    net.posts_in_a_window(4);
    let clock = clock();
    let gate = plan(&net).clock(&clock).start().await;
    for number in 0..4 {
        gate.publish(&post(X, &number.to_string())).await.expect(201);
    }
    for number in 4..10 {
        problem(&gate.post("/v1/posts", &post(X, &number.to_string())).await, "account-busy");
    }
    assert_eq!(texts(&net).len(), 4);
    net.advance(WINDOW);
    clock.advance(SignedDuration::try_from(WINDOW).expect("it fits"));
    for text in ["a", "b", "c", "d"] {
        gate.publish(&post(X, text)).await.expect(201);
    }
    problem(&gate.post("/v1/posts", &post(X, "e")).await, "account-busy");
    assert_eq!((texts(&net).len(), net.over()), (8, 0), "the network never had to say no");
    check(&net);
}

#[tokio::test]
async fn what_was_not_answered_is_looked_up_and_never_said_twice() {
    for (stored, sent) in [(true, 3), (false, 4)] {
        let net = XNetwork::start().await;
        let gate = plan(&net).start().await;
        net.trouble("POST", POSTS, 1, Trouble::NoAnswer { stored });
        let texts_sent = ["jedna", "dvě <&> https://acme.example/b", "tři"];
        let thread = json!({"accounts": [X], "content": {"text": texts_sent[0],
            "thread": [{"text": texts_sent[1]}, {"text": texts_sent[2]}]}});
        let made = gate.post("/v1/posts", &thread).await.expect(202);
        gate.until_state(&id(&made), "published").await;
        assert_eq!(texts(&net), texts_sent);
        let posts = net.posts();
        assert_eq!((&posts[1]["answers"], &posts[2]["answers"]), (&posts[0]["id"], &posts[1]["id"]));
        assert_eq!(net.count("POST", POSTS), sent);
        check(&net);
    }
}

#[tokio::test]
async fn troubles_of_the_network_pass_or_are_told() {
    let net = XNetwork::start().await;
    let gate = plan(&net).start().await;
    net.trouble("POST", "/2/media/upload", 1, Trouble::Status(503));
    net.trouble("POST", POSTS, 0, Trouble::Late(Duration::from_millis(300)));
    let medium = gate.upload("image/png", PNG).await;
    let pictured = json!({"accounts": [X], "content": {"text": "a", "media": [{"id": medium}]}});
    let made = gate.post("/v1/posts", &pictured).await.expect(202);
    gate.until_state(&id(&made), "published").await;
    // The account said the same already, which is final.
    gate.publish(&post(X, "b")).await.expect(201);
    let twice = gate.publish(&post(X, "b")).await;
    assert!(twice.status >= 400 && String::from_utf8_lossy(&twice.body).contains("said this already"), "{twice:?}");
    assert_eq!(texts(&net), ["a", "b"]);
    check(&net);
}

#[tokio::test]
async fn a_signature_that_is_not_accepted_is_told_and_used_no_more() {
    let net = XNetwork::start().await;
    let mut keys: Vec<_> = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    keys[3].1 = "another-secret".to_owned();
    let gate = Gate::new().account_on("x", "acme/snacks", X, &net.url, "keys", keys).start().await;
    problem(&gate.publish(&post(X, "a")).await, "credential-refused");
    let asked = net.requests().len();
    problem(&gate.publish(&post(X, "b")).await, "credential-refused");
    assert_eq!(net.requests().len(), asked, "nothing more was sent with it");
    for one in net.requests() {
        let all = format!("{:?}", one.headers);
        assert!(!all.contains("another-secret") && !all.contains(KEYS[1].1), "a secret left: {all}");
    }
}

#[tokio::test]
async fn heavy_clients_of_its_api_work_unchanged() {
    const READS: [&str; 4] = ["profile.read", "timeline.read", "inbox.read", "post.read"];
    let net = XNetwork::start().await;
    let gate = plan(&net)
        .guidelines(&json!({"forbidden": [{"phrase": "miracle cure"}]}))
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .forward()
        .spawn()
        .await;
    let image = gate.site.path("dot.png");
    std::fs::write(&image, PNG).expect("written");
    run_as(&gate, "person:ops-1", "ca init", "").text(0);
    std::fs::write(gate.site.path("ca.pem"), run_as(&gate, "person:ops-1", "ca export", "").text(0)).expect("written");
    let listening = std::fs::read(gate.site.path("data/listening.json")).expect("the word");
    let listening: Value = serde_json::from_slice(&listening).expect("JSON");
    let (apps, forward) = (listening["address"].as_str().expect("one"), listening["forward"].as_str().expect("one"));
    let key = gate.site.key("app:newsroom");
    let ca = gate.site.path("ca.pem").display().to_string();
    let proxy = format!("http://{X}:{key}@{forward}");
    for (sdk, tunnel, refused) in [
        (Sdk::Xdk, false, "HTTPError"),
        (Sdk::Tweepy, true, "Forbidden"),
        (Sdk::TwitterApiV2, true, "ApiResponseError"),
    ] {
        let environment: &[(&str, &str)] = match tunnel {
            true => &[("HTTPS_PROXY", &proxy), ("REQUESTS_CA_BUNDLE", &ca), ("NODE_EXTRA_CA_CERTS", &ca)],
            false => &[],
        };
        let key = if tunnel { "the-sdks-own" } else { key };
        let task = json!({"service": format!("http://{apps}/native/{X}"), "key": key, "image": image});
        let before = intents(&gate.leaves()).len();
        let Some(ran) = sdk.run(&task, environment).await else { return };
        let told = &ran.told;
        assert_eq!(
            (&told["me"], &told["deleted"], &told["media"]),
            (&json!("acme"), &json!(2), &json!(1)),
            "{sdk:?}: {told}"
        );
        assert_eq!((&told["refused"]["type"], &told["refused"]["status"]), (&json!(refused), &json!(403)), "{told}");
        let here: Vec<std::net::SocketAddr> =
            [apps, forward].iter().map(|at| at.parse().expect("an address")).collect();
        let elsewhere: Vec<_> = ran.connections.iter().filter(|at| !here.contains(at)).collect();
        assert!(elsewhere.is_empty() && !ran.connections.is_empty(), "{sdk:?} connected to {elsewhere:?}");
        let done: Vec<_> =
            intents(&gate.leaves())[before..].iter().map(|(_, intent)| intent.action.to_string()).collect();
        let effects: Vec<_> = done.iter().filter(|action| *action != "media.upload").map(String::as_str).collect();
        assert_eq!(effects, ["post.create", "comment.create", "post.delete", "post.delete"], "{sdk:?}");
        assert!(done.len() > effects.len(), "{sdk:?}: an upload is in the log");
        println!("{sdk:?}: {told}");
    }
    assert!(net.posts().is_empty());
    assert!(!net.requests().iter().any(|one| format!("{:?}", one.headers).contains(gate.site.key("app:newsroom"))));
    check(&net);
}
