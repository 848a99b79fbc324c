//! Against a simulated Threads, whose every request is held against the published Postman collection.

use jiff::SignedDuration;

use serde_json::{Value, json};
use tests::harness::gate::clock;
use tests::harness::{Gate, Running, intents, problem};
use tests::http;
use tests::networks::threads::{Fault, TOKEN, Threads};
use tests::specs::{assert_fine, specs};

use crate::samples::{PNG, id, post, reasons};

const ACCOUNT: &str = "acme-threads";
const OTHER: &str = "drinks-threads";
const PUBLISH: &str = "POST /me/threads_publish";

/// A gateway before the network; with `public` it serves media at the address where it listens.
fn plan(net: &Threads, public: bool) -> Gate {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = probe.local_addr().expect("an address");
    let secrets = || vec![("token".to_owned(), TOKEN.to_owned())];
    let gate = Gate::new()
        .account_on("threads", "acme/snacks", ACCOUNT, &net.url, "token", secrets())
        .account_on("threads", "acme/drinks", OTHER, &net.url, "token", secrets())
        .setting("listen.address", &format!("\"{address}\""));
    if public { gate.setting("media.public_url", &format!("\"http://{address}\"")) } else { gate }
}

async fn network() -> Threads {
    Threads::start().await.expect("a free port")
}

/// Every request was one of those that the collection shows.
fn judged(net: &Threads) {
    if let Some(specs) = specs() {
        assert_fine("a request", net.check(&specs.threads()));
    }
}

fn texts(net: &Threads) -> Vec<String> {
    net.posts().into_iter().map(|post| post.text).collect()
}

fn with_media(text: &str, media: &Value) -> Value {
    json!({"accounts": [ACCOUNT], "content": {"text": text, "media": media}})
}

#[tokio::test]
async fn a_thread_is_published_and_recalled() {
    let net = network().await;
    let gate = plan(&net, false).start().await;
    let long = "Přečtěte si o ".repeat(30) + "🍪";
    let thread = json!({"accounts": [ACCOUNT], "content": {"text": long, "thread": [{"text": "druhý"}, {"text": "třetí"}]},
        "options": {"threads": {"reply_control": "mentioned_only"}}});
    let made = gate.publish(&thread).await.expect(201);
    let posts = net.posts();
    assert_eq!(texts(&net), [long.as_str(), "druhý", "třetí"]);
    let answered: Vec<_> = posts.iter().map(|post| post.reply_to.as_deref()).collect();
    assert_eq!(answered, [None, Some(posts[0].id.as_str()), Some(posts[1].id.as_str())]);
    let target = &made["targets"][0];
    assert_eq!(target["platform_id"], json!(posts[0].id));
    assert_eq!(target["url"], json!(format!("https://www.threads.net/@acme/post/{}", posts[0].id)));
    let reply = json!({"accounts": [ACCOUNT], "content": {"text": "odpověď"}, "reply_to": {"account": ACCOUNT, "ref": posts[2].id}});
    gate.publish(&reply).await.expect(201);
    assert_eq!(net.posts()[3].reply_to.as_deref(), Some(posts[2].id.as_str()));
    gate.delete(&format!("/v1/posts/{}", id(&made))).await.expect(200);
    assert_eq!(texts(&net), ["odpověď"]);
    judged(&net);
}

#[tokio::test]
async fn media_are_fetched_from_the_gate() {
    let net = network().await;
    let gate = plan(&net, true).start().await;
    let (one, two) = (gate.upload("image/png", PNG).await, gate.upload("image/png", PNG).await);
    gate.publish(&with_media("jeden", &json!([{"id": one, "alt": "Bílý bod & čára"}]))).await.expect(201);
    gate.publish(&with_media("dva", &json!([{"id": one}, {"id": two, "alt": "Druhý"}]))).await.expect(201);
    let posts = net.posts();
    let alts: Vec<Vec<_>> =
        posts.iter().map(|post| post.media.iter().map(|medium| medium.alt.as_deref()).collect()).collect();
    assert_eq!(alts, [vec![Some("Bílý bod & čára")], vec![None, Some("Druhý")]]);
    for medium in posts.iter().flat_map(|post| &post.media) {
        assert_eq!((medium.media_type.as_str(), medium.bytes.as_ref()), ("image/png", PNG));
        assert!(medium.url.starts_with(&format!("{}/media/{ACCOUNT}~media_", gate.url)), "{}", medium.url);
    }
    judged(&net);
    served_in_ranges(&posts[0].media[0].url).await;
    let page = gate.gateway().metrics.render();
    assert!(page.contains("pressgate_public_media_requests_total{result=\"served\"} 7"), "{page}");
}

/// The whole, a part, the head, and what is beyond the end.
async fn served_in_ranges(url: &str) {
    let part = http::call("GET", url, &[("range", "bytes=1-3")], "").await;
    assert_eq!((part.status, part.body.as_ref()), (206, b"PNG".as_slice()));
    assert_eq!(part.header("content-range"), Some(format!("bytes 1-3/{}", PNG.len()).as_str()));
    let head = http::call("HEAD", url, &[], "").await;
    let length = PNG.len().to_string();
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some(length.as_str()), 0));
    assert_eq!(http::call("GET", url, &[("range", "bytes=9999-")], "").await.status, 416);
    let whole = http::call("GET", url, &[], "").await;
    assert_eq!((whole.status, whole.header("content-type"), whole.body.as_ref()), (200, Some("image/png"), PNG));
    let names: Vec<_> = whole.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.contains(&"etag") && !names.contains(&"last-modified"), "nothing else is told: {names:?}");
}

#[tokio::test]
async fn an_address_that_is_wrong_or_old_opens_nothing() {
    let (net, time) = (network().await, clock());
    let gate = plan(&net, true).setting("media.public_seconds", "60").clock(&time).start().await;
    let medium = gate.upload("image/png", PNG).await;
    gate.publish(&with_media("jeden", &json!([{"id": medium}]))).await.expect(201);
    let url = net.posts()[0].media[0].url.clone();
    let fields: Vec<&str> = url.split('~').collect();
    let expiry: i64 = fields[2].parse().expect("a time");
    let later = (expiry + 3600).to_string();
    for wrong in [
        url.replace(ACCOUNT, OTHER),
        url.replace(&medium, "media_0192"),
        url.replace(fields[2], &later),
        format!("{url}x"),
        format!("{}/media/", gate.url),
        format!("{}/media/{medium}", gate.url),
    ] {
        let answer = http::call("GET", &wrong, &[], "").await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
    assert_eq!(http::call("POST", &url, &[], "").await.status, 404);
    assert_eq!(http::call("GET", &url, &[], "").await.status, 200);
    time.advance(SignedDuration::from_secs(61));
    let gone = http::call("GET", &url, &[], "").await;
    assert_eq!((gone.status, gone.body.len()), (404, 0), "expired, and the answer tells nothing");
}

#[tokio::test]
async fn without_a_public_address_media_are_refused_and_text_is_not() {
    let net = network().await;
    let gate = plan(&net, false).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let told = problem(&gate.publish(&with_media("jeden", &json!([{"id": medium}]))).await, "content-invalid");
    assert_eq!(reasons(&told), ["no-public-media"], "{told}");
    assert!(told["errors"][0]["message"].as_str().is_some_and(|text| text.contains("media.public_url")), "{told}");
    assert_eq!(net.count("POST "), 0);
    gate.publish(&post(ACCOUNT, "jen text")).await.expect(201);
}

/// Publishes one post while the publication goes wrong, and waits until it is settled.
async fn settled(net: &Threads, gate: &Running, text: &str) -> Value {
    let made = gate.post("/v1/posts", &post(ACCOUNT, text)).await.expect(202);
    let done = gate.until_state(&id(&made), "published").await;
    let same: Vec<_> = net.posts().into_iter().filter(|post| post.text == text).collect();
    assert_eq!(same.len(), 1, "never twice");
    assert_eq!(done["targets"][0]["platform_id"], json!(same[0].id));
    done
}

#[tokio::test]
async fn an_unanswered_publication_is_looked_up_and_never_repeated_blindly() {
    let net = network().await;
    let gate = plan(&net, false).start().await;
    net.fail(PUBLISH, Fault::Lost);
    settled(&net, &gate, "ztracená odpověď").await;
    assert_eq!(net.count(PUBLISH), 1, "it was found");
    net.fail(PUBLISH, Fault::Dropped);
    settled(&net, &gate, "ztracený dotaz").await;
    assert_eq!(net.count(PUBLISH), 3, "it was repeated on the same container");
    net.fail(PUBLISH, Fault::Answer(500, "{}".to_owned()));
    settled(&net, &gate, "chyba").await;
    assert_eq!(net.count("POST /me/threads"), 3 + net.count(PUBLISH), "one container each");
    judged(&net);
}

#[tokio::test]
async fn a_publication_that_comes_late_is_found_where_its_repetition_is_refused() {
    let net = network().await;
    let gate = plan(&net, false).start().await;
    net.fail(PUBLISH, Fault::Late);
    // It gets through after the gateway was told that it had not: its repetition is refused.
    net.do_late_with_the_repetition();
    net.fail(PUBLISH, Fault::Answer(400, r#"{"error":{"message":"Not now.","code":24}}"#.to_owned()));
    let made = gate.post("/v1/posts", &post(ACCOUNT, "pozdě")).await.expect(202);
    gate.until_state(&id(&made), "published").await;
    assert_eq!(net.count(PUBLISH), 2, "it was repeated once");
    assert_eq!(texts(&net), ["pozdě"], "never twice");
}

#[tokio::test]
async fn a_container_is_waited_for_and_a_broken_one_told() {
    let net = network().await;
    let gate = plan(&net, true).start().await;
    net.say_of_containers(&["IN_PROGRESS", "IN_PROGRESS"]);
    gate.publish(&post(ACCOUNT, "čekal")).await.expect(201);
    net.say_of_containers(&["EXPIRED"]);
    gate.publish(&post(ACCOUNT, "podruhé")).await.expect(201);
    net.say_of_containers(&["ERROR"]);
    let told = problem(&gate.publish(&post(ACCOUNT, "nikdy")).await, "platform-refused");
    assert!(told["detail"].as_str().is_some_and(|text| text.contains("could not make the post")), "{told}");
    assert_eq!(texts(&net), ["čekal", "podruhé"]);
    assert_eq!(intents(&gate.leaves()).len(), 2 + 3 + 1, "each container and each publication is in the log");
    judged(&net);
}

#[tokio::test]
async fn a_spent_quota_holds() {
    let net = network().await;
    net.set_quota(0);
    let gate = plan(&net, false).start().await;
    let told = problem(&gate.publish(&post(ACCOUNT, "moc")).await, "content-invalid");
    assert_eq!(reasons(&told), ["quota-spent"], "{told}");
    assert_eq!(net.count("POST "), 0, "nothing was prepared");
    judged(&net);
}

#[tokio::test]
async fn the_native_door_publishes_text_at_once_and_nothing_unseen() {
    let net = network().await;
    let gate = plan(&net, false).start().await;
    let native = |rest: &str| format!("/native/{ACCOUNT}{rest}");
    let at_once = native("/me/threads?text=Ahoj&media_type=TEXT&auto_publish_text=true");
    gate.send("POST", &at_once, &[], "").await.expect(200);
    for unseen in ["/me/threads?text=Ahoj&media_type=TEXT", "/me/threads_publish?creation_id=17900000000000001"] {
        let refused = gate.send("POST", &native(unseen), &[], "").await;
        assert!(refused.status >= 400 && refused.text().contains("two requests"), "{unseen}: {}", refused.text());
    }
    assert_eq!(net.count("POST "), 1);
}
