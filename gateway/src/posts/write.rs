//! What an author, or another who may publish on the same accounts, does with a post before it is out: edits, submits and schedules it,
//! cancels it, says something of it, has it tried again or says what became of it.

use std::sync::Arc;

use pressgate_workflow::{
    Command, TargetState,
    decide::{Resolution, Verdict as Reviewed},
    life::{Content, Plan, PublishedPart},
};

use super::{
    accept::{Asked, all, verdicts, written},
    life::{self, By, Extra, Turn, refusal},
    not_found,
    plan::{Drops, Planned, covered, keeping, rule_of},
    read,
    sight::{may_write, sees},
    times,
};
use crate::{
    call::{
        Call, Caller, Judgement, Submission,
        admit::admit,
        approve::holds,
        authorise::{authorise, may_draft},
        classify::{classify, resume},
        committed, digest,
        journey::Journey,
        record,
        review::review,
    },
    gateway::Gateway,
    model::{AccountId, PersonId, PostId, Principal, Verdict},
    records::{ClaimFor, CommentRecord, NewContent, NewTarget, PostRecord, TargetRecord},
    refusal::{Fault, Refusal, Stage, problem},
};

/// What is asked of a post.
#[derive(Debug)]
pub enum Wish {
    /// Another content.
    Edit {
        /// The content and where it shall appear.
        submission: Box<Submission>,
        /// The request that it stands for, JSON.
        raw: String,
        /// When it leaves; none leaves it as it is.
        planned: Option<Planned>,
    },
    /// The author is done.
    Submit,
    /// Another time.
    Schedule {
        /// When it leaves.
        planned: Planned,
        /// A post that recurs may become one that leaves once.
        ends_series: bool,
        /// What of the time before goes, if no other is given.
        drops: Drops,
    },
    /// Nobody wants what is not out yet.
    Cancel,
    /// What was denied, rejected, cancelled or expired becomes a draft again.
    Reopen,
    /// Something to say.
    Comment(String),
    /// A comment is resolved.
    CloseComment(u32),
    /// Failed targets are tried again: one, or all.
    Retry(Option<AccountId>),
    /// What a person found out about an unknown target.
    Resolve {
        /// Which.
        account: AccountId,
        /// The network's id and address, where it is there.
        published: Option<(String, Option<String>)>,
    },
}

impl Wish {
    /// What is tried, as the log names it.
    fn step(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "post.edit",
            Self::Submit => "post.submit",
            Self::Schedule { .. } => "post.schedule",
            Self::Cancel => "post.cancel",
            Self::Reopen => "post.reopen",
            Self::Comment(_) => "post.comment",
            Self::CloseComment(_) => "post.comment-close",
            Self::Retry(_) => "post.retry",
            Self::Resolve { .. } => "post.resolve",
        }
    }
}

/// Does it, for the version that the caller saw. A refusal is in the log when this returns.
///
/// # Errors
/// No right, another version, a state in which it can't be done, and what stages say of a new content.
pub async fn write(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    saw: Option<u32>,
    wish: Wish,
    why: Option<String>,
) -> Result<PostRecord, Refusal> {
    let journey = Journey::begin(caller).trying(wish.step(), Some(id));
    let edits = matches!(wish, Wish::Edit { .. });
    match go(gateway, caller, id, saw, wish, why.as_deref()).await {
        Ok(post) => Ok(post),
        // Whoever edits named the version as a condition, and hears that it does not hold, however close the race was.
        Err(refusal) if edits && refusal.problem == problem::CONTENT_CHANGED => {
            let refusal = Refusal::new(problem::VERSION_MISMATCH, Stage::Door, refusal.detail);
            Err(journey.refuse(gateway, refusal).await)
        }
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn go(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    saw: Option<u32>,
    wish: Wish,
    why: Option<&str>,
) -> Result<PostRecord, Refusal> {
    record::log_is_writable(gateway)?;
    let _alone = gateway.lives.alone(id).await;
    let post = read(gateway, id).await?;
    if !sees(gateway, caller, &post) {
        return Err(not_found(id));
    }
    // Whoever sees a post may say something of it; the rest is for who could have made it.
    if !matches!(wish, Wish::Comment(_)) && !may_write(gateway, caller, &post) {
        let detail = "Only the author, or who may publish on every account of the post, changes it.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    }
    let mut turn = Turn::begin(gateway, post, By::Caller(caller));
    let current = turn.life().version().number;
    let saw = saw.unwrap_or(current);
    if saw != current {
        return Err(Refusal::new(problem::CONTENT_CHANGED, Stage::Door, another_version(saw, current)));
    }
    if matches!(wish, Wish::Edit { .. } | Wish::Submit | Wish::Schedule { .. } | Wish::Cancel | Wish::Reopen) {
        nothing_unanswered(turn.post())?;
    }
    let mut extra = Extra::default();
    match wish {
        Wish::Edit { submission, raw, planned } => {
            extra = edit(gateway, caller, &mut turn, saw, (*submission, raw), planned).await?;
        }
        Wish::Submit => extra = submit(gateway, &mut turn, saw).await?,
        Wish::Schedule { planned, ends_series, drops } => {
            series_goes_on(turn.post(), &planned, ends_series)?;
            let planned = keeping(planned, &turn.life().content().plan, drops)?;
            extra = schedule(gateway, &mut turn, saw, planned).await?;
        }
        Wish::Cancel => decide(&mut turn, Command::Cancel { saw }, why)?,
        Wish::Reopen => decide(&mut turn, Command::Reopen { saw }, why)?,
        Wish::Comment(text) => {
            decide(&mut turn, Command::Comment { saw }, None)?;
            let number = u32::try_from(turn.life().comments().len()).unwrap_or(u32::MAX);
            extra.comment = Some(CommentRecord { number, person: person(caller), text });
        }
        Wish::CloseComment(comment) => decide(&mut turn, Command::CloseComment { comment }, why)?,
        Wish::Retry(account) => retry(&mut turn, account, why)?,
        Wish::Resolve { account, published } => {
            let resolution = match published {
                Some((id, url)) => Resolution::Published(PublishedPart { id, url }),
                None => Resolution::NotPublished,
            };
            decide(&mut turn, Command::Resolve { account: account.as_str().into(), resolution }, why)?;
        }
    }
    turn.settle();
    turn.keep(extra).await?;
    read(gateway, id).await
}

/// Somebody was quicker.
pub fn another_version(saw: u32, current: u32) -> String {
    format!(
        "You saw version {saw}; the post is at version {current} now. Read it again (GET /v1/posts/{{id}}), and name that version, an edit by \
         sending its `ETag` in `If-Match`."
    )
}

/// A request that was sent and not answered may have arrived: the post must not look as if nothing of it were out, nor go out anew.
pub(super) fn nothing_unanswered(post: &PostRecord) -> Result<(), Refusal> {
    let Some(target) = post.targets.iter().find(|target| target.unknown_step.is_some()) else { return Ok(()) };
    let detail = format!(
        "A request for `{}` was sent and not answered yet, so the post may be there. It is being looked up; try again when that is settled, or \
         say what became of it with POST /v1/posts/{{id}}/resolve.",
        target.account
    );
    Err(Refusal::new(problem::WRONG_STATE, Stage::Approve, detail))
}

fn decide(turn: &mut Turn<'_>, command: Command, why: Option<&str>) -> Result<(), Refusal> {
    turn.decide(command, why).map_err(|refused| refusal(&refused))
}

fn person(caller: &Caller) -> Option<PersonId> {
    match caller.principal() {
        Principal::Person(person) => Some(person.clone()),
        Principal::App(_) => None,
    }
}

fn retry(turn: &mut Turn<'_>, account: Option<AccountId>, why: Option<&str>) -> Result<(), Refusal> {
    if let Some(account) = account {
        return decide(turn, Command::Retry { account: account.as_str().into() }, why);
    }
    let failed = turn.life().targets().iter().filter(|target| target.state() == TargetState::Failed);
    let failed: Vec<_> = failed.map(|target| target.account().clone()).collect();
    if failed.is_empty() {
        let detail = format!("The post is `{}`; only what failed is tried again.", turn.life().state().as_str());
        return Err(Refusal::new(problem::WRONG_STATE, Stage::Door, detail));
    }
    // An account that is gone keeps nothing back of what goes to the others.
    let is_there = |account: &_| turn.facts().governance.accounts.contains_key(account);
    let (there, gone): (Vec<_>, Vec<_>) = failed.into_iter().partition(is_there);
    let tried = if there.is_empty() { gone } else { there };
    tried.into_iter().try_for_each(|account| decide(turn, Command::Retry { account }, why))
}

/// A new version: classified and allowed as a new post; where the old one was submitted, judged at once.
async fn edit(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    turn: &mut Turn<'_>,
    saw: u32,
    (submission, raw): (Submission, String),
    planned: Option<Planned>,
) -> Result<Extra, Refusal> {
    let post = turn.post();
    let (id, author) = (post.id.clone(), post.author.clone());
    let editor = caller.clone();
    let calls = classify(gateway, &Caller::of(&author).from_source(&editor), &id, &submission).await?;
    let mut grants = Vec::with_capacity(calls.len());
    for call in &calls {
        grants.push((call, may_draft(gateway, call)?));
    }
    let kept = post.life.as_ref().and_then(|life| life.plan.clone());
    let plan = match &planned {
        Some(planned) => planned.plan.clone(),
        None => moved_plan(turn),
    };
    let planned = planned.unwrap_or(Planned { plan: plan.clone(), kept });
    let asked = Asked {
        submission,
        raw,
        idempotency: None,
        waits: None,
        dry_run: false,
        draft: true,
        planned: Planned { plan: plan.clone(), kept: planned.kept.clone() },
    };
    let mut new = written(gateway, &id, &asked, &grants, Vec::new())?;
    drop(grants);
    committed::of_post(gateway, &Caller::of(&author), &mut new).await?;
    let targets = new.targets.iter().map(|target| (&target.account, &target.draft));
    let content = life::content(&covered(&new.salt, &new.digest, &plan), targets, plan);
    decide(turn, Command::Edit { saw, content }, None)?;
    let mut extra = Extra { plan: planned.kept, openings: std::mem::take(&mut new.openings), ..Extra::default() };
    if is_submitted(turn) {
        extra.verdicts = Some(judged(gateway, turn, calls).await?);
    }
    extra.version = Some(NewContent {
        digest: new.digest,
        salt: new.salt,
        request: new.request,
        targets: new.targets,
        media: new.media,
    });
    Ok(extra)
}

async fn submit(gateway: &Arc<Gateway>, turn: &mut Turn<'_>, saw: u32) -> Result<Extra, Refusal> {
    decide(turn, Command::Submit { saw }, None)?;
    let calls = calls_of(gateway, turn.post())?;
    let verdicts = judged(gateway, turn, calls).await?;
    Ok(Extra { verdicts: Some(verdicts), ..Extra::default() })
}

/// A series ends by somebody's word only: one more time is not the end of the others.
fn series_goes_on(post: &PostRecord, planned: &Planned, ends_series: bool) -> Result<(), Refusal> {
    let recurs = |plan: &Plan| matches!(plan, Plan::At(timing) if timing.recurs);
    let Some(kept) = post.life.as_ref().filter(|kept| recurs(&kept.life.content().plan)) else { return Ok(()) };
    if ends_series || recurs(&planned.plan) {
        return Ok(());
    }
    let rule = kept.plan.as_deref().and_then(rule_of).unwrap_or_default();
    let text = format!(
        "the post recurs ({rule}), and this time does not: send `rule` with it, or `\"repeat\": false` (`--no-repeat`) where the series shall end"
    );
    let fault = Fault {
        pointer: Some("/repeat".to_owned()),
        account: None,
        code: "recurs".to_owned(),
        message: text.clone(),
        measured: None,
        allowed: None,
    };
    Err(Refusal::new(problem::TIME_INVALID, Stage::Door, format!("{text}.")).with_faults(vec![fault]))
}

/// Within its window a post is moved without asking anybody; another window is another version.
async fn schedule(gateway: &Arc<Gateway>, turn: &mut Turn<'_>, saw: u32, planned: Planned) -> Result<Extra, Refusal> {
    if let (Plan::At(old), Plan::At(new)) = (&turn.life().content().plan, &planned.plan)
        && !old.recurs
        && !new.recurs
        && old.permits(new.due)
        && ((new.earliest, new.latest) == (new.due, new.due)
            || (new.earliest, new.latest) == (old.earliest, old.latest))
        && (new.until, new.late_max_s) == (old.until, old.late_max_s)
    {
        let due = new.due;
        decide(turn, Command::Reschedule { saw, due }, None)?;
        return Ok(Extra::default());
    }
    let post = turn.post();
    // The digest that votes name is of this version: another time is not what anybody saw.
    let version = salted_anew(post)?;
    let content = Content {
        digest: covered(&version.salt, &version.digest, &planned.plan).into(),
        plan: planned.plan,
        ..turn.life().content().clone()
    };
    let calls = calls_of(gateway, post)?;
    decide(turn, Command::Edit { saw, content }, None)?;
    let mut extra = Extra { plan: planned.kept, version: Some(version), ..Extra::default() };
    if is_submitted(turn) {
        extra.verdicts = Some(judged(gateway, turn, calls).await?);
    }
    Ok(extra)
}

/// The same content under another salt.
fn salted_anew(post: &PostRecord) -> Result<NewContent, Refusal> {
    let salt = digest::random_hex()?;
    let target = |target: &TargetRecord| NewTarget {
        account: target.account.clone(),
        state: TargetState::Draft,
        draft: target.draft.clone(),
        digest: digest::of_draft(&salt, &target.account, &target.draft),
        call_key: target.call_key.clone(),
        grant: target.grant.clone(),
        lease_until: None,
        commitments: target.commitments.clone(),
        release: None,
    };
    let targets: Vec<NewTarget> = post.targets.iter().map(target).collect();
    let digest = digest::of_post(&salt, targets.iter().map(|target| target.digest.as_str()));
    let parts = targets.iter().flat_map(|target| &target.draft.parts);
    let media = parts.flat_map(|part| &part.media).map(|medium| medium.id.clone()).collect();
    Ok(NewContent { digest, salt, request: post.request.clone(), targets, media })
}

/// The plan as it is, with the time to which it was moved.
fn moved_plan(turn: &Turn<'_>) -> Plan {
    let mut plan = turn.life().content().plan.clone();
    if let (Plan::At(timing), Some(due)) = (&mut plan, turn.life().due())
        && timing.permits(due)
    {
        timing.due = due;
    }
    plan
}

fn is_submitted(turn: &Turn<'_>) -> bool {
    turn.life().targets().iter().any(|target| target.state() == TargetState::Review)
}

fn calls_of(gateway: &Gateway, post: &PostRecord) -> Result<Vec<Call>, Refusal> {
    let (caller, plugins) = (Caller::of(&post.author), gateway.registry.snapshot());
    let call = |target| resume(gateway, Arc::clone(&plugins), caller.clone(), post, target, ClaimFor::Publish);
    all(post.targets.iter().map(call))
}

/// What the policies say, under the rights of the author, in whose name it will be sent.
async fn judged(gateway: &Arc<Gateway>, turn: &mut Turn<'_>, calls: Vec<Call>) -> Result<Vec<Verdict>, Refusal> {
    let accounts: Vec<_> = calls.iter().map(|call| call.account().id.clone()).collect();
    let draft = calls.first().map(|call| call.draft().clone());
    let permits = all(calls.into_iter().map(|call| authorise(gateway, call)))?;
    if let Some(draft) = draft {
        let plan = moved_plan(turn);
        times::is_free(gateway, &accounts, &draft.labels, draft.campaign.as_deref(), &plan)?;
    }
    let admissions = admit(gateway, permits).await?;
    let mut judged = Vec::with_capacity(admissions.len());
    for admission in admissions {
        judged.push(review(gateway, admission).await);
    }
    let judgements: Vec<Judgement> = all(judged)?;
    let verdicts = verdicts(&judgements);
    let version = turn.life().version().number;
    decide(turn, Command::Reviewed { version, verdict: Reviewed::Pass(holds(&verdicts)) }, None)?;
    Ok(verdicts)
}

/// A post as somebody who votes, or wants to know what it waits for, sees it.
///
/// # Errors
/// There is none that the caller may see.
pub async fn seen(gateway: &Gateway, caller: &Caller, id: &PostId) -> Result<PostRecord, Refusal> {
    let post = read(gateway, id).await?;
    if sees(gateway, caller, &post) { Ok(post) } else { Err(not_found(id)) }
}
