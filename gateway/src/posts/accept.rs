//! Accepting a post: n accounts are n calls, and all pass `clear` before the first is sent.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{deliver, life::Fresh, plan::Planned, times, unavailable};
use crate::{
    call::{
        Admission, Approved, Call, Caller, Clearance, Judgement, Permit, Submission,
        admit::admit,
        approve::approve,
        authorise::{authorise, may_draft},
        classify::classify,
        clear::clear,
        committed, digest,
        journey::{self, Journey},
        record,
        review::review,
        send::ADAPTER_MS_MAX,
    },
    gateway::Gateway,
    model::{Action, GrantId, PostId, PostState, TargetState, Verdict},
    records::{Accepted as Kept, IdempotencyKey, IdempotencyUse, NewPost, NewTarget, StoredAnswer},
    refusal::{Refusal, Stage, problem},
};

/// A claim is given up after this long. An attempt that takes longer keeps its target: [`super::running`] knows of it.
pub const LEASE: SignedDuration = SignedDuration::from_mins(10);
const _: () = assert!(
    LEASE.as_millis() > ADAPTER_MS_MAX as i128 + 120_000,
    "a lease outlasts the adapter's calls, with two minutes for policies and stores"
);

/// What a door hands over.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The content and where it shall appear.
    pub submission: Submission,
    /// The request's body, as it was sent.
    pub raw: String,
    /// The caller's `Idempotency-Key`.
    pub idempotency: Option<IdempotencyUse>,
    /// How long the caller waits for the outcome.
    pub waits: Option<Duration>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Only write it down: its author goes on with it later.
    pub draft: bool,
    /// When it leaves.
    pub planned: Planned,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// A post was made; it is on its way, or held.
    Made(PostId),
    /// The same request made this post before; with its answer, once there was one.
    Repeated(PostId, Option<StoredAnswer>),
    /// Nothing was made: this is what would happen.
    Would {
        /// `publishing`, `held` or `scheduled`.
        state: PostState,
        /// What each policy said.
        verdicts: Vec<Verdict>,
    },
}

/// Runs every stage up to `clear` for every account, keeps the post and sets it on its way. A refusal is in the log when this
/// returns.
pub async fn accept(gateway: &Arc<Gateway>, caller: &Caller, asked: Asked) -> Result<Accepted, Refusal> {
    if asked.dry_run {
        record::may_read(gateway)?;
    }
    let id = PostId::fresh(gateway.clock.now());
    let action = if asked.submission.reply_to.is_some() { Action::COMMENT_CREATE } else { Action::POST_CREATE };
    let journey = Journey::begin(&caller.clone().acting_for(asked.submission.on_behalf_of.clone()))
        .wanting(action, None)
        .saying(&asked.raw);
    match stages(gateway, caller, &id, &asked).await {
        Ok(accepted) => Ok(accepted),
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn stages(gateway: &Arc<Gateway>, caller: &Caller, id: &PostId, asked: &Asked) -> Result<Accepted, Refusal> {
    record::log_is_writable(gateway)?;
    if let Some(usage) = &asked.idempotency
        && let Some(before) = gateway.records.repeated(usage.clone()).await.map_err(|error| unavailable(&error))?
    {
        return repeated(before);
    }
    let calls = classify(gateway, caller, id, &asked.submission).await?;
    if asked.draft && !asked.dry_run {
        return write_down(gateway, id, asked, calls).await;
    }
    let permits: Vec<Permit> = all(calls.into_iter().map(|call| authorise(gateway, call)))?;
    let Submission { accounts, labels, campaign, .. } = &asked.submission;
    times::is_free(gateway, accounts, labels, campaign.as_deref(), &asked.planned.plan)?;
    let admissions: Vec<Admission> = admit(gateway, permits).await?;
    let mut judged = Vec::with_capacity(admissions.len());
    for admission in admissions {
        judged.push(review(gateway, admission).await);
    }
    let judgements: Vec<Judgement> = all(judged)?;
    let verdicts = verdicts(&judgements);
    let mut post = new_post(gateway, id, asked, &judgements, verdicts.clone())?;
    let mut fresh = Fresh::of(gateway, &post, asked.planned.plan.clone());
    fresh.submit(&verdicts);
    if !fresh.leaves_now() {
        // One account's hold holds the whole post: it is approved, and sent, as one.
        let caller = first_caller(&judgements)?;
        return wait(gateway, caller, post, fresh, asked).await;
    }
    let mut approvals = Vec::with_capacity(judgements.len());
    for judgement in judgements {
        match approve(judgement, fresh.life(), &fresh.facts()) {
            Approved::Yes(approval) => approvals.push(*approval),
            Approved::Held(_) => {
                return Err(Refusal::new(problem::INTERNAL, Stage::Approve, "A post that waits for nobody is held."));
            }
        }
    }
    let begun = Instant::now();
    let mut cleared = Vec::with_capacity(approvals.len());
    for approval in approvals {
        // A rehearsal waits for nothing; the others wait together no longer than the caller does.
        let patience = if asked.dry_run { Some(Duration::ZERO) } else { asked.waits };
        let patience = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        cleared.push(clear(gateway, approval, patience).await);
    }
    let clearances: Vec<Clearance> = all(cleared)?;
    if asked.dry_run {
        return Ok(Accepted::Would { state: PostState::Publishing, verdicts });
    }
    claim(gateway, &mut post);
    set_out(gateway, asked, post, clearances).await
}

/// Keeps a draft: classified, and allowed by a grant, but neither judged nor cleared.
async fn write_down(gateway: &Arc<Gateway>, id: &PostId, asked: &Asked, calls: Vec<Call>) -> Result<Accepted, Refusal> {
    let mut grants = Vec::with_capacity(calls.len());
    for call in &calls {
        grants.push((call, may_draft(gateway, call)?));
    }
    let Some(caller) = calls.first().map(|call| call.caller().clone()) else {
        return Err(Refusal::new(problem::INTERNAL, Stage::Classify, "A draft without a call."));
    };
    let post = written(gateway, id, asked, &grants, Vec::new())?;
    let fresh = Fresh::of(gateway, &post, asked.planned.plan.clone());
    wait(gateway, &caller, post, fresh, asked).await
}

fn first_caller(judgements: &[Judgement]) -> Result<&Caller, Refusal> {
    let first = judgements.first().map(|judgement| judgement.call().caller());
    first.ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Approve, "A post without a call."))
}

/// Keeps a judged call that is held as a post of its own, which goes on once it is approved. `once` is the client's idempotency key
/// and the digest of its request: a repetition makes no second post.
///
/// # Errors
/// It is not kept: the log or the records can't be written.
pub async fn keep_held(
    gateway: &Arc<Gateway>,
    judgement: Judgement,
    once: Option<(String, String)>,
) -> Result<PostId, Refusal> {
    record::log_is_writable(gateway)?;
    let id = judgement.call().post().clone();
    let verdicts = judgement.verdicts().to_vec();
    let submission = Submission { accounts: vec![judgement.call().account().id.clone()], ..Submission::default() };
    let scope = format!("{} native {}", judgement.call().caller().principal(), judgement.call().account().id);
    let idempotency = once.map(|(key, fingerprint)| IdempotencyUse { key: IdempotencyKey { scope, key }, fingerprint });
    if let Some(usage) = &idempotency
        && let Some(Kept::Repeated { post, .. }) =
            gateway.records.repeated(usage.clone()).await.map_err(|error| unavailable(&error))?
    {
        return Ok(post);
    }
    // The draft is all that was asked for.
    let asked = Asked {
        submission,
        raw: "{}".to_owned(),
        idempotency,
        waits: None,
        dry_run: false,
        draft: false,
        planned: Planned::default(),
    };
    let caller = judgement.call().caller().clone();
    let post = new_post(gateway, &id, &asked, &[judgement], verdicts.clone())?;
    let mut fresh = Fresh::of(gateway, &post, asked.planned.plan.clone());
    fresh.submit(&verdicts);
    match wait(gateway, &caller, post, fresh, &asked).await? {
        Accepted::Made(post) | Accepted::Repeated(post, _) => Ok(post),
        Accepted::Would { .. } => Ok(id),
    }
}

/// Keeps a post that people or time have a say in.
async fn wait(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    mut post: NewPost,
    fresh: Fresh,
    asked: &Asked,
) -> Result<Accepted, Refusal> {
    let state = fresh.life().state();
    if asked.dry_run {
        return Ok(Accepted::Would { state, verdicts: post.verdicts });
    }
    for target in &mut post.targets {
        let known = fresh.life().target(&target.account.as_str().into());
        target.state = known.map_or(TargetState::Draft, |known| known.state());
    }
    committed::of_post(gateway, caller, &mut post).await?;
    // The log first: a post that nobody can find there would be worse than a leaf about one that was never kept.
    if state == PostState::Held {
        let accounts: Vec<_> = post.targets.iter().map(|target| target.account.clone()).collect();
        journey::held(gateway, caller, &post.id, &accounts, &post.digest, &post.verdicts).await?;
    } else {
        let leaves = fresh.leaves(gateway, caller, &post);
        gateway.audit.append_all(leaves).await.map_err(|error| record::unavailable(&error))?;
    }
    post.life = Some(fresh.kept(asked.planned.kept.clone()));
    let id = post.id.clone();
    match gateway.records.accept_post(post).await.map_err(|error| unavailable(&error))? {
        Kept::Fresh => {
            // A target may be due within the same second.
            gateway.due.notify_one();
            Ok(Accepted::Made(id))
        }
        before => repeated(before),
    }
}

/// The first attempts are claimed with the post itself.
fn claim(gateway: &Gateway, post: &mut NewPost) {
    let lease_until = gateway.clock.now().checked_add(LEASE).unwrap_or(Timestamp::MAX);
    for target in &mut post.targets {
        (target.state, target.lease_until) = (TargetState::Publishing, Some(lease_until));
    }
}

async fn set_out(
    gateway: &Arc<Gateway>,
    asked: &Asked,
    mut post: NewPost,
    clearances: Vec<Clearance>,
) -> Result<Accepted, Refusal> {
    // Not before: what is refused for another reason, or held, is recorded also where the room is low.
    record::log_takes_effects(gateway)?;
    if let Some(first) = clearances.first() {
        // Kept with the post, so they are durable before any leaf that commits to them, and cost no sync of their own.
        let caller = first.call().caller().clone();
        committed::of_post(gateway, &caller, &mut post).await?;
    }
    for clearance in &clearances {
        let call = clearance.call();
        if let Some(target) = post.targets.iter_mut().find(|target| target.account == call.account().id) {
            target.release = Some(call.adapter().digest().to_owned());
        }
    }
    let id = post.id.clone();
    let record = deliver::as_kept(&post, gateway.clock.now());
    match gateway.records.accept_post(post).await.map_err(|error| unavailable(&error))? {
        Kept::Fresh => {}
        before => return repeated(before),
    }
    for clearance in clearances {
        deliver::first(gateway, record.clone(), clearance, asked.waits.is_some());
    }
    Ok(Accepted::Made(id))
}

fn repeated(before: Kept) -> Result<Accepted, Refusal> {
    match before {
        Kept::Repeated { post, answer } => Ok(Accepted::Repeated(post, answer)),
        Kept::Mismatch => {
            let detail =
                "This Idempotency-Key was used for a request with another body. Use a fresh key for each new request.";
            Err(Refusal::new(problem::IDEMPOTENCY_MISMATCH, Stage::Door, detail))
        }
        Kept::Fresh => Err(Refusal::new(problem::INTERNAL, Stage::Door, "A fresh request is not a repetition.")),
    }
}

fn new_post(
    gateway: &Gateway,
    id: &PostId,
    asked: &Asked,
    judgements: &[Judgement],
    verdicts: Vec<Verdict>,
) -> Result<NewPost, Refusal> {
    let calls: Vec<(&Call, GrantId)> = judgements
        .iter()
        .map(|judgement| (judgement.call(), judgement.admission().permit().grant().id.clone()))
        .collect();
    written(gateway, id, asked, &calls, verdicts)
}

/// The post as it is kept, with fresh salt and keys; its targets are drafts.
pub(super) fn written(
    gateway: &Gateway,
    id: &PostId,
    asked: &Asked,
    calls: &[(&Call, GrantId)],
    verdicts: Vec<Verdict>,
) -> Result<NewPost, Refusal> {
    let now = gateway.clock.now();
    let salt = digest::random_hex()?;
    let mut targets = Vec::with_capacity(calls.len());
    // In the caller's order.
    for account in &asked.submission.accounts {
        let Some((call, grant)) = calls.iter().find(|(call, _)| call.account().id == *account) else {
            continue;
        };
        targets.push(NewTarget {
            account: account.clone(),
            state: TargetState::Draft,
            draft: call.draft().clone(),
            digest: digest::of_draft(&salt, account, call.draft()),
            call_key: digest::random_hex()?,
            grant: grant.clone(),
            lease_until: None,
            commitments: Vec::new(),
            release: None,
        });
    }
    let author = calls.first().map(|(call, _)| call.caller().author());
    let author = author.ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Record, "A post without a call."))?;
    let media = targets
        .iter()
        .flat_map(|target| &target.draft.parts)
        .flat_map(|part| &part.media)
        .map(|medium| medium.id.clone())
        .collect();
    let digest = digest::of_post(&salt, targets.iter().map(|target| target.digest.as_str()));
    Ok(NewPost {
        id: id.clone(),
        created_at: now,
        subject: author.subject(),
        openings: Vec::new(),
        author,
        digest,
        salt,
        request: asked.raw.clone(),
        targets,
        idempotency: asked.idempotency.clone(),
        verdicts,
        media,
        life: None,
    })
}

/// Verdicts over all accounts; the same one is not told twice.
pub(super) fn verdicts(judgements: &[Judgement]) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = Vec::new();
    for verdict in judgements.iter().flat_map(Judgement::verdicts) {
        if !all.contains(verdict) {
            all.push(verdict.clone());
        }
    }
    all
}

/// All or nothing; of several refusals one with the faults of all.
pub(super) fn all<T>(results: impl IntoIterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Refusal> {
    let (mut proofs, mut refusal): (Vec<T>, Option<Refusal>) = (Vec::new(), None);
    for result in results {
        match (result, &mut refusal) {
            (Ok(proof), _) => proofs.push(proof),
            (Err(first), None) => refusal = Some(first),
            (Err(further), Some(first)) => {
                first.detail = format!("{} {}", first.detail, further.detail);
                first.faults.extend(further.faults);
                for verdict in further.verdicts {
                    if !first.verdicts.contains(&verdict) {
                        first.verdicts.push(verdict);
                    }
                }
                first.retry_after_s = first.retry_after_s.max(further.retry_after_s);
            }
        }
    }
    refusal.map_or(Ok(proofs), Err)
}

/// Waits at most this long where the caller asks for it.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
