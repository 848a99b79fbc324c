//! What the audit log says, applied to the records at start.

use super::*;

fn intent(number: u64, index: u64, name: &str, attempt: u32) -> LeafFact {
    LeafFact::Intent {
        index,
        post: post_id(number),
        account: account("a"),
        step: name.to_owned(),
        safety: "look-up".to_owned(),
        at: at(3),
        attempt,
    }
}

fn outcome(number: u64, intent: u64, result: &str, target_state: Option<TargetState>, ids: &[&str]) -> LeafFact {
    LeafFact::Outcome {
        intent,
        post: post_id(number),
        account: account("a"),
        result: result.to_owned(),
        target_state,
        platform_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn finished(number: u64, index: u64, target_state: TargetState) -> LeafFact {
    LeafFact::Finished { index, post: post_id(number), account: account("a"), target_state, platform_ids: Vec::new() }
}

fn unknown(name: &str, intent: u64) -> UnknownStep {
    UnknownStep { step: name.to_owned(), safety: "look-up".to_owned(), sent_at: at(3), intent }
}

/// Applies facts and shows that a second time changes nothing.
async fn apply(store: &impl Records, number: u64, facts: &[LeafFact]) -> PostRecord {
    store.apply_leaves(100, facts.to_vec()).await.unwrap();
    let once = (format!("{:?}", the_post(store, number).await), due(store, 1_000).await);
    store.apply_leaves(100, facts.to_vec()).await.unwrap();
    let post = the_post(store, number).await;
    assert_eq!((format!("{post:?}"), due(store, 1_000).await), once);
    post
}

/// A post that an earlier process was publishing when it died.
async fn interrupted(store: &impl Records, number: u64) {
    keep(store, number, TargetState::Publishing).await;
    store.release_leases().await.unwrap();
}

pub(in super::super) async fn an_intent_without_outcome_is_unknown<P: Place>(place: P) {
    let store = place.open();
    interrupted(&store, 1).await;
    let post = apply(&store, 1, &[intent(1, 10, "create", 1)]).await;
    assert_eq!((post.state, post.targets[0].state), (PostState::Unknown, TargetState::Unknown));
    assert_eq!(post.targets[0].unknown_step, Some(unknown("create", 10)));
    let claimed = claim(&store, 1, ClaimFor::Publish, 4).await.unwrap();
    assert_eq!((claimed.attempt, &claimed.post.targets[0].unknown_step), (2, &Some(unknown("create", 10))));
}

pub(in super::super) async fn a_journalled_step_is_known<P: Place>(place: P) {
    let store = place.open();
    interrupted(&store, 1).await;
    store.journal_step(post_id(1), account("a"), step("part-1", 1, "x")).await.unwrap();
    let facts = [intent(1, 10, "part-1", 1), outcome(1, 10, "answered", None, &[])];
    let post = apply(&store, 1, &facts).await;
    assert_eq!((post.targets[0].state, &post.targets[0].unknown_step), (TargetState::Publishing, &None));
    // The second part is in the air, the first is not forgotten.
    let post = apply(&store, 1, &[intent(1, 12, "part-2", 1)]).await;
    assert_eq!(post.targets[0].unknown_step, Some(unknown("part-2", 12)));
    assert_eq!(claim(&store, 1, ClaimFor::Publish, 4).await.unwrap().steps.len(), 1);
}

pub(in super::super) async fn an_outcome_is_applied<P: Place>(place: P) {
    let store = place.open();
    let states = [
        (1, "answered", TargetState::Published),
        (2, "answered", TargetState::Failed),
        (3, "unanswered", TargetState::Unknown),
        (4, "not-sent", TargetState::Accepted),
    ];
    for (number, result, state) in states {
        interrupted(&store, number).await;
        let ids: &[&str] = if state == TargetState::Published { &["p1", "p2"] } else { &[] };
        let base = number * 10;
        let facts = [intent(number, base, "create", 1), outcome(number, base, result, Some(state), ids)];
        let post = apply(&store, number, &facts).await;
        let target = &post.targets[0];
        assert_eq!(target.state, state);
        assert_eq!(target.published.iter().map(|part| part.platform_id.as_str()).collect::<Vec<_>>(), ids);
        assert_eq!(target.unknown_step.is_some(), state == TargetState::Unknown);
        let waits = due(&store, 1_000).await.iter().any(|(post, ..)| *post == post_id(number));
        assert_eq!(waits, matches!(state, TargetState::Unknown | TargetState::Accepted));
    }
    interrupted(&store, 5).await;
    assert_eq!(apply(&store, 5, &[finished(5, 90, TargetState::Failed)]).await.state, PostState::Failed);
    let post = apply(&store, 5, &[intent(5, 95, "create", 1)]).await;
    assert_eq!((post.state, &post.targets[0].unknown_step), (PostState::Failed, &None), "an end is an end");
}

pub(in super::super) async fn what_the_records_know_stays<P: Place>(place: P) {
    let store = place.open();
    // The end is in the records with its leaf, and the mark is far behind.
    for (number, state) in [(1, TargetState::Published), (2, TargetState::Accepted), (3, TargetState::Failed)] {
        keep(&store, number, TargetState::Publishing).await;
        let mut end = finish(1, state, 5);
        end.leaf = Some(11);
        end.retry_at = (state == TargetState::Accepted).then(|| at(500));
        end.published =
            vec![PublishedPart { platform_id: "p1".to_owned(), url: Some("https://n.example/1".to_owned()) }];
        store.finish_target(post_id(number), account("a"), end.clone()).await.unwrap();
        let before = format!("{:?}", the_post(&store, number).await);
        let facts = [intent(number, 10, "create", 1), outcome(number, 10, "answered", Some(state), &["p1"])];
        assert_eq!(format!("{:?}", apply(&store, number, &facts).await), before);
    }
    // Old facts do not stop a recall that began since.
    assert!(claim(&store, 1, ClaimFor::Recall, 6).await.is_some());
    let facts = [intent(1, 10, "create", 1), outcome(1, 10, "answered", Some(TargetState::Published), &["p1"])];
    assert_eq!(apply(&store, 1, &facts).await.targets[0].state, TargetState::Recalling);
    assert_eq!(
        apply(&store, 1, &[finished(1, 11, TargetState::Published)]).await.targets[0].state,
        TargetState::Recalling
    );

    // An end without a leaf still says what became of its attempt.
    keep(&store, 4, TargetState::Publishing).await;
    store.finish_target(post_id(4), account("a"), finish(1, TargetState::Accepted, 5)).await.unwrap();
    assert_eq!(apply(&store, 4, &[intent(4, 20, "create", 1)]).await.targets[0].state, TargetState::Accepted);
}

pub(in super::super) async fn an_outcome_may_come_in_a_later_batch<P: Place>(place: P) {
    let store = place.open();
    for (number, result, state) in [
        (1, "not-sent", TargetState::Publishing),
        (2, "unanswered", TargetState::Unknown),
        (3, "unknown", TargetState::Unknown),
    ] {
        interrupted(&store, number).await;
        assert_eq!(apply(&store, number, &[intent(number, 10, "create", 1)]).await.state, PostState::Unknown);
        let target = apply(&store, number, &[outcome(number, 10, result, None, &[])]).await.targets.remove(0);
        assert_eq!((target.state, target.unknown_step.is_some()), (state, state == TargetState::Unknown));
    }
    interrupted(&store, 4).await;
    apply(&store, 4, &[intent(4, 10, "create", 1)]).await;
    let post = apply(&store, 4, &[outcome(4, 10, "answered", Some(TargetState::Published), &["p"])]).await;
    assert_eq!((post.state, &post.targets[0].unknown_step), (PostState::Published, &None));
}

/// The log has the outcome, the journal has not the answer: the plugin can't get it again, and must ask the network.
pub(in super::super) async fn an_answer_that_was_not_journalled<P: Place>(place: P) {
    let store = place.open();
    interrupted(&store, 1).await;
    let facts = [intent(1, 10, "create", 1), outcome(1, 10, "answered", None, &[])];
    assert_eq!(apply(&store, 1, &facts).await.targets[0].unknown_step, Some(unknown("create", 10)));
}

pub(in super::super) async fn a_recall_goes_on<P: Place>(place: P) {
    let store = place.open();
    keep(&store, 1, TargetState::Publishing).await;
    store.finish_target(post_id(1), account("a"), finish(1, TargetState::Published, 1)).await.unwrap();
    claim(&store, 1, ClaimFor::Recall, 2).await.unwrap();
    store.release_leases().await.unwrap();
    let post = apply(&store, 1, &[intent(1, 20, "recall:delete", 2)]).await;
    assert_eq!(post.targets[0].state, TargetState::Unknown);
    assert_eq!(due(&store, 3).await, [(post_id(1), account("a"), ClaimFor::Recall)]);
    let post = apply(&store, 1, &[outcome(1, 20, "not-sent", None, &[])]).await;
    assert_eq!(post.targets[0].state, TargetState::Recalling);
    assert_eq!(claim(&store, 1, ClaimFor::Recall, 3).await.unwrap().attempt, 3);
    let facts = [intent(1, 30, "recall:delete", 3), outcome(1, 30, "answered", Some(TargetState::Recalled), &[])];
    assert_eq!(apply(&store, 1, &facts).await.state, PostState::Recalled);
}

pub(in super::super) async fn strangers_and_the_mark<P: Place>(place: P) {
    let store = place.open();
    assert_eq!(store.applied_leaf().await.unwrap(), 0);
    let facts = vec![intent(9, 1, "create", 1), outcome(9, 1, "answered", Some(TargetState::Published), &["p"])];
    // A target is kept before its first leaf: one that is missing was lost, and so may others be.
    let lost = store.apply_leaves(3, facts).await.unwrap_err();
    assert!(matches!(&lost, RecordsError::Lost(what) if what.contains(post_id(9).as_str())), "{lost}");
    assert_eq!(store.applied_leaf().await.unwrap(), 0, "nothing was changed");
    store.apply_leaves(3, Vec::new()).await.unwrap();
    store.apply_leaves(2, Vec::new()).await.unwrap();
    assert_eq!(store.applied_leaf().await.unwrap(), 3, "it never moves back");
    drop(store);
    assert_eq!(place.open().applied_leaf().await.unwrap(), 3);
}
