//! What became of a step that was not answered.

use super::*;

fn listed(id: &str, text: &str) -> Value {
    json!({ "id": id, "text": text, "author_id": "42", "created_at": "2027-03-01T09:00:05.000Z" })
}

fn reconcile(draft: Draft, step: &str, pages: &[Value]) -> Reconciliation {
    let mut host = Host::new().answer("reconcile-me", answer(200, r#"{"data":{"id":"42"}}"#));
    for (index, page) in pages.iter().enumerate() {
        host = host.answer(&format!("reconcile-posts-{index}"), answer(200, &page.to_string()));
    }
    let host = host.install();
    let reconciliation = X::reconcile(&call(draft), step);
    assert!(host.sent().iter().all(|sent| sent.kind == Kind::Read));
    reconciliation
}

fn id_of(reconciliation: Reconciliation) -> String {
    let Reconciliation::Happened(response) = reconciliation else { panic!("{reconciliation:?}") };
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body["data"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_post_is_found_as_its_author_wrote_it() {
    let draft = || testing::draft("R&D <3 https://acme.example/a\n\nviz");
    let mut shown = listed("5", "R&amp;D &lt;3 https://t.co/abc\n\nviz");
    shown["entities"] = json!({ "urls": [{ "start": 9, "end": 23, "url": "https://t.co/abc", "expanded_url": "https://acme.example/a" }] });
    let found = reconcile(draft(), "part-0", &[json!({ "data": [listed("6", "else"), shown], "meta": {} })]);
    assert_eq!(id_of(found), "5");
    let mut picture = listed("7", "a https://t.co/pic");
    picture["entities"] = json!({ "urls": [{ "start": 2, "end": 18, "url": "https://t.co/pic",
        "expanded_url": "https://x.com/a/status/7/photo/1", "media_key": "3_9" }] });
    picture["attachments"] = json!({ "media_keys": ["3_9"] });
    let page = json!({ "data": [listed("8", "a"), picture], "meta": {} });
    assert_eq!(id_of(reconcile(with_media(vec![testing::picture("m0", None)]), "part-0", &[page])), "7");
}

#[test]
fn a_post_is_missing_only_where_the_list_ends() {
    let draft = || testing::draft("a");
    assert_eq!(reconcile(draft(), "part-0", &[json!({ "meta": { "result_count": 0 } })]), Reconciliation::DidNot);
    let more = json!({ "data": [listed("9", "b")], "meta": { "next_token": "n" } });
    let end = json!({ "data": [listed("8", "a")], "meta": {} });
    assert_eq!(id_of(reconcile(draft(), "part-0", &[more.clone(), end])), "8");
    assert!(matches!(reconcile(draft(), "part-0", &vec![more; 5]), Reconciliation::CannotKnow(_)));
    let twice = json!({ "data": [listed("9", "a"), listed("8", "a")], "meta": {} });
    assert!(matches!(reconcile(draft(), "part-0", &[twice]), Reconciliation::CannotKnow(_)));
    let _host = Host::new().answer("reconcile-me", answer(500, "")).install();
    assert!(matches!(X::reconcile(&call(draft()), "part-0"), Reconciliation::CannotKnow(_)));
}

#[test]
fn an_answer_is_told_from_a_post_of_the_same_text() {
    let mut answers = listed("5", "a");
    answers["referenced_posts"] = json!([{ "type": "replied_to", "id": "77" }]);
    answers["in_reply_to_user_id"] = json!("42");
    let page = |post: &Value| [json!({ "data": [post], "meta": {} })];
    assert_eq!(reconcile(testing::draft("a"), "part-0", &page(&answers)), Reconciliation::DidNot);
    let mut draft = testing::draft("a");
    (draft.action, draft.target) = ("comment.create".to_owned(), Some("77".to_owned()));
    assert_eq!(id_of(reconcile(draft, "part-0", &page(&answers))), "5");
    assert_eq!(id_of(reconcile(testing::thread(&["b", "a"]), "part-1", &page(&answers))), "5");
    answers["in_reply_to_user_id"] = json!("43");
    assert_eq!(reconcile(testing::thread(&["b", "a"]), "part-1", &page(&answers)), Reconciliation::DidNot);
}

#[test]
fn a_deletion_happened_where_the_post_is_gone() {
    let gone = r#"{"errors":[{"type":"https://api.x.com/2/problems/resource-not-found","title":"t","detail":"d"}]}"#;
    for (given, happened) in [
        (answer(404, "{}"), Some(true)),
        (answer(200, gone), Some(true)),
        (answer(200, r#"{"data":{"id":"2","text":"a"}}"#), Some(false)),
        (answer(500, ""), None),
    ] {
        let _host = Host::new().answer("reconcile-post", given).install();
        match X::reconcile(&call(deletion("1\n2")), "delete-1") {
            Reconciliation::Happened(response) => assert!(happened == Some(true) && response.status == 200),
            Reconciliation::DidNot => assert_eq!(happened, Some(false)),
            Reconciliation::CannotKnow(_) => assert_eq!(happened, None),
        }
    }
}
