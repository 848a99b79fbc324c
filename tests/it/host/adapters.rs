//! What adapters can do, and what they are denied.

use std::time::Duration;

use pressgate::host::{
    Classification, Failure, Login, MediaFiles, PluginGrant, PluginRequest, Reconciliation, RefusalView, RequestBody,
    Safety, SendError, SessionView, StepKind,
};
use pressgate::model::{Action, MediaId, MediaRef};
use serde_json::json;
use tests::{plugins, samples};

use super::{Network, adapter, host, response};

/// Performs a draft with that text, which ends in a rejection that tells something.
async fn told(text: &str) -> String {
    told_through(text, &Network::kind()).await
}

async fn told_through(text: &str, network: &std::sync::Arc<Network>) -> String {
    let call = samples::call(&[text]);
    let (answer, _) = adapter().perform(&call, network.clone(), &MediaFiles::none()).await.unwrap();
    match answer {
        Err(Failure::Rejected(rejection)) => rejection.message,
        other => panic!("{text}: {other:?}"),
    }
}

#[tokio::test]
async fn a_thread_is_sent_step_by_step() {
    let network = Network::kind();
    let call = samples::call(&["one", "two"]);
    let (answer, note) = adapter().perform(&call, network.clone(), &MediaFiles::none()).await.unwrap();
    let ids: Vec<_> = answer.unwrap().parts.into_iter().map(|part| part.platform_id).collect();
    assert_eq!((ids, note), (vec!["post-0".to_owned(), "post-1".to_owned()], None));
    let asked = network.asked();
    assert_eq!(asked[1].0, "post-1");
    assert_eq!(asked[1].1, StepKind::Effect(Safety::NativeKey { window_s: 3600 }));
    assert_eq!(asked[1].2.url, "https://social.example/api/posts");
    assert_eq!(asked[1].2.body, RequestBody::Bytes(b"two".to_vec()));
}

#[tokio::test]
async fn requests_that_nobody_allowed_never_leave() {
    let network = Network::kind();
    for text in [
        "get https://evil.example/api",
        "get https://ungranted.example/",
        "get http://social.example/api",
        "get https://user@social.example/api",
        "get /admin",
        "get /api/../admin",
        "get //evil.example/api",
        "header a b",
        "credential password",
    ] {
        let (call, text) = match text.split_once("header ") {
            Some((_, name)) => (samples::call(&["header", name]), text),
            None => (samples::call(&[text]), text),
        };
        let (answer, _) = adapter().perform(&call, network.clone(), &MediaFiles::none()).await.unwrap();
        let Err(Failure::Rejected(rejection)) = answer else { panic!("{text}: {answer:?}") };
        assert!(rejection.message.starts_with("denied: "), "{text}: {}", rejection.message);
    }
    assert_eq!(network.asked(), []);
}

#[tokio::test]
async fn a_granted_host_is_reached() {
    let grant = PluginGrant { hosts: vec!["https://ungranted.example".into()] };
    let granted = host().load(&plugins::plugin("hostile"), &grant, &json!({})).unwrap();
    let network = Network::kind();
    let call = samples::call(&["get https://ungranted.example/x"]);
    granted.perform(&call, network.clone(), &MediaFiles::none()).await.unwrap().0.unwrap_err();
    assert_eq!(network.asked()[0].2.url, "https://ungranted.example/x");
}

#[tokio::test]
async fn a_step_is_sent_once() {
    let network = Network::kind();
    assert!(told_through("twice", &network).await.contains("already sent"));
    assert_eq!(network.asked().len(), 1);
}

#[tokio::test]
async fn answers_and_errors_come_through() {
    let at = |status, body: &'static str| Network::answering(Duration::ZERO, move |_, _| Ok(response(status, body)));
    assert_eq!(told_through("get /api", &at(500, "x")).await, "500 1");
    let long = Network::answering(Duration::ZERO, |_, _| Ok(response(200, &"x".repeat(16_385))));
    assert_eq!(told_through("get /api", &long).await, "too-large");
    let unsent = Network::answering(Duration::ZERO, |_, _| Err(SendError::NotSent("no connection".into())));
    assert_eq!(told_through("get /api", &unsent).await, "not-sent: no connection");
    let lost = Network::answering(Duration::ZERO, |_, _| Err(SendError::Unknown("reset".into())));
    let (answer, _) = adapter().perform(&samples::call(&["get /api"]), lost, &MediaFiles::none()).await.unwrap();
    assert_eq!(answer.unwrap_err(), Failure::Unknown("post".into()));
}

#[tokio::test]
async fn another_text_reaches_outbound_and_can_be_classified_there() {
    let network = Network::kind();
    let (answer, _) =
        adapter().perform(&samples::call(&["other-text"]), network.clone(), &MediaFiles::none()).await.unwrap();
    assert!(answer.is_ok());
    let sent = &network.asked()[0].2;
    let Classification::Act(act) = adapter().classify(&samples::account(), sent).await.unwrap() else { panic!() };
    assert_eq!((act.action, act.text.as_str()), (Action::POST_CREATE, "not what was approved"));
    let login = PluginRequest { url: "/login".into(), ..sent.clone() };
    assert_eq!(adapter().classify(&samples::account(), &login).await.unwrap(), Classification::Login(Login::Open));
    let view = SessionView {
        access: Some("a.b.c".into()),
        refresh: None,
        created_at: samples::call(&[]).created_at,
        expires_at: samples::call(&[]).created_at,
        facts: None,
    };
    let answer = adapter().render_session(&samples::account(), Login::Open, &view, &login).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, b"a.b.c".as_slice()));
}

#[tokio::test]
async fn every_attempt_sees_the_same_time_and_the_same_random_bytes() {
    let first = told("seeds").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(told("seeds").await, first);
    assert!(first.starts_with("1800000000123 "), "{first}");
    let mut other = samples::call(&["seeds"]);
    other.key = [2; 32];
    let (answer, _) = adapter().perform(&other, Network::kind(), &MediaFiles::none()).await.unwrap();
    let Err(Failure::Rejected(rejection)) = answer else { panic!() };
    assert_ne!(rejection.message, first);
}

#[tokio::test]
async fn a_note_is_kept_with_the_outcome_and_lost_with_a_crash() {
    let mut call = samples::call(&["state"]);
    call.note = b"a".to_vec();
    let (answer, note) = adapter().perform(&call, Network::kind(), &MediaFiles::none()).await.unwrap();
    let Err(Failure::Rejected(rejection)) = answer else { panic!() };
    assert_eq!((rejection.message.as_str(), note.as_deref()), ("a false true", Some(b"a+".as_slice())));
    let crashing = samples::call(&["state-then-panic"]);
    assert!(adapter().perform(&crashing, Network::kind(), &MediaFiles::none()).await.is_err());
}

#[tokio::test]
async fn a_medium_of_the_call_is_read_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    std::fs::write(&path, [[0x89, b'P', b'N', b'G'].as_slice(), &[0; 150_000]].concat()).unwrap();
    let medium = MediaRef {
        id: MediaId::new("media_1"),
        media_type: "image/png".into(),
        size_bytes: 150_004,
        width: None,
        height: None,
        digest: String::new(),
        alt: None,
    };
    let mut call = samples::call(&["medium"]);
    call.draft.parts[0].media.push(medium.clone());
    let files = MediaFiles::new([(medium, path)]);
    let (answer, _) = adapter().perform(&call, Network::kind(), &files).await.unwrap();
    let Err(Failure::Rejected(rejection)) = answer else { panic!() };
    assert_eq!(rejection.message, "150004 89504e47 true");
}

#[tokio::test]
async fn pure_functions_reach_nothing() {
    let draft = samples::draft(&["send"]);
    let found = adapter().check(&samples::account(), &draft, None, &MediaFiles::none()).await.unwrap();
    assert_eq!(found, []);
}

#[tokio::test]
async fn discovery_and_look_ups_only_read() {
    let network = Network::answering(Duration::ZERO, |_, _| Ok(response(200, r#"{"characters":500}"#)));
    let facts = adapter().discover(&samples::account(), network.clone()).await.unwrap().unwrap();
    assert_eq!(facts.json, r#"{"characters":500}"#);
    assert_eq!(network.asked().iter().map(|(_, kind, _)| *kind).collect::<Vec<_>>(), [StepKind::Read]);
    let call = samples::call(&["hello"]);
    for (status, wanted) in [
        (200, Reconciliation::Happened(response(200, "x"))),
        (404, Reconciliation::DidNot),
        (500, Reconciliation::CannotKnow("post-0".into())),
    ] {
        let network = Network::answering(Duration::ZERO, move |_, _| Ok(response(status, "x")));
        assert_eq!(adapter().reconcile(&call, "post-0", network).await.unwrap(), wanted);
    }
}

#[tokio::test]
async fn budgets_and_refusals_come_through() {
    let budgets =
        adapter().observe("GET", "https://social.example/", 200, &[("x-remaining".into(), "7".into())]).await.unwrap();
    assert_eq!((budgets[0].class.as_str(), budgets[0].remaining), ("posts", Some(7)));
    let request = PluginRequest {
        method: "GET".into(),
        url: "/api".into(),
        headers: vec![],
        body: RequestBody::None,
        credential: None,
    };
    let view = RefusalView { status: 403, code: "no-grant".into(), message: "No.".into(), retry_after_s: None };
    let rendered = adapter().render_refusal(&view, &request).await.unwrap();
    assert_eq!((rendered.status, rendered.body.as_slice()), (403, b"No.".as_slice()));
}

#[tokio::test]
async fn a_thousand_log_lines_harm_nobody() {
    let (answer, _) = adapter().perform(&samples::call(&["log"]), Network::kind(), &MediaFiles::none()).await.unwrap();
    assert!(answer.is_ok());
}
