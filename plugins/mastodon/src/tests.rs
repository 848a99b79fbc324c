//! The adapter against a scripted host.

mod clients;

use pressgate_sdk::http::{Body, Error, FormField, FormValue, Kind, Request, Response, Safety};
use pressgate_sdk::testing::{self, Host, Installed, answer};
use pressgate_sdk::{
    Account, Adapter, Call, Classification, Draft, Facts, Failure, Finding, Login, Performed, Reconciliation, Refusal,
    Session,
};
use serde_json::{Value, json};

use crate::Mastodon;
use crate::facts::Limits;
use crate::options;

fn account() -> Account {
    testing::account("mastodon")
}

fn call(draft: Draft) -> Call {
    testing::call(account(), draft, None)
}

fn status(id: &str) -> Result<Response, Error> {
    answer(200, &json!({ "id": id, "url": format!("https://social.example/@acme/{id}") }).to_string())
}

fn ids(performed: &Performed) -> Vec<&str> {
    performed.parts.iter().map(|part| part.platform_id.as_str()).collect()
}

fn body(host: &Installed, index: usize) -> Value {
    serde_json::from_str(host.sent()[index].body_text()).unwrap()
}

fn with_pictures(mut draft: Draft, count: usize) -> Draft {
    draft.parts[0].media =
        (0..count).map(|index| testing::picture(&format!("m{index}"), Some("A red snack."))).collect();
    draft
}

#[test]
fn a_status_is_sent_with_everything_that_was_asked_for() {
    let host = Host::new().answer("part-0", status("7")).install();
    let mut draft = testing::draft("Ahoj světe 🎉");
    draft.language = Some("cs".to_owned());
    draft.options = r#"{"visibility":"unlisted","content_warning":"jídlo","sensitive":true}"#.to_owned();
    let performed = Mastodon::perform(&call(draft)).unwrap();
    assert_eq!(ids(&performed), ["7"]);
    assert_eq!(performed.parts[0].url.as_deref(), Some("https://social.example/@acme/7"));
    let sent = &host.sent()[0];
    assert_eq!(sent.kind, Kind::Effect(Safety::NativeKey(3600)));
    assert_eq!((sent.request.method.as_str(), sent.request.url.as_str()), ("POST", "/api/v1/statuses"));
    assert_eq!(sent.request.credential.as_deref(), Some("token"));
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f-part-0";
    assert!(sent.request.headers.contains(&("Idempotency-Key".to_owned(), key.to_owned())));
    assert_eq!(
        body(&host, 0),
        json!({ "status": "Ahoj světe 🎉", "spoiler_text": "jídlo", "sensitive": true, "visibility": "unlisted",
            "language": "cs" })
    );
}

#[test]
fn entries_of_a_thread_answer_each_other_and_the_first_the_target() {
    let host =
        Host::new().answer("part-0", status("1")).answer("part-1", status("2")).answer("part-2", status("3")).install();
    let mut draft = testing::thread(&["a", "b", "c"]);
    draft.action = "comment.create".to_owned();
    draft.target = Some("99".to_owned());
    assert_eq!(ids(&Mastodon::perform(&call(draft)).unwrap()), ["1", "2", "3"]);
    let answered: Vec<Value> = (0..3).map(|index| body(&host, index)["in_reply_to_id"].clone()).collect();
    assert_eq!(answered, [json!("99"), json!("1"), json!("2")]);
}

#[test]
fn a_medium_is_awaited_before_it_is_shown() {
    let processing = || answer(206, r#"{"id":"55","url":null}"#);
    let host = Host::new()
        .answer("part-0-media-0", answer(202, r#"{"id":"55","url":null}"#))
        .answer("part-0-media-0-poll", processing())
        .answer("part-0-media-0-poll", answer(200, r#"{"id":"55","url":"https://social.example/55.png"}"#))
        .answer("part-0-media-1", answer(200, r#"{"id":"56"}"#))
        .answer("part-0", status("7"))
        .install();
    let draft = with_pictures(testing::draft(""), 2);
    let not_yet = Mastodon::perform(&call(draft.clone())).unwrap_err();
    assert!(matches!(&not_yet, Failure::NotYet((no, 500)) if no.code == "media-processing"), "{not_yet:?}");
    host.next_attempt();
    assert_eq!(ids(&Mastodon::perform(&call(draft)).unwrap()), ["7"]);
    let sent = host.sent();
    assert_eq!(sent[0].kind, Kind::Prepare(Safety::None));
    let Body::Multipart(fields) = &sent[0].request.body else { panic!("{:?}", sent[0]) };
    assert_eq!(fields[0], FormField::media("file", "media.png", "m0"));
    assert_eq!(fields[1], FormField::text("description", "A red snack."));
    assert_eq!(sent[1].request.url, "/api/v1/media/55");
    assert_eq!(sent[1].kind, Kind::Read);
    assert_eq!(body(&host, 4), json!({ "media_ids": ["55", "56"] }));
}

#[test]
fn a_deletion_starts_with_the_last_entry() {
    let host = Host::new()
        .answer("delete-2", answer(200, r#"{"id":"3"}"#))
        .answer("delete-1", answer(404, r#"{"error":"Record not found"}"#))
        .answer("delete-0", answer(200, r#"{"id":"1"}"#))
        .install();
    let mut draft = testing::draft("");
    draft.action = "post.delete".to_owned();
    draft.target = Some("1\n2\n3".to_owned());
    assert_eq!(ids(&Mastodon::perform(&call(draft)).unwrap()), ["1", "2", "3"]);
    let urls: Vec<String> = host.sent().iter().map(|sent| sent.request.url.clone()).collect();
    assert_eq!(urls, ["/api/v1/statuses/3", "/api/v1/statuses/2", "/api/v1/statuses/1"]);
}

#[test]
fn each_attempt_makes_the_same_requests() {
    let make = || {
        let mut draft = with_pictures(testing::thread(&["a https://acme.example", "b"]), 1);
        draft.options = r#"{"sensitive":false,"visibility":"public"}"#.to_owned();
        call(draft)
    };
    let script = || {
        Host::new()
            .answer("part-0-media-0", answer(200, r#"{"id":"55"}"#))
            .answer("part-0", status("1"))
            .answer("part-1", status("2"))
    };
    let first = script().install();
    Mastodon::perform(&make()).unwrap();
    let sent = first.sent();
    drop(first);
    let second = script().install();
    Mastodon::perform(&make()).unwrap();
    assert_eq!(second.sent(), sent);
    // A replay: the scripted host compares each request with the journalled one and sends none again.
    second.next_attempt();
    let mut again = make();
    again.attempt = 2;
    Mastodon::perform(&again).unwrap();
    assert_eq!(second.sent(), sent);
}

#[test]
fn after_a_passing_fault_the_rest_of_a_thread_follows() {
    let host = Host::new()
        .answer("part-0", status("1"))
        .answer("part-1", answer(503, ""))
        .answer("part-1", status("2"))
        .install();
    assert!(matches!(Mastodon::perform(&call(testing::thread(&["a", "b"]))), Err(Failure::Temporary(_))));
    host.next_attempt();
    assert_eq!(ids(&Mastodon::perform(&call(testing::thread(&["a", "b"]))).unwrap()), ["1", "2"]);
    assert_eq!(host.steps(), ["part-0", "part-1", "part-1"]);
    assert_eq!(host.sent()[1], host.sent()[2], "the same key, so that the server sees a repetition");
}

#[test]
fn answers_mean_what_the_contract_says() {
    type Expected = fn(&Failure) -> bool;
    let cases: [(Result<Response, Error>, Expected); 14] = [
        (
            answer(401, r#"{"error":"The access token is invalid"}"#),
            |f| matches!(f, Failure::Unauthorized(r) if r.message == "The access token is invalid" && r.status == Some(401)),
        ),
        (
            answer(403, r#"{"error":"This action is not allowed"}"#),
            |f| matches!(f, Failure::Rejected(r) if r.code == "forbidden"),
        ),
        (
            answer(404, r#"{"error":"Record not found"}"#),
            |f| matches!(f, Failure::Rejected(r) if r.code == "not-found"),
        ),
        (
            answer(422, r#"{"error":"Validation failed: Text"}"#),
            |f| matches!(f, Failure::Rejected(r) if r.code == "invalid"),
        ),
        (Ok(Response::json(429, r#"{"error":"Too many requests"}"#).with_header("retry-after", "30")), |f| {
            matches!(f, Failure::RateLimited((_, Some(30_000))))
        }),
        (
            Ok(Response::json(429, "{}")
                .with_header("date", "Mon, 01 Mar 2027 10:00:00 GMT")
                .with_header("x-ratelimit-reset", "2027-03-01T10:05:00.000000Z")),
            |f| matches!(f, Failure::RateLimited((_, Some(300_000)))),
        ),
        (answer(429, "slow"), |f| matches!(f, Failure::RateLimited((_, None)))),
        (answer(503, "<html>down</html>"), |f| matches!(f, Failure::Temporary(r) if r.status == Some(503))),
        (answer(200, "<html>hello</html>"), |f| matches!(f, Failure::Temporary(r) if r.code == "garbage")),
        (answer(200, r#"{"content":"hello"}"#), |f| matches!(f, Failure::Temporary(r) if r.code == "no-id")),
        (answer(200, r#"{"id":""}"#), |f| matches!(f, Failure::Temporary(r) if r.code == "no-id")),
        (Err(Error::Unknown("timed out".to_owned())), |f| *f == Failure::Unknown("part-0".to_owned())),
        (Err(Error::NotSent("refused".to_owned())), |f| matches!(f, Failure::Temporary(r) if r.code == "not-sent")),
        (Err(Error::Denied("not approved".to_owned())), |f| matches!(f, Failure::Rejected(r) if r.code == "denied")),
    ];
    for (given, expected) in cases {
        let _host = Host::new().answer("part-0", given.clone()).install();
        let failure = Mastodon::perform(&call(testing::draft("a"))).unwrap_err();
        assert!(expected(&failure), "{given:?} gave {failure:?}");
    }
}

#[test]
fn an_instance_tells_its_limits() {
    let instance = json!({ "configuration": {
        "statuses": { "max_characters": 5000, "max_media_attachments": 8, "characters_reserved_per_url": 30 },
        "media_attachments": { "supported_mime_types": ["image/png"], "image_size_limit": 2000, "video_size_limit": 9 },
    } });
    let _host = Host::new().answer("instance", answer(200, &instance.to_string())).install();
    let facts = Mastodon::discover(&account()).unwrap();
    let limits = Limits::from_facts(Some(&facts));
    assert_eq!((limits.characters_max, limits.media_max, limits.characters_per_link), (5000, 8, 30));
    assert_eq!((limits.image_bytes_max, limits.video_bytes_max), (Some(2000), Some(9)));
    assert_eq!(limits.media_types, ["image/png"]);
}

#[test]
fn an_instance_that_does_not_tell_is_an_error() {
    for given in [answer(404, "{}"), answer(200, "hello"), answer(200, "{}"), Err(Error::TooLarge)] {
        let _host = Host::new().answer("instance", given).install();
        assert!(!Mastodon::discover(&account()).unwrap_err().is_empty());
    }
}

fn check(draft: &Draft) -> Vec<Finding> {
    let limits = r#"{"media_types":["image/png","video/mp4"],"image_bytes_max":1000,"video_bytes_max":5000}"#;
    let facts = Facts::new(limits, 1);
    Mastodon::check(&account(), draft, Some(&facts))
}

fn codes(draft: &Draft) -> Vec<String> {
    check(draft).into_iter().map(|finding| finding.code).collect()
}

#[test]
fn the_length_counts_as_the_server_counts_it() {
    let link = format!("https://acme.example/{}", "x".repeat(300));
    assert!(check(&testing::draft(&format!("{} {link}", "ž".repeat(500 - 24)))).is_empty());
    let findings = check(&testing::thread(&["fine", &format!("{} {link}", "ž".repeat(500 - 23))]));
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].measure, findings[0].part), (Some((501, 500)), Some(1)));
    let mention = format!("@eva@{}.example {}", "s".repeat(50), "a".repeat(495));
    assert!(check(&testing::draft(&mention)).is_empty());
    let mut warned = testing::draft(&"a".repeat(490));
    warned.options = r#"{"content_warning":"🎉🎉🎉🎉🎉 and so on"}"#.to_owned();
    assert_eq!(check(&warned)[0].measure, Some((505, 500)));
}

#[test]
fn everything_that_the_server_would_refuse_is_found_before() {
    assert_eq!(codes(&testing::draft("  ")), ["empty"]);
    assert!(check(&with_pictures(testing::draft(""), 4)).is_empty());
    assert_eq!(codes(&with_pictures(testing::draft("a"), 5)), ["too-many-media"]);
    let medium = |change: fn(&mut pressgate_sdk::MediaRef)| {
        let mut draft = with_pictures(testing::draft("a"), 1);
        change(&mut draft.parts[0].media[0]);
        codes(&draft)
    };
    assert_eq!(medium(|m| m.size_bytes = 1001), ["media-too-large"]);
    assert_eq!(medium(|m| m.media_type = "image/tiff".to_owned()), ["media-type"]);
    assert_eq!(medium(|m| m.alt = Some("a".repeat(1501))), ["alt-too-long"]);
    let mut mixed = with_pictures(testing::draft("a"), 2);
    mixed.parts[0].media[1].media_type = "video/mp4".to_owned();
    assert_eq!(codes(&mixed), ["media-mixed"]);
    for options in [r#"{"visibility":"everybody"}"#, r#"{"colour":"red"}"#, r#"{"sensitive":"yes"}"#] {
        let mut draft = testing::draft("a");
        draft.options = options.to_owned();
        assert_eq!(codes(&draft), ["option-invalid"], "{options}");
    }
    for (action, target) in [("comment.create", "../7"), ("post.delete", ""), ("post.delete", "1\n../2")] {
        let mut draft = testing::draft("a");
        (draft.action, draft.target) = (action.to_owned(), Some(target.to_owned()));
        assert_eq!(codes(&draft), ["target-invalid"], "{action} {target}");
    }
}

#[test]
fn the_option_schema_is_a_schema_and_fits_the_options() {
    let schema: Value = serde_json::from_str(options::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (given, valid) in [
        (json!({}), true),
        (json!({ "visibility": "direct", "content_warning": "a", "sensitive": true }), true),
        (json!({ "visibility": "all" }), false),
        (json!({ "colour": "red" }), false),
        (json!({ "sensitive": 1 }), false),
    ] {
        assert_eq!(validator.is_valid(&given), valid, "{given}");
        assert_eq!(options::Options::parse(&given.to_string()).is_ok(), valid, "{given}");
    }
}

fn classify(request: &Request) -> Classification {
    Mastodon::classify(&account(), request)
}

#[test]
fn own_requests_are_classified_as_what_was_approved() {
    let host = Host::new()
        .answer("part-0-media-0", answer(200, r#"{"id":"55"}"#))
        .answer("part-0", status("1"))
        .answer("delete-0", answer(200, "{}"))
        .install();
    let mut draft = with_pictures(testing::draft("Žluťoučký kůň"), 1);
    draft.options = r#"{"content_warning":"kůň"}"#.to_owned();
    (draft.action, draft.target) = ("comment.create".to_owned(), Some("9".to_owned()));
    Mastodon::perform(&call(draft)).unwrap();
    let mut deletion = testing::draft("");
    (deletion.action, deletion.target) = ("post.delete".to_owned(), Some("1".to_owned()));
    Mastodon::perform(&call(deletion)).unwrap();
    let classified: Vec<_> = host
        .sent()
        .iter()
        .map(|sent| match classify(&sent.request) {
            Classification::Act(classified) => classified,
            other => panic!("{sent:?} is {other:?}"),
        })
        .collect();
    assert_eq!(classified[0].action, "media.upload");
    assert_eq!(classified[0].media, [(None, Some("A red snack.".to_owned()))]);
    assert_eq!((classified[1].action.as_str(), classified[1].target.as_deref()), ("comment.create", Some("9")));
    assert_eq!(classified[1].text, "Žluťoučký kůň");
    assert_eq!(classified[1].texts, [("content_warning".to_owned(), "kůň".to_owned())]);
    assert_eq!(classified[1].media, [(Some("55".to_owned()), None)]);
    assert_eq!((classified[2].action.as_str(), classified[2].target.as_deref()), ("post.delete", Some("1")));
}

#[test]
fn forms_of_clients_are_read_too() {
    let form = |text: &str| {
        let mut request = Request::post("https://social.example/api/v1/statuses")
            .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        request.body = Body::Bytes(text.as_bytes().to_vec());
        classify(&request)
    };
    let Classification::Act(classified) =
        form("status=Ahoj+sv%C4%9Bte&media_ids%5B%5D=1&media_ids[]=2&spoiler_text=a&sensitive=true&visibility=public")
    else {
        panic!()
    };
    assert_eq!((classified.action.as_str(), classified.text.as_str()), ("post.create", "Ahoj světe"));
    assert_eq!(classified.media, [(Some("1".to_owned()), None), (Some("2".to_owned()), None)]);
    for refused in ["status=a&status=b", "status=a&poll[options][]=b", "status=%zz", "status=%ff", "scheduled_at=x"] {
        assert!(matches!(form(refused), Classification::Refuse(_)), "{refused}");
    }
}

#[test]
fn what_can_not_be_reviewed_is_refused() {
    let json = |url: &str, text: &str| Request::post(url).json(text);
    let statuses = "/api/v1/statuses";
    let mut two_types = json(statuses, r#"{"status":"a"}"#);
    two_types.headers.push(("Content-Type".to_owned(), "text/plain".to_owned()));
    let mut untyped = Request::post(statuses);
    untyped.body = Body::Bytes(br#"{"status":"a"}"#.to_vec());
    let mut deletion_with_body = Request::delete("/api/v1/statuses/1");
    deletion_with_body.body = Body::Bytes(b"a".to_vec());
    let file_as_text =
        FormField { name: "status".into(), filename: Some("a".into()), value: FormValue::Text("b".into()) };
    for request in [
        json(statuses, r#"{"status":"a","status":"b"}"#),
        json(statuses, r#"{"status":"a","poll":{"options":["b"]}}"#),
        json(statuses, r#"{"status":"a","scheduled_at":"2030-01-01T00:00:00Z"}"#),
        json(statuses, r#"{"status":5}"#),
        json(statuses, "[]"),
        json(statuses, ""),
        json("/api/v1/statuses?status=b", r#"{"status":"a"}"#),
        json("/api/v1/statuses/", r#"{"status":"a"}"#),
        json("//evil.example/api/v1/statuses", r#"{"status":"a"}"#),
        json("https://evil.example/api/v1/statuses", r#"{"status":"a"}"#),
        json("https://social.example.evil.example/api/v1/statuses", r#"{"status":"a"}"#),
        json("/api/v1/apps", "{}"),
        two_types,
        untyped,
        deletion_with_body,
        Request::post(statuses),
        Request::post(statuses).medium("m0", "image/png"),
        Request::post(statuses).multipart(vec![file_as_text]),
        Request::put("/api/v1/statuses/1").json(r#"{"status":"a"}"#),
        Request::delete("/api/v1/statuses/1/../2"),
        Request::delete("/api/v1/statuses/%31"),
        Request::delete("/api/v1/statuses/"),
        Request::get("/api/v1/conversations"),
        Request::post("/api/v2/media").json("{}"),
        Request::post("/api/v2/media").multipart(vec![]),
        Request::post("/api/v2/media").multipart(vec![FormField::media("thumbnail", "a", "b")]),
        Request::post("/api/v2/media").multipart(vec![
            FormField::media("file", "a", "b"),
            FormField::text("description", "a"),
            FormField::text("description", "b"),
        ]),
    ] {
        assert!(matches!(classify(&request), Classification::Refuse(_)), "{request:?}");
    }
}

fn listed(id: &str, text: &str, created_at: &str) -> Value {
    json!({ "id": id, "content": format!("<p>{text}</p>"), "created_at": created_at, "spoiler_text": "",
        "in_reply_to_id": null, "in_reply_to_account_id": null, "media_attachments": [] })
}

fn reconcile(pages: &[Value]) -> Reconciliation {
    let mut host = Host::new().answer("reconcile-account", answer(200, r#"{"id":"42"}"#));
    for (index, page) in pages.iter().enumerate() {
        host = host.answer(&format!("reconcile-statuses-{index}"), answer(200, &page.to_string()));
    }
    let host = host.install();
    let reconciliation = Mastodon::reconcile(&call(testing::draft("Ahoj & \"vy\"")), "part-0");
    assert!(host.sent().iter().all(|sent| sent.kind == Kind::Read));
    reconciliation
}

const AFTER: &str = "2027-03-01T09:00:05.000Z";
const BEFORE: &str = "2027-03-01T08:00:00.000Z";

#[test]
fn a_status_is_found_among_the_latest() {
    let found = reconcile(&[json!([
        listed("3", "something else", AFTER),
        listed("2", "Ahoj &amp; &quot;vy&quot;", AFTER),
        listed("1", "Ahoj &amp; &quot;vy&quot;", BEFORE),
    ])]);
    let Reconciliation::Happened(response) = found else { panic!("{found:?}") };
    let _host = Host::new().answer("part-0", Ok(response)).install();
    assert_eq!(ids(&Mastodon::perform(&call(testing::draft("Ahoj & \"vy\""))).unwrap()), ["2"]);
}

#[test]
fn a_status_is_missing_only_where_the_list_reaches_back_far_enough() {
    assert_eq!(reconcile(&[json!([listed("1", "older", BEFORE)])]), Reconciliation::DidNot);
    assert_eq!(reconcile(&[json!([])]), Reconciliation::DidNot);
    assert_eq!(reconcile(&[json!([listed("9", "newer", AFTER)]), json!([])]), Reconciliation::DidNot);
    let busy: Vec<Value> = (0..5).map(|page| json!([listed(&format!("{}", 9 - page), "newer", AFTER)])).collect();
    assert!(matches!(reconcile(&busy), Reconciliation::CannotKnow(_)));
    let twice =
        json!([listed("3", "Ahoj & \"vy\"", AFTER), listed("2", "Ahoj & \"vy\"", AFTER), listed("1", "", BEFORE)]);
    assert!(matches!(reconcile(&[twice]), Reconciliation::CannotKnow(_)));
    let mut answering = listed("2", "Ahoj & \"vy\"", AFTER);
    answering["in_reply_to_id"] = json!("77");
    assert_eq!(reconcile(&[json!([answering, listed("1", "", BEFORE)])]), Reconciliation::DidNot);
    let _host = Host::new().answer("reconcile-account", answer(500, "")).install();
    assert!(matches!(Mastodon::reconcile(&call(testing::draft("a")), "part-0"), Reconciliation::CannotKnow(_)));
}

#[test]
fn a_deletion_happened_where_the_status_is_gone() {
    for (given, happened) in
        [(answer(404, "{}"), Some(true)), (answer(200, "{}"), Some(false)), (answer(500, ""), None)]
    {
        let _host = Host::new().answer("reconcile-status", given).install();
        let mut draft = testing::draft("");
        (draft.action, draft.target) = ("post.delete".to_owned(), Some("1\n2".to_owned()));
        match Mastodon::reconcile(&call(draft), "delete-1") {
            Reconciliation::Happened(response) => assert!(happened == Some(true) && response.status == 200),
            Reconciliation::DidNot => assert_eq!(happened, Some(false)),
            Reconciliation::CannotKnow(_) => assert_eq!(happened, None),
        }
    }
}

#[test]
fn limits_are_learned_from_answers() {
    let headers: Vec<(String, String)> = [
        ("x-ratelimit-limit", "300"),
        ("x-ratelimit-remaining", "299"),
        ("x-ratelimit-reset", "2027-03-01T09:05:00.123456Z"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let budgets = Mastodon::observe("GET", "/", 200, &headers);
    assert_eq!(budgets.len(), 1);
    assert_eq!((budgets[0].limit, budgets[0].remaining), (Some(300), Some(299)));
    assert_eq!(budgets[0].reset_at_ms, Some(testing::CREATED_AT_MS + 300_123));
    assert!(Mastodon::observe("GET", "/", 200, &[]).is_empty());
    assert!(Mastodon::describe().rate_classes.iter().any(|class| class.name == budgets[0].class));
}

#[test]
fn refusals_have_the_shape_of_the_network() {
    let refusal =
        Refusal { status: 429, code: "rate-limited".into(), message: "Later.".into(), retry_after_s: Some(7) };
    let response = Mastodon::render_refusal(&refusal, &Request::get("/api/v1/statuses"));
    assert_eq!((response.status, response.header("Retry-After")), (429, Some("7")));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body, json!({ "error": "Later.", "error_description": "rate-limited" }));
}

/// The published description of the API, where `PRESSGATE_SPECS` says where it is.
fn specification() -> Option<Value> {
    let Some(folder) = std::env::var_os("PRESSGATE_SPECS") else {
        assert!(std::env::var_os("PRESSGATE_NO_SKIP").is_none(), "PRESSGATE_SPECS is not set");
        return None;
    };
    let path = std::path::Path::new(&folder).join("mastodon/openapi.json");
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

#[test]
fn requests_fit_the_published_specification() {
    let Some(specification) = specification() else { return };
    // The specification says `oneOf`; a status with text and media is both, so `anyOf` is meant.
    let kinds = ["TextStatus", "MediaStatus"].map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
    let schema = json!({ "anyOf": kinds, "components": specification["components"], "unevaluatedProperties": false });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let host = Host::new()
        .answer("part-0-media-0", answer(200, r#"{"id":"55"}"#))
        .answer("part-0", status("1"))
        .answer("part-1", status("2"))
        .install();
    let mut draft = with_pictures(testing::thread(&["a", "b"]), 1);
    draft.language = Some("cs".to_owned());
    draft.options = r#"{"visibility":"private","content_warning":"c","sensitive":false}"#.to_owned();
    Mastodon::perform(&call(draft)).unwrap();
    for index in [1, 2] {
        let body = body(&host, index);
        let faults: Vec<String> = validator.iter_errors(&body).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{body}: {faults:?}");
    }
    assert!(!validator.is_valid(&json!({ "status": "a", "spoiler": "b" })), "a wrong field must be seen");
}
