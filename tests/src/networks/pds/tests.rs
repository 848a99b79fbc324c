//! The real PDS: writes through plain XRPC, reads back through `@atproto/api`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Pds, PdsAccount};
use crate::http::{self, call, try_call};
use crate::networks::proxy::{Proxy, Vanish};
use crate::specs::{assert_fine, specs};

const COLLECTION: &str = "app.bsky.feed.post";
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// A session that was begun with the app password.
async fn session(url: &str, account: &PdsAccount) -> String {
    let login = json!({"identifier": account.handle, "password": account.password});
    let made = http::post(&format!("{url}/xrpc/com.atproto.server.createSession"), "", &login).await.expect(200);
    assert_eq!(made["did"], account.did.as_str());
    made["accessJwt"].as_str().expect("a token").to_owned()
}

async fn create(url: &str, token: &str, did: &str, record: &Value) -> http::Answer {
    let body = json!({"repo": did, "collection": COLLECTION, "record": record});
    http::post(&format!("{url}/xrpc/com.atproto.repo.createRecord"), token, &body).await
}

fn facet(text: &str, part: &str, feature: Value) -> Value {
    let start = text.find(part).expect("the part");
    json!({"index": {"byteStart": start, "byteEnd": start + part.len()}, "features": [feature]})
}

#[tokio::test]
async fn a_post_is_written_and_read_back_as_it_was() {
    let Some(pds) = Pds::start().await else { return };
    let (acme, friend) = (pds.account("acme.test"), pds.account("friend.test"));
    let token = session(&pds.url, acme).await;

    let headers = [("authorization", format!("Bearer {token}")), ("content-type", "image/gif".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let upload = call("POST", &format!("{}/xrpc/com.atproto.repo.uploadBlob", pds.url), &headers, GIF).await;
    let blob = upload.expect(200)["blob"].clone();

    let text = "👩‍👩‍👧‍👦 Žluťoučký שלום привет @friend.test #snack https://a.example/ž konec";
    let part = |part: &str, kind: &str, name: &str, value: &str| {
        facet(text, part, json!({"$type": format!("app.bsky.richtext.facet#{kind}"), name: value}))
    };
    let record = json!({
        "$type": COLLECTION, "text": text, "createdAt": "2026-11-22T18:00:00.000Z", "langs": ["cs"],
        "facets": [
            part("@friend.test", "mention", "did", &friend.did),
            part("#snack", "tag", "tag", "snack"),
            part("https://a.example/ž", "link", "uri", "https://a.example/%C5%BE"),
        ],
        "embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "Bílý bod", "image": blob}]},
    });
    if let Some(specs) = specs() {
        assert_fine("the post", specs.lexicons().check_record(COLLECTION, &record));
    }
    let made = create(&pds.url, &token, &acme.did, &record).await.expect(200);
    assert_eq!(made["validationStatus"], "valid");
    let second = json!({"$type": COLLECTION, "text": "second", "createdAt": "2026-11-22T18:00:01.000Z"});
    create(&pds.url, &token, &acme.did, &second).await.expect(200);

    let records = pds.records(acme).await;
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].uri.as_str(), &records[0].value), (made["uri"].as_str().expect("an address"), &record));
    assert_eq!(records[1].value["text"], "second");
    let cut: Vec<&str> = records[0].facets.iter().map(|facet| facet.text.as_str()).collect();
    assert_eq!(cut, ["@friend.test", "#snack", "https://a.example/ž"]);
    assert_eq!(records[0].facets[1].bytes, "23736e61636b");
    assert_eq!(records[0].images[0].alt, "Bílý bod");
    let blobs = pds.blobs(acme).await;
    assert_eq!((blobs.len(), blobs[0].size, blobs[0].declared_size), (1, GIF.len() as u64, GIF.len() as u64));
    assert_eq!((blobs[0].sha256.len(), blobs[0].mime_type.as_deref()), (64, Some("image/gif")));
    assert!(pds.records(friend).await.is_empty());

    // The PDS and our judge agree about what is wrong.
    let mut wrong = record.clone();
    wrong["text"] = json!("é".repeat(301));
    create(&pds.url, &token, &acme.did, &wrong).await.expect(400);
    if let Some(specs) = specs() {
        assert!(specs.lexicons().check_record(COLLECTION, &wrong).is_err());
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_record_behind() {
    let Some(pds) = Pds::start().await else { return };
    let acme = pds.account("acme.test");
    let proxy = Proxy::start(&pds.url).await.expect("a free port");
    let token = session(&proxy.url, acme).await;
    proxy.vanish("/xrpc/com.atproto.repo.createRecord", 2, Vanish::Cut);
    let authorization = format!("Bearer {token}");
    let mut outcomes = Vec::new();
    for number in 1..=3 {
        let record = json!({"$type": COLLECTION, "text": number.to_string(), "createdAt": "2026-11-22T18:00:00Z"});
        let body = json!({"repo": acme.did, "collection": COLLECTION, "record": record}).to_string();
        let url = format!("{}/xrpc/com.atproto.repo.createRecord", proxy.url);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        outcomes.push(try_call("POST", &url, &headers, body, Duration::from_secs(20)).await.is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    let texts: Vec<_> = pds.records(acme).await.into_iter().map(|record| record.value["text"].clone()).collect();
    assert_eq!(texts, [json!("1"), json!("2"), json!("3")]);
    assert_eq!(proxy.count("/xrpc/com.atproto.repo.createRecord"), 3);
}

#[tokio::test]
async fn it_leaves_nothing_behind() {
    let Some(pds) = Pds::start().await else { return };
    let (folder, url) = (pds.folder().to_owned(), pds.url.clone());
    assert!(folder.is_dir() && pds.process_id().is_some());
    drop(pds);
    assert!(!folder.exists());
    let health = format!("{url}/xrpc/_health");
    let gone = async {
        while try_call("GET", &health, &[], "", Duration::from_secs(5)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the process ends");
}
