//! The judges judged: what they let pass, and what they must find.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Faults, assert_fine, form, specs};
use crate::http::{FormPart, multipart};

const TOKEN: (&str, &str) = ("authorization", "Bearer t");
const JSON: (&str, &str) = ("content-type", "application/json");

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Fails unless exactly the faults with these words are found.
fn assert_found(result: Result<(), Faults>, words: &[&str]) {
    let faults = result.expect_err("a fault");
    assert_eq!(faults.len(), words.len(), "{faults:#?}");
    for word in words {
        assert!(faults.iter().any(|fault| fault.contains(word)), "{word:?} is not in {faults:#?}");
    }
}

#[test]
fn requests_that_mastodon_describes_pass() {
    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let send = |method: &str, target: &str, body: Option<Value>| {
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = if text.is_empty() { owned(&[TOKEN]) } else { owned(&[TOKEN, JSON]) };
        assert_fine(target, api.check_request(method, target, &headers, text.as_bytes()));
    };
    send("POST", "/api/v1/statuses", Some(json!({"status": "Ahoj"})));
    let full = json!({"status": "x", "media_ids": ["1"], "spoiler_text": "w", "visibility": "unlisted",
        "language": "cs", "in_reply_to_id": "5", "sensitive": true});
    send("POST", "/api/v1/statuses", Some(full));
    send("GET", "/api/v1/statuses/5", None);
    send("DELETE", "/api/v1/statuses/5?delete_media=true", None);
    send("GET", "/api/v1/accounts/1/statuses?limit=5&exclude_reblogs=true&since_id=3", None);
    send("GET", "/api/v1/accounts/verify_credentials", None);
    send("GET", "/api/v1/media/7", None);

    let (kind, body) =
        multipart(&[("file", Some(("a.png", "image/png")), b"\x89PNG\r\n"), ("description", None, b"a")]);
    assert_fine("upload", api.check_request("POST", "/api/v2/media", &owned(&[TOKEN, ("content-type", &kind)]), &body));
    let form = owned(&[TOKEN, ("content-type", "application/x-www-form-urlencoded")]);
    let body = b"status=x&media_ids[]=1&media_ids[]=2&sensitive=true";
    assert_fine("form", api.check_request("POST", "/api/v1/statuses", &form, body));
}

#[test]
fn wrong_requests_are_found() {
    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let post = |body: &str| api.check_request("POST", "/api/v1/statuses", &owned(&[TOKEN, JSON]), body.as_bytes());
    // The names that an adapter could get wrong, and each type.
    for body in [
        r#"{"statuss": "x"}"#,
        r#"{"status": "x", "spoiler": "w"}"#,
        r#"{"status": "x", "media": ["1"]}"#,
        r#"{"status": "x", "in_reply_to": "1"}"#,
        r#"{"status": 5}"#,
        r#"{"status": "x", "media_ids": "1"}"#,
        r#"{"status": "x", "media_ids": [1]}"#,
        r#"{"status": "x", "visibility": "everybody"}"#,
        r#"{"status": "x", "sensitive": "yes"}"#,
        r#"{}"#,
        r#"["status"]"#,
    ] {
        assert!(post(body).is_err(), "{body}");
    }
    assert_found(post(r#"{"status": "#), &["cannot be read"]);
    assert_found(post(""), &["body is missing"]);

    let get = |target: &str| api.check_request("GET", target, &owned(&[TOKEN]), b"");
    assert_found(get("/api/v1/status/5"), &["no such path"]);
    assert_found(get("/api/v1/statuses/5?expand=true"), &["no query parameter `expand`"]);
    assert_found(get("/api/v1/accounts/1/statuses?limit=many"), &["query `limit`"]);
    assert_found(api.check_request("PATCH", "/api/v1/statuses/5", &owned(&[TOKEN]), b""), &["no such method"]);
    assert_found(api.check_request("GET", "/api/v1/statuses/5", &[], b""), &["needs a token"]);
    assert_found(api.check_request("GET", "/api/v1/statuses/5", &owned(&[TOKEN]), b"{}"), &["takes no body"]);
    let keyed = |name: &str| {
        api.check_request("POST", "/api/v1/statuses", &owned(&[TOKEN, JSON, (name, "k")]), br#"{"status": "x"}"#)
    };
    assert_fine("a key", keyed("Idempotency-Key"));
    assert_found(keyed("Idempotence-Key"), &["no header `Idempotence-Key`"]);
    let text = owned(&[TOKEN, ("content-type", "text/plain")]);
    assert_found(api.check_request("POST", "/api/v1/statuses", &text, b"x"), &["text/plain"]);
}

#[test]
fn wrong_forms_are_found() {
    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let upload = |parts: &[FormPart<'_>]| {
        let (kind, body) = multipart(parts);
        api.check_request("POST", "/api/v2/media", &owned(&[TOKEN, ("content-type", &kind)]), &body)
    };
    let file: FormPart<'_> = ("file", Some(("a.png", "image/png")), b"x");
    assert_found(upload(&[file, ("alt", None, b"a")]), &["alt"]);
    assert_found(upload(&[("description", None, b"a")]), &["\"file\" is a required property", "at ``"]);
    assert_found(upload(&[("file", None, b"x")]), &["must be a file"]);
    assert_found(upload(&[file, ("description", Some(("a.txt", "text/plain")), b"x")]), &["must not be a file"]);
    assert_found(upload(&[file, file]), &["twice"]);
    let form = owned(&[TOKEN, ("content-type", "application/x-www-form-urlencoded")]);
    let post = |body: &str| api.check_request("POST", "/api/v1/statuses", &form, body.as_bytes());
    assert!(post("status=x&sensitive=perhaps").is_err());
    assert!(post("status=x&media_id[]=1").is_err());
    let cut = owned(&[TOKEN, ("content-type", "multipart/form-data; boundary=b")]);
    assert_found(api.check_request("POST", "/api/v2/media", &cut, b"--b\r\n\r\n"), &["cannot be read"]);
}

#[test]
fn wrong_answers_are_found() {
    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let json = owned(&[("content-type", "application/json; charset=utf-8")]);
    let media = |status: u16, body: &str| api.check_answer("GET", "/api/v1/media/1", status, &json, body.as_bytes());
    assert_fine("medium", media(200, r#"{"id":"1","type":"image","url":"https://a.example/b"}"#));
    assert_fine("no schema", media(206, ""));
    assert_found(media(200, r#"{"type":"image"}"#), &["\"id\" is a required property"]);
    assert_found(media(200, r#"{"id":1,"type":"picture"}"#), &["`/id`", "`/type`"]);
    assert_found(media(200, r#"{"id":"1","type":"image","url":"not an address"}"#), &["`/url`"]);
    assert_found(media(200, "<html>"), &["not JSON"]);
    assert_found(media(418, "{}"), &["does not know this status"]);
    assert_found(media(404, r#"{"message":"no"}"#), &["\"error\" is a required property"]);
    let odd = owned(&[("content-type", "text/html"), ("x-ratelimit-limit", "many")]);
    let answer = api.check_answer("GET", "/api/v1/media/1", 200, &odd, br#"{"id":"1","type":"image"}"#);
    assert_found(answer, &["text/html", "header X-RateLimit-Limit"]);
}

/// A post with everything that the adapter writes.
fn post() -> Value {
    let cid = "bafkreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
    let uri = "at://did:plc:pgvatuzar5i2dfpvguzk6qan/app.bsky.feed.post/3n2vzqpyrw225";
    json!({
        "$type": "app.bsky.feed.post",
        "text": "Ahoj @friend.test #snack https://a.example",
        "createdAt": "2026-11-22T18:00:00.000Z",
        "langs": ["cs"],
        "facets": [
            {"index": {"byteStart": 5, "byteEnd": 17},
             "features": [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:u5ul2u5s7bjferot5b3w5pm5"}]},
            {"index": {"byteStart": 18, "byteEnd": 24},
             "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "snack"}]},
            {"index": {"byteStart": 25, "byteEnd": 42},
             "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://a.example"}]},
        ],
        "embed": {"$type": "app.bsky.embed.images", "images": [{
            "alt": "A snack", "aspectRatio": {"width": 4, "height": 3},
            "image": {"$type": "blob", "ref": {"$link": cid}, "mimeType": "image/png", "size": 70},
        }]},
        "reply": {"root": {"uri": uri, "cid": cid}, "parent": {"uri": uri, "cid": cid}},
        "labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "graphic-media"}]},
        "tags": ["snack"],
    })
}

#[test]
fn bluesky_posts_are_judged_by_their_lexicon() {
    let Some(specs) = specs() else { return };
    let lexicons = specs.lexicons();
    assert!(lexicons.count() > 100);
    let check = |record: &Value| lexicons.check_record("app.bsky.feed.post", record);
    assert_fine("a whole post", check(&post()));

    // Where, what to put there (null removes), and a word of the fault.
    let cases: &[(&str, &str, Value, &str)] = &[
        ("", "text", Value::Null, "`text` is missing"),
        ("", "createdAt", Value::Null, "`createdAt` is missing"),
        ("", "createdAt", json!("yesterday"), "datetime"),
        ("", "txt", json!("x"), "no field `txt`"),
        ("", "text", json!("é".repeat(301)), "301 graphemes"),
        ("", "text", json!("👩‍👩‍👧‍👦".repeat(200)), "bytes, at most 3000"),
        ("", "text", json!(5), "not a text"),
        ("", "$type", json!("app.bsky.feed.like"), "`$type` must be"),
        ("", "langs", json!(["cs", "de", "en", "fr"]), "at most 3"),
        ("", "langs", json!(["cs_CZ"]), "language"),
        ("", "langs", json!("cs"), "not a list"),
        ("", "tags", json!(["x".repeat(65)]), "65 graphemes"),
        ("/facets/0/index", "byteStart", json!(-1), "out of range"),
        ("/facets/0/index", "byteEnd", json!(1.5), "not an integer"),
        ("/facets/0/index", "byteEnd", Value::Null, "`byteEnd` is missing"),
        ("/facets/0/features/0", "did", json!("friend.test"), "format did"),
        ("/facets/0/features/0", "$type", json!("app.bsky.richtext.facet#mentoin"), "not among"),
        ("/facets/0/features/0", "$type", Value::Null, "with `$type`"),
        ("/facets/2/features/0", "uri", json!("a.example"), "format uri"),
        ("/embed", "$type", json!("app.bsky.embed.image"), "not among"),
        ("/embed", "images", json!([1]), "not an object"),
        ("/embed/images/0", "alt", Value::Null, "`alt` is missing"),
        ("/embed/images/0", "altText", json!("x"), "no field `altText`"),
        ("/embed/images/0/image", "size", json!(2_000_001), "too many"),
        ("/embed/images/0/image", "mimeType", json!("video/mp4"), "not accepted"),
        ("/embed/images/0/image", "$type", Value::Null, "`$type` blob"),
        ("/embed/images/0/image", "ref", json!("bafkrei"), "no link to content"),
        ("/embed/images/0/aspectRatio", "width", json!(0), "out of range"),
        ("/reply/root", "uri", json!("https://bsky.app/x"), "at-uri"),
        ("/reply/parent", "cid", json!("x"), "format cid"),
        ("/reply", "root", Value::Null, "`root` is missing"),
        ("/labels", "values", json!([{}]), "`val` is missing"),
    ];
    for (place, name, value, word) in cases {
        let mut record = post();
        let object = record.pointer_mut(place).and_then(Value::as_object_mut).expect("a place in the post");
        match value {
            Value::Null => drop(object.remove(*name)),
            value => drop(object.insert((*name).to_owned(), value.clone())),
        }
        assert_found(check(&record), &[word]);
    }

    let mut five = post();
    let image = five["embed"]["images"][0].clone();
    five["embed"]["images"] = json!([image, image, image, image, image]);
    assert_found(check(&five), &["at most 4"]);
    assert_found(lexicons.check_record("app.bsky.feed.pots", &post()), &["no lexicon"]);
    assert_found(lexicons.check_record("app.bsky.embed.images", &post()), &["not a record"]);
}

proptest! {
    #[test]
    fn multipart_bodies_are_read_as_they_were_written(
        parts in prop::collection::vec(("[a-z_]{1,8}", any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 1..5)
    ) {
        let written: Vec<FormPart<'_>> = parts
            .iter()
            .map(|(name, file, value)| (name.as_str(), file.then_some(("a.bin", "x/y")), value.as_slice()))
            .collect();
        let (kind, body) = multipart(&written);
        let read = form::multipart(&kind, &body).expect("well-formed");
        prop_assert_eq!(read.len(), parts.len());
        for (field, (name, file, value)) in read.iter().zip(&parts) {
            prop_assert_eq!(&field.name, name);
            prop_assert_eq!(field.file_name.is_some(), *file);
            prop_assert_eq!(&field.value, value);
        }
    }

    #[test]
    fn no_body_breaks_the_multipart_reader(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut body = body;
        let _any = form::multipart("multipart/form-data; boundary=b", &body);
        body.splice(0..0, *b"--b\r\n");
        body.extend(*b"\r\n--b--");
        let _any = form::multipart("multipart/form-data; boundary=\"b\"", &body);
    }
}
