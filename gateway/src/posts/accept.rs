//! Accepting a post: n accounts are n calls, and all pass `clear` before the first is sent.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{deliver, unavailable};
use crate::{
    call::{
        Admission, Approved, Caller, Clearance, Judgement, Permit, Submission,
        admit::admit,
        approve::approve,
        authorise::authorise,
        classify::classify,
        clear::clear,
        committed, digest,
        journey::{self, Journey},
        record,
        review::review,
        send::ADAPTER_MS_MAX,
    },
    gateway::Gateway,
    model::{Action, PostId, TargetState, Verdict},
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
        /// `publishing` or `held`.
        held: bool,
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
    let permits: Vec<Permit> = all(calls.into_iter().map(|call| authorise(gateway, call)))?;
    let admissions: Vec<Admission> = admit(gateway, permits).await?;
    let mut judged = Vec::with_capacity(admissions.len());
    for admission in admissions {
        judged.push(review(gateway, admission).await);
    }
    let judgements: Vec<Judgement> = all(judged)?;
    let verdicts = verdicts(&judgements);
    let (mut held, mut approvals) = (Vec::new(), Vec::new());
    for judgement in judgements {
        match approve(judgement, None) {
            Approved::Yes(approval) => approvals.push(*approval),
            Approved::Held(judgement) => held.push(*judgement),
        }
    }
    if !held.is_empty() {
        // One account's hold holds the whole post: it is approved, and sent, as one.
        held.extend(approvals.into_iter().map(|approval| approval.judgement().clone()));
        return hold(gateway, id, asked, held, verdicts).await;
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
        return Ok(Accepted::Would { held: false, verdicts });
    }
    set_out(gateway, id, asked, clearances, verdicts).await
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
    let asked = Asked { submission, raw: "{}".to_owned(), idempotency, waits: None, dry_run: false };
    match hold(gateway, &id, &asked, vec![judgement], verdicts).await? {
        Accepted::Made(post) | Accepted::Repeated(post, _) => Ok(post),
        Accepted::Would { .. } => Ok(id),
    }
}

async fn hold(
    gateway: &Arc<Gateway>,
    id: &PostId,
    asked: &Asked,
    judgements: Vec<Judgement>,
    verdicts: Vec<Verdict>,
) -> Result<Accepted, Refusal> {
    if asked.dry_run {
        return Ok(Accepted::Would { held: true, verdicts });
    }
    let (mut post, _) = new_post(gateway, id, asked, &judgements, TargetState::Held, verdicts)?;
    let Some(first) = judgements.first() else {
        return Err(Refusal::new(problem::INTERNAL, Stage::Approve, "A hold without a call."));
    };
    committed::of_post(gateway, first.call().caller(), &mut post).await?;
    let accounts: Vec<_> = post.targets.iter().map(|target| target.account.clone()).collect();
    // The log first: a held post that nobody can find there would be worse than a leaf about one that was never kept.
    journey::held(gateway, first.call().caller(), id, &accounts, &post.digest, &post.verdicts).await?;
    match gateway.records.accept_post(post).await.map_err(|error| unavailable(&error))? {
        Kept::Fresh => Ok(Accepted::Made(id.clone())),
        before => repeated(before),
    }
}

async fn set_out(
    gateway: &Arc<Gateway>,
    id: &PostId,
    asked: &Asked,
    clearances: Vec<Clearance>,
    verdicts: Vec<Verdict>,
) -> Result<Accepted, Refusal> {
    // Not before: what is refused for another reason, or held, is recorded also where the room is low.
    record::log_takes_effects(gateway)?;
    let judgements: Vec<_> = clearances.iter().map(|clearance| clearance.approval().judgement().clone()).collect();
    let (mut post, now) = new_post(gateway, id, asked, &judgements, TargetState::Publishing, verdicts)?;
    if let Some(first) = judgements.first() {
        // Kept with the post, so they are durable before any leaf that commits to them, and cost no sync of their own.
        committed::of_post(gateway, first.call().caller(), &mut post).await?;
    }
    let record = deliver::as_kept(&post, now);
    match gateway.records.accept_post(post).await.map_err(|error| unavailable(&error))? {
        Kept::Fresh => {}
        before => return repeated(before),
    }
    for clearance in clearances {
        deliver::first(gateway, record.clone(), clearance, asked.waits.is_some());
    }
    Ok(Accepted::Made(id.clone()))
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
    state: TargetState,
    verdicts: Vec<Verdict>,
) -> Result<(NewPost, Timestamp), Refusal> {
    let now = gateway.clock.now();
    let salt = digest::random_hex()?;
    let lease_until = (state == TargetState::Publishing).then(|| now.checked_add(LEASE).unwrap_or(Timestamp::MAX));
    let mut targets = Vec::with_capacity(judgements.len());
    // In the caller's order, whichever of them were held.
    for account in &asked.submission.accounts {
        let Some(judgement) = judgements.iter().find(|judgement| judgement.call().account().id == *account) else {
            continue;
        };
        let call = judgement.call();
        targets.push(NewTarget {
            account: account.clone(),
            state,
            draft: call.draft().clone(),
            digest: digest::of_draft(&salt, account, call.draft()),
            call_key: digest::random_hex()?,
            grant: judgement.admission().permit().grant().id.clone(),
            lease_until,
            commitments: Vec::new(),
        });
    }
    let author = judgements.first().map(|judgement| judgement.call().caller().author());
    let author = author.ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Record, "A post without a call."))?;
    let media = targets
        .iter()
        .flat_map(|target| &target.draft.parts)
        .flat_map(|part| &part.media)
        .map(|medium| medium.id.clone())
        .collect();
    let digest = digest::of_post(&salt, targets.iter().map(|target| target.digest.as_str()));
    let post = NewPost {
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
    };
    Ok((post, now))
}

/// Verdicts over all accounts; the same one is not told twice.
fn verdicts(judgements: &[Judgement]) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = Vec::new();
    for verdict in judgements.iter().flat_map(Judgement::verdicts) {
        if !all.contains(verdict) {
            all.push(verdict.clone());
        }
    }
    all
}

/// All or nothing; of several refusals one with the faults of all.
fn all<T>(results: impl IntoIterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Refusal> {
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
