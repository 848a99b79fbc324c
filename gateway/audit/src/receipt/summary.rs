//! What the leaves of one post say: who, which content, by which grant, with which verdicts and approvals, and what became of it.

use serde::{Deserialize, Serialize};

use crate::leaf::{EffectKind, Event, Intent, Leaf, Outcome, OutcomeResult, VerdictNote};

/// The post that a leaf is about.
pub fn post_of(event: &Event) -> Option<&str> {
    match event {
        Event::Intent(intent) => Some(&intent.post),
        Event::Outcome(outcome) => Some(&outcome.post),
        Event::Refused(refused) => refused.post.as_deref(),
        Event::Finished(finished) => Some(&finished.post),
        Event::Held(held) => Some(&held.post),
        Event::Vote(vote) => Some(&vote.post),
        Event::Withdrawal(withdrawal) => Some(&withdrawal.post),
        Event::Transition(transition) => Some(&transition.post),
        _ => None,
    }
}

/// The decision of a vote that releases a post.
const APPROVE: &str = "approve";
/// The transition that is the vote of an outside party.
const VOTED: &str = "voted";

/// What the leaves of a post say, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Requests that were to leave, with what became of each.
    pub effects: Vec<Effect>,
    /// When the post had to wait for a person.
    pub holds: Vec<Hold>,
    /// Votes on it.
    pub votes: Vec<Voted>,
    /// Refusals of its calls.
    pub refusals: Vec<Refusal>,
    /// When it was taken out of the approvers' hands.
    pub withdrawals: Vec<Withdrawn>,
    /// Targets that ended without an effect, or that a recovery settled.
    pub settled: Vec<Settled>,
}

/// A request that was to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Index of the intent.
    pub intent: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Account id.
    pub account: String,
    /// Brand.
    pub brand: Option<String>,
    /// Action.
    pub action: String,
    /// Step and attempt.
    pub step: String,
    /// Which attempt.
    pub attempt: u32,
    /// Whether it prepared or had the effect.
    pub kind: EffectKind,
    /// App id.
    pub app: Option<String>,
    /// Person id.
    pub person: Option<String>,
    /// Person id for whom an app acted.
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key.
    pub key: String,
    /// The grant that decided.
    pub grant: String,
    /// Digest of what this account gets.
    pub content_digest: String,
    /// Digest of the whole post, which votes are about; none in older leaves.
    pub post_digest: Option<String>,
    /// Digest of the request.
    pub request_digest: String,
    /// Adapter.
    pub adapter: String,
    /// Digest of the adapter's component.
    pub adapter_digest: String,
    /// What the policies said.
    pub verdicts: Vec<VerdictNote>,
    /// Who approved: person ids, and `external:agency-x/link_…` of an outside party.
    pub approvals: Vec<String>,
    /// Indices of their votes for exactly this post digest; empty where the intent has none.
    #[serde(default)]
    pub votes: Vec<u64>,
    /// What became of it; none where the log does not say.
    pub outcome: Option<Ended>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Index of the outcome.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// How it ended.
    pub result: OutcomeResult,
    /// The platform's HTTP status.
    pub status: Option<u16>,
    /// Digest of the platform's answer.
    pub response_digest: Option<String>,
    /// The target's state after it.
    pub target_state: Option<String>,
    /// Ids that the platform gave.
    pub platform_ids: Vec<String>,
    /// Written by a recovery.
    pub recovered: bool,
}

/// The post had to wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Index of its leaf.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Digest of the content that waited.
    pub content_digest: String,
    /// App id.
    pub app: Option<String>,
    /// Person id.
    pub person: Option<String>,
    /// What the policies said.
    pub verdicts: Vec<VerdictNote>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voted {
    /// Index of its leaf.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Person id; of an outside party the id of its link.
    pub person: String,
    /// Id of the Pressgate key; empty of an outside party.
    pub key: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// Digest of the content that the vote is about.
    pub content_digest: String,
}

/// A call of the post was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Index of its leaf.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// The stage of the path.
    pub stage: String,
    /// The problem's slug.
    pub problem: String,
    /// Account id.
    pub account: Option<String>,
    /// App id.
    pub app: Option<String>,
    /// Person id.
    pub person: Option<String>,
    /// Stable identifiers of what was found.
    pub codes: Vec<String>,
}

/// The post was taken out of the approvers' hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// Index of its leaf.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// App id.
    pub app: Option<String>,
    /// Person id.
    pub person: Option<String>,
    /// Digest of the content that was withdrawn.
    pub content_digest: String,
}

/// A target's last state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Index of its leaf.
    pub leaf: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Account id.
    pub account: String,
    /// The target's last state.
    pub target_state: String,
    /// Ids that the platform gave.
    pub platform_ids: Vec<String>,
    /// Why, as a stable identifier.
    pub code: Option<String>,
}

impl Summary {
    /// What these leaves say.
    pub fn of(leaves: &[(u64, Leaf)]) -> Self {
        let mut summary = Self::default();
        for (index, leaf) in leaves {
            summary.add(*index, leaf.at_ms, leaf.event.clone());
        }
        summary
    }

    /// People whom an intent with a post digest names as approvers, and whose vote for that digest is not among the leaves before
    /// it: the intent's index, the person, and whether they voted otherwise.
    pub fn unsupported(&self) -> impl Iterator<Item = (u64, &str, bool)> {
        self.effects.iter().filter(|effect| effect.post_digest.is_some()).flat_map(|effect| {
            let before = || self.votes.iter().filter(|vote| vote.leaf < effect.intent);
            let missing = effect
                .approvals
                .iter()
                .filter(move |person| !before().any(|vote| is_of(vote, person) && effect.votes.contains(&vote.leaf)));
            missing.map(move |person| (effect.intent, person.as_str(), before().any(|vote| is_of(vote, person))))
        })
    }

    fn add(&mut self, leaf: u64, at_ms: i64, event: Event) {
        match event {
            Event::Intent(intent) => {
                let effect = Effect::of(leaf, at_ms, *intent);
                let agreed = self.votes.iter().filter(|vote| effect.rests_on(vote)).map(|vote| vote.leaf).collect();
                self.effects.push(Effect { votes: agreed, ..effect });
            }
            Event::Outcome(outcome) => {
                let effect = self.effects.iter_mut().find(|effect| effect.intent == outcome.intent);
                let Some(effect) = effect else { return };
                effect.outcome = Some(Ended::of(leaf, at_ms, *outcome));
            }
            Event::Held(held) => self.holds.push(Hold {
                leaf,
                at_ms,
                content_digest: held.content_digest,
                app: held.app,
                person: held.person,
                verdicts: held.verdicts,
            }),
            Event::Vote(vote) => self.votes.push(Voted {
                leaf,
                at_ms,
                person: vote.person,
                key: vote.key,
                decision: vote.decision,
                content_digest: vote.content_digest,
            }),
            Event::Transition(voted) if voted.transition == VOTED => {
                let Some(link) = voted.link else { return };
                self.votes.push(Voted {
                    leaf,
                    at_ms,
                    person: link,
                    key: String::new(),
                    decision: voted.detail.unwrap_or_default(),
                    content_digest: voted.content_digest,
                });
            }
            Event::Refused(refused) => self.refusals.push(Refusal {
                leaf,
                at_ms,
                stage: refused.stage,
                problem: refused.problem,
                account: refused.account,
                app: refused.app,
                person: refused.person,
                codes: refused.codes,
            }),
            Event::Withdrawal(withdrawal) => self.withdrawals.push(Withdrawn {
                leaf,
                at_ms,
                app: withdrawal.app,
                person: withdrawal.person,
                content_digest: withdrawal.content_digest,
            }),
            Event::Finished(finished) => self.settled.push(Settled {
                leaf,
                at_ms,
                account: finished.account,
                target_state: finished.target_state,
                platform_ids: finished.platform_ids,
                code: finished.code,
            }),
            _ => {}
        }
    }
}

/// The vote is of whom an intent names.
fn is_of(vote: &Voted, named: &str) -> bool {
    let link = named.strip_prefix("external:").and_then(|external| external.split_once('/')).map(|(_, link)| link);
    vote.person == link.unwrap_or(named)
}

impl Effect {
    fn of(leaf: u64, at_ms: i64, intent: Intent) -> Self {
        Self {
            intent: leaf,
            at_ms,
            account: intent.account,
            brand: intent.brand,
            action: intent.action,
            step: intent.step,
            attempt: intent.attempt,
            kind: intent.effect_kind,
            app: intent.app,
            person: intent.person,
            on_behalf_of: intent.on_behalf_of,
            key: intent.key,
            grant: intent.grant,
            content_digest: intent.content_digest,
            post_digest: intent.post_digest,
            request_digest: intent.request_digest,
            adapter: intent.adapter,
            adapter_digest: intent.adapter_digest,
            verdicts: intent.verdicts,
            approvals: intent.approvals,
            votes: Vec::new(),
            outcome: None,
        }
    }

    /// True for a vote that the intent may rest on: by somebody whom it names, for the digest that it names.
    fn rests_on(&self, vote: &Voted) -> bool {
        vote.decision == APPROVE
            && self.approvals.iter().any(|named| is_of(vote, named))
            && self.post_digest.as_ref() == Some(&vote.content_digest)
    }
}

impl Ended {
    fn of(leaf: u64, at_ms: i64, outcome: Outcome) -> Self {
        Self {
            leaf,
            at_ms,
            result: outcome.result,
            status: outcome.status,
            response_digest: outcome.response_digest,
            target_state: outcome.target_state,
            platform_ids: outcome.platform_ids,
            recovered: outcome.recovered,
        }
    }
}
