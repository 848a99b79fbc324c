//! Answers of the publish door.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{Finding, Outcome, PostState, Severity, Verdict},
    records::{Attempt, PostRecord, PublishedPart, TargetRecord},
};

/// A post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostView {
    /// Its id.
    pub id: String,
    /// held, rejected, publishing, published, partial, failed, unknown or recalled.
    pub state: &'static str,
    /// Salted digest of the content; votes name it.
    pub digest: String,
    /// When it was accepted, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed last, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Each account.
    pub targets: Vec<TargetView>,
    /// What the policies said.
    pub verdicts: Vec<VerdictView>,
    /// Votes.
    pub approvals: Vec<VoteView>,
}

/// One account's part of a post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetView {
    /// Account.
    pub account: String,
    /// held, rejected, accepted, publishing, published, failed, unknown, recalling or recalled.
    pub state: &'static str,
    /// The network's id of the first entry.
    pub platform_id: Option<String>,
    /// Address of the first entry, for people.
    pub url: Option<String>,
    /// Each entry of a thread.
    pub parts: Vec<PartView>,
    /// Attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// When the next attempt is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
}

/// One entry as the network has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PartView {
    /// The network's id.
    pub platform_id: String,
    /// Address for people.
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
    pub state: &'static str,
    /// The network's status.
    pub status: Option<u16>,
    /// Stable identifier of the reason.
    pub code: Option<String>,
    /// For the author.
    pub message: Option<String>,
    /// What the network answered, shortened and without secrets.
    pub body: Option<String>,
}

/// What a policy said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerdictView {
    /// The policy.
    pub policy: String,
    /// The plugin that judged.
    pub plugin: String,
    /// allow, hold or deny.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<FindingView>,
}

/// What a policy found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FindingView {
    /// Stable identifier of the rule.
    pub code: String,
    /// info, warning or error.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// What is wrong and what to do.
    pub message: String,
    /// Entry of the thread, from 0.
    pub part: Option<u32>,
    /// UTF-8 byte range in that entry's text.
    pub range: Option<[u32; 2]>,
}

/// A vote.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VoteView {
    /// Who.
    pub person: String,
    /// approve or reject.
    pub decision: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A note for the author.
    pub note: Option<String>,
}

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostsView {
    /// Newest first.
    pub posts: Vec<PostView>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What would happen to a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldView {
    /// publishing or held.
    pub state: &'static str,
    /// What the policies said.
    pub verdicts: Vec<VerdictView>,
}

impl PostView {
    /// A post as a caller sees it.
    pub fn of(post: PostRecord) -> Self {
        Self {
            id: post.id.to_string(),
            state: post.state.as_str(),
            digest: post.digest,
            created_at: post.created_at,
            updated_at: post.updated_at,
            targets: post.targets.into_iter().map(Into::into).collect(),
            verdicts: post.verdicts.into_iter().map(Into::into).collect(),
            approvals: post
                .votes
                .into_iter()
                .map(|vote| VoteView {
                    person: vote.person.to_string(),
                    decision: if vote.approve { "approve" } else { "reject" },
                    at: vote.at,
                    note: vote.note,
                })
                .collect(),
        }
    }

    /// True while something is still to come by itself.
    pub fn is_open(&self) -> bool {
        [PostState::Publishing, PostState::Unknown, PostState::Held].iter().any(|state| state.as_str() == self.state)
    }
}

impl From<TargetRecord> for TargetView {
    fn from(target: TargetRecord) -> Self {
        let first = target.published.first();
        Self {
            account: target.account.to_string(),
            state: target.state.as_str(),
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
        let Attempt { number, at, state, status, code, message, body } = attempt;
        Self { number, at, state: state.as_str(), status, code, message, body }
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
        let Finding { code, severity, message, part, range, .. } = finding;
        Self { code, severity, message, part, range: range.map(|(start, end)| [start, end]) }
    }
}
