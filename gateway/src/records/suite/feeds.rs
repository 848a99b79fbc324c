//! Feeds for calendar programs.

use super::*;

fn feed(number: u8, holder: &str, end: i64) -> FeedRecord {
    FeedRecord {
        id: format!("feed_{number}"),
        secret: [number; 32],
        holder: Principal::Person(PersonId::new(holder)),
        key: KeyId::new("k1"),
        account: (number == 1).then(|| account("a")),
        name: "at home".to_owned(),
        created_at: at(i64::from(number)),
        expires_at: at(end),
        last_used_at: None,
    }
}

fn editor() -> Principal {
    Principal::Person(PersonId::new("editor-7"))
}

pub(in super::super) async fn feeds_are_kept_until_they_end<P: Place>(place: P) {
    let store = place.open();
    assert!(store.put_feed(feed(2, "editor-7", 50), 9, at(0)).await.unwrap());
    assert!(store.put_feed(feed(1, "editor-7", 90), 9, at(0)).await.unwrap());
    assert!(store.put_feed(feed(3, "chief-1", 90), 9, at(0)).await.unwrap());
    assert!(store.put_feed(feed(3, "chief-1", 90), 9, at(0)).await.is_err(), "no id and no secret is there twice");
    drop(store);
    let store = place.open();
    assert_eq!(store.feeds(Some(editor())).await.unwrap(), [feed(1, "editor-7", 90), feed(2, "editor-7", 50)]);
    assert_eq!(store.feeds(None).await.unwrap().len(), 3);
    assert_eq!(store.feed([1; 32]).await.unwrap(), Some(feed(1, "editor-7", 90)));
    assert_eq!(store.feed([9; 32]).await.unwrap(), None);
    for (read, kept) in [(20, 20), (10, 20), (30, 30)] {
        store.feed_used("feed_1".to_owned(), at(read)).await.unwrap();
        assert_eq!(store.feed([1; 32]).await.unwrap().unwrap().last_used_at, Some(at(kept)));
    }
    assert!(store.end_feed("feed_1".to_owned()).await.unwrap() && !store.end_feed("feed_1".to_owned()).await.unwrap());
    assert_eq!(store.feed([1; 32]).await.unwrap(), None);
    assert!(store.feed([2; 32]).await.unwrap().is_some(), "an end by itself takes nothing away");
    assert!(store.put_feed(feed(4, "chief-1", 90), 9, at(50)).await.unwrap());
    assert_eq!(store.feed([2; 32]).await.unwrap(), None, "what has ended is forgotten");
}

pub(in super::super) async fn feeds_of_one_holder_are_few<P: Place>(place: P) {
    let store = place.open();
    for number in 1..=2 {
        assert!(store.put_feed(feed(number, "editor-7", 50), 2, at(0)).await.unwrap());
    }
    assert!(!store.put_feed(feed(3, "editor-7", 90), 2, at(49)).await.unwrap());
    assert_eq!(store.feed([3; 32]).await.unwrap(), None);
    assert!(store.put_feed(feed(4, "chief-1", 90), 2, at(49)).await.unwrap(), "another has others");
    assert!(store.put_feed(feed(3, "editor-7", 90), 2, at(50)).await.unwrap(), "those that have ended count no more");
}

pub(in super::super) async fn feeds_are_erased<P: Place>(place: P) {
    let store = place.open();
    assert!(!store.knows_subject("person:editor-7".to_owned()).await.unwrap());
    for (number, holder) in [(1, "editor-7"), (2, "chief-1")] {
        assert!(store.put_feed(feed(number, holder, 50), 9, at(0)).await.unwrap());
    }
    assert!(store.knows_subject("person:editor-7".to_owned()).await.unwrap());
    let erasure = ErasureRecord {
        id: "erasure_1".to_owned(),
        subject: "person:editor-7".to_owned(),
        basis: "gdpr-art-17".to_owned(),
        asked_by: PersonId::new("ops-1"),
        asked_at: at(1),
        confirmed: Some((PersonId::new("ops-2"), at(2))),
        log_from: 0,
        erased: ErasedCounts::default(),
        leaf: None,
    };
    store.ask_erasure(erasure).await.unwrap();
    let part = ErasePart { id: "erasure_1".to_owned(), keep_key: None, limit: 10 };
    while store.erase_part(part.clone()).await.unwrap() {}
    assert_eq!(store.feeds(None).await.unwrap(), [feed(2, "chief-1", 50)]);
}
