//! The connector against a scripted gateway; what Request Tracker itself answers is shown by `tests/it`.

use pressgate_sdk::http::{Error, Safety};
use pressgate_sdk::testing::{self, Host, answer};

use super::*;

const NONE: &str = r#"{"items":[],"total":0}"#;
const SOME: &str = r#"{"items":[{"id":"12","type":"ticket","Status":"new"}],"total":1}"#;
const QUEUE: &str = r#"{"id":3,"TicketCustomFields":[{"name":"Other","id":"2"},{"name":"Pressgate","id":"3"}]}"#;

fn host(found: &str) -> Host {
    Host::new()
        .config(r#"{"queue":"Social media"}"#)
        .answer("find", answer(200, found))
        .answer("queue", answer(200, QUEUE))
        .answer("history-1", answer(200, r#"{"items":[{"Type":"Create","Data":""}]}"#))
        .answer("comment", answer(201, r#"["Comments added"]"#))
        .answer("status-resolved", answer(200, "[]"))
}

#[test]
fn what_needs_somebody_opens_one_ticket() {
    let host = host(NONE).answer("open", answer(201, r#"{"id":"12","type":"ticket"}"#)).install();
    let made = RequestTracker::deliver(&testing::delivery("post.held")).unwrap();
    assert_eq!(made.id, "ticket/12");
    assert_eq!(made.url.as_deref(), Some("https://desk.example/Ticket/Display.html?id=12"));
    let open = host.sent().pop().unwrap();
    let body: Value = serde_json::from_str(open.body_text()).unwrap();
    assert_eq!((&body["Queue"], &body["CustomFields"]["3"]), (&json!("Social media"), &json!("post_1")));
    assert_eq!(open.kind, pressgate_sdk::http::Kind::Effect(Safety::LookUp));
    // Another attempt finds the ticket, and must not comment on its own opening.
    host.next_attempt();
    let again = Delivery { answered: vec![("open".to_owned(), Vec::new())], ..testing::delivery("post.held") };
    assert_eq!(RequestTracker::deliver(&again).unwrap().id, "ticket/12");
    assert_eq!(host.steps(), ["find", "queue", "open", "queue"]);
}

#[test]
fn the_rest_updates_and_the_end_resolves() {
    let host = host(SOME).install();
    RequestTracker::deliver(&testing::delivery("post.voted")).unwrap();
    assert_eq!(host.steps(), ["find", "history-1", "comment"]);
    host.next_call();
    RequestTracker::deliver(&testing::delivery("target.published")).unwrap();
    assert_eq!(host.steps()[3..], ["find", "history-1", "comment", "status-resolved"]);
}

#[test]
fn a_post_that_needed_nobody_has_no_ticket() {
    let host = host(NONE).install();
    assert_eq!(RequestTracker::deliver(&testing::delivery("target.published")), Ok(Reference::none()));
    assert_eq!(host.steps(), ["find"]);
}

#[test]
fn an_event_that_is_there_already_is_not_told_twice() {
    let host = Host::new()
        .config(r#"{"queue":"q"}"#)
        .answer("find", answer(200, SOME))
        .answer("history-1", answer(200, r#"{"items":[{"Type":"Comment","Data":"evt_17\n"}]}"#))
        .install();
    RequestTracker::deliver(&testing::delivery("post.voted")).unwrap();
    assert_eq!(host.steps(), ["find", "history-1"]);
}

#[test]
fn a_lost_answer_is_looked_up() {
    let delivery = testing::delivery("post.held");
    {
        let _host = host(NONE).answer("open", Err(Error::Unknown("timed out".to_owned()))).install();
        assert_eq!(RequestTracker::deliver(&delivery), Err(Failure::Unknown("open".to_owned())));
    }
    for (found, happened) in [(NONE, false), (SOME, true)] {
        let _host = Host::new().answer("reconcile-find", answer(200, found)).install();
        let known = RequestTracker::reconcile(&delivery, "open");
        assert_eq!(matches!(known, Reconciliation::Happened(_)), happened, "{known:?}");
        assert_eq!(matches!(known, Reconciliation::DidNot), !happened);
    }
    let _host = Host::new().answer("reconcile-find", answer(503, "")).install();
    assert!(matches!(RequestTracker::reconcile(&delivery, "open"), Reconciliation::CannotKnow(_)));
}

#[test]
fn a_queue_without_the_field_opens_nothing() {
    let host = Host::new()
        .config(r#"{"queue":"q","custom_field":"Post"}"#)
        .answer("find", answer(200, NONE))
        .answer("queue", answer(200, QUEUE))
        .install();
    let failure = RequestTracker::deliver(&testing::delivery("post.held")).unwrap_err();
    assert!(matches!(failure, Failure::Temporary(why) if why.code == "no-custom-field"));
    assert_eq!(host.steps(), ["find", "queue"]);
}
