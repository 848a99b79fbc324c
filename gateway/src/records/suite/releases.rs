//! Releases of plugins, the routing, and what started attempts go on with.

use super::*;

fn release(digest: &str, seconds: i64) -> ReleaseRecord {
    ReleaseRecord {
        digest: digest.to_owned(),
        name: "square".to_owned(),
        version: "0.2.0".to_owned(),
        kind: "adapter".to_owned(),
        size_bytes: 7,
        installed_at: at(seconds),
        installed_by: "ops-1".to_owned(),
        state: ReleaseState::Ready,
        steps: Vec::new(),
        accepted: Vec::new(),
        signed_by: vec!["acme+00112233".to_owned()],
    }
}

fn routing(active: &str) -> Routing {
    let slot = SlotRecord {
        plugin: "square".to_owned(),
        active: active.to_owned(),
        since: at(1),
        by: "ops-1".to_owned(),
        parked: None,
        fresh: true,
        canary: None,
        why: None,
    };
    Routing { slots: [("network:square".to_owned(), slot)].into() }
}

pub(in super::super) async fn releases_are_kept<P: Place>(place: P) {
    let store = place.open();
    store.put_release(release("b", 2)).await.unwrap();
    store.put_release(release("a", 1)).await.unwrap();
    let rejected = ReleaseRecord { state: ReleaseState::Rejected, ..release("b", 2) };
    store.put_release(rejected.clone()).await.unwrap();
    drop(store);
    assert_eq!(place.open().releases().await.unwrap(), [release("a", 1), rejected]);
}

pub(in super::super) async fn of_two_swaps_one_is_kept<P: Place>(place: P) {
    let store = place.open();
    assert_eq!(store.routing().await.unwrap(), RoutingRecord::default());
    assert!(store.swap_routing(0, routing("a")).await.unwrap());
    assert!(!store.swap_routing(0, routing("b")).await.unwrap(), "another was first");
    let (one, two) = tokio::join!(store.swap_routing(1, routing("c")), store.swap_routing(1, routing("d")));
    assert_ne!(one.unwrap(), two.as_ref().is_ok_and(|won| *won), "one of both");
    assert!(!store.swap_routing(7, routing("e")).await.unwrap());
    drop(store);
    let kept = place.open().routing().await.unwrap();
    assert_eq!(kept.version, 2);
    assert!(["c", "d"].contains(&kept.routing.slots["network:square"].active.as_str()));
}

async fn claim_with(store: &impl Records, purpose: ClaimFor, seconds: i64, release: &str) -> Option<String> {
    let until = at(seconds + 60);
    let claim =
        store.claim_target(post_id(1), account("a"), purpose, at(seconds), until, Some(release.to_owned())).await;
    claim.unwrap().unwrap().post.targets.remove(0).release
}

pub(in super::super) async fn a_started_attempt_keeps_its_release<P: Place>(place: P) {
    let store = place.open();
    let first = NewTarget { release: Some("one".to_owned()), ..target("a", TargetState::Publishing) };
    store.accept_post(new_post(1, vec![first])).await.unwrap();
    assert_eq!(the_post(&store, 1).await.targets[0].release.as_deref(), Some("one"));
    assert_eq!(store.bound_releases().await.unwrap(), ["one"], "it may have sent something");
    let again = TargetFinish { retry_at: Some(at(9)), ..finish(1, TargetState::Publishing, 5) };
    store.finish_target(post_id(1), account("a"), again).await.unwrap();
    assert!(store.bound_releases().await.unwrap().is_empty(), "nothing was sent");
    assert_eq!(claim_with(&store, ClaimFor::Publish, 10, "two").await.as_deref(), Some("two"));
    store.journal_step(post_id(1), account("a"), step("post-0", 2, "{}")).await.unwrap();
    let again = TargetFinish { retry_at: Some(at(30)), ..finish(2, TargetState::Publishing, 20) };
    store.finish_target(post_id(1), account("a"), again).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.bound_releases().await.unwrap(), ["two"]);
    assert_eq!(claim_with(&store, ClaimFor::Publish, 31, "three").await.as_deref(), Some("two"), "it goes on with it");
    store.finish_target(post_id(1), account("a"), finish(3, TargetState::Published, 40)).await.unwrap();
    assert!(store.bound_releases().await.unwrap().is_empty(), "it is over");
    assert_eq!(
        claim_with(&store, ClaimFor::Recall, 50, "three").await.as_deref(),
        Some("three"),
        "a recall is new work"
    );
}
