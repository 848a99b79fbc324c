//! Random sequences of operations against a naive model of targets.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;

const POSTS: usize = 2;
const CASES: u32 = 40;
const OPERATIONS_MAX: usize = 60;
const RESULTS: [&str; 4] = ["answered", "not-sent", "unanswered", "unknown"];

#[derive(Debug, Clone)]
enum Op {
    Accept { post: usize, held: bool, targets: usize },
    Vote { post: usize, approve: bool },
    Withdraw { post: usize },
    Claim { at: (usize, usize), recall: bool, lease: i64 },
    Journal { at: (usize, usize), step: usize },
    Finish { at: (usize, usize), state: TargetState, retry: Option<i64>, late: bool, leaf: bool },
    Wait { seconds: i64 },
    Restart,
    Intent { at: (usize, usize), step: usize },
    Outcome { at: (usize, usize), result: usize, state: Option<TargetState> },
    Finished { at: (usize, usize), state: TargetState },
    ReplayAll,
}

fn op() -> impl Strategy<Value = Op> {
    let place = || (0..POSTS, 0..2_usize);
    let ended = || {
        use TargetState as T;
        prop::sample::select(vec![T::Published, T::Failed, T::Unknown, T::Accepted, T::Recalled])
    };
    prop_oneof![
        3 => (0..POSTS, any::<bool>(), 1..3_usize).prop_map(|(post, held, targets)| Op::Accept { post, held, targets }),
        1 => (0..POSTS, prop::bool::weighted(0.8)).prop_map(|(post, approve)| Op::Vote { post, approve }),
        1 => (0..POSTS).prop_map(|post| Op::Withdraw { post }),
        5 => (place(), any::<bool>(), 1..30_i64).prop_map(|(at, recall, lease)| Op::Claim { at, recall, lease }),
        2 => (place(), 0..2_usize).prop_map(|(at, step)| Op::Journal { at, step }),
        4 => (place(), ended(), prop::option::of(0..30_i64), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(at, state, retry, late, leaf)| Op::Finish { at, state, retry, late, leaf }),
        3 => (1..20_i64).prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Restart),
        2 => (place(), 0..3_usize).prop_map(|(at, step)| Op::Intent { at, step }),
        2 => (place(), 0..4_usize, prop::option::of(ended())).prop_map(|(at, result, state)| Op::Outcome { at, result, state }),
        1 => (place(), ended()).prop_map(|(at, state)| Op::Finished { at, state }),
        1 => Just(Op::ReplayAll),
    ]
}

#[derive(Debug, Clone)]
struct Model {
    state: TargetState,
    recall: bool,
    attempt: u32,
    lease: i64,
    retry: Option<i64>,
    unknown: Option<(String, u64)>,
    journal: BTreeSet<String>,
    ended: BTreeSet<u32>,
    /// Leaves up to here are reflected.
    leaf: u64,
    last_intent: Option<u64>,
}

impl Model {
    fn waits(&self, now: i64) -> Option<ClaimFor> {
        let purpose = if self.recall { ClaimFor::Recall } else { ClaimFor::Publish };
        if self.lease > now || self.retry.is_some_and(|retry| retry > now) {
            return None;
        }
        match self.state {
            TargetState::Accepted | TargetState::Publishing => Some(ClaimFor::Publish),
            TargetState::Recalling => Some(ClaimFor::Recall),
            TargetState::Unknown => Some(purpose),
            TargetState::Failed if self.retry.is_some() => Some(purpose),
            TargetState::Published if self.retry.is_some() && self.recall => Some(purpose),
            _ => None,
        }
    }

    fn open(&self) -> bool {
        [TargetState::Publishing, TargetState::Recalling, TargetState::Unknown].contains(&self.state)
    }

    fn set(&mut self, state: TargetState) {
        (self.state, self.lease, self.retry) = (state, 0, None);
    }
}

/// One case: a store, its posts' numbers, the model beside it.
struct Run<'a, S> {
    store: &'a S,
    base: u64,
    now: i64,
    leaves: u64,
    history: Vec<LeafFact>,
    posts: BTreeMap<usize, Vec<Model>>,
}

const ACCOUNTS: [&str; 2] = ["a", "b"];

impl<S: Records> Run<'_, S> {
    fn id(&self, post: usize) -> PostId {
        post_id(self.base + post as u64)
    }

    fn model(&mut self, at: (usize, usize)) -> Option<&mut Model> {
        self.posts.get_mut(&at.0)?.get_mut(at.1)
    }

    async fn step(&mut self, op: &Op) {
        let now = self.now;
        match op.clone() {
            Op::Accept { post, held, targets } => self.accept(post, held, targets).await,
            Op::Vote { post, approve } => self.vote(post, approve).await,
            Op::Withdraw { post } => self.withdraw(post).await,
            Op::Claim { at, recall, lease } => self.claim(at, recall, lease).await,
            Op::Journal { at: (post, index), step: name } => {
                let step = step(&format!("s{name}"), 1, "x");
                let kept = self.store.journal_step(self.id(post), account(ACCOUNTS[index]), step.clone()).await;
                match self.model((post, index)) {
                    Some(model) => assert!(model.journal.insert(step.step) || kept.is_ok()),
                    None => assert!(matches!(kept, Err(RecordsError::Missing(_)))),
                }
            }
            Op::Finish { at, state, retry, late, leaf } => self.finish(at, state, retry, late, leaf).await,
            Op::Wait { seconds } => self.now = now + seconds,
            Op::Restart => {
                self.store.release_leases().await.unwrap();
                self.posts.values_mut().flatten().for_each(|model| model.lease = 0);
            }
            Op::Intent { at, step } => self.intent(at, step).await,
            Op::Outcome { at, result, state } => self.outcome(at, RESULTS[result], state).await,
            Op::Finished { at, state } => self.finished(at, state).await,
            Op::ReplayAll => self.store.apply_leaves(self.leaves, self.history.clone()).await.unwrap(),
        }
    }

    async fn accept(&mut self, post: usize, held: bool, targets: usize) {
        let mut new = new_post(self.base + post as u64, Vec::new());
        let state = if held { TargetState::Held } else { TargetState::Publishing };
        new.created_at = at(self.now);
        new.targets = ACCOUNTS.iter().take(targets).map(|name| target(name, state)).collect();
        let lease = if held { 0 } else { self.now + 20 };
        new.targets.iter_mut().for_each(|target| target.lease_until = (!held).then(|| at(lease)));
        let answer = self.store.accept_post(new).await;
        if self.posts.contains_key(&post) {
            assert!(matches!(answer, Err(RecordsError::Exists(_))));
            return;
        }
        assert!(matches!(answer, Ok(Accepted::Fresh)));
        let model = Model {
            state,
            recall: false,
            attempt: u32::from(!held),
            lease,
            retry: None,
            unknown: None,
            journal: BTreeSet::new(),
            ended: BTreeSet::new(),
            leaf: 0,
            last_intent: None,
        };
        self.posts.insert(post, vec![model; targets]);
    }

    async fn vote(&mut self, post: usize, approve: bool) {
        let vote =
            Vote { person: PersonId::new("p"), approve, at: at(self.now), digest: "whole".to_owned(), note: None };
        let to = if approve { TargetState::Accepted } else { TargetState::Rejected };
        self.decide(post, to, Some(vote)).await;
    }

    async fn withdraw(&mut self, post: usize) {
        self.decide(post, TargetState::Cancelled, None).await;
    }

    async fn decide(&mut self, post: usize, to: TargetState, vote: Option<Vote>) {
        let id = self.id(post);
        let Some(models) = self.posts.get_mut(&post) else { return };
        if models.iter().all(|model| model.state != TargetState::Held) {
            return;
        }
        lives::decide(self.store, id, to, vote, self.now).await;
        for model in models.iter_mut().filter(|model| model.state == TargetState::Held) {
            model.state = to;
        }
    }

    async fn claim(&mut self, place: (usize, usize), recall: bool, lease: i64) {
        let (now, purpose) = (self.now, if recall { ClaimFor::Recall } else { ClaimFor::Publish });
        let (id, account) = (self.id(place.0), account(ACCOUNTS[place.1]));
        let claim = self.store.claim_target(id, account, purpose, at(now), at(now + lease), None).await.unwrap();
        let Some(model) = self.model(place) else { return assert!(claim.is_none()) };
        let asked = recall && model.state == TargetState::Published;
        if model.waits(now) != Some(purpose) && !asked {
            return assert!(claim.is_none(), "{model:?}");
        }
        model.attempt += 1;
        model.set(if recall { TargetState::Recalling } else { TargetState::Publishing });
        (model.recall, model.lease) = (recall, now + lease);
        let claim = claim.expect("the model gives it");
        assert_eq!(claim.attempt, model.attempt);
        assert_eq!(claim.steps.into_iter().map(|step| step.step).collect::<BTreeSet<_>>(), model.journal);
    }

    async fn finish(&mut self, place: (usize, usize), state: TargetState, retry: Option<i64>, late: bool, leaf: bool) {
        let (now, id, leaves) = (self.now, self.id(place.0), self.leaves);
        let Some(model) = self.model(place) else { return };
        let number = model.attempt.saturating_sub(u32::from(late));
        if number == 0 {
            return;
        }
        let mut end = finish(number, state, now);
        end.retry_at = retry.map(|retry| at(now + retry));
        end.leaf = leaf.then_some(leaves);
        end.unknown_step = (state == TargetState::Unknown).then(|| UnknownStep {
            step: "sent".to_owned(),
            safety: "none".to_owned(),
            sent_at: at(now),
            intent: 7,
        });
        let unknown = end.unknown_step.as_ref().map(|step| (step.step.clone(), step.intent));
        model.ended.insert(number);
        if number < model.attempt {
            model.unknown = model.unknown.take().or(unknown);
        } else {
            model.set(state);
            (model.retry, model.unknown) = (retry.map(|retry| now + retry), unknown);
            model.leaf = model.leaf.max(if leaf { leaves } else { 0 });
        }
        self.store.finish_target(id, account(ACCOUNTS[place.1]), end).await.unwrap();
    }

    async fn intent(&mut self, place: (usize, usize), step: usize) {
        self.leaves += 1;
        let (leaf, id, name) = (self.leaves, self.id(place.0), format!("s{step}"));
        let Some(model) = self.model(place) else { return };
        let attempt = model.attempt;
        (model.leaf, model.last_intent) = (leaf, Some(leaf));
        use TargetState as T;
        let over = [T::Rejected, T::Cancelled, T::Published, T::Failed, T::Recalled].contains(&model.state);
        if !over && !model.ended.contains(&attempt) && !model.journal.contains(&name) {
            model.set(T::Unknown);
            model.unknown = Some((name.clone(), leaf));
        }
        let account = account(ACCOUNTS[place.1]);
        let at = at(self.now);
        self.apply(LeafFact::Intent {
            index: leaf,
            post: id,
            account,
            step: name,
            safety: "none".to_owned(),
            at,
            attempt,
        })
        .await;
    }

    async fn finished(&mut self, place: (usize, usize), state: TargetState) {
        self.leaves += 1;
        let (index, post) = (self.leaves, self.id(place.0));
        let Some(model) = self.model(place) else { return };
        model.leaf = index;
        if model.open() {
            model.set(state);
            model.unknown = model.unknown.take().filter(|_| state == TargetState::Unknown);
        }
        let (account, platform_ids) = (account(ACCOUNTS[place.1]), Vec::new());
        self.apply(LeafFact::Finished { index, post, account, target_state: state, platform_ids }).await;
    }

    async fn outcome(&mut self, place: (usize, usize), result: &str, state: Option<TargetState>) {
        // The outcome's leaf.
        self.leaves += 1;
        let id = self.id(place.0);
        let Some(model) = self.model(place) else { return };
        let Some(intent) = model.last_intent.take() else { return };
        if model.leaf <= intent {
            model.leaf = intent + 1;
            let known = model.unknown.as_ref().filter(|unknown| unknown.1 == intent);
            let settled = known.is_some_and(|(step, _)| {
                result == "not-sent" || (result == "answered" && model.journal.contains(step))
            });
            match state {
                _ if !model.open() => {}
                Some(state) => {
                    model.set(state);
                    model.unknown = model.unknown.take().filter(|_| state == TargetState::Unknown);
                }
                None if settled => {
                    model.set(if model.recall { TargetState::Recalling } else { TargetState::Publishing });
                    model.unknown = None;
                }
                None => {}
            }
        }
        let (account, result, platform_ids) = (account(ACCOUNTS[place.1]), result.to_owned(), Vec::new());
        self.apply(LeafFact::Outcome { intent, post: id, account, result, target_state: state, platform_ids }).await;
    }

    /// Once and once more: the second time changes nothing.
    async fn apply(&mut self, fact: LeafFact) {
        self.history.push(fact.clone());
        self.store.apply_leaves(self.leaves, vec![fact.clone()]).await.unwrap();
        self.store.apply_leaves(self.leaves, vec![fact]).await.unwrap();
    }

    async fn compare(&self) {
        let mut waiting = BTreeSet::new();
        for (post, models) in &self.posts {
            let kept = self.store.post(self.id(*post)).await.unwrap().unwrap();
            assert_eq!(kept.targets.len(), models.len());
            for (kept, model) in kept.targets.iter().zip(models) {
                assert_eq!(kept.state, model.state);
                assert_eq!(kept.retry_at, model.retry.map(at));
                let unknown = kept.unknown_step.as_ref().map(|unknown| (unknown.step.clone(), unknown.intent));
                assert_eq!(unknown, model.unknown);
                let ended: BTreeSet<u32> = kept.attempts.iter().map(|attempt| attempt.number).collect();
                assert_eq!(ended, model.ended);
                if let Some(work) = model.waits(self.now) {
                    waiting.insert((kept.account.clone(), *post, work == ClaimFor::Recall));
                }
            }
            let states: Vec<_> = models.iter().map(|model| model.state).collect();
            assert_eq!(kept.state, PostState::of(states.iter().copied()));
            let filter = PostFilter {
                accounts: [account("a")].into(),
                state: Some(kept.state),
                limit: 200,
                ..PostFilter::default()
            };
            let listed = self.store.posts(filter).await.unwrap();
            assert!(listed.posts.iter().any(|listed| listed.id == kept.id), "the list follows the state");
        }
        let due: BTreeSet<_> = (self.store.due(at(self.now), 10_000).await.unwrap().into_iter())
            .filter_map(|(id, account, work)| {
                let post = (0..POSTS).find(|post| self.id(*post) == id)?;
                Some((account, post, work == ClaimFor::Recall))
            })
            .collect();
        assert_eq!(due, waiting);
    }
}

pub(in super::super) async fn random_sequences<P: Place>(place: P) {
    let store = place.open();
    let case = std::sync::atomic::AtomicU64::new(0);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&prop::collection::vec(op(), 1..OPERATIONS_MAX), |ops| {
            let base = case.fetch_add(POSTS as u64, std::sync::atomic::Ordering::Relaxed);
            let mut run = Run { store: &store, base, now: 0, leaves: 0, history: Vec::new(), posts: BTreeMap::new() };
            tokio::runtime::Handle::current().block_on(async {
                run.accept(0, false, 2).await;
                for op in &ops {
                    run.step(op).await;
                    run.compare().await;
                }
            });
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
