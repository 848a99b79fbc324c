//! The adapter against a scripted host.

mod clients;

use pressgate_sdk::http::{Body, Error, Kind, Request, Response, Safety};
use pressgate_sdk::testing::{self, Host, Installed, answer};
use pressgate_sdk::{
    Account, Adapter, Call, Classification, Classified, Draft, Facts, Failure, Login, Performed, Reconciliation,
    Refusal, Session,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::clients::timeline;
use crate::Bluesky;
use crate::perform::record_key;

const DID: &str = "did:plc:acme";

fn account() -> Account {
    testing::account("bluesky")
}

fn call(draft: Draft) -> Call {
    let facts = Facts::new(json!({ "did": DID, "handle": "acme.example" }).to_string(), 1);
    testing::call(account(), draft, Some(facts))
}

fn uri(index: usize) -> String {
    format!("at://{DID}/app.bsky.feed.post/{}", record_key(&call(testing::draft("")), index))
}

fn created(index: usize) -> Result<Response, Error> {
    answer(200, &json!({ "uri": uri(index), "cid": format!("bafycid{index}") }).to_string())
}

fn blob(link: &str) -> Value {
    json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": "image/png", "size": 1000 })
}

fn uploaded(link: &str) -> Result<Response, Error> {
    answer(200, &json!({ "blob": blob(link) }).to_string())
}

fn ids(performed: &Performed) -> Vec<&str> {
    performed.parts.iter().map(|part| part.platform_id.as_str()).collect()
}

fn body(host: &Installed, step: &str) -> Value {
    let sent = host.sent();
    let sent = sent.iter().find(|sent| sent.step == step).unwrap();
    serde_json::from_str(sent.body_text()).unwrap()
}

fn target(action: &str, target: &str) -> Draft {
    Draft { action: action.to_owned(), target: Some(target.to_owned()), ..testing::draft("a") }
}

#[test]
fn a_thread_with_a_link_a_mention_a_tag_and_images() {
    let host = Host::new()
        .answer("handle-eva.acme.example", answer(200, r#"{"did":"did:plc:eva"}"#))
        .answer("part-0-image-0", uploaded("bafyimage0"))
        .answer("part-0-image-1", uploaded("bafyimage1"))
        .answer("part-0", created(0))
        .answer("part-1", created(1))
        .answer("part-2", created(2))
        .install();
    let text = "🎉 Žluťoučký שלום кот: https://acme.example/a, @Eva.acme.example #Снег2027!";
    let mut draft = testing::thread(&[text, "b", "c"]);
    draft.language = Some("cs".to_owned());
    draft.parts[0].media = vec![testing::picture("m0", Some("Red.")), testing::picture("m1", None)];
    draft.parts[0].media[1].width = None;
    let performed = Bluesky::perform(&call(draft)).unwrap();
    assert_eq!(ids(&performed), [uri(0), uri(1), uri(2)]);
    let rkey = record_key(&call(testing::draft("")), 1);
    let url = format!("https://bsky.app/profile/{DID}/post/{rkey}");
    assert_eq!(performed.parts[1].url.as_deref(), Some(url.as_str()));

    let sent = host.sent();
    assert_eq!(sent[0].kind, Kind::Prepare(Safety::None));
    assert_eq!(sent[0].request.body, Body::Media("m0".to_owned()));
    assert_eq!(sent[0].request.headers, [("content-type".to_owned(), "image/png".to_owned())]);
    assert_eq!(sent[2].step, "handle-eva.acme.example");
    assert_eq!(sent[2].kind, Kind::Read);
    assert_eq!(sent[3].kind, Kind::Effect(Safety::ClientId));
    assert!(sent.iter().all(|sent| sent.request.credential.as_deref() == Some("session")));

    let first = body(&host, "part-0");
    assert_eq!((&first["repo"], &first["collection"]), (&json!(DID), &json!("app.bsky.feed.post")));
    let record = &first["record"];
    assert_eq!(record["createdAt"], "2027-03-01T09:00:00.000Z");
    assert_eq!(record["langs"], json!(["cs"]));
    assert_eq!(
        record["embed"],
        json!({ "$type": "app.bsky.embed.images", "images": [
            { "image": blob("bafyimage0"), "alt": "Red.", "aspectRatio": { "width": 640, "height": 480 } },
            { "image": blob("bafyimage1"), "alt": "" },
        ] })
    );
    let cuts: Vec<(&str, &Value)> = record["facets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facet| {
            let byte = |name: &str| facet["index"][name].as_u64().unwrap() as usize;
            (&text[byte("byteStart")..byte("byteEnd")], &facet["features"][0])
        })
        .collect();
    let facet = |name: &str, field: &str, value: &str| json!({ "$type": format!("app.bsky.richtext.facet#{name}"), field: value });
    assert_eq!(
        cuts,
        [
            ("https://acme.example/a", &facet("link", "uri", "https://acme.example/a")),
            ("@Eva.acme.example", &facet("mention", "did", "did:plc:eva")),
            ("#Снег2027", &facet("tag", "tag", "Снег2027")),
        ]
    );
    let reference = |index: usize| json!({ "uri": uri(index), "cid": format!("bafycid{index}") });
    assert_eq!(record["reply"], Value::Null);
    assert_eq!(body(&host, "part-1")["record"]["reply"], json!({ "root": reference(0), "parent": reference(0) }));
    assert_eq!(body(&host, "part-2")["record"]["reply"], json!({ "root": reference(0), "parent": reference(1) }));
}

#[test]
fn a_mention_that_nobody_answers_to_stays_text() {
    let host = Host::new()
        .answer(
            "handle-nobody.example",
            answer(400, r#"{"error":"InvalidRequest","message":"Unable to resolve handle"}"#),
        )
        .answer("part-0", created(0))
        .install();
    Bluesky::perform(&call(testing::draft("@nobody.example @eva @eva@social.example @nobody.example"))).unwrap();
    assert_eq!(body(&host, "part-0")["record"]["facets"], Value::Null);
    assert_eq!(host.steps(), ["handle-nobody.example", "part-0"]);
}

#[test]
fn a_server_that_can_not_tell_whom_a_mention_means_is_asked_again_later() {
    let perform = |given| {
        let host = Host::new().answer("handle-eva.example", given).install();
        let failure = Bluesky::perform(&call(testing::draft("@eva.example"))).unwrap_err();
        assert_eq!(host.steps(), ["handle-eva.example"], "nothing is published meanwhile");
        failure
    };
    assert!(matches!(perform(answer(502, "{}")), Failure::Temporary(_)));
    assert!(matches!(perform(answer(200, "{}")), Failure::Temporary(_)));
    assert!(matches!(perform(Err(Error::Unknown("timed out".to_owned()))), Failure::Temporary(_)));
    assert!(matches!(perform(answer(400, r#"{"error":"InvalidToken"}"#)), Failure::Unauthorized(_)));
}

#[test]
fn an_answer_names_its_parent_and_the_root_of_the_thread() {
    let root = json!({ "uri": "at://did:plc:x/app.bsky.feed.post/root", "cid": "bafyroot" });
    let post = |reply: Value| json!({ "uri": "at://did:plc:x/app.bsky.feed.post/p", "cid": "bafyp", "value": { "text": "a", "reply": reply } });
    let parent = |cid: &str| json!({ "uri": "at://did:plc:x/app.bsky.feed.post/p", "cid": cid });
    for (given, read, expected) in [
        (
            "at://did:plc:x/app.bsky.feed.post/p",
            Value::Null,
            json!({ "root": parent("bafyp"), "parent": parent("bafyp") }),
        ),
        (
            "at://did:plc:x/app.bsky.feed.post/p",
            json!({ "root": root }),
            json!({ "root": root, "parent": parent("bafyp") }),
        ),
        (
            "at://did:plc:x/app.bsky.feed.post/p bafyold",
            json!({ "root": root }),
            json!({ "root": root, "parent": parent("bafyold") }),
        ),
    ] {
        let host =
            Host::new().answer("answered", answer(200, &post(read).to_string())).answer("part-0", created(0)).install();
        Bluesky::perform(&call(target("comment.create", given))).unwrap();
        assert_eq!(body(&host, "part-0")["record"]["reply"], expected);
        let asked = &host.sent()[0].request;
        assert_eq!(asked.query_value("repo").as_deref(), Some("did:plc:x"));
        assert_eq!(asked.query_value("rkey").as_deref(), Some("p"));
    }
    let missing = answer(400, r#"{"error":"RecordNotFound","message":"Could not locate record"}"#);
    let _host = Host::new().answer("answered", missing).install();
    let failure = Bluesky::perform(&call(target("comment.create", "at://did:plc:x/app.bsky.feed.post/p"))).unwrap_err();
    assert!(matches!(&failure, Failure::Rejected(rejection) if rejection.code == "target-missing"), "{failure:?}");
}

#[test]
fn without_facts_the_account_is_asked_who_it_is() {
    let session = || answer(200, &json!({ "did": DID, "handle": "acme.example", "active": true }).to_string());
    let host = Host::new().answer("session", session()).answer("part-0", created(0)).install();
    let mut unknown = call(testing::draft("a"));
    unknown.facts = None;
    Bluesky::perform(&unknown).unwrap();
    assert_eq!(host.steps(), ["session", "part-0"]);
    host.next_call();
    let facts: Value = serde_json::from_str(&Bluesky::discover(&account()).unwrap().json).unwrap();
    assert_eq!(facts["did"], DID);
    assert_eq!((&facts["graphemes_max"], &facts["image_bytes_max"]), (&json!(300), &json!(2_000_000)));
}

#[test]
fn a_server_that_does_not_say_who_we_are_is_an_error() {
    for given in
        [answer(401, "{}"), answer(200, "hi"), answer(200, r#"{"did":"x","handle":"y"}"#), Err(Error::TooLarge)]
    {
        let _host = Host::new().answer("session", given).install();
        assert!(!Bluesky::discover(&account()).unwrap_err().is_empty());
    }
}

#[test]
fn each_attempt_makes_the_same_requests() {
    let script = || {
        Host::new()
            .answer("handle-eva.example", answer(200, r#"{"did":"did:plc:eva"}"#))
            .answer("part-0-image-0", uploaded("bafyimage0"))
            .answer("part-0", created(0))
            .answer("part-1", Err(Error::Unknown("timed out".to_owned())))
            .answer("part-1", created(1))
    };
    let make = |attempt| {
        let mut draft = testing::thread(&["@eva.example #a", "b"]);
        draft.parts[0].media = vec![testing::picture("m0", Some("Red."))];
        Call { attempt, ..call(draft) }
    };
    let host = script().install();
    assert_eq!(Bluesky::perform(&make(1)).unwrap_err(), Failure::Unknown("part-1".to_owned()));
    let first = host.sent();
    host.next_attempt();
    assert_eq!(ids(&Bluesky::perform(&make(2)).unwrap()), [uri(0), uri(1)]);
    // Finished steps came from the journal (the host compares them); the read and the unanswered step went out again.
    let again = host.sent().split_off(first.len());
    assert_eq!(again.iter().map(|sent| sent.step.as_str()).collect::<Vec<_>>(), ["handle-eva.example", "part-1"]);
    assert_eq!(again[1], first[first.len() - 1]);
}

#[test]
fn a_taken_key_is_our_own_earlier_attempt() {
    let taken = || answer(500, r#"{"error":"InternalServerError","message":"Internal Server Error"}"#);
    let found =
        |text: &str| answer(200, &json!({ "uri": uri(0), "cid": "bafycid0", "value": { "text": text } }).to_string());
    let perform = |existing| {
        let host = Host::new().answer("part-0", taken()).answer("part-0-existing", existing).install();
        let performed = Bluesky::perform(&call(testing::draft("a")));
        assert_eq!(host.sent()[1].request.query_value("rkey"), Some(record_key(&call(testing::draft("a")), 0)));
        performed
    };
    assert_eq!(ids(&perform(found("a")).unwrap()), [uri(0)]);
    let other = perform(found("b")).unwrap_err();
    assert!(matches!(&other, Failure::Rejected(rejection) if rejection.code == "record-key-taken"), "{other:?}");
    let none = perform(answer(400, r#"{"error":"RecordNotFound"}"#)).unwrap_err();
    assert!(matches!(&none, Failure::Temporary(rejection) if rejection.status == Some(500)), "{none:?}");
}

#[test]
fn answers_mean_what_the_contract_says() {
    type Expected = fn(&Failure) -> bool;
    let cases: [(Result<Response, Error>, Expected); 13] = [
        (
            answer(401, r#"{"error":"AuthenticationRequired","message":"Invalid identifier or password"}"#),
            |f| matches!(f, Failure::Unauthorized(r) if r.code == "authentication-required" && r.status == Some(401)),
        ),
        (
            answer(400, r#"{"error":"ExpiredToken","message":"Token has expired"}"#),
            |f| matches!(f, Failure::Unauthorized(r) if r.code == "expired-token"),
        ),
        (
            answer(400, r#"{"error":"InvalidRequest","message":"string too big"}"#),
            |f| matches!(f, Failure::Rejected(r) if r.code == "invalid-request" && r.message == "string too big"),
        ),
        (answer(403, "{}"), |f| matches!(f, Failure::Rejected(r) if r.code == "forbidden")),
        (answer(413, "too large"), |f| matches!(f, Failure::Rejected(r) if r.code == "too-large")),
        (Ok(Response::json(429, r#"{"error":"RateLimitExceeded"}"#).with_header("retry-after", "30")), |f| {
            matches!(f, Failure::RateLimited((_, Some(30_000))))
        }),
        (
            Ok(Response::json(429, "{}")
                .with_header("date", "Mon, 01 Mar 2027 10:00:00 GMT")
                .with_header("ratelimit-reset", "1803895500")),
            |f| matches!(f, Failure::RateLimited((_, Some(300_000)))),
        ),
        (answer(200, "<html>"), |f| matches!(f, Failure::Temporary(r) if r.code == "garbage")),
        (answer(200, "{}"), |f| matches!(f, Failure::Temporary(r) if r.code == "no-id")),
        (
            answer(200, r#"{"uri":"at://did:plc:acme/app.bsky.feed.post/a"}"#),
            |f| matches!(f, Failure::Temporary(r) if r.code == "no-id"),
        ),
        (Err(Error::Unknown("timed out".to_owned())), |f| *f == Failure::Unknown("part-0".to_owned())),
        (Err(Error::NotSent("refused".to_owned())), |f| matches!(f, Failure::Temporary(r) if r.code == "not-sent")),
        (Err(Error::Denied("not approved".to_owned())), |f| matches!(f, Failure::Rejected(r) if r.code == "denied")),
    ];
    for (given, expected) in cases {
        let _host = Host::new().answer("part-0", given.clone()).install();
        let failure = Bluesky::perform(&call(testing::draft("a"))).unwrap_err();
        assert!(expected(&failure), "{given:?} gave {failure:?}");
    }
    let _host = Host::new().answer("part-0", answer(502, "")).answer("part-0-existing", answer(502, "")).install();
    assert!(matches!(Bluesky::perform(&call(testing::draft("a"))), Err(Failure::Temporary(_))));
}

#[test]
fn a_deletion_starts_with_the_last_entry() {
    let host = Host::new().answer("delete-1", answer(200, "{}")).answer("delete-0", answer(200, "{}")).install();
    let both = format!("{}\n{}", uri(0), uri(1));
    assert_eq!(ids(&Bluesky::perform(&call(target("post.delete", &both))).unwrap()), [uri(0), uri(1)]);
    assert_eq!(host.steps(), ["delete-1", "delete-0"]);
    let rkey = record_key(&call(testing::draft("")), 1);
    assert_eq!(body(&host, "delete-1"), json!({ "repo": DID, "collection": "app.bsky.feed.post", "rkey": rkey }));
}

#[test]
fn a_record_tells_what_became_of_a_step() {
    let missing = || answer(400, r#"{"error":"RecordNotFound","message":"Could not locate record"}"#);
    let found =
        |text: &str| answer(200, &json!({ "uri": uri(1), "cid": "bafycid1", "value": { "text": text } }).to_string());
    let ask = |given: Result<Response, Error>, draft: Draft, step: &str| {
        let host = Host::new().answer("reconcile-record", given).install();
        let reconciliation = Bluesky::reconcile(&call(draft), step);
        assert!(host.sent().iter().all(|sent| sent.kind == Kind::Read));
        reconciliation
    };
    let thread = || testing::thread(&["a", "b"]);
    let Reconciliation::Happened(response) = ask(found("b"), thread(), "part-1") else { panic!() };
    let host = Host::new().answer("part-0", created(0)).answer("part-1", Ok(response)).install();
    assert_eq!(ids(&Bluesky::perform(&call(thread())).unwrap()), [uri(0), uri(1)]);
    drop(host);
    assert_eq!(ask(missing(), thread(), "part-1"), Reconciliation::DidNot);
    assert_eq!(ask(answer(404, ""), thread(), "part-1"), Reconciliation::DidNot);
    for (given, step) in [
        (found("other"), "part-1"),
        (answer(500, ""), "part-1"),
        (answer(400, r#"{"error":"InvalidRequest","message":"no"}"#), "part-1"),
        (answer(200, "hi"), "part-1"),
        (Err(Error::NotSent("no".to_owned())), "part-1"),
        (found("b"), "part-2"),
        (found("b"), "nonsense"),
    ] {
        let reconciliation = ask(given, thread(), step);
        assert!(matches!(reconciliation, Reconciliation::CannotKnow(_)), "{step}: {reconciliation:?}");
    }
    let deletion = || target("post.delete", &format!("{}\n{}", uri(0), uri(1)));
    assert!(matches!(ask(missing(), deletion(), "delete-1"), Reconciliation::Happened(_)));
    assert_eq!(ask(found("b"), deletion(), "delete-1"), Reconciliation::DidNot);
}

#[test]
fn the_limits_of_the_lexicons_are_kept() {
    let codes = |draft: &Draft| {
        let findings = Bluesky::check(&account(), draft, None);
        findings.into_iter().map(|finding| (finding.code, finding.part, finding.measure)).collect::<Vec<_>>()
    };
    assert_eq!(codes(&testing::draft(&"👩‍👩‍👧".repeat(100))), []);
    let long = codes(&testing::thread(&["a", &"ž".repeat(301)]));
    assert_eq!(long, [("text-too-long".to_owned(), Some(1), Some((301, 300)))]);
    let heavy = codes(&testing::draft(&"👩‍👩‍👧".repeat(167)));
    assert_eq!(heavy, [("text-too-many-bytes".to_owned(), Some(0), Some((3006, 3000)))]);
    let pictures = |count, change: fn(&mut pressgate_sdk::MediaRef)| {
        let mut draft = testing::draft("");
        draft.parts[0].media = (0..count).map(|_| testing::picture("m0", None)).collect();
        draft.parts[0].media.iter_mut().for_each(change);
        codes(&draft).into_iter().map(|(code, ..)| code).collect::<Vec<_>>()
    };
    assert!(pictures(4, |_| {}).is_empty());
    assert_eq!(pictures(5, |_| {}), ["too-many-media"]);
    assert_eq!(pictures(0, |_| {}), ["empty"]);
    assert!(pictures(1, |m| m.size_bytes = 2_000_000).is_empty());
    assert_eq!(pictures(1, |m| m.size_bytes = 2_000_001), ["media-too-large"]);
    assert_eq!(pictures(1, |m| m.media_type = "video/mp4".to_owned()), ["media-type"]);
    for (action, given) in [
        ("comment.create", "7"),
        ("comment.create", "at://did:plc:x/app.bsky.feed.like/1"),
        ("post.delete", ""),
        ("post.delete", "at://did:plc:x/app.bsky.actor.profile/self"),
    ] {
        assert_eq!(codes(&target(action, given))[0].0, "target-invalid", "{action} {given}");
    }
    let options = Draft { options: r#"{"a":1}"#.to_owned(), ..testing::draft("a") };
    assert_eq!(codes(&options)[0].0, "option-invalid");
}

fn classified(request: &Request) -> Classified {
    match Bluesky::classify(&account(), request) {
        Classification::Act(classified) => classified,
        other => panic!("{request:?} is {other:?}"),
    }
}

#[test]
fn own_requests_are_classified_as_what_was_approved() {
    let parent = "at://did:plc:x/app.bsky.feed.post/p";
    let read = json!({ "uri": parent, "cid": "bafyp", "value": { "text": "?" } });
    let host = Host::new()
        .answer("answered", answer(200, &read.to_string()))
        .answer("handle-eva.example", answer(200, r#"{"did":"did:plc:eva"}"#))
        .answer("part-0-image-0", uploaded("bafyimage0"))
        .answer("part-0-image-1", uploaded("bafyimage1"))
        .answer("part-0", created(0))
        .answer("delete-0", answer(200, "{}"))
        .install();
    let mut draft = target("comment.create", parent);
    draft.parts[0].text = "🎉 @eva.example #кот ＃春 https://acme.example/č".to_owned();
    draft.parts[0].media = vec![testing::picture("m0", Some("Red.")), testing::picture("m1", None)];
    draft.language = Some("cs".to_owned());
    Bluesky::perform(&call(draft.clone())).unwrap();
    Bluesky::perform(&call(target("post.delete", &uri(0)))).unwrap();
    let by_step = |step: &str| classified(&host.sent().iter().find(|sent| sent.step == step).unwrap().request);
    let post = by_step("part-0");
    assert_eq!((post.action.as_str(), post.target.as_deref()), ("comment.create", Some(parent)));
    assert_eq!((post.text.as_str(), post.texts.len()), (draft.parts[0].text.as_str(), 0));
    let media = [(Some("bafyimage0".to_owned()), Some("Red.".to_owned())), (Some("bafyimage1".to_owned()), None)];
    assert_eq!(post.media, media);
    let upload = by_step("part-0-image-0");
    assert_eq!((upload.action.as_str(), upload.media), ("media.upload", vec![(None, None)]));
    let deletion = by_step("delete-0");
    assert_eq!((deletion.action.as_str(), deletion.target), ("post.delete", Some(uri(0))));
}

fn xrpc(method: &str, body: &str) -> Request {
    Request::post(format!("/xrpc/{method}")).json(body)
}

fn write(record: &Value) -> Request {
    let body = json!({ "repo": DID, "collection": "app.bsky.feed.post", "record": record });
    Request::post("/xrpc/com.atproto.repo.createRecord").json(body.to_string())
}

fn post(more: &Value) -> Value {
    let mut post = json!({ "$type": "app.bsky.feed.post", "text": "see here", "createdAt": "2027-03-01T09:00:00Z" });
    post.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post
}

fn facet(start: usize, end: usize, feature: &Value) -> Value {
    post(&json!({ "facets": [{ "index": { "byteStart": start, "byteEnd": end }, "features": [feature] }] }))
}

#[test]
fn a_link_that_leads_elsewhere_than_it_looks_is_shown_to_reviewers() {
    let link = json!({ "$type": "app.bsky.richtext.facet#link", "uri": "https://elsewhere.example" });
    let found = classified(&write(&facet(4, 8, &link)));
    assert_eq!(found.texts, [("link".to_owned(), "https://elsewhere.example".to_owned())]);
}

#[test]
fn what_can_not_be_reviewed_is_refused() {
    let create = |body: &str| xrpc("com.atproto.repo.createRecord", body);
    let mention = json!({ "$type": "app.bsky.richtext.facet#mention", "did": "did:plc:eva" });
    let text = post(&json!({})).to_string();
    for request in [
        write(&post(&json!({ "labels": {} }))),
        write(&post(&json!({ "tags": ["a"] }))),
        write(&post(&json!({ "$type": "app.bsky.feed.like" }))),
        write(&post(&json!({ "embed": { "$type": "app.bsky.embed.external", "images": [] } }))),
        write(&post(&json!({ "embed": { "$type": "app.bsky.embed.record", "record": {} } }))),
        write(&facet(0, 3, &mention)),
        write(&facet(7, 99, &mention)),
        write(&facet(4, 4, &mention)),
        write(&facet(0, 3, &json!({ "$type": "app.bsky.richtext.facet#other" }))),
        create(&format!(r#"{{"repo":"{DID}","repo":"did:plc:x","collection":"app.bsky.feed.post","record":{text}}}"#)),
        create(&format!(r#"{{"repo":"{DID}","collection":"app.bsky.feed.like","record":{text}}}"#)),
        create(&format!(r#"{{"repo":"a/b","collection":"app.bsky.feed.post","record":{text}}}"#)),
        create("[]"),
        create(""),
        Request::post("/xrpc/com.atproto.repo.createRecord").medium("m0", "application/json"),
        Request {
            url: "https://evil.example/xrpc/com.atproto.repo.createRecord".to_owned(),
            ..write(&post(&json!({})))
        },
        Request { url: "/xrpc/com.atproto.repo.createRecord?a=b".to_owned(), ..write(&post(&json!({}))) },
        Request { headers: Vec::new(), ..write(&post(&json!({}))) },
        xrpc(
            "com.atproto.repo.deleteRecord",
            r#"{"repo":"did:plc:x","collection":"app.bsky.actor.profile","rkey":"self"}"#,
        ),
        xrpc("com.atproto.repo.applyWrites", "{}"),
        xrpc("com.atproto.server.createAppPassword", "{}"),
        xrpc("com.atproto.server.deleteAccount", "{}"),
        Request::get("/xrpc/com.atproto.server.getServiceAuth"),
        Request::get("/xrpc/com.atproto.server.listAppPasswords"),
        Request::get("/xrpc/com.atproto.repo.describeRepo?repo=acme.test"),
        Request::get("/xrpc/app.bsky.actor.getPreferences"),
        Request::get("/xrpc/chat.bsky.convo.listConvos"),
        timeline().header("atproto-proxy", "did:web:api.bsky.chat#bsky_chat"),
        timeline()
            .header("atproto-proxy", "did:web:api.bsky.app#bsky_appview")
            .header("Atproto-Proxy", "did:web:evil.example#x"),
        timeline().header("x", "1").json("{}"),
        write(&post(&json!({}))).header("atproto-proxy", "did:web:api.bsky.app#bsky_appview"),
        Request::post("/xrpc/com.atproto.server.createSession?x=1").json("{}"),
        xrpc("com.atproto.identity.updateHandle", "{}"),
        xrpc("com.atproto.server.updateEmail", "{}"),
        xrpc("com.atproto.identity.signPlcOperation", "{}"),
        xrpc("app.bsky.notification.registerPush", "{}"),
        Request::get("/xrpc/com.atproto.repo.createRecord"),
        Request::post("/xrpc/com.atproto.repo.uploadBlob"),
        Request::get("/"),
    ] {
        let classification = Bluesky::classify(&account(), &request);
        assert!(matches!(classification, Classification::Refuse(_)), "{request:?} is {classification:?}");
    }
    let put = json!({ "repo": DID, "collection": "app.bsky.feed.post", "rkey": "a", "record": post(&json!({})) });
    let put = classified(&xrpc("com.atproto.repo.putRecord", &put.to_string()));
    assert_eq!(put.action, "post.edit");
    assert_eq!(put.target.as_deref(), Some("at://did:plc:acme/app.bsky.feed.post/a"));
}

#[test]
fn limits_are_learned_from_answers() {
    let observe = |policy: &str| {
        let headers = [
            ("ratelimit-limit", "5000"),
            ("ratelimit-remaining", "4997"),
            ("ratelimit-reset", "1803891900"),
            ("ratelimit-policy", policy),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let budget = Bluesky::observe("GET", "/", 200, &headers).remove(0);
        assert_eq!(budget.reset_at_ms, Some(testing::CREATED_AT_MS + 300_000));
        assert!(Bluesky::describe().rate_classes.iter().any(|class| class.name == budget.class));
        (budget.class, budget.limit, budget.remaining)
    };
    assert_eq!(observe("3000;w=300"), ("api".to_owned(), Some(5000), Some(4997)));
    assert_eq!(observe("5000;w=3600"), ("writes-hour".to_owned(), Some(1666), Some(1665)));
    assert!(Bluesky::observe("GET", "/", 200, &[]).is_empty());
}

#[test]
fn refusals_have_the_shape_of_the_network() {
    let refusal = |status, code: &str| {
        let refusal = Refusal { status, code: code.into(), message: "No.".into(), retry_after_s: Some(7) };
        let response = Bluesky::render_refusal(&refusal, &Request::get("/"));
        assert_eq!((response.status, response.header("Retry-After")), (status, Some("7")));
        serde_json::from_slice::<Value>(&response.body).unwrap()
    };
    assert_eq!(refusal(403, "no-grant"), json!({ "error": "NoGrant", "message": "No." }));
    assert_eq!(refusal(429, "too-many")["error"], "RateLimitExceeded");
}

#[test]
fn records_fit_the_published_lexicons() {
    let Some(lexicons) = crate::lexicon::folder() else { return };
    let parent = json!({ "uri": "at://did:plc:x/app.bsky.feed.post/p", "cid": "bafyp", "value": { "text": "?" } });
    let host = Host::new()
        .answer("answered", answer(200, &parent.to_string()))
        .answer("handle-eva.example", answer(200, r#"{"did":"did:plc:eva"}"#))
        .answer("part-0-image-0", uploaded("bafyimage0"))
        .answer("part-0", created(0))
        .answer("delete-0", answer(200, "{}"))
        .install();
    let mut draft = target("comment.create", "at://did:plc:x/app.bsky.feed.post/p");
    draft.parts[0].text = "🎉 @eva.example #кот https://acme.example".to_owned();
    draft.parts[0].media = vec![testing::picture("m0", Some("Red."))];
    draft.language = Some("cs".to_owned());
    Bluesky::perform(&call(draft)).unwrap();
    Bluesky::perform(&call(target("post.delete", &uri(0)))).unwrap();
    let faults = |name: &str, value: &Value| crate::lexicon::faults(&lexicons, name, value);
    let creation = body(&host, "part-0");
    assert_eq!(faults("com.atproto.repo.createRecord", &creation), [""; 0]);
    assert_eq!(faults("app.bsky.feed.post", &creation["record"]), [""; 0]);
    assert_eq!(faults("com.atproto.repo.deleteRecord", &body(&host, "delete-0")), [""; 0]);
    // The checker sees what is wrong, at any depth.
    for (pointer, wrong) in [
        ("/text", json!("a".repeat(301))),
        ("/facets/0/index/byteStart", json!("0")),
        ("/facets/0/features/0", json!({ "$type": "app.bsky.richtext.facet#mention" })),
        ("/embed/images/0", json!({ "image": blob("bafyimage0") })),
        ("/reply", json!({ "root": {}, "parent": {} })),
        ("/langs", json!("cs")),
    ] {
        let mut record = creation["record"].clone();
        *record.pointer_mut(pointer).unwrap() = wrong;
        assert!(!faults("app.bsky.feed.post", &record).is_empty(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn every_text_that_passes_the_check_is_sent_as_it_is_and_classified_so(
        text in "(#|@|https://a.example/|🎉|é|ש|ж|\u{301}|[ .a-c]){1,40}",
    ) {
        prop_assume!(Bluesky::check(&account(), &testing::draft(&text), None).is_empty());
        let host = Host::new().answer("part-0", created(0)).install();
        Bluesky::perform(&call(testing::draft(&text))).unwrap();
        let found = classified(&host.sent()[0].request);
        prop_assert_eq!(found.text, text);
        prop_assert!(found.texts.is_empty());
    }
}
