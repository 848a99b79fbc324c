//! Answers of the publish door.

use jiff::Timestamp;
use pressgate_workflow::{
    Life,
    approval::Voter,
    life::{Failure, Plan, Wait},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::request::Decision;
use crate::{
    doors::words::{Outcomes, PostStates, Severities, TargetStates},
    model::{
        AccountId, Draft, Finding, MediaRef, Outcome, Part, PersonId, PostState, Principal, Severity, TargetState,
        Verdict,
    },
    posts::plan::Wish,
    records::{Attempt, Author, PostRecord, PublishedPart, TargetRecord},
};

/// A post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostView {
    /// Its id.
    pub id: String,
    /// Where it stands.
    #[schema(value_type = PostStates)]
    pub state: &'static str,
    /// The version of its content, from 1; votes and edits name it.
    pub version: u32,
    /// When it is due, or was, where a time was set.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub due_at: Option<Timestamp>,
    /// How its time was asked for: with the zone, the window and the rule by which it recurs.
    #[schema(value_type = Option<Object>, required = true)]
    pub schedule: Option<Wish>,
    /// Salted digest of the content; votes name it.
    pub digest: String,
    /// When it was accepted, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed last, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Who made it.
    pub author: AuthorView,
    /// The campaign that the author named.
    #[schema(required = true)]
    pub campaign: Option<String>,
    /// Labels that the author set.
    pub labels: Vec<String>,
    /// Each account, with the content as it goes there: what is voted on.
    pub targets: Vec<TargetView>,
    /// What the policies said.
    pub verdicts: Vec<VerdictView>,
    /// Votes.
    pub approvals: Vec<VoteView>,
    /// What will not go as it was asked for: occurrences of a series that a calendar is in the way of. Where posts are listed it is left
    /// empty.
    pub warnings: Vec<WarningView>,
}

/// Something that will not go as it was asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WarningView {
    /// Stable identifier: `occurrence-blocked`, `more`.
    pub code: &'static str,
    /// What, in a sentence.
    pub message: String,
    /// Of the occurrence that is due then.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub at: Option<Timestamp>,
}

/// Who made a post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuthorView {
    /// The app whose key was used.
    #[schema(required = true)]
    pub app: Option<String>,
    /// The person whose key was used.
    #[schema(required = true)]
    pub person: Option<String>,
    /// The person for whom the app acted.
    #[schema(required = true)]
    pub on_behalf_of: Option<String>,
}

/// Content as it goes to one account, after variants and options were resolved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContentView {
    /// The entry; more than one is a thread.
    pub parts: Vec<ContentPartView>,
    /// Declared language, BCP 47.
    #[schema(required = true)]
    pub language: Option<String>,
    /// The network's id of what it answers.
    #[schema(required = true)]
    pub reply_to: Option<String>,
    /// The network's options.
    #[schema(value_type = Object)]
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// One entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContentPartView {
    /// What it says.
    pub text: String,
    /// What it shows.
    pub media: Vec<ContentMediaView>,
}

/// A medium of an entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContentMediaView {
    /// The stored medium.
    pub id: String,
    /// IANA media type, found in the bytes.
    pub media_type: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// Text for people who do not see it.
    #[schema(required = true)]
    pub alt: Option<String>,
}

/// One account's part of a post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetView {
    /// Account.
    pub account: String,
    /// Where it stands.
    #[schema(value_type = TargetStates)]
    pub state: &'static str,
    /// What a held target waits for.
    #[schema(required = true)]
    pub waits_for: Option<WaitBody>,
    /// Why it failed, where the network was not asked: `account-gone`, `attempts-used-up`, `window`, `not-published`. Of what the network
    /// refused the last attempt tells.
    #[schema(required = true)]
    pub failure: Option<&'static str>,
    /// The freeze that stops it now, where its state is `frozen`.
    #[schema(required = true)]
    pub frozen_by: Option<String>,
    /// What is said there.
    pub content: ContentView,
    /// The network's id of the first entry.
    #[schema(required = true)]
    pub platform_id: Option<String>,
    /// Address of the first entry, for people.
    #[schema(required = true)]
    pub url: Option<String>,
    /// Each entry of a thread.
    pub parts: Vec<PartView>,
    /// Attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// When the next attempt is due.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub retry_at: Option<Timestamp>,
}

/// What a held target waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitBody {
    /// Votes.
    Votes,
    /// A person's word, because it is late.
    Overdue,
    /// A person's word, because its time came during a freeze.
    Thawed,
    /// A person who mends what stopped it, and says that it goes.
    Attention,
}

impl From<Wait> for WaitBody {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Votes => Self::Votes,
            Wait::Overdue => Self::Overdue,
            Wait::Thawed => Self::Thawed,
            Wait::Attention => Self::Attention,
        }
    }
}

/// One entry as the network has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PartView {
    /// The network's id.
    pub platform_id: String,
    /// Address for people.
    #[schema(required = true)]
    pub url: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptView {
    /// From 1.
    pub number: u32,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// State in which it left the target.
    #[schema(value_type = TargetStates)]
    pub state: &'static str,
    /// The network's status.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// Stable identifier of the reason.
    #[schema(required = true)]
    pub code: Option<String>,
    /// Address of the problem type that it amounts to: `/problems/platform-refused`.
    #[schema(required = true)]
    pub problem: Option<String>,
    /// May the same request succeed later?
    pub retry: bool,
    /// For the author.
    #[schema(required = true)]
    pub message: Option<String>,
    /// What the network answered, shortened and without secrets.
    #[schema(required = true)]
    pub body: Option<String>,
}

/// What a policy said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerdictView {
    /// The policy.
    pub policy: String,
    /// The plugin that judged.
    pub plugin: String,
    /// What it decided.
    #[schema(value_type = Outcomes)]
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<FindingView>,
}

/// What a policy found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FindingView {
    /// Stable identifier of the rule.
    pub code: String,
    /// How grave.
    #[schema(value_type = Severities)]
    pub severity: Severity,
    /// What is wrong and what to do.
    pub message: String,
    /// Entry of the thread, from 0.
    #[schema(required = true)]
    pub part: Option<u32>,
    /// What is meant where it is not the entry's text: `media`, `media/1`, `media/1/alt`, `options/content_warning`.
    #[schema(required = true)]
    pub place: Option<String>,
    /// UTF-8 byte range in that entry's text.
    #[schema(required = true, min_items = 2, max_items = 2)]
    pub range: Option<[u32; 2]>,
}

/// A vote.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VoteView {
    /// The version that the voter saw.
    pub version: u32,
    /// It is for the version as it is now, and nothing voided it.
    pub counts: bool,
    /// Who; none where an outside party voted.
    #[schema(required = true)]
    pub person: Option<String>,
    /// The outside party that voted by a link.
    #[schema(required = true)]
    pub external: Option<ExternalVoterView>,
    /// What the voter decided.
    pub decision: Decision,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A note for the author.
    #[schema(required = true)]
    pub note: Option<String>,
}

/// An outside party that voted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExternalVoterView {
    /// As approvals.toml names it.
    pub party: String,
    /// The public id of the link; it opens nothing.
    pub link: String,
    /// Where the link went. Only for people, and while approvals.toml has the address.
    #[schema(required = true)]
    pub address: Option<String>,
}

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostsView {
    /// Newest first.
    pub posts: Vec<PostView>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What would happen to a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldView {
    /// The state in which it would begin.
    pub state: WouldState,
    /// What the policies said.
    pub verdicts: Vec<VerdictView>,
}

/// The state in which a post would begin.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WouldState {
    /// It would be on its way.
    Publishing,
    /// It would wait for a person.
    Held,
    /// It would wait for its time.
    Scheduled,
}

impl WouldState {
    /// Of the state that it would begin in.
    pub fn of(state: PostState) -> Self {
        match state {
            PostState::Held => Self::Held,
            PostState::Scheduled => Self::Scheduled,
            _ => Self::Publishing,
        }
    }
}

impl PostView {
    /// A post as a caller sees it.
    pub fn of(post: PostRecord) -> Self {
        // The same for every account.
        let (campaign, labels) = post
            .targets
            .first()
            .map(|target| (target.draft.campaign.clone(), target.draft.labels.clone()))
            .unwrap_or_default();
        let life = post.life.as_ref().map(|kept| &kept.life);
        let schedule = post.life.as_ref().and_then(|kept| serde_json::from_str::<Wish>(kept.plan.as_deref()?).ok());
        let current = life.map_or(1, |life| life.version().number);
        // A record may be older than the vote that was counted, by what lay between.
        let standing = |person: &PersonId, at: Timestamp| {
            let of = |vote: &&pressgate_workflow::life::Vote| {
                vote.at >= at && matches!(&vote.voter, Voter::Person(known) if known.as_str() == person.as_str())
            };
            let known = life.and_then(|life| life.votes().iter().find(of));
            known.map_or((current, life.is_none()), |vote| (vote.version, !vote.void && vote.version == current))
        };
        let approvals = post.votes.iter().map(|vote| {
            let (version, counts) = standing(&vote.person, vote.at);
            VoteView {
                version,
                counts,
                person: Some(vote.person.to_string()),
                external: None,
                decision: if vote.approve { Decision::Approve } else { Decision::Reject },
                at: vote.at,
                note: vote.note.clone(),
            }
        });
        let mut approvals: Vec<VoteView> = approvals.collect();
        approvals.extend(life.into_iter().flat_map(outside_votes));
        approvals.sort_by_key(|vote| vote.at);
        let timed = life.filter(|life| matches!(life.content().plan, Plan::At(_)));
        let wait = |account: &AccountId| life?.target(&account.as_str().into())?.wait().map(WaitBody::from);
        let targets = post.targets.iter().map(|target| {
            let held = target.state == TargetState::Held;
            TargetView {
                waits_for: wait(&target.account).filter(|_| held),
                failure: life
                    .and_then(|life| life.target(&target.account.as_str().into())?.failure())
                    .and_then(failure),
                ..target.clone().into()
            }
        });
        Self {
            targets: targets.collect(),
            version: current,
            schedule: schedule.map(|wish| Wish { asked_at: None, ..wish }),
            due_at: timed.and_then(Life::due),
            id: post.id.to_string(),
            state: post.state.as_str(),
            digest: post.digest,
            created_at: post.created_at,
            updated_at: post.updated_at,
            author: post.author.into(),
            campaign,
            labels,
            verdicts: post.verdicts.into_iter().map(Into::into).collect(),
            approvals,
            warnings: Vec::new(),
        }
    }

    /// True while something is still to come by itself.
    pub fn is_open(&self) -> bool {
        [PostState::Publishing, PostState::Unknown, PostState::Held].iter().any(|state| state.as_str() == self.state)
    }
}

/// Votes by links. What they said is in the history alone.
fn outside_votes(life: &Life) -> impl Iterator<Item = VoteView> {
    let current = life.version().number;
    life.votes().iter().filter_map(move |vote| {
        let Voter::Link(id) = &vote.voter else { return None };
        let party = life.link(id).map(|link| link.external.to_string()).unwrap_or_default();
        Some(VoteView {
            version: vote.version,
            counts: !vote.void && vote.version == current,
            person: None,
            external: Some(ExternalVoterView { party, link: id.to_string(), address: None }),
            decision: if vote.approve { Decision::Approve } else { Decision::Reject },
            at: vote.at,
            note: None,
        })
    })
}

impl From<Author> for AuthorView {
    fn from(author: Author) -> Self {
        let (app, person) = match author.principal {
            Principal::App(app) => (Some(app.to_string()), None),
            Principal::Person(person) => (None, Some(person.to_string())),
        };
        Self { app, person, on_behalf_of: author.on_behalf_of.map(|person| person.to_string()) }
    }
}

impl From<Draft> for ContentView {
    fn from(draft: Draft) -> Self {
        let medium = |medium: MediaRef| ContentMediaView {
            id: medium.id.to_string(),
            media_type: medium.media_type,
            size_bytes: medium.size_bytes,
            sha256: medium.digest,
            alt: medium.alt,
        };
        let part =
            |part: Part| ContentPartView { text: part.text, media: part.media.into_iter().map(medium).collect() };
        Self {
            parts: draft.parts.into_iter().map(part).collect(),
            language: draft.language,
            reply_to: draft.target,
            options: draft.options,
        }
    }
}

/// The name of what ended a target without the network's word.
fn failure(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Refused { .. } => None,
        Failure::AttemptsUsedUp => Some("attempts-used-up"),
        Failure::Window => Some("window"),
        Failure::AccountGone => Some("account-gone"),
        Failure::NotPublished => Some("not-published"),
    }
}

impl From<TargetRecord> for TargetView {
    fn from(target: TargetRecord) -> Self {
        let first = target.published.first();
        Self {
            account: target.account.to_string(),
            state: target.state.as_str(),
            waits_for: None,
            failure: None,
            frozen_by: None,
            content: target.draft.into(),
            platform_id: first.map(|part| part.platform_id.clone()),
            url: first.and_then(|part| part.url.clone()),
            parts: target
                .published
                .into_iter()
                .map(|PublishedPart { platform_id, url }| PartView { platform_id, url })
                .collect(),
            attempts: target.attempts.into_iter().map(Into::into).collect(),
            retry_at: target.retry_at,
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, at, state, status, code, problem, retry, message, body } = attempt;
        let problem = problem.map(|slug| format!("/problems/{slug}"));
        Self { number, at, state: state.as_str(), status, code, problem, retry, message, body }
    }
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        let Verdict { policy, plugin, outcome, findings, .. } = verdict;
        Self { policy, plugin, outcome, findings: findings.into_iter().map(Into::into).collect() }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding { code, severity, message, part, place, range, .. } = finding;
        Self { code, severity, message, part, place, range: range.map(|(start, end)| [start, end]) }
    }
}
