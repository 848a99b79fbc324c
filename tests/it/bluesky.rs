//! Against a real PDS, read back by `@atproto/api`.

use serde_json::{Value, json};
use tests::harness::{Gate, intents, problem};
use tests::networks::pds::{Pds, PdsAccount, PostRecord};
use tests::networks::proxy::{Proxy, Vanish};
use tests::specs::{assert_fine, specs};

use crate::samples::{PNG, id, post, reasons};

const CREATE: &str = "/xrpc/com.atproto.repo.createRecord";

/// Two parts of text before each thing that a facet marks: an emoji of several code points, and letters of two bytes.
const FIRST: &str = "👩‍👩‍👧‍👦 Žluťoučký kůň, שלום, привет: https://acme.example/nabídka?x=1 a dál";
const SECOND: &str = "Ещё один 🇨🇿 ráno בוקר טוב @friend.test děkujeme";
const THIRD: &str = "Конец 🏁 konec סוף #Svačina hotovo";

/// A gateway in front of the proxy in front of the PDS.
fn plan(proxy: &Proxy, account: &PdsAccount) -> Gate {
    let secrets =
        vec![("identifier".to_owned(), account.handle.clone()), ("password".to_owned(), account.password.clone())];
    Gate::new().account_on("bluesky", "acme/snacks", "acme-bluesky", &proxy.url, "session", secrets)
}

fn thread(media: &Value) -> Value {
    json!({"accounts": ["acme-bluesky"],
        "content": {"text": FIRST, "language": "cs", "media": media, "thread": [{"text": SECOND}, {"text": THIRD}]}})
}

fn texts(records: &[PostRecord]) -> Vec<&str> {
    records.iter().map(|record| record.value["text"].as_str().expect("a text")).collect()
}

/// Root and parent of each entry are the right ones.
fn check_replies(records: &[PostRecord]) {
    assert_eq!(records[0].value["reply"], Value::Null);
    for (number, record) in records.iter().enumerate().skip(1) {
        let reply = &record.value["reply"];
        assert_eq!((&reply["root"]["uri"], &reply["root"]["cid"]), (&json!(records[0].uri), &json!(records[0].cid)));
        let parent = &records[number - 1];
        assert_eq!((&reply["parent"]["uri"], &reply["parent"]["cid"]), (&json!(parent.uri), &json!(parent.cid)));
    }
}

#[tokio::test]
async fn heavy_a_thread_with_facets_and_pictures_is_read_back_and_recalled() {
    let Some(pds) = Pds::start().await else { return };
    let (acme, friend) = (pds.account("acme.test"), pds.account("friend.test"));
    let proxy = Proxy::start(&pds.url).await.expect("a free port");
    let gate = plan(&proxy, acme).start().await;
    let (one, two) = (gate.upload("image/png", PNG).await, gate.upload("image/gif", GIF).await);
    let media = json!([{"id": one, "alt": "Bílý bod"}, {"id": two, "alt": "Точка נקודה 🔵"}]);
    let made = gate.publish(&thread(&media)).await.expect(201);

    let records = pds.records(acme).await;
    assert_eq!(texts(&records), [FIRST, SECOND, THIRD]);
    check_replies(&records);
    let ids: Vec<_> =
        made["targets"][0]["parts"].as_array().expect("parts").iter().map(|part| part["platform_id"].clone()).collect();
    for (part, record) in ids.iter().zip(&records) {
        assert!(part.as_str().is_some_and(|part| part.starts_with(&record.uri)), "{part} is {}", record.uri);
    }
    let cut: Vec<Vec<&str>> =
        records.iter().map(|record| record.facets.iter().map(|facet| facet.text.as_str()).collect()).collect();
    assert_eq!(cut, [vec!["https://acme.example/nabídka?x=1"], vec!["@friend.test"], vec!["#Svačina"]]);
    for facet in records.iter().flat_map(|record| &record.facets) {
        let hex: String = facet.text.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(facet.bytes, hex, "the facet cuts between characters");
    }
    let feature = |record: usize| &records[record].facets[0].features[0];
    assert!(
        feature(0)["uri"].as_str().is_some_and(|uri| uri.starts_with("https://acme.example/nab")),
        "{}",
        feature(0)
    );
    assert_eq!((&feature(1)["did"], &feature(2)["tag"]), (&json!(friend.did), &json!("Svačina")));
    let alts: Vec<_> = records[0].images.iter().map(|image| image.alt.as_str()).collect();
    assert_eq!(alts, ["Bílý bod", "Точка נקודה 🔵"]);
    let sizes: Vec<_> = pds.blobs(acme).await.iter().map(|blob| blob.size).collect();
    assert_eq!(sizes, [PNG.len() as u64, GIF.len() as u64]);
    assert_eq!(records[0].value["langs"], json!(["cs"]));
    if let Some(specs) = specs() {
        let lexicons = specs.lexicons();
        for record in &records {
            assert_fine("a record", lexicons.check_record("app.bsky.feed.post", &record.value));
        }
    }

    gate.delete(&format!("/v1/posts/{}", id(&made))).await.expect(200);
    assert!(pds.records(acme).await.is_empty(), "recalled");
}

/// A GIF of one pixel.
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[tokio::test]
async fn heavy_a_grapheme_too_many_is_refused_without_a_request() {
    let Some(pds) = Pds::start().await else { return };
    let acme = pds.account("acme.test");
    let proxy = Proxy::start(&pds.url).await.expect("a free port");
    let gate = plan(&proxy, acme).start().await;
    // Of graphemes of several code points, as the network counts: 300 fit, 301 do not. The bytes would allow both.
    let text = |graphemes: usize| "é".repeat(graphemes - 1) + "🇨🇿";
    let told = problem(&gate.publish(&post("acme-bluesky", &text(301))).await, "content-invalid");
    assert_eq!(reasons(&told), ["text-too-long"], "{told}");
    assert_eq!((&told["errors"][0]["measured"], &told["errors"][0]["allowed"]), (&json!(301), &json!(300)));
    let inside = json!({"accounts": ["acme-bluesky"], "content": {"text": "fine", "thread": [{"text": text(301)}]}});
    problem(&gate.publish(&inside).await, "content-invalid");
    // The network's limits had to be asked for once; nothing else was.
    let asked: Vec<_> = proxy.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(asked, ["/xrpc/com.atproto.server.createSession", "/xrpc/com.atproto.server.getSession"]);
    gate.publish(&post("acme-bluesky", &text(300))).await.expect(201);
    assert_eq!(proxy.count(CREATE), 1);
    let before = proxy.requests().len();
    problem(&gate.publish(&post("acme-bluesky", &text(301))).await, "content-invalid");
    problem(&gate.publish(&inside).await, "content-invalid");
    assert_eq!(proxy.requests().len(), before, "no request was made");
    assert_eq!(texts(&pds.records(acme).await), [text(300)]);
}

#[tokio::test]
async fn heavy_a_lost_answer_and_a_kill_leave_a_whole_thread() {
    let Some(pds) = Pds::start().await else { return };
    let acme = pds.account("acme.test");
    let proxy = Proxy::start(&pds.url).await.expect("a free port");
    let mut gate = plan(&proxy, acme).spawn().await;
    proxy.vanish(CREATE, 2, Vanish::Hold);
    let made = gate.post("/v1/posts", &thread(&json!([]))).await.expect(202);
    proxy.until_vanished(1).await;
    gate.kill9().await;
    assert_eq!(texts(&pds.records(acme).await), [FIRST, SECOND], "part two is there and nobody told the gateway");
    gate.restart().await;
    gate.until_state(&id(&made), "published").await;
    let records = pds.records(acme).await;
    assert_eq!(texts(&records), [FIRST, SECOND, THIRD]);
    check_replies(&records);
    assert_eq!(proxy.count(CREATE), 3, "nothing was sent twice");
    assert_eq!(intents(&gate.leaves()).len(), 3);
}
