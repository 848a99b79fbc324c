//! What every record store must do, whatever it is made of: `record_suite!` makes a test of each part.

pub(super) mod attempts;
pub(super) mod erasing;
pub(super) mod feeds;
pub(super) mod leaves;
pub(super) mod lives;
pub(super) mod model;
pub(super) mod notices;
pub(super) mod posts;
pub(super) mod releases;
pub(super) mod rest;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{Action, AppId, Draft, GrantId, Part, PostState, Principal, TargetState};

/// A place where a store keeps its data, so that a test may open it again.
pub(super) trait Place: Send + Sync {
    /// The store.
    type Store: Records;
    /// Opens it.
    fn open(&self) -> Self::Store;
}

/// Makes a test of each part of the suite; the expression makes a new, empty place.
macro_rules! record_suite {
    ($place:expr; $($module:ident: $($part:ident),* $(,)?;)*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $part() {
            $crate::records::suite::$module::$part($place).await;
        }
    )*)*};
    ($place:expr) => {
        record_suite! { $place;
            posts: a_post_comes_back_whole, one_key_makes_one_post, a_key_is_kept_with_its_post, ids_are_unique,
                pages_follow_each_other, a_dropped_call_harms_nobody, old_keys_are_forgotten;
            attempts: an_attempt_from_claim_to_end, only_one_claims, a_lease_runs_out, a_retry_waits_for_its_time,
                the_first_answer_to_a_step_stays, a_late_attempt_does_not_undo_a_later_one, a_recall,
                restart_releases_leases, due_work_in_order, notes_belong_to_plugins;
            leaves: an_intent_without_outcome_is_unknown, a_journalled_step_is_known, an_outcome_is_applied,
                what_the_records_know_stays, an_outcome_may_come_in_a_later_batch, an_answer_that_was_not_journalled,
                a_recall_goes_on, strangers_and_the_mark;
            rest: keys, ended_sessions, sign_ins, training, acknowledgements, freezes, frozen_targets, media, sealed_values, governance, health, whose_they_are;
            erasing: openings_are_kept_with_their_post, an_erasure_takes_everything_of_its_subject,
                open_posts_are_told_and_stay, an_erasure_goes_on_after_a_restart, media_of_others_stay,
                what_is_sealed_under_a_new_key_stays, openings_go_with_their_leaves, whose_it_is_and_what_was_asked,
                what_a_person_was_told_is_erased;
            lives: votes_move_posts, of_two_decisions_one_is_kept, an_edit_takes_the_place_of_what_was,
                another_occurrence_begins_anew, what_goes_with_a_decision_is_kept_with_it_or_not_at_all, what_waits_for_time_is_found, what_was_said_is_erased,
                links_are_found_by_their_secret;
            feeds: feeds_are_kept_until_they_end, feeds_of_one_holder_are_few, feeds_are_erased;
            releases: releases_are_kept, of_two_swaps_one_is_kept, a_started_attempt_keeps_its_release;
            notices: notices_come_once, notices_end, notices_keep_addresses_apart;
            model: random_sequences;
        }
    };
}
pub(super) use record_suite;

/// 2026-01-01 and some seconds.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_767_225_600, 0).unwrap() + SignedDuration::from_secs(seconds)
}

pub(super) fn account(name: &str) -> AccountId {
    AccountId::new(name)
}

pub(super) fn post_id(number: u64) -> PostId {
    PostId::new(format!("post_{number:032x}"))
}

pub(super) fn draft(text: &str) -> Draft {
    Draft {
        action: Action::POST_CREATE,
        parts: vec![Part { text: text.to_owned(), media: Vec::new() }],
        language: Some("en".to_owned()),
        target: None,
        options: serde_json::Map::new(),
        labels: vec!["launch".to_owned()],
        campaign: None,
    }
}

pub(super) fn target(name: &str, state: TargetState) -> NewTarget {
    NewTarget {
        account: account(name),
        state,
        draft: draft("Good morning"),
        digest: "d1".to_owned(),
        call_key: "00".repeat(32),
        grant: GrantId::new("g1"),
        lease_until: (state == TargetState::Publishing).then(|| at(60)),
        commitments: Vec::new(),
        release: None,
    }
}

pub(super) fn new_post(number: u64, targets: Vec<NewTarget>) -> NewPost {
    NewPost {
        id: post_id(number),
        created_at: at(0),
        author: Author {
            principal: Principal::App(AppId::new("newsroom")),
            key: KeyId::new("k1"),
            on_behalf_of: Some(PersonId::new("editor-7")),
        },
        digest: "whole".to_owned(),
        salt: "salt".to_owned(),
        request: r#"{"accounts":["a"]}"#.to_owned(),
        targets,
        idempotency: None,
        verdicts: Vec::new(),
        media: Vec::new(),
        subject: "person:editor-7".to_owned(),
        openings: Vec::new(),
        life: None,
    }
}

/// A post with one target in that state.
pub(super) async fn keep(store: &impl Records, number: u64, state: TargetState) {
    let accepted = store.accept_post(new_post(number, vec![target("a", state)])).await.unwrap();
    assert!(matches!(accepted, Accepted::Fresh));
}

pub(super) fn step(name: &str, attempt: u32, body: &str) -> StepRecord {
    StepRecord {
        step: name.to_owned(),
        kind: "effect".to_owned(),
        attempt,
        request_digest: "r".to_owned(),
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned()), ("x".to_owned(), String::new())],
        body: body.as_bytes().to_vec(),
        at: at(5),
    }
}

pub(super) fn finish(number: u32, state: TargetState, seconds: i64) -> TargetFinish {
    TargetFinish {
        state,
        published: Vec::new(),
        attempt: Attempt {
            number,
            at: at(seconds),
            state,
            status: Some(200),
            code: None,
            problem: None,
            retry: false,
            message: Some("done".to_owned()),
            body: None,
        },
        retry_at: None,
        unknown_step: None,
        note: None,
        leaf: None,
    }
}

pub(super) async fn the_post(store: &impl Records, number: u64) -> PostRecord {
    store.post(post_id(number)).await.unwrap().unwrap()
}

/// State of the first target and of the post.
pub(super) async fn states(store: &impl Records, number: u64) -> (TargetState, PostState) {
    let post = the_post(store, number).await;
    (post.targets[0].state, post.state)
}

pub(super) async fn claim(store: &impl Records, number: u64, purpose: ClaimFor, seconds: i64) -> Option<Claim> {
    store.claim_target(post_id(number), account("a"), purpose, at(seconds), at(seconds + 60), None).await.unwrap()
}

pub(super) async fn due(store: &impl Records, seconds: i64) -> Vec<(PostId, AccountId, ClaimFor)> {
    store.due(at(seconds), 100).await.unwrap()
}
