//! The adapter against a scripted host.

mod clients;
mod lookups;

use pressgate_sdk::http::{Body, Error, FormValue, Kind, Request, Response, Safety};
use pressgate_sdk::testing::{self, Host, Installed, answer};
use pressgate_sdk::{
    Account, Adapter, Call, Classification, Classified, Draft, Failure, MediaRef, Performed, Reconciliation, Refusal,
};
use serde_json::{Value, json};

use crate::{X, check, media, options};

fn account() -> Account {
    testing::account("x")
}

fn call(draft: Draft) -> Call {
    testing::call(account(), draft, None)
}

fn post(id: &str) -> Result<Response, Error> {
    answer(201, &json!({ "data": { "id": id, "text": "…" } }).to_string())
}

fn ids(performed: &Performed) -> Vec<&str> {
    performed.parts.iter().map(|part| part.platform_id.as_str()).collect()
}

fn body(host: &Installed, index: usize) -> Value {
    serde_json::from_str(host.sent()[index].body_text()).unwrap()
}

fn video(size_bytes: u64) -> MediaRef {
    MediaRef { media_type: "video/mp4".to_owned(), size_bytes, ..testing::picture("m0", None) }
}

fn with_media(media: Vec<MediaRef>) -> Draft {
    let mut draft = testing::draft("a");
    draft.parts[0].media = media;
    draft
}

fn deletion(target: &str) -> Draft {
    Draft { action: "post.delete".to_owned(), target: Some(target.to_owned()), ..testing::draft("") }
}

fn classify(request: &Request) -> Classification {
    X::classify(&account(), request)
}

fn act(request: &Request) -> Classified {
    match classify(request) {
        Classification::Act(classified) => classified,
        other => panic!("{request:?} is {other:?}"),
    }
}

/// An upload that is begun, filled with one piece and ended.
fn uploading(host: Host, step: &str, id: &str) -> Host {
    let named = json!({ "data": { "id": id } }).to_string();
    host.answer(&format!("{step}-begin"), answer(200, &named))
        .answer(&format!("{step}-piece-0"), answer(200, r#"{"data":{"expires_at":1}}"#))
        .answer(&format!("{step}-end"), answer(200, &named))
        .answer(&format!("{step}-alt"), answer(200, &named))
}

#[test]
fn entries_of_a_thread_answer_each_other_and_the_first_the_target() {
    let host =
        Host::new().answer("part-0", post("1")).answer("part-1", post("2")).answer("part-2", post("3")).install();
    let mut draft = testing::thread(&["Ahoj 🎉", "b", "c"]);
    (draft.action, draft.target) = ("comment.create".to_owned(), Some("99".to_owned()));
    draft.options = r#"{"reply_settings":"mentionedUsers","made_with_ai":true,"paid_partnership":false}"#.to_owned();
    let performed = X::perform(&call(draft)).unwrap();
    assert_eq!(ids(&performed), ["1", "2", "3"]);
    assert_eq!(performed.parts[0].url.as_deref(), Some("https://x.com/i/web/status/1"));
    let sent = &host.sent()[0];
    assert_eq!(sent.kind, Kind::Effect(Safety::LookUp));
    assert_eq!((sent.request.method.as_str(), sent.request.url.as_str()), ("POST", "/2/tweets"));
    assert_eq!(sent.request.credential.as_deref(), Some("token"));
    assert_eq!(
        body(&host, 0),
        json!({ "text": "Ahoj 🎉", "reply": { "in_reply_to_tweet_id": "99" }, "reply_settings": "mentionedUsers",
            "made_with_ai": true, "paid_partnership": false })
    );
    let answered: Vec<Value> =
        (1..3).map(|index| body(&host, index)["reply"]["in_reply_to_tweet_id"].clone()).collect();
    assert_eq!(answered, [json!("1"), json!("2")]);
}

#[test]
fn a_medium_goes_in_pieces_is_awaited_and_described() {
    let processing = |state: &str| json!({ "data": { "id": "7", "processing_info": { "state": state } } }).to_string();
    let host = uploading(Host::new(), "part-0-media-0", "7")
        .answer("part-0-media-0-piece-1", answer(200, "{}"))
        .answer("part-0-media-0-piece-2", answer(200, "{}"))
        .answer("part-0", post("1"));
    let host = host.answer("part-0-media-0-poll", answer(200, &processing("in_progress")));
    let host = host.answer("part-0-media-0-poll", answer(200, &processing("succeeded"))).install();
    let size = 2 * media::PIECE_BYTES + 5;
    let mut medium = video(size);
    medium.alt = Some("A dog.".to_owned());
    let _ = X::perform(&call(with_media(vec![medium]))).unwrap();
    // The end said nothing of processing, so nothing was awaited.
    let steps = host.steps();
    assert_eq!(steps.iter().filter(|step| step.contains("poll")).count(), 0);
    assert_eq!(
        body(&host, 0),
        json!({ "media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": size })
    );
    let slices: Vec<(u64, u64)> = host.sent()[1..4]
        .iter()
        .map(|sent| {
            assert_eq!(sent.request.url, "/2/media/upload/7/append");
            let Body::Multipart(fields) = &sent.request.body else { panic!("{sent:?}") };
            let FormValue::MediaSlice(slice) = &fields[1].value else { panic!("{sent:?}") };
            assert_eq!(slice.id, "m0");
            (slice.offset, slice.length)
        })
        .collect();
    let piece = media::PIECE_BYTES;
    assert_eq!(slices, [(0, piece), (piece, piece), (2 * piece, 5)]);
    assert_eq!(body(&host, 5), json!({ "id": "7", "metadata": { "alt_text": { "text": "A dog." } } }));
    assert_eq!(body(&host, 6), json!({ "text": "a", "media": { "media_ids": ["7"] } }));
}

#[test]
fn what_the_network_makes_of_a_medium_is_awaited() {
    let said =
        |state: &str| answer(200, &json!({ "data": { "id": "7", "processing_info": { "state": state } } }).to_string());
    let begun = || {
        let host = Host::new().answer("part-0-media-0-begin", answer(200, r#"{"data":{"id":"7"}}"#));
        host.answer("part-0-media-0-piece-0", answer(200, "{}")).answer("part-0-media-0-end", said("pending"))
    };
    let perform = || X::perform(&call(with_media(vec![video(5)])));
    let host = begun()
        .answer("part-0-media-0-poll", said("in_progress"))
        .answer("part-0-media-0-poll", said("succeeded"))
        .answer("part-0", post("1"))
        .install();
    assert!(matches!(perform(), Err(Failure::NotYet((no, 1_000))) if no.code == "media-processing"));
    host.next_attempt();
    assert_eq!(ids(&perform().unwrap()), ["1"]);
    assert_eq!(host.sent()[3].request.url, "/2/media/upload?command=STATUS&media_id=7");
    drop(host);
    let host = begun().answer("part-0-media-0-poll", said("failed")).install();
    assert!(matches!(perform(), Err(Failure::Rejected(no)) if no.code == "media-unusable"));
    drop(host);
    let later = answer(200, r#"{"data":{"id":"7","processing_info":{"state":"pending","check_after_secs":7}}}"#);
    let _host = begun().answer("part-0-media-0-poll", later).install();
    assert!(matches!(perform(), Err(Failure::NotYet((_, 7_000)))));
}

#[test]
fn a_deletion_starts_with_the_last_entry() {
    let gone = json!({ "errors": [{ "type": "https://api.x.com/2/problems/resource-not-found", "title": "Not Found",
        "detail": "no", "resource_type": "post" }] });
    let host = Host::new()
        .answer("delete-2", answer(200, r#"{"data":{"deleted":true}}"#))
        .answer("delete-1", answer(200, &gone.to_string()))
        .answer("delete-0", answer(404, "{}"))
        .install();
    assert_eq!(ids(&X::perform(&call(deletion("1\n2\n3"))).unwrap()), ["1", "2", "3"]);
    let urls: Vec<String> = host.sent().iter().map(|sent| sent.request.url.clone()).collect();
    assert_eq!(urls, ["/2/tweets/3", "/2/tweets/2", "/2/tweets/1"]);
    drop(host);
    let _host = Host::new().answer("delete-0", answer(200, r#"{"data":{"deleted":false}}"#)).install();
    assert!(matches!(X::perform(&call(deletion("1"))), Err(Failure::Rejected(_))));
}

#[test]
fn each_attempt_makes_the_same_requests() {
    let make = || {
        let mut draft = testing::thread(&["a https://acme.example", "b"]);
        draft.parts[0].media = vec![testing::picture("m0", Some("A red snack."))];
        call(draft)
    };
    let script = || {
        uploading(Host::new(), "part-0-media-0", "7")
            .answer("part-0", post("1"))
            .answer("part-1", answer(503, ""))
            .answer("part-1", post("2"))
    };
    let host = script().install();
    assert!(matches!(X::perform(&make()), Err(Failure::Temporary(_))));
    // The scripted host holds each replayed request against the one of the first attempt.
    host.next_attempt();
    assert_eq!(ids(&X::perform(&make()).unwrap()), ["1", "2"]);
    let steps = host.steps();
    assert_eq!(steps[steps.len() - 2..], ["part-1", "part-1"]);
}

#[test]
fn answers_mean_what_the_contract_says() {
    type Expected = fn(&Failure) -> bool;
    let problem = |status: u16, detail: &str| {
        answer(status, &json!({ "title": "t", "detail": detail, "type": "about:blank", "status": status }).to_string())
    };
    let cases: [(Result<Response, Error>, Expected); 11] = [
        (problem(401, "Unauthorized"), |f| matches!(f, Failure::Unauthorized(r) if r.message == "Unauthorized")),
        (
            problem(403, "You are not allowed to create a Tweet with duplicate content."),
            |f| matches!(f, Failure::Rejected(r) if r.code == "duplicate"),
        ),
        (problem(403, "no"), |f| matches!(f, Failure::Rejected(r) if r.code == "forbidden" && r.message == "no")),
        (problem(400, "no"), |f| matches!(f, Failure::Rejected(r) if r.code == "bad-request")),
        (
            Ok(Response::json(429, "{}")
                .with_header("date", "Mon, 01 Mar 2027 09:00:00 GMT")
                .with_header("x-rate-limit-reset", "1803891900")),
            |f| matches!(f, Failure::RateLimited((_, Some(300_000)))),
        ),
        (answer(503, "<html>"), |f| matches!(f, Failure::Temporary(r) if r.status == Some(503))),
        (answer(200, "<html>"), |f| matches!(f, Failure::Temporary(r) if r.code == "garbage")),
        (answer(201, r#"{"data":{"text":"a"}}"#), |f| matches!(f, Failure::Temporary(r) if r.code == "no-id")),
        (
            answer(200, r#"{"errors":[{"detail":"not yours"}]}"#),
            |f| matches!(f, Failure::Rejected(r) if r.code == "partial-error" && r.message == "not yours"),
        ),
        (Err(Error::Unknown("timed out".to_owned())), |f| *f == Failure::Unknown("part-0".to_owned())),
        (Err(Error::NotSent("refused".to_owned())), |f| matches!(f, Failure::Temporary(r) if r.code == "not-sent")),
    ];
    for (given, expected) in cases {
        let _host = Host::new().answer("part-0", given.clone()).install();
        let failure = X::perform(&call(testing::draft("a"))).unwrap_err();
        assert!(expected(&failure), "{given:?} gave {failure:?}");
    }
}

fn codes(draft: &Draft) -> Vec<String> {
    X::check(&account(), draft, None).into_iter().map(|finding| finding.code).collect()
}

#[test]
fn the_length_counts_as_the_network_counts_it() {
    for (text, weight) in [
        ("ahoj", 4),
        ("kůň – „tak“ …", 13 + 1),
        ("日本語", 6),
        ("한국", 4),
        ("привет", 6),
        ("👩‍👩‍👧‍👦🇨🇿", 4),
        ("https://acme.example/a/very/long/address/that/goes/on/and/on", 23),
        ("http://a.example 日", 23 + 1 + 2),
    ] {
        assert_eq!(check::weight(text), weight, "{text}");
    }
    let link = format!("https://acme.example/{}", "x".repeat(300));
    assert!(codes(&testing::draft(&format!("{} {link}", "ž".repeat(280 - 24)))).is_empty());
    assert!(codes(&testing::draft(&"日".repeat(140))).is_empty());
    let findings = X::check(&account(), &testing::thread(&["fine", &"日".repeat(141)]), None);
    assert_eq!((findings[0].measure, findings[0].part), (Some((282, 280)), Some(1)));
}

#[test]
fn everything_that_the_network_would_refuse_is_found_before() {
    let picture = || testing::picture("m0", None);
    assert_eq!(codes(&testing::draft("  ")), ["empty"]);
    assert!(codes(&with_media(vec![picture(), picture(), picture(), picture()])).is_empty());
    assert_eq!(codes(&with_media(vec![picture(); 5])), ["too-many-media"]);
    assert_eq!(codes(&with_media(vec![picture(), video(5)])), ["media-mixed"]);
    assert_eq!(codes(&with_media(vec![MediaRef { size_bytes: 6_000_000, ..picture() }])), ["media-too-large"]);
    assert_eq!(codes(&with_media(vec![MediaRef { media_type: "image/tiff".into(), ..picture() }])), ["media-type"]);
    assert_eq!(codes(&with_media(vec![MediaRef { alt: Some("a".repeat(1001)), ..picture() }])), ["alt-too-long"]);
    for options in [r#"{"reply_settings":"nobody"}"#, r#"{"colour":"red"}"#] {
        let draft = Draft { options: options.to_owned(), ..testing::draft("a") };
        assert_eq!(codes(&draft), ["option-invalid"], "{options}");
    }
    for draft in [deletion(""), deletion("1\nx"), deletion(&"1".repeat(20))] {
        assert_eq!(codes(&draft), ["target-invalid"], "{draft:?}");
    }
    let schema: Value = serde_json::from_str(options::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (given, valid) in [(json!({ "reply_settings": "verified" }), true), (json!({ "made_with_ai": 1 }), false)] {
        assert_eq!(validator.is_valid(&given), valid, "{given}");
        assert_eq!(options::Options::parse(&given.to_string()).is_ok(), valid, "{given}");
    }
}
