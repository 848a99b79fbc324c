//! Tests of the adapter against the scripted host.

use pressgate_sdk::http::{Error, Kind, Request, Safety};
use pressgate_sdk::testing::{self, Host, answer, picture};
use pressgate_sdk::{
    Adapter, Call, Classification, Classified, Draft, Facts, Failure, MediaRef, Reconciliation, Refusal,
};
use serde_json::{Value, json};

use super::*;

fn account() -> Account {
    testing::account("threads")
}

fn call(draft: Draft) -> Call {
    testing::call(account(), draft, None)
}

fn ready() -> Result<Response, Error> {
    answer(200, r#"{"id":"1","status":"FINISHED"}"#)
}

fn made(id: &str) -> Result<Response, Error> {
    answer(200, &json!({ "id": id }).to_string())
}

fn link() -> Result<Response, Error> {
    answer(200, r#"{"id":"9","permalink":"https://www.threads.net/@acme/post/x"}"#)
}

fn act(request: &Request) -> Classified {
    match Threads::classify(&account(), request) {
        Classification::Act(act) => act,
        other => panic!("{request:?} is {other:?}"),
    }
}

fn video(id: &str) -> MediaRef {
    MediaRef { media_type: "video/mp4".into(), width: None, height: None, ..picture(id, None) }
}

/// A script for one entry with a container of its own.
fn plain() -> Host {
    Host::new()
        .answer("part-0-container-0", made("11"))
        .answer("part-0-container-0-status", ready())
        .answer("part-0", made("21"))
        .answer("part-0-link", link())
}

#[test]
fn a_text_is_prepared_and_then_published() {
    let host = plain().install();
    let performed = Threads::perform(&call(testing::draft("Ahoj & vy"))).unwrap();
    assert_eq!(performed.parts[0].platform_id, "21");
    assert_eq!(performed.parts[0].url.as_deref(), Some("https://www.threads.net/@acme/post/x"));
    let sent = host.sent();
    assert_eq!(sent[0].request.url, "/me/threads?text=Ahoj%20%26%20vy&media_type=TEXT");
    assert_eq!((sent[0].kind, sent[2].kind), (Kind::Prepare(Safety::None), Kind::Effect(Safety::TwoPhase)));
    assert_eq!(sent[1].request.url, "/11/?fields=id%2Cstatus%2Cerror_message");
    assert_eq!(sent[2].request.url, "/me/threads_publish?creation_id=11");
    assert!(sent.iter().all(|sent| sent.request.credential.as_deref() == Some("token")));
    let (container, publication) = (act(&sent[0].request), act(&sent[2].request));
    assert_eq!((container.action.as_str(), container.text.as_str()), ("post.create", "Ahoj & vy"));
    assert!(container.prepares && publication.commits.as_deref() == Some("11"));
    assert!(publication.text.is_empty() && publication.media.is_empty());
}

#[test]
fn a_carousel_is_made_of_its_items() {
    let host = plain()
        .medium(picture("m0", None), b"")
        .medium(video("m1"), b"")
        .answer("part-0-item-0-0", made("12"))
        .answer("part-0-item-0-0-status", ready())
        .answer("part-0-item-1-0", made("13"))
        .answer("part-0-item-1-0-status", answer(200, r#"{"status":"IN_PROGRESS"}"#))
        .answer("part-0-item-1-0-status", ready())
        .install();
    let mut draft = testing::draft("Dva");
    draft.parts[0].media = vec![picture("m0", Some("A snack.")), video("m1")];
    let not_yet = Threads::perform(&call(draft.clone())).unwrap_err();
    assert!(matches!(&not_yet, Failure::NotYet((no, 1000)) if no.code == "container-in-progress"), "{not_yet:?}");
    host.next_attempt();
    Threads::perform(&call(draft)).unwrap();
    let sent = host.sent();
    let by = |step: &str| act(&sent.iter().find(|sent| sent.step == step).unwrap().request);
    let (item, film, whole) = (by("part-0-item-0-0"), by("part-0-item-1-0"), by("part-0-container-0"));
    let url = |id: &str| Some(format!("https://media.example/media/{id}"));
    assert_eq!((item.action.as_str(), item.text.as_str()), ("media.upload", ""));
    assert_eq!(item.media, [(url("m0"), Some("A snack.".to_owned()))]);
    assert_eq!(film.media, [(url("m1"), None)]);
    assert_eq!(whole.media, [(Some("12".to_owned()), None), (Some("13".to_owned()), None)]);
    assert_eq!((whole.text.as_str(), item.prepares), ("Dva", false));
}

#[test]
fn a_thread_answers_itself_and_a_reply_its_target() {
    let host = plain()
        .answer("part-1-container-0", made("14"))
        .answer("part-1-container-0-status", ready())
        .answer("part-1", made("22"))
        .answer("part-1-link", answer(500, ""))
        .install();
    let mut draft = testing::thread(&["a", "b"]);
    (draft.action, draft.target) = ("comment.create".to_owned(), Some("77".to_owned()));
    draft.options = r#"{"reply_control":"mentioned_only"}"#.to_owned();
    let performed = Threads::perform(&call(draft)).unwrap();
    assert_eq!(performed.parts[1].url, None, "a post without a link is published all the same");
    let containers: Vec<_> =
        host.sent().iter().filter(|sent| sent.step.ends_with("-0")).map(|s| act(&s.request)).collect();
    let targets: Vec<_> = containers.iter().filter(|act| act.prepares).collect();
    assert_eq!((targets[0].target.as_deref(), targets[1].target.as_deref()), (Some("77"), Some("21")));
    assert!(targets.iter().all(|act| act.action == "comment.create"));
}

#[test]
fn a_long_text_travels_in_a_form() {
    let host = plain().install();
    Threads::perform(&call(testing::draft(&"ř".repeat(500)))).unwrap();
    let long = "語".repeat(480);
    host.next_call();
    Threads::perform(&call(testing::draft(&long))).unwrap();
    let sent = host.sent();
    assert_eq!(act(&sent[4].request).text, long);
    assert_eq!(sent[4].request.url, "/me/threads", "{}", sent[4].body_text().len());
}

#[test]
fn an_expired_container_is_made_again_and_a_broken_one_told() {
    let status = |text: &str| answer(200, &json!({ "status": text, "error_message": "TOO_LONG" }).to_string());
    let host = Host::new()
        .answer("part-0-container-0", made("11"))
        .answer("part-0-container-0-status", status("EXPIRED"))
        .answer("part-0-container-1", made("12"))
        .answer("part-0-container-1-status", ready())
        .answer("part-0", made("21"))
        .answer("part-0-link", link())
        .install();
    Threads::perform(&call(testing::draft("a"))).unwrap();
    assert!(host.sent().iter().any(|sent| sent.request.url.ends_with("creation_id=12")));
    drop(host);
    for (state, code) in [("ERROR", "container-error"), ("IN_PROGRESS", "container-in-progress"), ("WHAT", "garbage")] {
        let host = Host::new().answer("part-0-container-0", made("11"));
        let _host = host.answer("part-0-container-0-status", status(state)).install();
        match Threads::perform(&call(testing::draft("a"))).unwrap_err() {
            Failure::Rejected(no) => assert!(no.code == code && state == "ERROR" && no.message.contains("TOO_LONG")),
            Failure::Temporary(no) => assert!(no.code == code && state == "WHAT", "{no:?}"),
            Failure::NotYet((no, _)) => assert!(no.code == code && state == "IN_PROGRESS", "{no:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn errors_are_told_apart() {
    let error = |status, code: u64, subcode: u64| {
        let body = json!({ "error": { "message": "No.", "code": code, "error_subcode": subcode } });
        let _host = Host::new().answer("part-0-container-0", answer(status, &body.to_string())).install();
        Threads::perform(&call(testing::draft("a"))).unwrap_err()
    };
    assert!(matches!(error(400, 190, 463), Failure::Unauthorized(_)));
    assert!(matches!(error(400, 4, 0), Failure::RateLimited(_)) && matches!(error(429, 0, 0), Failure::RateLimited(_)));
    assert!(matches!(error(400, 24, 4_279_009), Failure::Temporary(_)));
    assert!(matches!(error(500, 1, 0), Failure::Temporary(_)) && matches!(error(400, 2, 0), Failure::Temporary(_)));
    assert!(matches!(error(400, 100, 0), Failure::Rejected(_)));
    let _host = Host::new().answer("part-0-container-0", answer(200, r#"{"id":7}"#)).install();
    assert!(matches!(Threads::perform(&call(testing::draft("a"))), Err(Failure::Temporary(_))));
}

fn codes(draft: &Draft, facts: Option<&Facts>) -> Vec<String> {
    Threads::check(&account(), draft, facts).into_iter().map(|finding| finding.code).collect()
}

#[test]
fn an_emoji_counts_its_bytes() {
    let _host = Host::new().install();
    assert_eq!(check::characters("aé語"), 3);
    assert_eq!(check::characters("🍪"), 4);
    assert_eq!(check::characters("👩‍👧"), 4 + 3 + 4);
    let fits = format!("{}🍪", "é".repeat(496));
    assert_eq!(codes(&testing::draft(&fits), None), [] as [&str; 0]);
    assert_eq!(codes(&testing::draft(&format!("{fits}a")), None), ["text-too-long"]);
}

#[test]
fn what_the_network_would_refuse_is_found_before() {
    let media: Vec<MediaRef> = (0..21).map(|number| picture(&format!("m{number}"), None)).collect();
    let host = media.iter().fold(Host::new(), |host, medium| host.medium(medium.clone(), b"")).install();
    let with = |media: Vec<MediaRef>| {
        let mut draft = testing::draft("a");
        draft.parts[0].media = media;
        draft
    };
    assert_eq!(codes(&with(media[..20].to_vec()), None), [] as [&str; 0]);
    assert_eq!(codes(&with(media.clone()), None), ["too-many-media"]);
    let odd = |kind: &str, size_bytes| MediaRef { media_type: kind.into(), size_bytes, ..picture("m0", None) };
    assert_eq!(codes(&with(vec![odd("image/webp", 1)]), None), ["media-type"]);
    assert_eq!(codes(&with(vec![odd("image/png", 8_000_001)]), None), ["media-too-large"]);
    assert_eq!(codes(&with(vec![picture("m0", Some(&"a".repeat(1001)))]), None), ["alt-too-long"]);
    assert_eq!(codes(&testing::draft(" "), None), ["empty"]);
    let mut odd = testing::draft("a");
    odd.options = r#"{"reply_control":"nobody"}"#.to_owned();
    assert_eq!(codes(&odd, None), ["option-invalid"]);
    odd = testing::draft("a");
    odd.target = Some("../7".to_owned());
    assert_eq!(codes(&odd, None), ["target-invalid"]);
    (odd.action, odd.target) = ("post.delete".to_owned(), Some("1\n../2".to_owned()));
    assert_eq!(codes(&odd, None), ["target-invalid"]);
    drop(host);
    let _host = Host::new().medium(media[0].clone(), b"").no_public_media().install();
    let findings = Threads::check(&account(), &with(media[..1].to_vec()), None);
    assert!(findings[0].code == "no-public-media" && findings[0].message.contains("media.public_url"), "{findings:?}");
}

#[test]
fn a_spent_quota_stops_a_post() {
    let quota = json!({ "data": [{ "quota_usage": 249, "config": { "quota_total": 250, "quota_duration": 86400 },
        "reply_quota_usage": 1000, "reply_config": { "quota_total": 1000, "quota_duration": 86400 } }] });
    let host = Host::new().answer("quota", answer(200, &quota.to_string())).install();
    let facts = Threads::discover(&account()).unwrap();
    assert!(host.sent()[0].request.url.starts_with("/me/threads_publishing_limit?fields=quota_usage%2Cconfig"));
    assert_eq!(codes(&testing::draft("a"), Some(&facts)), [] as [&str; 0]);
    assert_eq!(codes(&testing::thread(&["a", "b"]), Some(&facts)), ["quota-spent"]);
    let mut deletion = testing::draft("");
    (deletion.action, deletion.target) = ("post.delete".to_owned(), Some("1".to_owned()));
    assert_eq!(codes(&deletion, Some(&facts)), [] as [&str; 0], "what the network does not tell does not bind");
}

fn lost(draft: Draft, status: &str, posts: Value) -> Reconciliation {
    let _host = Host::new()
        .answer("reconcile-container", answer(200, &json!({ "status": status }).to_string()))
        .answer("reconcile-posts-0", answer(200, &json!({ "data": posts }).to_string()))
        .install();
    let mut call = call(draft);
    call.answered.push(("part-0-container-0".to_owned(), br#"{"id":"10"}"#.to_vec()));
    call.answered.push(("part-0-container-1".to_owned(), br#"{"id":"11"}"#.to_vec()));
    Threads::reconcile(&call, "part-0")
}

#[test]
fn a_publication_is_looked_up_by_its_container() {
    let post = |id: &str, text: &str, at: &str| json!({ "id": id, "text": text, "timestamp": at });
    let (after, before) = ("2027-03-01T09:00:05+0000", "2027-03-01T08:00:00+0000");
    for state in ["FINISHED", "EXPIRED", "ERROR", "IN_PROGRESS"] {
        assert_eq!(lost(testing::draft("a"), state, json!([])), Reconciliation::DidNot, "{state}");
    }
    let one = json!([post("3", "b", after), post("2", "a", after), post("1", "a", before)]);
    let Reconciliation::Happened(found) = lost(testing::draft("a"), "PUBLISHED", one) else { panic!() };
    assert_eq!(serde_json::from_slice::<Value>(&found.body).unwrap(), json!({ "id": "2" }));
    for posts in [json!([post("1", "a", before)]), json!([post("3", "a", after), post("2", "a", after)])] {
        assert!(matches!(lost(testing::draft("a"), "PUBLISHED", posts), Reconciliation::CannotKnow(_)));
    }
    assert!(matches!(Threads::reconcile(&call(testing::draft("a")), "part-0"), Reconciliation::CannotKnow(_)));
    assert_eq!(Threads::reconcile(&call(testing::draft("a")), "part-0-item-0-0"), Reconciliation::DidNot);
}

#[test]
fn a_refused_publication_of_what_is_published_is_looked_up() {
    let published = answer(200, r#"{"status":"PUBLISHED"}"#);
    let refused = answer(400, r#"{"error":{"message":"No.","code":100}}"#);
    for (status, unknown) in [(published, true), (ready(), false)] {
        let _host = Host::new()
            .answer("part-0-container-0", made("11"))
            .answer("part-0-container-0-status", ready())
            .answer("part-0", refused.clone())
            .answer("part-0-status", status)
            .install();
        let failure = Threads::perform(&call(testing::draft("a"))).unwrap_err();
        assert_eq!(failure == Failure::Unknown("part-0".to_owned()), unknown, "{failure:?}");
    }
}

#[test]
fn a_deletion_names_each_post_and_what_is_gone_is_gone() {
    let missing = answer(400, r#"{"error":{"message":"Not there.","code":100,"error_subcode":33}}"#);
    let host = Host::new()
        .answer("delete-0", answer(200, r#"{"success":true,"deleted_id":"1"}"#))
        .answer("delete-1", missing.clone())
        .install();
    let mut draft = testing::draft("");
    (draft.action, draft.target) = ("post.delete".to_owned(), Some("1\n2".to_owned()));
    assert_eq!(Threads::perform(&call(draft.clone())).unwrap().parts.len(), 2);
    assert_eq!(host.steps(), ["delete-1", "delete-0"]);
    let deletion = act(&host.sent()[0].request);
    assert_eq!((deletion.action.as_str(), deletion.target.as_deref()), ("post.delete", Some("2")));
    drop(host);
    let _host = Host::new().answer("reconcile-post", missing).install();
    assert!(matches!(Threads::reconcile(&call(draft), "delete-1"), Reconciliation::Happened(_)));
}

#[test]
fn what_can_not_be_reviewed_is_refused() {
    let known = |request: Request| matches!(Threads::classify(&account(), &request), Classification::Act(_));
    for url in [
        "/me?fields=id,username",
        "/v1.0/me/threads?limit=50&access_token_is_taken=",
        "/me/threads?limit=50",
        "/me/mentions?fields=id",
        "/7/conversation?reverse=false",
        "/7?fields=id,text",
        "/me/threads_publishing_limit?fields=config",
    ] {
        assert_eq!(known(Request::get(url)), !url.contains("is_taken"), "{url}");
    }
    let at_once = act(&Request::post("/v1.0/me/threads?text=a&media_type=TEXT&auto_publish_text=true"));
    assert_eq!((at_once.text.as_str(), at_once.prepares), ("a", false));
    for request in [
        Request::post("/me/threads?text=a&media_type=TEXT&poll_attachment=x"),
        Request::post("/me/threads?text=a&media_type=TEXT&quote_post_id=7"),
        Request::post("/me/threads?text=a&media_type=TEXT&text=b"),
        Request::post("/me/threads?text=a&media_type=TEXT&image_url=x"),
        Request::post("/me/threads?text=a&media_type=IMAGE"),
        Request::post("/me/threads?media_type=IMAGE&video_url=x"),
        Request::post("/me/threads?media_type=IMAGE&image_url=x&is_carousel_item=true&text=a"),
        Request::post("/me/threads?media_type=IMAGE&image_url=x&auto_publish_text=true"),
        Request::post("/me/threads?media_type=CAROUSEL&children=1"),
        Request::post("/me/threads?text=a"),
        Request::post("/me/threads?text=%ff&media_type=TEXT"),
        Request::post("/me/threads?text=a&media_type=TEXT").json("{}"),
        Request::post("/me/threads_publish?creation_id=1&text=b"),
        Request::post("/me/threads_publish"),
        Request::post("/7/repost"),
        Request::post("/7/manage_reply?hide=true"),
        Request::delete("/7?x=y"),
        Request::delete("/me"),
        Request::get("/me/threads_insights?metric=views"),
        Request::get("/debug_token?input_token=x"),
        Request::get("/refresh_access_token?grant_type=th_refresh_token"),
        Request::get("//evil.example/me"),
        Request::get("https://evil.example/me"),
    ] {
        assert!(!known(request.clone()), "{request:?}");
    }
}

#[test]
fn the_option_schema_is_a_schema_and_fits_the_options() {
    let validator = jsonschema::validator_for(&serde_json::from_str(options::SCHEMA).unwrap()).unwrap();
    for (given, valid) in [
        (json!({}), true),
        (json!({ "reply_control": "everyone" }), true),
        (json!({ "reply_control": "nobody" }), false),
        (json!({ "colour": "red" }), false),
    ] {
        assert_eq!(validator.is_valid(&given), valid, "{given}");
        assert_eq!(options::Options::parse(&given.to_string()).is_ok(), valid, "{given}");
    }
}

#[test]
fn refusals_have_the_shape_of_the_network() {
    let refusal =
        Refusal { status: 401, code: "unauthenticated".into(), message: "No.".into(), retry_after_s: Some(7) };
    let response = Threads::render_refusal(&refusal, &Request::get("/me"));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((response.status, response.header("retry-after")), (401, Some("7")));
    assert_eq!((&body["error"]["code"], &body["error"]["message"]), (&json!(190), &json!("No.")));
}
