//! Openings of commitments, and erasing everything of a subject.

use super::*;
use crate::model::{Finding, MediaRef, Outcome, Severity, Verdict};

const EDITOR: &str = "person:editor-7";

fn opening(number: u8, subject: &str, key: &str) -> Opening {
    Opening { commitment: [number; 32], subject: subject.to_owned(), key: key.to_owned(), sealed: vec![number, 0, 255] }
}

fn commitment(number: u8) -> Commitment {
    Commitment { field: "text".to_owned(), hmac: format!("{number:02x}").repeat(32) }
}

fn erasure(id: &str, subject: &str) -> ErasureRecord {
    ErasureRecord {
        id: id.to_owned(),
        subject: subject.to_owned(),
        basis: "gdpr-art-17".to_owned(),
        asked_by: PersonId::new("ops-1"),
        asked_at: at(50),
        confirmed: None,
        log_from: 0,
        erased: ErasedCounts::default(),
        leaf: None,
    }
}

async fn confirmed(store: &impl Records, id: &str, subject: &str) {
    store.ask_erasure(erasure(id, subject)).await.unwrap();
    assert!(store.confirm_erasure(id.to_owned(), PersonId::new("ops-2"), at(60), 7).await.unwrap());
}

/// All parts, as small as they may be.
async fn carry_out(store: &impl Records, id: &str, keep_key: Option<&str>) -> ErasureRecord {
    let mut parts = 0;
    loop {
        let part = ErasePart { id: id.to_owned(), keep_key: keep_key.map(str::to_owned), limit: 2 };
        if !store.erase_part(part).await.unwrap() {
            return store.erasure(id.to_owned()).await.unwrap().unwrap();
        }
        parts += 1;
        assert!(parts < 100, "it comes to an end");
    }
}

async fn there(store: &impl Records, numbers: &[u8]) -> Vec<u8> {
    let found = store.openings(numbers.iter().map(|number| [*number; 32]).collect()).await.unwrap();
    found.iter().map(|opening| opening.commitment[0]).collect()
}

/// A post that says something in every place where a post can.
fn telling(number: u64, state: TargetState, media: &[&str]) -> NewPost {
    let medium = |id: &&str| MediaRef {
        id: MediaId::new(*id),
        media_type: "image/png".to_owned(),
        size_bytes: 1,
        width: None,
        height: None,
        digest: "d".to_owned(),
        alt: Some("canary".to_owned()),
    };
    let mut post = new_post(number, vec![target("a", state)]);
    let draft = &mut post.targets[0].draft;
    draft.parts[0].text = "canary".to_owned();
    draft.parts[0].media = media.iter().map(medium).collect();
    draft.target = Some("canary".to_owned());
    draft.options.insert("content_warning".to_owned(), "canary".into());
    (draft.labels, draft.campaign) = (vec!["canary".to_owned()], Some("canary".to_owned()));
    post.targets[0].commitments = vec![commitment(1)];
    post.request = r#"{"content":{"text":"canary"}}"#.to_owned();
    post.media = media.iter().map(|id| MediaId::new(*id)).collect();
    post.verdicts = vec![Verdict {
        policy: "guidelines".to_owned(),
        plugin: "guidelines 0.1.0".to_owned(),
        plugin_digest: "ab12".to_owned(),
        outcome: Outcome::Allow,
        findings: vec![Finding {
            place: None,
            code: "phrase".to_owned(),
            severity: Severity::Warning,
            message: "Do not say canary.".to_owned(),
            part: Some(0),
            range: Some((0, 4)),
            measure: None,
        }],
    }];
    post
}

async fn publish(store: &impl Records, number: u64) {
    let mut end = finish(1, TargetState::Published, 5);
    end.attempt.message = Some("canary".to_owned());
    end.attempt.body = Some("canary".to_owned());
    end.published = vec![PublishedPart { platform_id: "p1".to_owned(), url: None }];
    store.journal_step(post_id(number), account("a"), step("create", 1, "canary")).await.unwrap();
    store.finish_target(post_id(number), account("a"), end).await.unwrap();
}

async fn keep_medium(store: &impl Records, id: &str, owner: Principal) {
    let medium = MediaRecord {
        id: MediaId::new(id),
        owner,
        media_type: "image/png".to_owned(),
        size_bytes: 1,
        width: None,
        height: None,
        digest: "d".to_owned(),
        created_at: at(0),
    };
    store.put_media(medium).await.unwrap();
}

pub(in super::super) async fn openings_are_kept_with_their_post<P: Place>(place: P) {
    let store = place.open();
    let mut post = new_post(1, vec![target("a", TargetState::Held)]);
    post.targets[0].commitments = vec![commitment(1)];
    post.openings = vec![opening(1, EDITOR, "k")];
    store.accept_post(post.clone()).await.unwrap();
    store.put_openings(vec![opening(2, EDITOR, "k"), opening(1, "app:other", "other")]).await.unwrap();
    post.id = post_id(2);
    post.media = vec![MediaId::new("none")];
    post.openings = vec![opening(3, EDITOR, "k")];
    assert!(store.accept_post(post).await.is_err());
    drop(store);
    let store = place.open();
    assert_eq!(the_post(&store, 1).await.targets[0].commitments, [commitment(1)]);
    let found = store.openings(vec![[1; 32], [2; 32], [3; 32]]).await.unwrap();
    assert_eq!(found, [opening(1, EDITOR, "k"), opening(2, EDITOR, "k")], "the first stays; a failed post keeps none");
}

pub(in super::super) async fn an_erasure_takes_everything_of_its_subject<P: Place>(place: P) {
    let store = place.open();
    let mut post = telling(1, TargetState::Publishing, &[]);
    let key = IdempotencyKey { scope: "app:newsroom POST /v1/posts".to_owned(), key: "k".to_owned() };
    let usage = IdempotencyUse { key: key.clone(), fingerprint: "f".to_owned() };
    post.idempotency = Some(usage.clone());
    store.accept_post(post).await.unwrap();
    store.save_answer(key, StoredAnswer { status: 201, body: "canary".to_owned() }).await.unwrap();
    publish(&store, 1).await;
    let mut held = telling(2, TargetState::Held, &[]);
    held.subject = "person:editor-8".to_owned();
    store.accept_post(held).await.unwrap();
    let vote = |person: &str, approve| Vote {
        person: PersonId::new(person),
        approve,
        at: at(2),
        digest: "whole".to_owned(),
        note: Some("canary".to_owned()),
    };
    lives::decide(&store, post_id(2), TargetState::Accepted, Some(vote("editor-7", true)), 2).await;
    store.put_openings((1..=5).map(|number| opening(number, EDITOR, "old")).collect()).await.unwrap();
    store.put_openings(vec![opening(9, "person:editor-8", "other")]).await.unwrap();
    assert_eq!(store.values_of(EDITOR.to_owned()).await.unwrap(), ErasedCounts { values: 5, posts: 1, media: 0 });

    let unasked = ErasePart { id: "e1".to_owned(), keep_key: None, limit: 2 };
    assert!(matches!(store.erase_part(unasked.clone()).await, Err(RecordsError::Missing(_))));
    store.ask_erasure(erasure("e1", EDITOR)).await.unwrap();
    assert!(matches!(store.ask_erasure(erasure("e1", EDITOR)).await, Err(RecordsError::Exists(_))));
    assert!(matches!(store.erase_part(unasked).await, Err(RecordsError::Missing(_))), "one person is not enough");
    assert!(matches!(store.finish_erasure("e1".to_owned(), 8).await, Err(RecordsError::Missing(_))));
    assert!(store.confirm_erasure("e1".to_owned(), PersonId::new("ops-2"), at(60), 7).await.unwrap());
    assert!(!store.confirm_erasure("e1".to_owned(), PersonId::new("ops-3"), at(61), 8).await.unwrap());

    let done = carry_out(&store, "e1", None).await;
    assert_eq!(done.erased, ErasedCounts { values: 5, posts: 1, media: 0 });
    assert_eq!((done.confirmed, done.log_from), (Some((PersonId::new("ops-2"), at(60))), 7));
    assert_eq!(there(&store, &[1, 2, 3, 4, 5, 9]).await, [9]);
    let post = the_post(&store, 1).await;
    assert!(!format!("{post:?}").contains("canary"), "{post:?}");
    assert_eq!((post.salt.as_str(), post.request.as_str()), ("", "{}"));
    assert_eq!((post.targets[0].state, &post.targets[0].commitments), (TargetState::Published, &vec![commitment(1)]));
    assert_eq!(post.targets[0].published[0].platform_id, "p1", "what is out can still be taken back");
    assert_eq!(post.verdicts[0].findings[0].code, "phrase");
    let recall = claim(&store, 1, ClaimFor::Recall, 70).await.unwrap();
    assert!(recall.steps.is_empty());
    let other = the_post(&store, 2).await;
    assert_eq!(other.votes[0].note, None, "what they wrote on the post of another");
    assert_eq!(other.targets[0].draft.parts[0].text, "canary", "which is not theirs");
    assert!(matches!(store.repeated(usage).await.unwrap(), Some(Accepted::Mismatch)), "no second post");

    assert_eq!(store.erasures_under_way().await.unwrap(), [store.erasure("e1".to_owned()).await.unwrap().unwrap()]);
    store.finish_erasure("e1".to_owned(), 8).await.unwrap();
    assert!(store.erasures_under_way().await.unwrap().is_empty());
    assert_eq!(store.erasure("e1".to_owned()).await.unwrap().unwrap().leaf, Some(8));
    assert_eq!(store.erasure_of_leaf(8).await.unwrap().unwrap().id, "e1");
    assert_eq!(store.erasure_of_leaf(9).await.unwrap(), None);
    confirmed(&store, "e2", EDITOR).await;
    assert_eq!(store.erased_subjects().await.unwrap(), [(EDITOR.to_owned(), at(60))], "of those that are done");
    assert_eq!(carry_out(&store, "e2", None).await.erased, ErasedCounts::default(), "again is harmless");
}

pub(in super::super) async fn open_posts_are_told_and_stay<P: Place>(place: P) {
    let store = place.open();
    for (number, state) in [(1, TargetState::Held), (2, TargetState::Publishing), (3, TargetState::Accepted)] {
        keep(&store, number, state).await;
    }
    for (number, state, retry) in [
        (4, TargetState::Failed, Some(at(90))),
        (5, TargetState::Failed, None),
        (6, TargetState::Unknown, Some(at(90))),
        (7, TargetState::Published, None),
    ] {
        keep(&store, number, TargetState::Publishing).await;
        let end = TargetFinish { retry_at: retry, ..finish(1, state, 5) };
        store.finish_target(post_id(number), account("a"), end).await.unwrap();
    }
    // Made after the confirmation.
    let mut late = new_post(8, vec![target("a", TargetState::Rejected)]);
    late.created_at = at(61);
    store.accept_post(late).await.unwrap();
    let open = store.open_posts_of(EDITOR.to_owned()).await.unwrap();
    assert_eq!(open, OpenPosts { posts: [1, 2, 3, 4].map(post_id).to_vec(), count: 4 });
    assert_eq!(store.open_posts_of("person:nobody".to_owned()).await.unwrap().count, 0);
    confirmed(&store, "e1", EDITOR).await;
    assert_eq!(carry_out(&store, "e1", None).await.erased.posts, 3);
    for (number, stays) in [(1, true), (2, true), (3, true), (4, true), (5, false), (6, false), (7, false), (8, true)] {
        let post = the_post(&store, number).await;
        assert_eq!(post.targets[0].draft.parts[0].text.is_empty(), !stays, "{number}");
    }
    let unknown = the_post(&store, 6).await;
    assert_eq!(unknown.targets[0].state, TargetState::Unknown, "honest to the end");
    assert!(!due(&store, 10_000).await.iter().any(|(post, ..)| *post == post_id(6)), "nobody works on it any more");
    assert!(claim(&store, 6, ClaimFor::Publish, 10_000).await.is_none());
}

pub(in super::super) async fn an_erasure_goes_on_after_a_restart<P: Place>(place: P) {
    let store = place.open();
    store.put_openings((1..=5).map(|number| opening(number, EDITOR, "old")).collect()).await.unwrap();
    confirmed(&store, "e1", EDITOR).await;
    assert!(store.erase_part(ErasePart { id: "e1".to_owned(), keep_key: None, limit: 2 }).await.unwrap());
    drop(store);
    let store = place.open();
    let found = store.erasures_under_way().await.unwrap();
    assert_eq!((found.len(), found[0].erased.values), (1, 2));
    assert_eq!(carry_out(&store, "e1", None).await.erased.values, 5);
}

pub(in super::super) async fn media_of_others_stay<P: Place>(place: P) {
    let store = place.open();
    let (newsroom, editor) = (Principal::App(AppId::new("newsroom")), Principal::Person(PersonId::new("editor-7")));
    for (id, owner) in [("own", &newsroom), ("shared", &newsroom), ("unused", &editor), ("other", &newsroom)] {
        keep_medium(&store, id, owner.clone()).await;
    }
    store.accept_post(telling(1, TargetState::Publishing, &["own", "shared"])).await.unwrap();
    publish(&store, 1).await;
    let mut other = telling(2, TargetState::Publishing, &["shared"]);
    other.subject = "person:editor-8".to_owned();
    store.accept_post(other).await.unwrap();
    publish(&store, 2).await;
    confirmed(&store, "e1", EDITOR).await;
    assert_eq!(carry_out(&store, "e1", None).await.erased.media, 2);
    let doomed = store.doomed_media("e1".to_owned(), 10).await.unwrap();
    assert_eq!(doomed, [MediaId::new("own"), MediaId::new("unused")]);
    for (id, stays) in [("own", false), ("shared", true), ("unused", false), ("other", true)] {
        assert_eq!(store.media(MediaId::new(id)).await.unwrap().is_some(), stays, "{id}");
    }
    store.forget_media("e1".to_owned(), doomed).await.unwrap();
    assert!(store.doomed_media("e1".to_owned(), 10).await.unwrap().is_empty());
    confirmed(&store, "e2", "person:editor-8").await;
    assert_eq!(carry_out(&store, "e2", None).await.erased.media, 1, "the last who used it");
}

pub(in super::super) async fn what_is_sealed_under_a_new_key_stays<P: Place>(place: P) {
    let store = place.open();
    store.put_openings(vec![opening(1, EDITOR, "old"), opening(2, EDITOR, "new")]).await.unwrap();
    confirmed(&store, "e1", EDITOR).await;
    assert_eq!(carry_out(&store, "e1", Some("new")).await.erased.values, 1);
    assert_eq!(there(&store, &[1, 2]).await, [2]);
}

pub(in super::super) async fn openings_go_with_their_leaves<P: Place>(place: P) {
    let store = place.open();
    for (number, state) in [
        (1, TargetState::Publishing),
        (2, TargetState::Held),
        (3, TargetState::Publishing),
        (4, TargetState::Publishing),
    ] {
        let mut post = new_post(number, vec![target("a", state)]);
        post.targets[0].commitments = vec![commitment(number as u8)];
        post.openings = vec![opening(number as u8, EDITOR, "k")];
        store.accept_post(post).await.unwrap();
    }
    store.put_openings((5..=8).map(|number| opening(number, EDITOR, "k")).collect()).await.unwrap();
    // The third went on long after the others.
    for (number, seconds) in [(1, 5), (3, 500), (4, 5)] {
        let mut end = finish(1, TargetState::Published, seconds);
        end.attempt.at = at(seconds);
        store.finish_target(post_id(number), account("a"), end).await.unwrap();
    }
    let drop = DropOpenings {
        leaves: vec![
            (Some(post_id(1)), vec![[1; 32]]),
            (Some(post_id(2)), Vec::new()),
            (Some(post_id(3)), vec![[3; 32], [5; 32]]),
            // A leaf without commitments, after which no other of its post comes.
            (Some(post_id(4)), Vec::new()),
            (None, vec![[6; 32], [7; 32]]),
            (Some(post_id(99)), vec![[8; 32]]),
        ],
        rested_since: at(100),
        keep: std::sync::Arc::new([[7; 32]].into()),
    };
    assert_eq!(store.drop_openings(drop.clone()).await.unwrap(), 5);
    // Held; went on later, so that later leaves may commit to the same; named by a leaf that stays.
    assert_eq!(there(&store, &[1, 2, 3, 4, 5, 6, 7, 8]).await, [2, 3, 7]);
    assert_eq!(store.drop_openings(drop).await.unwrap(), 0, "again is harmless");
    // With its last leaf it goes.
    let last = DropOpenings {
        leaves: vec![(Some(post_id(3)), Vec::new())],
        rested_since: at(501),
        keep: std::sync::Arc::default(),
    };
    assert_eq!(store.drop_openings(last).await.unwrap(), 1);
    assert_eq!(there(&store, &[2, 3]).await, [2]);
}

pub(in super::super) async fn whose_it_is_and_what_was_asked<P: Place>(place: P) {
    let store = place.open();
    let knows = async |subject: &str| store.knows_subject(subject.to_owned()).await.unwrap();
    for subject in [EDITOR, "person:chief-1", "person:gone", "app:newsroom", "app:cms", "nobody"] {
        assert!(!knows(subject).await, "{subject}");
    }
    keep(&store, 1, TargetState::Held).await;
    assert!(knows(EDITOR).await && !knows("app:newsroom").await, "a post is of the person for whom the app acted");
    let vote =
        Vote { person: PersonId::new("chief-1"), approve: false, at: at(2), digest: "whole".to_owned(), note: None };
    lives::decide(&store, post_id(1), TargetState::Rejected, Some(vote), 2).await;
    assert!(knows("person:chief-1").await);
    keep_medium(&store, "m", Principal::App(AppId::new("newsroom"))).await;
    assert!(knows("app:newsroom").await && !knows("person:newsroom").await);
    store.put_openings(vec![opening(1, "app:cms", "k")]).await.unwrap();
    assert!(knows("app:cms").await);
    for (id, seconds) in [("e1", 1), ("e2", 3), ("e3", 2)] {
        store.ask_erasure(ErasureRecord { asked_at: at(seconds), ..erasure(id, "person:gone") }).await.unwrap();
    }
    assert!(knows("person:gone").await);
    let asked: Vec<String> = store.erasures(2).await.unwrap().into_iter().map(|erasure| erasure.id).collect();
    assert_eq!(asked, ["e2", "e3"]);
}

pub(in super::super) async fn what_a_person_was_told_is_erased<P: Place>(place: P) {
    let store = place.open();
    assert!(!store.knows_subject(EDITOR.to_owned()).await.unwrap());
    let all = vec![notices::new(EDITOR, "x", 0, 60), notices::new("person:b", "x", 1, 61)];
    assert_eq!(store.put_notices(all).await.unwrap(), 2);
    let due = store.due_notices(NoticeChannel::Webhook, at(0), 10).await.unwrap().unwrap();
    let sent = NoticesTried {
        channel: NoticeChannel::Webhook,
        addressee: EDITOR.to_owned(),
        sent: vec![due.notices[0].id],
        given_up: Vec::new(),
        why: None,
        attempts: 0,
        next_at: at(1),
        at: at(1),
    };
    store.notices_tried(sent).await.unwrap();
    assert!(store.knows_subject(EDITOR.to_owned()).await.unwrap());
    confirmed(&store, "e1", EDITOR).await;
    carry_out(&store, "e1", None).await;
    let due = store.due_notices(NoticeChannel::Mail, at(1_000), 10).await.unwrap().unwrap();
    assert_eq!(due.addressee, "person:b", "what waited is not sent; what is for others stays");
    let kept = store.notices(NoticeState::Sent, 10).await.unwrap();
    let [told] = kept.as_slice() else { panic!("{kept:?}") };
    let NoticeText { post, account, line, link_path, .. } = &told.text;
    assert_eq!((post, account, line.as_str(), link_path.as_str()), (&None, &None, "", ""));
    assert_eq!(store.put_notices(vec![notices::new(EDITOR, "x", 2, 62)]).await.unwrap(), 0, "nor is it told again");
}
