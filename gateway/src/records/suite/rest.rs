//! Keys, media, sealed values, governance, health.

use std::collections::BTreeMap;

use pressgate_workflow::{
    freeze::{FreezeEvent, Scope, Statements},
    ids::Actor,
};

use super::*;
use crate::{model::BrandPath, records::AcknowledgementRecord};

pub(in super::super) async fn keys<P: Place>(place: P) {
    let store = place.open();
    let key = |id: &str, seconds| KeyRecord {
        id: KeyId::new(id),
        holder: Principal::Person(PersonId::new("editor-7")),
        mac: [7; 32],
        created_at: at(seconds),
        expires_at: Some(at(1_000)),
        revoked_at: None,
        note: "laptop".to_owned(),
        made_by: (id == "a").then(|| PersonId::new("ops-1")),
        device: (id == "b").then(|| Device { name: "laptop".to_owned(), identity: "i".to_owned() }),
    };
    store.put_key(key("b", 1)).await.unwrap();
    store.put_key(key("a", 2)).await.unwrap();
    assert!(matches!(store.put_key(key("a", 3)).await, Err(RecordsError::Exists(id)) if id == "a"));
    assert_eq!(store.keys().await.unwrap(), [key("b", 1), key("a", 2)]);
    assert!(store.revoke_key(KeyId::new("a"), at(5)).await.unwrap());
    assert!(!store.revoke_key(KeyId::new("a"), at(6)).await.unwrap());
    assert!(!store.revoke_key(KeyId::new("c"), at(6)).await.unwrap());
    drop(store);
    let store = place.open();
    let ended = KeyRecord { revoked_at: Some(at(5)), ..key("a", 2) };
    assert_eq!(store.key(KeyId::new("a")).await.unwrap(), Some(ended));
    assert_eq!(store.key(KeyId::new("b")).await.unwrap(), Some(key("b", 1)));
    assert_eq!(store.key(KeyId::new("c")).await.unwrap(), None);
}

pub(in super::super) async fn ended_sessions<P: Place>(place: P) {
    let store = place.open();
    store.end_session("b".to_owned(), at(10), at(1)).await.unwrap();
    store.end_session("a".to_owned(), at(20), at(1)).await.unwrap();
    store.end_session("a".to_owned(), at(30), at(1)).await.unwrap();
    assert_eq!(store.ended_sessions(at(1)).await.unwrap(), [("a".to_owned(), at(20)), ("b".to_owned(), at(10))]);
    drop(store);
    let store = place.open();
    assert_eq!(store.ended_sessions(at(10)).await.unwrap(), [("a".to_owned(), at(20))]);
    store.end_session("c".to_owned(), at(40), at(15)).await.unwrap();
    assert_eq!(store.ended_sessions(at(1)).await.unwrap().len(), 2, "what ran out is forgotten");
}

pub(in super::super) async fn sign_ins<P: Place>(place: P) {
    let store = place.open();
    let sign_in = |number, end| SignInRecord {
        cookie: [number; 32],
        person: PersonId::new("editor-7"),
        identity: "i".to_owned(),
        expires_at: at(end),
    };
    store.put_sign_in(sign_in(1, 10), at(1)).await.unwrap();
    store.put_sign_in(sign_in(2, 20), at(1)).await.unwrap();
    assert!(store.put_sign_in(sign_in(2, 30), at(1)).await.is_err(), "no cookie is made twice");
    drop(store);
    let store = place.open();
    assert_eq!(store.sign_in([1; 32]).await.unwrap(), Some(sign_in(1, 10)));
    store.put_sign_in(sign_in(3, 30), at(10)).await.unwrap();
    assert_eq!(store.sign_in([1; 32]).await.unwrap(), None, "what ran out is forgotten");
    assert!(store.end_sign_in([2; 32]).await.unwrap() && !store.end_sign_in([2; 32]).await.unwrap());
    assert_eq!(store.sign_in([2; 32]).await.unwrap(), None);
}

pub(in super::super) async fn training<P: Place>(place: P) {
    let store = place.open();
    let passed = |person: &str, course: &str, seconds, end: Option<i64>| TrainingRecord {
        person: PersonId::new(person),
        course: course.to_owned(),
        passed_at: at(seconds),
        expires_at: end.map(at),
    };
    let first = [passed("b", "basics", 1, Some(5)), passed("a", "crisis", 1, None), passed("a", "basics", 2, Some(9))];
    store.put_training(first.to_vec()).await.unwrap();
    store.put_training(vec![passed("b", "basics", 1, Some(7)), passed("b", "basics", 4, None)]).await.unwrap();
    drop(store);
    let all = place.open().training().await.unwrap();
    let expected = [
        passed("a", "basics", 2, Some(9)),
        passed("a", "crisis", 1, None),
        passed("b", "basics", 1, Some(7)),
        passed("b", "basics", 4, None),
    ];
    assert_eq!(all, expected);
}

fn a_freeze(id: &str, seconds: i64, lifted: Option<i64>) -> FreezeRecord {
    let freezes = pressgate_workflow::freeze::Freezes::default();
    let by = Actor::Person { person: "chief-1".into() };
    let event =
        freezes.begin(id.into(), Scope::Brand("acme".into()), Statements::default(), (&by, at(seconds), "leak"));
    let FreezeEvent::Began { freeze } = event.unwrap() else { panic!("it began") };
    let lifted = lifted.map(|seconds| LiftedFreeze { by: PersonId::new("ops-1"), at: at(seconds) });
    FreezeRecord { freeze, salt: "salt".to_owned(), lifted }
}

pub(in super::super) async fn freezes<P: Place>(place: P) {
    let store = place.open();
    store.put_freeze(a_freeze("one", 1, None)).await.unwrap();
    store.put_freeze(a_freeze("two", 2, None)).await.unwrap();
    store.put_freeze(a_freeze("one", 1, Some(5))).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.freezes().await.unwrap(), [a_freeze("two", 2, None), a_freeze("one", 1, Some(5))]);
    for number in 0..250 {
        store.put_freeze(a_freeze(&format!("old-{number}"), 0, Some(10 + number))).await.unwrap();
    }
    let all = store.freezes().await.unwrap();
    assert_eq!(all.iter().filter(|record| record.lifted.is_some()).count(), 200, "the last of those that are over");
    assert_eq!(all.iter().filter(|record| record.lifted.is_none()).count(), 1, "and all that are on");
}

pub(in super::super) async fn frozen_targets<P: Place>(place: P) {
    let store = place.open();
    for number in 1..=3 {
        keep(&store, number, TargetState::Accepted).await;
        claim(&store, number, ClaimFor::Publish, 1).await.unwrap();
    }
    let frozen = |seconds| finish(1, TargetState::Frozen, seconds);
    store.finish_target(post_id(1), account("a"), frozen(9)).await.unwrap();
    store.finish_target(post_id(2), account("a"), frozen(8)).await.unwrap();
    store.finish_target(post_id(3), account("a"), finish(1, TargetState::Held, 7)).await.unwrap();
    keep(&store, 4, TargetState::Held).await;
    let waits = async || {
        let targets = store.frozen_targets().await.unwrap();
        targets.into_iter().map(|target| (target.post, target.since)).collect::<Vec<_>>()
    };
    assert_eq!(waits().await, [(post_id(2), at(8)), (post_id(1), at(9))], "those that a freeze stopped, oldest first");
    assert!(due(&store, 1_000).await.is_empty(), "nothing goes by itself");
    lives::decide_from(&store, post_id(2), TargetState::Frozen, TargetState::Accepted, 20, Some(at(40))).await;
    assert_eq!(waits().await, [(post_id(1), at(9))]);
    assert!(due(&store, 39).await.is_empty(), "not before its time");
    assert_eq!(due(&store, 40).await, [(post_id(2), account("a"), ClaimFor::Publish)]);
    assert!(claim(&store, 2, ClaimFor::Publish, 40).await.is_some());
}

pub(in super::super) async fn acknowledgements<P: Place>(place: P) {
    let store = place.open();
    let of = |person: &str, brand: &str, version: &str, digest: &str, seconds| AcknowledgementRecord {
        person: PersonId::new(person),
        brand: BrandPath::new(brand),
        version: version.to_owned(),
        digest: digest.to_owned(),
        language: "pt-BR".to_owned(),
        acknowledged_at: at(seconds),
    };
    let all = [
        of("a", "acme", "1", "d1", 4),
        of("a", "acme", "1", "d2", 3),
        of("a", "acme/snacks", "1", "d1", 2),
        of("b", "acme", "2", "d1", 1),
    ];
    for record in all.iter().rev() {
        store.put_acknowledgement(record.clone()).await.unwrap();
    }
    store.put_acknowledgement(of("b", "acme", "2", "d1", 9)).await.unwrap();
    assert_eq!(store.acknowledgements().await.unwrap(), all, "the first stays");
    drop(store);
    assert_eq!(place.open().acknowledgements().await.unwrap(), all);
}

pub(in super::super) async fn media<P: Place>(place: P) {
    let store = place.open();
    let medium = |id: &str, seconds| MediaRecord {
        id: MediaId::new(id),
        owner: Principal::App(AppId::new("newsroom")),
        media_type: "image/png".to_owned(),
        size_bytes: 5_000_000_000,
        width: Some(4_000),
        height: None,
        digest: "d".to_owned(),
        created_at: at(seconds),
    };
    for (id, seconds) in [("m1", 1), ("m2", 2), ("m3", 3), ("m4", 4)] {
        store.put_media(medium(id, seconds)).await.unwrap();
    }
    assert!(matches!(store.put_media(medium("m1", 1)).await, Err(RecordsError::Exists(_))));
    let owner = medium("m1", 1).owner;
    let small = MediaRecord { owner: Principal::App(AppId::new("careers")), size_bytes: 70, ..medium("m5", 9) };
    store.put_media(small.clone()).await.unwrap();
    assert_eq!(store.unused_media_bytes(owner.clone()).await.unwrap(), 20_000_000_000);
    assert_eq!(store.unused_media_bytes(small.owner).await.unwrap(), 4096, "a block of the disk");
    assert_eq!(store.unused_media_bytes(Principal::App(AppId::new("agency"))).await.unwrap(), 0);
    let mut post = new_post(1, vec![target("a", TargetState::Held)]);
    post.media = vec![MediaId::new("m2"), MediaId::new("m2")];
    store.accept_post(post).await.unwrap();
    assert_eq!(store.unused_media_bytes(owner).await.unwrap(), 15_000_000_000, "m2 is used");
    assert_eq!(store.take_unused_media(at(4), 1).await.unwrap(), [MediaId::new("m1")], "the oldest first");
    assert_eq!(store.take_unused_media(at(4), 10).await.unwrap(), [MediaId::new("m3")], "m2 is used, m4 too young");
    assert_eq!(store.media(MediaId::new("m1")).await.unwrap(), None);
    assert_eq!(store.media(MediaId::new("m2")).await.unwrap(), Some(medium("m2", 2)));
    let mut late = new_post(2, vec![target("a", TargetState::Held)]);
    late.media = vec![MediaId::new("m4"), MediaId::new("m3")];
    assert!(matches!(store.accept_post(late).await, Err(RecordsError::Missing(id)) if id == "m3"));
    assert_eq!(store.take_unused_media(at(9), 10).await.unwrap(), [MediaId::new("m4")], "the failed post kept nothing");
}

pub(in super::super) async fn sealed_values<P: Place>(place: P) {
    let store = place.open();
    let sealed = |name: &str, generation, byte| SealedRecord {
        name: name.to_owned(),
        generation,
        blob: vec![byte, 0, 255],
        public: BTreeMap::from([("scheme".to_owned(), "bearer".to_owned())]),
        created_at: at(1),
    };
    store.put_sealed(sealed("credential/a/token", 1, 1)).await.unwrap();
    store.put_sealed(sealed("credential/a/token", 2, 2)).await.unwrap();
    for old in [1, 2] {
        assert!(matches!(store.put_sealed(sealed("credential/a/token", old, 3)).await, Err(RecordsError::Exists(_))));
    }
    store.put_sealed(sealed("credential/a%/token", 1, 4)).await.unwrap();
    store.put_sealed(sealed("session/a", 1, 5)).await.unwrap();
    let one = store.sealed("credential/a/token".to_owned()).await.unwrap();
    assert_eq!(one, Some(sealed("credential/a/token", 2, 2)));
    let names = async |prefix: &str| {
        let list = store.sealed_list(prefix.to_owned()).await.unwrap();
        list.into_iter().map(|sealed| sealed.name).collect::<Vec<_>>()
    };
    assert_eq!(names("credential/").await, ["credential/a%/token", "credential/a/token"]);
    assert_eq!(names("credential/a%").await, ["credential/a%/token"]);
    assert_eq!(names("").await.len(), 3);
    assert!(store.delete_sealed("session/a".to_owned()).await.unwrap());
    assert!(!store.delete_sealed("session/a".to_owned()).await.unwrap());
    assert_eq!(store.sealed("session/a".to_owned()).await.unwrap(), None);
}

pub(in super::super) async fn governance<P: Place>(place: P) {
    let applied = |digest: &str, seconds| GovernanceRecord {
        digest: digest.to_owned(),
        files: BTreeMap::from([("grants.toml".to_owned(), "# none\n".to_owned())]),
        applied_at: at(seconds),
        applied_by: "editor-7".to_owned(),
    };
    let store = place.open();
    assert_eq!(store.governance().await.unwrap(), None);
    for (digest, seconds) in [("one", 5), ("two", 4), ("one", 3)] {
        store.put_governance(applied(digest, seconds)).await.unwrap();
        assert_eq!(
            store.governance().await.unwrap(),
            Some(applied(digest, seconds)),
            "the last, whatever the clock says"
        );
    }
}

pub(in super::super) async fn health<P: Place>(place: P) {
    place.open().healthy().await.unwrap();
}

pub(in super::super) async fn whose_they_are<P: Place>(place: P) {
    let store = place.open();
    assert_eq!(store.identity().await.unwrap(), None);
    store.put_identity("node-1".to_owned()).await.unwrap();
    assert!(matches!(store.put_identity("node-2".to_owned()).await, Err(RecordsError::Exists(_))));
    store.gather().await.unwrap();
    store.healthy().await.unwrap();
    drop(store);
    assert_eq!(place.open().identity().await.unwrap().as_deref(), Some("node-1"));
}
