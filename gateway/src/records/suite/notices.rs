//! Notices: once for each addressee and event, in order, until they are sent or given up.

use super::*;

fn text(addressee: &str, about: &str) -> NoticeText {
    NoticeText {
        addressee: addressee.to_owned(),
        about: about.to_owned(),
        kind: "vote-wanted".to_owned(),
        post: Some(post_id(1)),
        account: Some(account("a")),
        line: "A post waits for you.".to_owned(),
        link_path: "/people/posts/1".to_owned(),
        address: addressee.starts_with("external:").then(|| "agency@example.org".to_owned()),
        at: at(0),
    }
}

pub(super) fn new(addressee: &str, about: &str, put: i64, due: i64) -> NewNotice {
    let channels = vec![(NoticeChannel::Mail, at(due)), (NoticeChannel::Webhook, at(put))];
    NewNotice { text: text(addressee, about), channels, put_at: at(put) }
}

fn tried(addressee: &str, sent: &[u64], given_up: &[u64], attempts: u32, next: i64) -> NoticesTried {
    NoticesTried {
        channel: NoticeChannel::Mail,
        addressee: addressee.to_owned(),
        sent: sent.to_vec(),
        given_up: given_up.to_vec(),
        why: (!given_up.is_empty()).then(|| "the mail server answered 550".to_owned()),
        attempts,
        next_at: at(next),
        at: at(70),
    }
}

async fn due_mail(store: &impl Records, seconds: i64) -> Option<(String, u32, Vec<String>)> {
    let due = store.due_notices(NoticeChannel::Mail, at(seconds), 10).await.unwrap()?;
    Some((due.addressee, due.attempts, due.notices.into_iter().map(|notice| notice.text.about).collect()))
}

fn waits(addressee: &str, attempts: u32, abouts: &[&str]) -> Option<(String, u32, Vec<String>)> {
    Some((addressee.to_owned(), attempts, abouts.iter().map(|about| (*about).to_owned()).collect()))
}

pub(in super::super) async fn notices_come_once<P: Place>(place: P) {
    let store = place.open();
    let first = vec![new("person:a", "x", 0, 60), new("person:b", "x", 1, 61), new("person:a", "x", 2, 62)];
    assert_eq!(store.put_notices(first).await.unwrap(), 2, "the same twice in one go");
    drop(store);
    let store = place.open();
    let again = vec![new("person:a", "x", 3, 63), new("person:a", "y", 20, 80), new("external:g", "x", 2, 62)];
    assert_eq!(store.put_notices(again).await.unwrap(), 2, "and after a restart");
    let silent = NewNotice { channels: Vec::new(), ..new("person:c", "x", 1, 1) };
    assert_eq!(store.put_notices(vec![silent]).await.unwrap(), 0, "what nothing carries is not kept");

    assert_eq!(due_mail(&store, 59).await, None);
    assert_eq!(due_mail(&store, 60).await, waits("person:a", 0, &["x", "y"]), "what waits goes together");
    let due = store.due_notices(NoticeChannel::Mail, at(60), 1).await.unwrap().unwrap();
    let [notice] = due.notices.as_slice() else { panic!("as many as were asked for") };
    assert_eq!((&notice.text, notice.state, notice.put_at), (&text("person:a", "x"), NoticeState::Waiting, at(0)));
    store.notices_tried(tried("person:a", &[notice.id], &[], 0, 70)).await.unwrap();
    assert_eq!(store.put_notices(vec![new("person:a", "x", 90, 91)]).await.unwrap(), 0, "not after it was sent either");
    assert_eq!(due_mail(&store, 61).await, waits("person:b", 0, &["x"]));
    assert_eq!(due_mail(&store, 200).await.unwrap().0, "person:b", "what was due first");
    let hook = store.due_notices(NoticeChannel::Webhook, at(0), 10).await.unwrap().unwrap();
    assert_eq!((hook.addressee.as_str(), hook.notices.len()), ("person:a", 2), "each channel for itself");
}

pub(in super::super) async fn notices_end<P: Place>(place: P) {
    let store = place.open();
    let mail = |addressee: &str, about: &str, put, due| NewNotice {
        channels: vec![(NoticeChannel::Mail, at(due))],
        ..new(addressee, about, put, due)
    };
    let all = vec![mail("person:a", "x", 0, 60), mail("person:a", "y", 1, 61), mail("external:g", "x", 2, 62)];
    assert_eq!(store.put_notices(all).await.unwrap(), 3);
    let due = store.due_notices(NoticeChannel::Mail, at(60), 10).await.unwrap().unwrap();
    let ids: Vec<u64> = due.notices.iter().map(|notice| notice.id).collect();
    store.notices_tried(tried("person:a", &[], &ids[..1], 3, 500)).await.unwrap();
    assert_eq!(due_mail(&store, 499).await, waits("external:g", 0, &["x"]), "the line waits for its time");
    drop(store);
    let store = place.open();
    assert_eq!(
        store.notice_counts(NoticeChannel::Mail).await.unwrap(),
        NoticeCounts { waiting: 2, given_up: 1, failing: true }
    );
    let guest = store.due_notices(NoticeChannel::Mail, at(62), 10).await.unwrap().unwrap();
    assert_eq!(guest.notices[0].text.address.as_deref(), Some("agency@example.org"));
    let after = NoticesTried { at: at(80), ..tried("external:g", &[guest.notices[0].id], &[], 0, 80) };
    store.notices_tried(after).await.unwrap();
    let sent = store.notices(NoticeState::Sent, 10).await.unwrap();
    let [sent] = sent.as_slice() else { panic!("one") };
    assert_eq!(
        (&sent.text.address, sent.text.link_path.as_str()),
        (&None, ""),
        "an address and a link are kept no longer"
    );
    assert_eq!(sent.ended_at, Some(at(80)));
    assert_eq!(due_mail(&store, 500).await, waits("person:a", 3, &["y"]));
    assert_eq!(store.give_up_notices(NoticeChannel::Webhook, at(100), "late".to_owned(), at(100)).await.unwrap(), 0);
    assert_eq!(store.give_up_notices(NoticeChannel::Mail, at(1), "late".to_owned(), at(100)).await.unwrap(), 0);
    assert_eq!(store.give_up_notices(NoticeChannel::Mail, at(2), "late".to_owned(), at(100)).await.unwrap(), 1);
    assert_eq!(due_mail(&store, 10_000).await, None);
    let given_up = store.notices(NoticeState::GivenUp, 10).await.unwrap();
    let shown: Vec<_> = given_up.iter().map(|notice| (notice.text.about.as_str(), notice.why.as_deref())).collect();
    assert_eq!(shown, [("y", Some("late")), ("x", Some("the mail server answered 550"))]);
    assert_eq!(given_up[0].text.link_path, "/people/posts/1", "a person's link opens nothing by itself");
    assert_eq!(store.forget_notices(at(80), 10).await.unwrap(), 1);
    assert_eq!(store.forget_notices(at(200), 1).await.unwrap(), 1);
    assert_eq!(store.forget_notices(at(200), 10).await.unwrap(), 1);
    assert_eq!(store.notice_counts(NoticeChannel::Mail).await.unwrap(), NoticeCounts::default());
}

pub(in super::super) async fn notices_keep_addresses_apart<P: Place>(place: P) {
    let store = place.open();
    let to = |address: &str, about: &str| {
        let mut one = new("external:g", about, 0, 60);
        one.text.address = Some(address.to_owned());
        one
    };
    let all = vec![to("a@g.example", "1"), to("b@g.example", "2"), to("a@g.example", "3")];
    assert_eq!(store.put_notices(all).await.unwrap(), 3);
    for (address, abouts) in [("a@g.example", &["1", "3"][..]), ("b@g.example", &["2"])] {
        let due = store.due_notices(NoticeChannel::Mail, at(60), 10).await.unwrap().unwrap();
        let shown: Vec<_> =
            due.notices.iter().map(|one| (one.text.address.as_deref(), one.text.about.as_str())).collect();
        assert_eq!(shown, abouts.iter().map(|about| (Some(address), *about)).collect::<Vec<_>>());
        let ids: Vec<u64> = due.notices.iter().map(|one| one.id).collect();
        store.notices_tried(tried("external:g", &ids, &[], 0, 60)).await.unwrap();
    }
    assert_eq!(due_mail(&store, 10_000).await, None);
}
