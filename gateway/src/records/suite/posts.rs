//! Posts: taken in once, read whole, listed in pages.

use std::sync::Arc;

use super::*;
use crate::model::{Finding, Outcome, Severity, Verdict};

fn with_key(mut post: NewPost, key: &str, fingerprint: &str) -> NewPost {
    let key = IdempotencyKey { scope: "app:newsroom POST /v1/posts".to_owned(), key: key.to_owned() };
    post.idempotency = Some(IdempotencyUse { key, fingerprint: fingerprint.to_owned() });
    post
}

pub(in super::super) async fn a_post_comes_back_whole<P: Place>(place: P) {
    let mut new = new_post(1, vec![target("z", TargetState::Held), target("a", TargetState::Held)]);
    new.verdicts = vec![Verdict {
        policy: "guidelines".to_owned(),
        plugin: "guidelines 0.1.0".to_owned(),
        plugin_digest: "ab12".to_owned(),
        outcome: Outcome::Hold,
        findings: vec![Finding {
            place: Some("media/0/alt".into()),
            code: "phrase".to_owned(),
            severity: Severity::Warning,
            message: "Say it \"differently\"\u{0} – žluťoučký 🐎.".to_owned(),
            part: Some(0),
            range: Some((0, 4)),
            measure: None,
        }],
    }];
    {
        let store = place.open();
        store.accept_post(new.clone()).await.unwrap();
    }
    let store = place.open();
    let post = the_post(&store, 1).await;
    assert_eq!((post.created_at, post.updated_at), (at(0), at(0)));
    assert_eq!(
        (&post.author, &post.digest, &post.salt, &post.request),
        (&new.author, &new.digest, &new.salt, &new.request)
    );
    assert_eq!(post.verdicts, new.verdicts);
    assert_eq!(post.state, PostState::Held);
    assert!(post.votes.is_empty() && !voted(&post, &PersonId::new("editor-7")));
    for (kept, new) in post.targets.iter().zip(&new.targets) {
        assert_eq!((&kept.account, &kept.draft), (&new.account, &new.draft), "in the order in which they were given");
        assert_eq!((&kept.digest, &kept.call_key, &kept.grant), (&new.digest, &new.call_key, &new.grant));
        assert!(kept.published.is_empty() && kept.attempts.is_empty() && kept.retry_at.is_none());
    }
    assert!(store.post(post_id(2)).await.unwrap().is_none());
}

pub(in super::super) async fn one_key_makes_one_post<P: Place>(place: P) {
    let store = Arc::new(place.open());
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let post = with_key(new_post(number, vec![target("a", TargetState::Publishing)]), "k", "f");
                (number, store.accept_post(post).await.unwrap())
            })
        })
        .collect();
    let (mut fresh, mut repeated) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await.unwrap() {
            (number, Accepted::Fresh) => fresh.push(post_id(number)),
            (_, Accepted::Repeated { post, answer: None }) => repeated.push(post),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((fresh.len(), repeated.len()), (1, 49));
    assert!(repeated.iter().all(|post| *post == fresh[0]), "each names the post that was made");
    let filter = PostFilter { accounts: [account("a")].into(), limit: 100, ..PostFilter::default() };
    assert_eq!(store.posts(filter).await.unwrap().posts.len(), 1);
}

pub(in super::super) async fn a_key_is_kept_with_its_post<P: Place>(place: P) {
    let store = place.open();
    let post = |number, fingerprint| with_key(new_post(number, vec![target("a", TargetState::Held)]), "k", fingerprint);
    assert!(matches!(store.accept_post(post(1, "f")).await.unwrap(), Accepted::Fresh));
    assert!(matches!(store.accept_post(post(2, "g")).await.unwrap(), Accepted::Mismatch));
    assert!(store.post(post_id(2)).await.unwrap().is_none());

    let key = post(1, "f").idempotency.unwrap().key;
    let answer = StoredAnswer { status: 201, body: "{}".to_owned() };
    store.save_answer(key.clone(), answer.clone()).await.unwrap();
    drop(store);
    let store = place.open();
    match store.accept_post(post(3, "f")).await.unwrap() {
        Accepted::Repeated { post, answer: Some(kept) } => assert_eq!((post, kept), (post_id(1), answer.clone())),
        other => panic!("{other:?}"),
    }

    // A post that can't be kept leaves no key behind.
    let mut broken = with_key(new_post(4, vec![target("a", TargetState::Held)]), "other", "f");
    broken.media = vec![MediaId::new("media_none")];
    assert!(matches!(store.accept_post(broken.clone()).await, Err(RecordsError::Missing(id)) if id == "media_none"));
    broken.media.clear();
    assert!(matches!(store.accept_post(broken).await.unwrap(), Accepted::Fresh));

    // The same key in another scope is another key.
    let mut elsewhere = post(5, "x");
    elsewhere.idempotency.as_mut().unwrap().key.scope = "app:crm POST /v1/posts".to_owned();
    assert!(matches!(store.accept_post(elsewhere).await.unwrap(), Accepted::Fresh));
    let unknown = IdempotencyKey { key: "never".to_owned(), ..key };
    assert!(matches!(store.save_answer(unknown, answer).await, Err(RecordsError::Missing(_))));

    // Freed by the post that it stands for, and by no other.
    let key = post(1, "f").idempotency.unwrap().key;
    store.free_key(key.clone(), post_id(2)).await.unwrap();
    assert!(
        matches!(store.accept_post(post(6, "f")).await.unwrap(), Accepted::Repeated { post, .. } if post == post_id(1))
    );
    store.free_key(key.clone(), post_id(1)).await.unwrap();
    store.free_key(key, post_id(1)).await.unwrap();
    assert!(matches!(store.accept_post(post(6, "g")).await.unwrap(), Accepted::Fresh));
    assert!(store.post(post_id(1)).await.unwrap().is_some(), "the post stays");
}

pub(in super::super) async fn ids_are_unique<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Held).await;
    let again = store.accept_post(new_post(1, vec![target("b", TargetState::Held)])).await;
    assert!(matches!(again, Err(RecordsError::Exists(id)) if id == post_id(1).as_str()));
    let twice = new_post(2, vec![target("a", TargetState::Held), target("a", TargetState::Held)]);
    assert!(matches!(store.accept_post(twice).await, Err(RecordsError::Exists(_))));
    assert!(store.post(post_id(2)).await.unwrap().is_none(), "nothing of it stays");
    assert_eq!(the_post(&store, 1).await.targets.len(), 1);
}

pub(in super::super) async fn pages_follow_each_other<P: Place>(place: P) {
    let store = place.open();
    for number in 0..30 {
        let state = if number % 3 == 0 { TargetState::Held } else { TargetState::Accepted };
        let mut targets = vec![target(["a", "b"][(number % 2) as usize], state)];
        if number % 5 == 0 {
            targets.push(target("c", state));
        }
        targets[0].draft.campaign = (number % 4 == 0).then(|| "spring".to_owned());
        store.accept_post(new_post(number, targets)).await.unwrap();
    }
    let list = async |accounts: &[&str], state: Option<PostState>, campaign: Option<&str>, limit: u32| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = store
                .posts(PostFilter {
                    accounts: accounts.iter().map(|name| account(name)).collect(),
                    state,
                    campaign: campaign.map(str::to_owned),
                    after: after.clone(),
                    limit,
                })
                .await
                .unwrap();
            assert!(page.posts.len() <= limit as usize);
            found.extend(page.posts.into_iter().map(|post| post.id));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let ids = |wanted: &dyn Fn(u64) -> bool| (0..30).rev().filter(|n| wanted(*n)).map(post_id).collect::<Vec<_>>();
    assert_eq!(list(&["a", "b", "c"], None, None, 7).await, ids(&|_| true));
    assert_eq!(list(&["a", "b", "c"], None, None, 30).await, ids(&|_| true), "a full last page names no next one");
    assert_eq!(list(&["a"], None, None, 1).await, ids(&|n| n % 2 == 0));
    assert_eq!(list(&["c", "a"], None, None, 4).await, ids(&|n| n % 2 == 0 || n % 5 == 0));
    assert_eq!(list(&["b"], Some(PostState::Held), None, 2).await, ids(&|n| n % 2 == 1 && n % 3 == 0));
    assert_eq!(list(&["a", "b"], None, Some("spring"), 3).await, ids(&|n| n % 4 == 0));
    assert_eq!(
        list(&["a", "b"], Some(PostState::Publishing), Some("spring"), 3).await,
        ids(&|n| n % 4 == 0 && n % 3 != 0)
    );
    assert!(list(&[], None, None, 5).await.is_empty(), "no account, no post");
    assert!(list(&["nobody"], None, None, 5).await.is_empty());
    let none = store.posts(PostFilter { accounts: [account("a")].into(), ..PostFilter::default() }).await.unwrap();
    assert!(none.posts.is_empty() && none.next.is_none());

    // The list follows the state.
    let yes = Vote { person: PersonId::new("p"), approve: false, at: at(9), digest: "whole".to_owned(), note: None };
    lives::decide(&store, post_id(3), TargetState::Rejected, Some(yes), 9).await;
    assert_eq!(list(&["b"], Some(PostState::Rejected), None, 2).await, [post_id(3)]);
    assert!(!list(&["b"], Some(PostState::Held), None, 2).await.contains(&post_id(3)));
}

pub(in super::super) async fn a_dropped_call_harms_nobody<P: Place>(place: P) {
    let store = Arc::new(place.open());
    let mut calls = Vec::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        let call =
            tokio::spawn(
                async move { store.accept_post(new_post(number, vec![target("a", TargetState::Held)])).await },
            );
        if number % 3 == 0 {
            call.abort();
        }
        calls.push((number, call));
    }
    for (number, call) in calls {
        match call.await {
            Ok(answer) => {
                assert!(matches!(answer, Ok(Accepted::Fresh)), "{answer:?}");
                assert_eq!(the_post(&*store, number).await.targets.len(), 1);
            }
            Err(gone) => assert!(gone.is_cancelled()),
        }
    }
    // A dropped one happened whole or not at all.
    let filter = PostFilter { accounts: [account("a")].into(), limit: 200, ..PostFilter::default() };
    assert!(store.posts(filter).await.unwrap().posts.iter().all(|post| post.targets.len() == 1));
    store.healthy().await.unwrap();
}

pub(in super::super) async fn old_keys_are_forgotten<P: Place>(place: P) {
    let store = place.open();
    for number in 0..6 {
        let mut post = with_key(new_post(number, vec![target("a", TargetState::Held)]), &format!("k{number}"), "f");
        post.created_at = at(number as i64);
        store.accept_post(post).await.unwrap();
    }
    assert_eq!(store.forget_idempotency(at(4)).await.unwrap(), 4);
    assert_eq!(store.forget_idempotency(at(4)).await.unwrap(), 0);
    let again = |key: &str, number| with_key(new_post(number, vec![target("a", TargetState::Held)]), key, "f");
    assert!(matches!(store.accept_post(again("k3", 10)).await.unwrap(), Accepted::Fresh));
    assert!(matches!(store.accept_post(again("k4", 11)).await.unwrap(), Accepted::Repeated { .. }));
    assert_eq!(the_post(&store, 0).await.id, post_id(0), "the posts stay");
}
