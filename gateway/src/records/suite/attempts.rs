//! Attempts: claims, leases, the journal, the end; votes and what is due.

use std::sync::Arc;

use super::*;
use ClaimFor::{Publish, Recall};

fn part(id: &str) -> PublishedPart {
    PublishedPart { platform_id: id.to_owned(), url: Some(format!("https://network.example/{id}")) }
}

pub(in super::super) async fn an_attempt_from_claim_to_end<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Publishing).await;
    assert!(claim(&store, 1, Publish, 10).await.is_none(), "its maker holds it as attempt 1");
    store.journal_step(post_id(1), account("a"), step("media", 1, "m")).await.unwrap();
    store.journal_step(post_id(1), account("a"), step("create", 1, "c")).await.unwrap();
    let mut end = finish(1, TargetState::Published, 8);
    end.published = vec![part("1"), part("2")];
    end.leaf = Some(4);
    store.finish_target(post_id(1), account("a"), end.clone()).await.unwrap();
    let post = the_post(&store, 1).await;
    assert_eq!((post.state, post.updated_at), (PostState::Published, at(8)));
    assert_eq!(post.targets[0].attempts, [end.attempt]);
    assert_eq!(post.targets[0].published, end.published);
    assert!(due(&store, 1_000).await.is_empty() && claim(&store, 1, Publish, 1_000).await.is_none());
    assert_eq!(store.applied_leaf().await.unwrap(), 0, "only the log moves the mark");
    // Steps stay, for the recall and for inspection.
    let claimed = claim(&store, 1, Recall, 20).await.unwrap();
    assert_eq!(claimed.steps, [step("media", 1, "m"), step("create", 1, "c")]);
    let stranger = store.finish_target(post_id(1), account("b"), finish(1, TargetState::Failed, 9)).await;
    assert!(matches!(stranger, Err(RecordsError::Missing(_))));
}

pub(in super::super) async fn only_one_claims<P: Place>(place: P) {
    let store = Arc::new(place.open());
    for number in 0..10 {
        keep(&*store, number, TargetState::Accepted).await;
    }
    let claims: Vec<_> = (0..100)
        .map(|call| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { claim(&*store, call % 10, Publish, 1).await })
        })
        .collect();
    let mut won = Vec::new();
    for call in claims {
        won.extend(call.await.unwrap().map(|claim| (claim.attempt, claim.post.id)));
    }
    won.sort();
    assert_eq!(won, (0..10).map(|number| (1, post_id(number))).collect::<Vec<_>>());
    assert!(claim(&*store, 77, Publish, 1).await.is_none(), "no such post");
}

pub(in super::super) async fn a_lease_runs_out<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Accepted).await;
    assert!(claim(&store, 1, Recall, 0).await.is_none());
    let first = claim(&store, 1, Publish, 0).await.unwrap();
    assert_eq!((first.attempt, first.post.targets[0].state), (1, TargetState::Publishing));
    assert!(due(&store, 59).await.is_empty());
    assert!(claim(&store, 1, Publish, 59).await.is_none());
    assert_eq!(due(&store, 60).await, [(post_id(1), account("a"), Publish)]);
    assert!(claim(&store, 1, Recall, 60).await.is_none());
    assert_eq!(claim(&store, 1, Publish, 60).await.unwrap().attempt, 2);
}

pub(in super::super) async fn a_retry_waits_for_its_time<P: Place>(place: P) {
    let store = place.open();
    for (number, state) in [(1, TargetState::Accepted), (2, TargetState::Unknown), (3, TargetState::Failed)] {
        keep(&store, number, TargetState::Publishing).await;
        let mut end = finish(1, state, 5);
        end.retry_at = Some(at(100));
        end.unknown_step = (number == 2).then(|| UnknownStep {
            step: "create".to_owned(),
            safety: "look-up".to_owned(),
            sent_at: at(4),
            intent: 9,
        });
        store.finish_target(post_id(number), account("a"), end.clone()).await.unwrap();
        let kept = the_post(&store, number).await.targets.remove(0);
        assert_eq!((kept.retry_at, kept.unknown_step), (Some(at(100)), end.unknown_step.clone()));
        assert!(claim(&store, number, Publish, 99).await.is_none());
        let claimed = claim(&store, number, Publish, 100).await.unwrap();
        assert_eq!((claimed.attempt, claimed.post.targets[0].retry_at), (2, None));
        assert_eq!(claimed.post.targets[0].unknown_step, end.unknown_step, "the next attempt asks what became of it");
    }
    // Without a time: unknown and accepted wait at once, failed is the end.
    for (number, state, waits) in
        [(4, TargetState::Accepted, 1), (5, TargetState::Unknown, 1), (6, TargetState::Failed, 0)]
    {
        keep(&store, number, TargetState::Publishing).await;
        store.finish_target(post_id(number), account("a"), finish(1, state, 5)).await.unwrap();
        assert_eq!(due(&store, 6).await.iter().filter(|(post, ..)| *post == post_id(number)).count(), waits);
        assert_eq!(claim(&store, number, Publish, 6).await.is_some(), waits == 1);
    }
}

pub(in super::super) async fn the_first_answer_to_a_step_stays<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Accepted).await;
    let journal = async |step| store.journal_step(post_id(1), account("a"), step).await;
    journal(step("create", 1, "first")).await.unwrap();
    journal(step("create", 2, "second")).await.unwrap();
    journal(step("recall:create", 2, "other")).await.unwrap();
    let steps = claim(&store, 1, Publish, 1).await.unwrap().steps;
    assert_eq!(steps, [step("create", 1, "first"), step("recall:create", 2, "other")]);
    let stranger = store.journal_step(post_id(2), account("a"), step("create", 1, "")).await;
    assert!(matches!(stranger, Err(RecordsError::Missing(_))));
}

pub(in super::super) async fn a_late_attempt_does_not_undo_a_later_one<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Publishing).await;
    assert_eq!(claim(&store, 1, Publish, 61).await.unwrap().attempt, 2);
    store.finish_target(post_id(1), account("a"), finish(1, TargetState::Failed, 62)).await.unwrap();
    assert_eq!(states(&store, 1).await.0, TargetState::Publishing);
    assert!(claim(&store, 1, Publish, 63).await.is_none(), "attempt 2 still holds it");
    store.finish_target(post_id(1), account("a"), finish(2, TargetState::Published, 64)).await.unwrap();
    let post = the_post(&store, 1).await;
    assert_eq!(post.state, PostState::Published);
    assert_eq!(post.targets[0].attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

pub(in super::super) async fn a_recall<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Publishing).await;
    assert!(claim(&store, 1, Recall, 1).await.is_none());
    let mut end = finish(1, TargetState::Published, 2);
    end.published = vec![part("1")];
    store.finish_target(post_id(1), account("a"), end).await.unwrap();

    let claimed = claim(&store, 1, Recall, 3).await.unwrap();
    assert_eq!((claimed.attempt, claimed.post.targets[0].state), (2, TargetState::Recalling));
    assert!(claim(&store, 1, Recall, 3).await.is_none());
    // Not answered: it stays a recall.
    store.finish_target(post_id(1), account("a"), finish(2, TargetState::Unknown, 4)).await.unwrap();
    assert_eq!(due(&store, 5).await, [(post_id(1), account("a"), Recall)]);
    assert!(claim(&store, 1, Publish, 5).await.is_none(), "what is being taken back is not published again");
    assert_eq!(claim(&store, 1, Recall, 5).await.unwrap().attempt, 3);
    // The network said no for now.
    let mut end = finish(3, TargetState::Published, 6);
    end.retry_at = Some(at(50));
    store.finish_target(post_id(1), account("a"), end).await.unwrap();
    assert!(due(&store, 49).await.is_empty());
    assert_eq!(due(&store, 50).await, [(post_id(1), account("a"), Recall)]);
    assert_eq!(claim(&store, 1, Recall, 10).await.unwrap().attempt, 4, "a person may ask again before that");
    store.finish_target(post_id(1), account("a"), finish(4, TargetState::Recalled, 11)).await.unwrap();
    let post = the_post(&store, 1).await;
    assert_eq!((post.state, post.targets[0].published.as_slice()), (PostState::Recalled, &[part("1")][..]));
    assert!(due(&store, 1_000).await.is_empty() && claim(&store, 1, Recall, 1_000).await.is_none());
}

pub(in super::super) async fn restart_releases_leases<P: Place>(place: P) {
    {
        let store = place.open();
        keep(&store, 1, TargetState::Publishing).await;
        keep(&store, 2, TargetState::Held).await;
        keep(&store, 3, TargetState::Publishing).await;
        store.finish_target(post_id(3), account("a"), finish(1, TargetState::Published, 1)).await.unwrap();
        claim(&store, 3, Recall, 2).await.unwrap();
    }
    let store = place.open();
    assert!(due(&store, 3).await.is_empty());
    assert_eq!(store.release_leases().await.unwrap(), 2);
    assert_eq!(store.release_leases().await.unwrap(), 0);
    assert_eq!(states(&store, 1).await, (TargetState::Publishing, PostState::Publishing));
    let mut waiting = due(&store, 3).await;
    waiting.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(waiting, [(post_id(1), account("a"), Publish), (post_id(3), account("a"), Recall)]);
    assert_eq!(claim(&store, 1, Publish, 3).await.unwrap().attempt, 2);
    assert_eq!(claim(&store, 3, Recall, 3).await.unwrap().attempt, 3);
}

pub(in super::super) async fn due_work_in_order<P: Place>(place: P) {
    let store = place.open();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        let mut post = new_post(number, vec![target("a", TargetState::Accepted)]);
        post.created_at = at(seconds);
        store.accept_post(post).await.unwrap();
    }
    let order: Vec<_> = due(&store, 35).await.into_iter().map(|(post, ..)| post).collect();
    assert_eq!(order, [post_id(2), post_id(3), post_id(1)], "the longest waiting first");
    assert_eq!(store.due(at(35), 2).await.unwrap().len(), 2);
}

pub(in super::super) async fn notes_belong_to_plugins<P: Place>(place: P) {
    let store = place.open();
    let note = async |plugin: &str| store.note(account("a"), PluginName::new(plugin)).await.unwrap();
    for (number, plugin, text) in [(1, "one", "x"), (2, "two", "y"), (3, "one", "z")] {
        keep(&store, number, TargetState::Publishing).await;
        let mut end = finish(1, TargetState::Published, number as i64);
        end.note = Some((plugin.to_owned(), text.as_bytes().to_vec()));
        store.finish_target(post_id(number), account("a"), end).await.unwrap();
    }
    assert_eq!((note("one").await, note("two").await, note("three").await), (b"z".to_vec(), b"y".to_vec(), Vec::new()));
    assert_eq!(claim(&store, 1, Recall, 9).await.unwrap().note, b"z");
    store.accept_post(new_post(9, vec![target("b", TargetState::Accepted)])).await.unwrap();
    let other = store.claim_target(post_id(9), account("b"), Publish, at(9), at(10), None).await.unwrap().unwrap();
    assert!(other.note.is_empty(), "another account has none");
}
