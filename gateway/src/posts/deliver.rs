//! Delivering: attempts on one target, at once or later.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use pressgate_workflow::{ids::Actor, life::Plan};
use tracing::{Instrument, Span};

use super::{accept::LEASE, life, times, unavailable};
use crate::{
    call::{
        Approved, Caller, Clearance, Receipt,
        admit::admitted_before,
        approve::{approve, approve_unasked},
        authenticate::stands,
        authorise::authorise,
        classify::{release_for, resume},
        clear::{clear, clear_unanswered},
        committed, digest,
        journey::Journey,
        record::record,
        review::review,
        send::{ATTEMPTS_MAX, Series, send},
    },
    gateway::Gateway,
    host::Snapshot,
    model::{AccountId, Action, PostId, PostState, TargetState, Verdict},
    openings::Committed,
    records::{Attempt, Claim, ClaimFor, NewPost, PostRecord, TargetFinish, TargetRecord},
    refusal::{self, Refusal, Stage, problem},
    telemetry::{
        self,
        spans::{self, Bond, key},
    },
};

/// Wait between attempts that were put off where nobody asks for another, in seconds: because of log or records, and of anything else.
const OUTAGE_WAIT_S: i64 = 5;
const PUT_OFF_S: i64 = 30;
/// Longest wait between attempts that were put off, in seconds.
const PUT_OFF_S_MAX: i64 = 60;
/// How long an attempt that nobody waits for stands in line for the network's budget before it is put off.
const BUDGET_WAIT: Duration = Duration::from_secs(5);
/// How long a recall waits for the attempt that published to be over.
const RECALL_WAIT: Duration = Duration::from_secs(5);

/// A new post as the records keep it, so that its first attempts need not read it back.
pub fn as_kept(post: &NewPost, now: Timestamp) -> Arc<PostRecord> {
    let targets = post.targets.iter().map(|target| TargetRecord {
        account: target.account.clone(),
        state: target.state,
        draft: target.draft.clone(),
        digest: target.digest.clone(),
        call_key: target.call_key.clone(),
        grant: target.grant.clone(),
        published: Vec::new(),
        attempts: Vec::new(),
        retry_at: None,
        unknown_step: None,
        commitments: target.commitments.clone(),
        release: target.release.clone(),
    });
    Arc::new(PostRecord {
        id: post.id.clone(),
        created_at: post.created_at,
        updated_at: now,
        author: post.author.clone(),
        digest: post.digest.clone(),
        salt: post.salt.clone(),
        request: post.request.clone(),
        state: PostState::Publishing,
        targets: targets.collect(),
        verdicts: post.verdicts.clone(),
        votes: Vec::new(),
        life: None,
    })
}

/// Starts the first attempt of a target that was accepted, cleared and claimed just now. Where its caller waits (`waited`) and
/// log or records fail before anything left, the target is given up at once: the caller hears that nothing was sent, and
/// asks again. A post that was acknowledged is put off instead.
pub fn first(gateway: &Arc<Gateway>, post: Arc<PostRecord>, clearance: Clearance, waited: bool) {
    let span = spans::continued(Bond::Child, post.id.as_str(), clearance.call().account().id.as_str());
    spawn(gateway, span, |gateway| async move {
        let gateway = &gateway;
        let account = clearance.call().account().id.clone();
        let Some(_running) = gateway.attempts.begin(&post.id, &account) else { return };
        let adapter = clearance.call().account().adapter.clone();
        let note = match gateway.records.note(account.clone(), adapter).await {
            Ok(note) => note,
            Err(error) => {
                return tracing::error!(post = %post.id, %account, %error, "the first attempt waits for its lease to end");
            }
        };
        let (begun_at, post_now) = (post.created_at, PostRecord::clone(&post));
        let claim = Claim { attempt: 1, begun_at, post: post_now, steps: Vec::new(), note };
        let result = attempt(gateway, claim.clone(), clearance).await;
        let result = result.map_err(Stopped::from);
        conclude(gateway, &post.id, &account, &claim, ClaimFor::Publish, waited, result).await;
    });
}

/// Starts an attempt on a target that was due; nothing happens where somebody else has claimed it.
pub fn again(gateway: &Arc<Gateway>, post: PostId, account: AccountId, purpose: ClaimFor) {
    let Some(running) = gateway.attempts.begin(&post, &account) else { return };
    let span = spans::continued(Bond::Link, post.as_str(), account.as_str());
    spawn(gateway, span, |gateway| async move {
        let (gateway, _running) = (&gateway, running);
        let Some(_turn) = gateway.attempts.turn(&account).await else { return };
        if let Err(refusal) = claim_and_attempt(gateway, &post, &account, purpose).await {
            tracing::error!(%post, %account, %refusal, "an attempt could not begin");
        }
    });
}

fn spawn<F, W>(gateway: &Arc<Gateway>, span: Span, work: F)
where
    F: FnOnce(Arc<Gateway>) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    let work = work(Arc::clone(gateway));
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        let _working = gateway.stopping.begin();
        work.instrument(span).await;
        gateway.changed.notify_waiters();
    });
}

/// Claims a published target and starts taking it back for `caller`. Nothing happens where somebody else works on it.
pub async fn recall(gateway: &Arc<Gateway>, caller: Caller, post: PostId, account: AccountId) -> Result<(), Refusal> {
    let running = tokio::time::timeout(RECALL_WAIT, gateway.attempts.begin_after(&post, &account)).await;
    let Ok(running) = running else { return Ok(()) };
    let Committed { commitments, openings } = committed::of_caller(gateway, &caller, post.as_str(), None)
        .await
        .map_err(|error| committed::unavailable(&error))?;
    // Before the claim: what can't be kept must not leave a target claimed by nobody.
    gateway.openings.keep(openings).await.map_err(|error| unavailable(&error))?;
    let caller = caller.keeping(commitments);
    let now = gateway.clock.now();
    let lease = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
    let plugins = gateway.registry.snapshot();
    let release = release_for(gateway, &plugins, &post, &account);
    let claim =
        gateway.records.claim_target(post.clone(), account.clone(), ClaimFor::Recall, now, lease, release).await;
    let Some(claim) = claim.map_err(|error| unavailable(&error))? else { return Ok(()) };
    let span = spans::continued(Bond::Child, post.as_str(), account.as_str());
    spawn(gateway, span, |gateway| async move {
        let (gateway, _running) = (&gateway, running);
        let result = match reenter(gateway, plugins, caller.clone(), &claim, &account, ClaimFor::Recall).await {
            Ok(clearance) => attempt(gateway, claim.clone(), clearance).await.map_err(Stopped::from),
            Err(stopped) => {
                let journey = Journey::begin(&caller).wanting(Action::POST_DELETE, Some(&post));
                Err(Stopped { refusal: journey.refuse(gateway, stopped.refusal).await, ..stopped })
            }
        };
        conclude(gateway, &post, &account, &claim, ClaimFor::Recall, false, result).await;
    });
    Ok(())
}

async fn claim_and_attempt(
    gateway: &Arc<Gateway>,
    post: &PostId,
    account: &AccountId,
    purpose: ClaimFor,
) -> Result<(), Refusal> {
    if purpose == ClaimFor::Publish && !life::may_begin(gateway, post, account).await? {
        return Ok(());
    }
    let now = gateway.clock.now();
    let lease = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
    // Loaded once: what the claim says that the attempt uses, it uses.
    let plugins = gateway.registry.snapshot();
    let release = release_for(gateway, &plugins, post, account);
    let claim = gateway.records.claim_target(post.clone(), account.clone(), purpose, now, lease, release).await;
    let Some(claim) = claim.map_err(|error| unavailable(&error))? else { return Ok(()) };
    if purpose == ClaimFor::Recall {
        // Who asked for it is not known any more, and the log must not say that the author did.
        let detail = "The recall was cut off by a stop of the gateway. Ask for it again: deletions may be repeated.";
        let refusal = Refusal::new(problem::SHUTTING_DOWN, Stage::Send, detail);
        conclude(gateway, post, account, &claim, purpose, false, Err(refusal.into())).await;
        return Ok(());
    }
    let target = claim.post.targets.iter().find(|target| target.account == *account);
    let commitments = target.map(|target| target.commitments.clone()).unwrap_or_default();
    let caller = Caller::of(&claim.post.author).keeping(commitments);
    let result = match reenter(gateway, plugins, caller.clone(), &claim, account, purpose).await {
        Ok(clearance) => attempt(gateway, claim.clone(), clearance).await.map_err(Stopped::from),
        Err(stopped) => {
            let journey = Journey::begin(&caller).wanting(Action::POST_CREATE, Some(post));
            Err(Stopped { refusal: journey.refuse(gateway, stopped.refusal).await, ..stopped })
        }
    };
    conclude(gateway, post, account, &claim, purpose, false, result).await;
    Ok(())
}

/// A post that waited re-enters at `authorise` under the governance of this moment.
async fn reenter(
    gateway: &Arc<Gateway>,
    plugins: Arc<Snapshot>,
    caller: Caller,
    claim: &Claim,
    account: &AccountId,
    purpose: ClaimFor,
) -> Result<Clearance, Stopped> {
    let post = &claim.post;
    let target = post.targets.iter().find(|target| target.account == *account);
    let target =
        target.ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Record, "The claim is for another account."))?;
    // What was erased is never published again; taking it back needs nothing of what it said.
    let erased = post.salt.is_empty();
    // Both: the votes are for the post's digest, and it is over those of the targets.
    let digest = digest::of_draft(&post.salt, account, &target.draft);
    let whole = digest::of_post(&post.salt, post.targets.iter().map(|target| target.digest.as_str()));
    let changed = digest != target.digest || whole != post.digest;
    if changed && !(erased && purpose == ClaimFor::Recall) {
        let detail = "The kept content is not what was accepted; nothing is sent.";
        return Err(Refusal::new(problem::INTERNAL, Stage::Approve, detail).into());
    }
    if purpose == ClaimFor::Publish && target.unknown_step.is_none() {
        key_stands(gateway, &caller)?;
    }
    let call = resume(gateway, plugins, caller, post, target, purpose)?;
    let permit = authorise(gateway, call)?;
    if purpose == ClaimFor::Publish && target.unknown_step.is_none() {
        let (draft, now) = (&target.draft, Plan::Now { until: None });
        times::is_free(gateway, std::slice::from_ref(account), &draft.labels, draft.campaign.as_deref(), &now)?;
    }
    let judgement = review(gateway, admitted_before(permit)).await?;
    let verdicts = judgement.verdicts().to_vec();
    let approved = if purpose == ClaimFor::Recall {
        approve_unasked(judgement)
    } else {
        let life = life::of(post);
        let known = life::Known::of(gateway, post, &life);
        approve(judgement, &life, &known.facts(&Actor::Gate))
    };
    match approved {
        Approved::Yes(approval) if target.unknown_step.is_some() => {
            Ok(clear_unanswered(gateway, *approval, Some(BUDGET_WAIT)).await?)
        }
        Approved::Yes(approval) => Ok(clear(gateway, *approval, Some(BUDGET_WAIT)).await?),
        Approved::Held(_) => {
            let detail = "The policies and rules of this moment want a person's agreement that the post does not have.";
            let refusal = Refusal::new(problem::NEEDS_APPROVAL, Stage::Approve, detail);
            Err(Stopped { refusal: refusal.with_verdicts(verdicts.clone()), wants: Some(verdicts) })
        }
    }
}

/// Why an attempt did not begin.
struct Stopped {
    refusal: Refusal,
    /// What policies say of it now, where people are to be asked again.
    wants: Option<Vec<Verdict>>,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, wants: None }
    }
}

/// A key is revoked because nobody trusts what was made with it any more. One that merely ended was good when it was used.
fn key_stands(gateway: &Gateway, caller: &Caller) -> Result<(), Refusal> {
    if stands(gateway, caller.key()) {
        return Ok(());
    }
    let detail =
        "The key that this post was made with was revoked before the post was out. Submit it again with another key.";
    Err(Refusal::new(problem::KEY_REVOKED, Stage::Authorise, detail))
}

async fn attempt(gateway: &Arc<Gateway>, claim: Claim, clearance: Clearance) -> Result<Receipt, Refusal> {
    send(record(gateway, clearance, claim).await?).await
}

/// An attempt that ended in `send` is written down already; one that did not get there is given up or put off here.
async fn conclude(
    gateway: &Arc<Gateway>,
    post: &PostId,
    account: &AccountId,
    claim: &Claim,
    purpose: ClaimFor,
    waited: bool,
    result: Result<Receipt, Stopped>,
) {
    let Stopped { refusal, wants } = match result {
        Ok(receipt) => {
            telemetry::note(key::STATE, || receipt.state.as_str());
            tracing::info!(%post, %account, state = receipt.state.as_str(), attempt = receipt.attempt.number, "attempt ended");
            if claim.post.life.is_some() || waits(receipt.state) {
                go_on(gateway, post).await;
            }
            return;
        }
        Err(stopped) => stopped,
    };
    spans::refused(refusal.problem.slug, refusal.problem.status);
    tracing::warn!(%post, %account, %refusal, "attempt refused");
    let stores = [problem::AUDIT_UNAVAILABLE, problem::STATE_UNAVAILABLE].contains(&refusal.problem);
    let give_up = waited && stores && refusal.stage != Stage::Send;
    let kept = claim.post.life.as_ref().is_some_and(|kept| life::is_awaited(&kept.life));
    let finish = put_off(gateway, account, claim, purpose, &refusal, Ending { give_up, asks: wants.is_some(), kept });
    let state = finish.state;
    if let Err(error) = gateway.records.finish_target(post.clone(), account.clone(), finish).await {
        tracing::error!(%post, %account, %error, "the end of the attempt is not in the records; its lease will end it");
        return;
    }
    let told = match wants {
        Some(verdicts) => life::ask_again(gateway, post, verdicts).await,
        None if state == TargetState::Held => life::set_aside(gateway, post, account, &refusal.detail).await,
        None if claim.post.life.is_some() || waits(state) => return go_on(gateway, post).await,
        None => return,
    };
    if let Err(refusal) = told {
        tracing::error!(%post, %account, %refusal, "nobody is asked about a post that was stopped");
    }
}

/// How an attempt that did not get to `send` may end.
struct Ending {
    /// Its caller waits and will ask again.
    give_up: bool,
    /// People are to be asked again.
    asks: bool,
    /// Somebody agreed to the post, or set its time, and is to hear that it did not go.
    kept: bool,
}

/// It waits for somebody, which its life must know.
fn waits(state: TargetState) -> bool {
    matches!(state, TargetState::Frozen | TargetState::Held)
}

async fn go_on(gateway: &Arc<Gateway>, post: &PostId) {
    if let Err(refusal) = life::go_on(gateway, post).await {
        tracing::error!(%post, %refusal, "a post's life does not go on; it is looked at again");
    }
}

/// Refusals that are no fault of the content: somebody can mend them, and the post goes then.
const MENDABLE: [&refusal::Problem; 7] = [
    problem::TIME_INVALID,
    problem::NO_GRANT,
    problem::DENIED,
    problem::TRAINING_REQUIRED,
    problem::GUIDELINES_REQUIRED,
    problem::CREDENTIAL_MISSING,
    problem::CREDENTIAL_REFUSED,
];

/// What refuses for a while puts the attempt off; what refuses for good gives the target up. A step that nobody knows the
/// outcome of stays unknown, whatever else is refused.
fn put_off(
    gateway: &Gateway,
    account: &AccountId,
    claim: &Claim,
    purpose: ClaimFor,
    refusal: &Refusal,
    Ending { give_up, asks, kept }: Ending,
) -> TargetFinish {
    let target = claim.post.targets.iter().find(|target| target.account == *account);
    let recalling = purpose == ClaimFor::Recall;
    let unknown_step = target.and_then(|target| target.unknown_step.clone()).filter(|_| !recalling);
    let now = gateway.clock.now();
    // An outage of log or records is no fault of the post, uses up no attempts, and is over at any moment.
    let ours = [problem::AUDIT_UNAVAILABLE, problem::STATE_UNAVAILABLE].contains(&refusal.problem);
    let unasked_s = if ours { OUTAGE_WAIT_S } else { PUT_OFF_S };
    let asked_s = refusal.retry_after_s.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(unasked_s).max(1);
    let used = Series::of(target.map(|target| target.attempts.as_slice()).unwrap_or_default()).used;
    let wait_s = asked_s.max(1 << used.min(8)).min(PUT_OFF_S_MAX.max(asked_s));
    let later = now.checked_add(jiff::SignedDuration::from_secs(wait_s)).ok();
    let left = ours || used + 1 < ATTEMPTS_MAX;
    let retry = refusal.retry && left && !recalling && !give_up;
    let frozen = refusal.problem == problem::FROZEN;
    let mendable = kept && MENDABLE.contains(&refusal.problem);
    let state = match (&unknown_step, recalling, retry) {
        (Some(_), ..) => TargetState::Unknown,
        // It is not the post's fault, and it must not go out by itself when the freeze is over: a person says so.
        (None, false, _) if frozen => TargetState::Frozen,
        (None, false, false) if asks || mendable => TargetState::Held,
        (None, true, _) => TargetState::Published,
        (None, false, true) => TargetState::Publishing,
        (None, false, false) => TargetState::Failed,
    };
    let attempt = Attempt {
        number: claim.attempt,
        at: now,
        state,
        status: None,
        code: Some(refusal.problem.slug.to_owned()),
        problem: Some(refusal.problem.slug.to_owned()),
        retry: refusal.retry,
        message: Some(refusal.detail.clone()),
        body: None,
    };
    TargetFinish {
        state,
        published: Vec::new(),
        attempt,
        retry_at: later.filter(|_| retry || state == TargetState::Unknown),
        unknown_step,
        note: None,
        leaf: None,
    }
}
