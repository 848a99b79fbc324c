//! How posts stand: their history, what they wait for and why, and what waits for me.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::Timestamp;
use pressgate_workflow::{
    approval::{self, Counted, UpcomingWhat, Voter, Who},
    ids::Actor,
    life::{Change, Event, Failure, Life, Target, Wait},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{posts::view_for, refused, view::PostView};
use crate::{
    call::{Caller, duties},
    doors::{
        caller::{Known, PostPath},
        problem::Problem,
        words::PostStates,
    },
    gateway::Gateway,
    model::{PersonId, Principal, TargetState},
    posts::{self, life, write::seen},
    records::{CommentRecord, PostRecord},
    refusal::{Refusal, Stage, problem},
};

/// Held posts that are looked through for what waits for somebody.
const HELD_MAX: u32 = 5_000;

/// Who did something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActorView {
    /// `person`, `app`, `link` or `gate`.
    pub kind: &'static str,
    /// Its id; none for the gateway itself.
    #[schema(required = true)]
    pub id: Option<String>,
    /// The person for whom an app acted.
    #[schema(required = true)]
    pub on_behalf_of: Option<String>,
}

impl From<&Actor> for ActorView {
    fn from(actor: &Actor) -> Self {
        let text = |id: &str| Some(id.to_owned());
        let (kind, id, on_behalf_of) = match actor {
            Actor::Person { person } => ("person", text(person.as_str()), None),
            Actor::App { app, on_behalf_of } => {
                ("app", text(app.as_str()), on_behalf_of.as_ref().map(ToString::to_string))
            }
            Actor::Link { link } => ("link", text(link.as_str()), None),
            Actor::Gate => ("gate", None, None),
        };
        Self { kind, id, on_behalf_of }
    }
}

/// Something that happened to a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// From 1, without a gap.
    pub seq: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: ActorView,
    /// What: `created`, `edited`, `voted`, `approved`, `published` and so on.
    pub event: String,
    /// Why, in their words; what was said, of a comment.
    #[schema(required = true)]
    pub why: Option<String>,
    /// More, by event.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// The history of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryView {
    /// Post.
    pub post: String,
    /// In order.
    pub events: Vec<EventView>,
}

/// Everything that happened to a post: who, when, what and why.
#[utoipa::path(get, path = "/v1/posts/{id}/history", operation_id = "postHistory", tag = "posts",
    params(("id" = String, Path, description = "The post.")),
    responses((status = 200, body = HistoryView, description = "Its history."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn history(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
) -> Result<Json<HistoryView>, Problem> {
    let told = async {
        let post = seen(&gateway, &caller, &id).await?;
        let events = life::history(&gateway, &post).await?;
        let comments = gateway.records.comments(id.clone()).await.map_err(|error| posts::unavailable(&error))?;
        Ok(events.iter().map(|event| event_view(event, &comments)).collect())
    };
    match told.await {
        Ok(events) => Ok(Json(HistoryView { post: id.to_string(), events })),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

fn event_view(event: &Event, comments: &[CommentRecord]) -> EventView {
    let mut data = serde_json::to_value(&event.change).unwrap_or_default();
    let mut name = String::new();
    if let Some(fields) = data.as_object_mut() {
        if let Some(Value::String(event)) = fields.remove("event") {
            name = event;
        }
        fields.remove("post");
        if let Some(content) = fields.get_mut("content").and_then(Value::as_object_mut) {
            // Of the gateway's own; the post's page has the one that votes name.
            content.remove("digest");
        }
        fields.remove("digest");
    }
    let said =
        |number: u32| comments.iter().find(|comment| comment.number == number).map(|comment| comment.text.clone());
    let why = match &event.change {
        Change::Commented { comment } => said(*comment),
        _ => event.why.clone(),
    };
    EventView { seq: event.seq, at: event.at, by: ActorView::from(&event.by), event: name, why, data }
}

/// Who may agree in a stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WhoView {
    /// `role`, `people` or `external`.
    pub kind: &'static str,
    /// The role, the people, or the outside party.
    pub names: Vec<String>,
}

impl From<&Who> for WhoView {
    fn from(who: &Who) -> Self {
        match who {
            Who::Role(role) => Self { kind: "role", names: vec![role.to_string()] },
            Who::People(people) => Self { kind: "people", names: people.iter().map(ToString::to_string).collect() },
            Who::External(party) => Self { kind: "external", names: vec![party.to_string()] },
        }
    }
}

/// One stage of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageView {
    /// How many are wanted.
    pub wanted: u32,
    /// Of whom.
    pub of: WhoView,
    /// Whose votes count.
    pub counted: Vec<CountedView>,
    /// It is this stage's turn.
    pub open: bool,
    /// People who could vote now and have not.
    pub can_vote: Vec<String>,
    /// People who could, did they not lack a course or an acknowledgement that a role of theirs asks for.
    pub lacking: Vec<String>,
}

/// A vote that counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountedView {
    /// The person, or the link.
    pub voter: String,
    /// In whose place they voted.
    #[schema(required = true)]
    pub in_place_of: Option<String>,
}

/// A rule that wants somebody's agreement.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Its name in approvals.toml; `hold` where a policy holds the post and no rule says who decides.
    pub rule: String,
    /// In order.
    pub stages: Vec<StageView>,
}

/// What comes by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `escalation`, `expiry`, `due` or `retry`.
    pub what: &'static str,
    /// The rule.
    #[schema(required = true)]
    pub rule: Option<String>,
    /// Who is asked then.
    #[schema(required = true)]
    pub to: Option<WhoView>,
    /// The account that is tried again.
    #[schema(required = true)]
    pub account: Option<String>,
    /// Why that is needed: what the last attempt met.
    #[schema(required = true)]
    pub why: Option<String>,
}

/// The next attempts on accounts that the last one did not bring to an end.
fn retries(post: &PostRecord) -> impl Iterator<Item = NextView> {
    post.targets.iter().filter_map(|target| {
        let last = target.attempts.last();
        let why = last.and_then(|attempt| attempt.message.clone().or_else(|| attempt.code.clone()));
        let account = Some(target.account.to_string());
        Some(NextView { at: target.retry_at?, what: "retry", rule: None, to: None, account, why })
    })
}

/// What a held target waits for.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitView {
    /// Account.
    pub account: String,
    /// `votes`, `overdue`, `thawed` or `attention`.
    pub waits_for: super::view::WaitBody,
    /// Why, where something stopped it.
    #[schema(required = true)]
    pub why: Option<String>,
    /// It waits for a person's word, and votes are missing besides: once it is confirmed it waits for those.
    pub votes_missing: bool,
}

/// A target that a freeze stops.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedView {
    /// Account.
    pub account: String,
    /// The freeze; none where it was lifted a moment ago.
    #[schema(required = true)]
    pub freeze: Option<String>,
}

/// A target that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedView {
    /// Account.
    pub account: String,
    /// Why, in a sentence.
    pub why: String,
}

/// Why targets failed: what ended them, or what the last attempt met.
fn failures(post: &PostRecord, life: &Life) -> Vec<FailedView> {
    let failed = post.targets.iter().filter(|target| target.state == TargetState::Failed);
    let told = failed.map(|target| {
        let last = target.attempts.last();
        let met = || last.and_then(|attempt| attempt.message.clone().or_else(|| attempt.code.clone()));
        let account = target.account.to_string();
        let failure = life.target(&account.as_str().into()).and_then(Target::failure);
        let why = match failure {
            Some(Failure::AccountGone) => {
                Some("There was no such account in the governance any more when it was due.".to_owned())
            }
            Some(Failure::Window) => Some("The time in which it may be sent ended between attempts.".to_owned()),
            Some(Failure::NotPublished) => Some("Somebody found that the network does not have it.".to_owned()),
            Some(Failure::AttemptsUsedUp) => Some("Every attempt was used.".to_owned()),
            Some(Failure::Refused { .. }) | None => met(),
        };
        FailedView { account, why: why.unwrap_or_else(|| "The network refused it.".to_owned()) }
    });
    told.collect()
}

/// Which rule wants whom, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainView {
    /// Post.
    pub post: String,
    /// Where it stands.
    #[schema(value_type = PostStates)]
    pub state: &'static str,
    /// The version that this is about.
    pub version: u32,
    /// Nobody's agreement is missing.
    pub approved: bool,
    /// Every rule that is for the post; all of them must be satisfied.
    pub rules: Vec<RuleView>,
    /// Policies that hold it.
    pub held_by: Vec<String>,
    /// Open comments on this version.
    pub open_comments: u32,
    /// The rule that they keep it back by.
    #[schema(required = true)]
    pub blocked_by_comments: Option<String>,
    /// What each held target waits for.
    pub waits: Vec<WaitView>,
    /// What a freeze stops.
    pub frozen: Vec<StoppedView>,
    /// What failed, and why.
    pub failed: Vec<FailedView>,
    /// What comes by itself, soonest first.
    pub next: Vec<NextView>,
}

/// What a post waits for: which rule wants whom, who could vote now, what stopped it, and what comes by itself.
#[utoipa::path(get, path = "/v1/posts/{id}/explain", operation_id = "explainPost", tag = "approvals",
    params(("id" = String, Path, description = "The post.")),
    responses((status = 200, body = ExplainView, description = "What it waits for."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn explain(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
) -> Result<Json<ExplainView>, Problem> {
    let explained = async {
        let post = seen(&gateway, &caller, &id).await?;
        explained(&gateway, &post).await
    };
    match explained.await {
        Ok(view) => Ok(Json(view)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

pub(in crate::doors) async fn explained(gateway: &Gateway, post: &PostRecord) -> Result<ExplainView, Refusal> {
    let life = life::of(post);
    let known = life::Known::of(gateway, post, &life);
    let told = approval::explain(&life, &known.facts(&Actor::Gate));
    let events = life::history(gateway, post).await?;
    let why = |account: &pressgate_workflow::ids::AccountId| {
        let held =
            |event: &&Event| matches!(&event.change, Change::Held { accounts, .. } if accounts.contains(account));
        events.iter().rev().find(held).and_then(|event| event.why.clone())
    };
    let fit = |person: &String| {
        let accounts = post.targets.iter().map(|target| &target.account);
        duties::of_voter(gateway, &PersonId::new(person.clone()), accounts).is_ok()
    };
    let stage = |stage: approval::ExplainedStage| {
        let (can_vote, lacking) = stage.can_vote.iter().map(ToString::to_string).partition(fit);
        StageView {
            wanted: stage.wanted,
            of: WhoView::from(&stage.who),
            counted: stage.counted.iter().map(counted).collect(),
            open: stage.open,
            can_vote,
            lacking,
        }
    };
    let next = |next: approval::Upcoming| {
        let (what, rule, to) = match &next.what {
            UpcomingWhat::Escalation { rule, to } => ("escalation", Some(rule.to_string()), Some(WhoView::from(to))),
            UpcomingWhat::Expiry { rule } => ("expiry", Some(rule.to_string()), None),
            UpcomingWhat::Due => ("due", None, None),
        };
        NextView { at: next.at, what, rule, to, account: None, why: None }
    };
    let mut coming: Vec<NextView> = told.next.into_iter().map(next).chain(retries(post)).collect();
    coming.sort_by_key(|next| next.at);
    let waits = told.waits.iter().map(|(account, wait)| WaitView {
        account: account.to_string(),
        waits_for: (*wait).into(),
        why: why(account),
        votes_missing: *wait != Wait::Votes && !told.approved,
    });
    let frozen = post.targets.iter().filter(|target| target.state == TargetState::Frozen);
    let frozen = frozen.map(|target| StoppedView {
        account: target.account.to_string(),
        freeze: life::frozen_by(gateway, post, &target.account),
    });
    Ok(ExplainView {
        post: post.id.to_string(),
        state: post.state.as_str(),
        version: told.version,
        approved: told.approved,
        waits: waits.collect(),
        frozen: frozen.collect(),
        failed: failures(post, &life),
        rules: told
            .rules
            .into_iter()
            .map(|rule| RuleView { rule: rule.name.to_string(), stages: rule.stages.into_iter().map(stage).collect() })
            .collect(),
        held_by: told.holds.iter().map(ToString::to_string).collect(),
        open_comments: told.open_comments,
        blocked_by_comments: told.blocked_by_comments.map(|rule| rule.to_string()),
        next: coming,
    })
}

fn counted(counted: &Counted) -> CountedView {
    let voter = match &counted.voter {
        Voter::Person(person) => person.to_string(),
        Voter::Link(link) => link.to_string(),
    };
    // Who votes for themself stands in for nobody.
    let in_place_of = counted.seat.as_ref().map(ToString::to_string).filter(|seat| *seat != voter);
    CountedView { voter, in_place_of }
}

/// A post that waits for the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingView {
    /// Rules that ask the caller.
    pub rules: Vec<String>,
    /// The post.
    pub post: PostView,
}

/// What waits for the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalsView {
    /// The oldest first.
    pub waiting: Vec<WaitingView>,
}

/// Posts that wait for the caller's vote now.
#[utoipa::path(get, path = "/v1/approvals", operation_id = "listApprovals", tag = "approvals",
    responses((status = 200, body = ApprovalsView, description = "What waits for me."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn approvals(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
) -> Result<Json<ApprovalsView>, Problem> {
    match waiting(&gateway, &caller).await {
        Ok(waiting) => Ok(Json(ApprovalsView { waiting })),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

pub(in crate::doors) async fn waiting(gateway: &Gateway, caller: &Caller) -> Result<Vec<WaitingView>, Refusal> {
    let Principal::Person(person) = caller.principal() else {
        let detail = "Votes are of people: show a person's key.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    };
    let held = gateway.records.held_posts(None, HELD_MAX).await.map_err(|error| posts::unavailable(&error))?;
    let mut waiting = Vec::new();
    for id in held {
        let post = posts::read(gateway, &id).await?;
        let rules = asking(gateway, &post, person.as_str());
        if !rules.is_empty() {
            waiting.push(WaitingView { rules, post: view_for(gateway, caller, post) });
        }
    }
    Ok(waiting)
}

/// Rules that ask a person now.
pub(in crate::doors) fn asking(gateway: &Gateway, post: &PostRecord, person: &str) -> Vec<String> {
    let life = life::of(post);
    let known = life::Known::of(gateway, post, &life);
    let told = approval::explain(&life, &known.facts(&Actor::Gate));
    let asks = |stage: &approval::ExplainedStage| stage.can_vote.iter().any(|known| known.as_str() == person);
    let rules = told.rules.iter().filter(|rule| rule.stages.iter().any(asks));
    rules.map(|rule| rule.name.to_string()).collect()
}
