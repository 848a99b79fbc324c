//! Recovery: what a start finds in the log and not in the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use crate::{
    audit::{AuditLog, Event, Leaf, leaf},
    call::authenticate::{FORWARD, NATIVE},
    model::{AccountId, PersonId, PostId, TargetState},
    records::{ErasedCounts, ErasureRecord, LeafFact, Records, RecordsError},
};

/// Leaves that are applied in one operation.
const BATCH_LEAVES: usize = 10_000;

/// What was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Leaves read.
    pub leaves: u64,
    /// Intents that had no outcome.
    pub open: usize,
    /// Claims of an earlier process that were ended.
    pub leases: u64,
    /// Posts that only the log of a backup knows.
    pub passed_over: usize,
}

/// What the log has and the records do not.
#[derive(Debug, Default)]
pub struct Behind {
    leaves: u64,
    of_clients: BTreeSet<u64>,
    open: BTreeMap<u64, leaf::Intent>,
    facts: Vec<LeafFact>,
    erasures: Vec<(u64, i64, leaf::Erasure)>,
}

impl Behind {
    /// Takes the next leaf after the mark.
    pub fn note(&mut self, index: u64, leaf: &Leaf) -> ControlFlow<()> {
        self.leaves += 1;
        note(&mut self.open, index, leaf);
        if !self.is_of_client(index, leaf) {
            self.facts.extend(fact(index, leaf));
        }
        if let Event::Erasure(erasure) = &leaf.event {
            self.erasures.push((index, leaf.at_ms, (**erasure).clone()));
        }
        ControlFlow::Continue(())
    }

    /// Requests of clients at the native door are no posts: the log alone tells of them.
    fn is_of_client(&mut self, index: u64, leaf: &Leaf) -> bool {
        match &leaf.event {
            Event::Intent(intent) if [Some(NATIVE), Some(FORWARD)].contains(&intent.door.as_deref()) => {
                self.of_clients.insert(index)
            }
            Event::Outcome(outcome) => self.of_clients.contains(&outcome.intent),
            _ => false,
        }
    }

    /// Leaves facts out about targets that the records do not have, as far as only leaves below an index tell of them; says which
    /// posts. For what came out of a backup, where the log may be some seconds ahead of the records.
    ///
    /// # Errors
    /// The records', as a sentence.
    pub async fn pass_over(&mut self, records: &dyn Records, below: u64) -> Result<Vec<PostId>, String> {
        let mut unknown = BTreeSet::new();
        let subjects: BTreeSet<_> =
            self.facts.iter().filter(|fact| fact.leaf() < below).map(|fact| fact.subject()).collect();
        for (post, account) in subjects {
            if !has_target(records, post, account).await? {
                unknown.insert((post.clone(), account.clone()));
            }
        }
        self.facts.retain(|fact| {
            let (post, account) = fact.subject();
            fact.leaf() >= below || !unknown.contains(&(post.clone(), account.clone()))
        });
        let mut posts: Vec<PostId> = unknown.into_iter().map(|(post, _)| post).collect();
        posts.dedup();
        Ok(posts)
    }

    /// Intents without an outcome.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

/// Fails where the log tells of a target that the records do not have, and changes nothing.
///
/// # Errors
/// A sentence for the operator.
pub async fn kept(behind: &Behind, records: &dyn Records) -> Result<(), String> {
    let subjects: BTreeSet<_> = behind.facts.iter().map(LeafFact::subject).collect();
    for (post, account) in subjects {
        if !has_target(records, post, account).await? {
            return Err(RecordsError::Lost(format!("the post {post} for {account}")).to_string());
        }
    }
    Ok(())
}

async fn has_target(records: &dyn Records, post: &PostId, account: &AccountId) -> Result<bool, String> {
    let kept = records.post(post.clone()).await.map_err(|error| error.to_string())?;
    Ok(kept.is_some_and(|kept| kept.targets.iter().any(|target| target.account == *account)))
}

/// Applies the leaves after the mark, and closes every intent that a crash left open: with the answer where the journal has
/// it, with `unknown` otherwise.
///
/// `restored_until` is the end of the log that came out of a backup; what only leaves below it tell of is passed over where the
/// records do not have it. Otherwise it is 0.
///
/// # Errors
/// A sentence for the operator; the gateway must not serve.
pub async fn recover(
    audit: &AuditLog,
    records: &dyn Records,
    now: Timestamp,
    restored_until: u64,
) -> Result<Found, String> {
    let from = records.applied_leaf().await.map_err(|error| error.to_string())?;
    let mut behind = Behind::default();
    audit.replay(from, &mut |index, leaf| behind.note(index, &leaf)).map_err(|error| error.to_string())?;
    let passed_over = behind.pass_over(records, restored_until).await?;
    if !passed_over.is_empty() {
        let posts = passed_over.iter().map(PostId::as_str).collect::<Vec<_>>().join(", ");
        tracing::warn!(
            posts,
            "the restored log tells of posts that the restored records do not have; look at the networks"
        );
    }
    let Behind { leaves, open, facts, erasures, .. } = behind;
    let mut found = Found { leaves, open: open.len(), leases: 0, passed_over: passed_over.len() };
    let mut facts = facts.into_iter().peekable();
    while facts.peek().is_some() {
        let batch = facts.by_ref().take(BATCH_LEAVES).collect();
        records.apply_leaves(from, batch).await.map_err(|error| error.to_string())?;
    }
    let mut leaves = Vec::with_capacity(open.len());
    for (index, intent) in open {
        leaves.push(Leaf::new(now.as_millisecond(), closing(records, index, intent).await?));
    }
    if !leaves.is_empty() {
        audit.append_all(leaves).await.map_err(|error| error.to_string())?;
    }
    for (index, at_ms, erasure) in erasures {
        adopt(records, index, at_ms, erasure).await?;
    }
    records.apply_leaves(audit.next_index(), Vec::new()).await.map_err(|error| error.to_string())?;
    found.leases = records.release_leases().await.map_err(|error| error.to_string())?;
    Ok(found)
}

/// Records from a backup may be older than an erasure that the log tells of: it is to be carried out in them too.
async fn adopt(records: &dyn Records, index: u64, at_ms: i64, erasure: leaf::Erasure) -> Result<(), String> {
    let failed = |error: RecordsError| error.to_string();
    let under_way = records.erasures_under_way().await.map_err(failed)?;
    let known = records.erasure_of_leaf(index).await.map_err(failed)?.is_some()
        || under_way.iter().any(|known| known.subject == erasure.subject && known.log_from <= index);
    if known {
        return Ok(());
    }
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut by = erasure.by.into_iter().map(PersonId::new);
    let (asked_by, confirmed_by) = (by.next(), by.next());
    let record = ErasureRecord {
        id: format!("erasure_of_leaf_{index}"),
        subject: erasure.subject,
        basis: erasure.basis,
        asked_by: asked_by.unwrap_or_else(|| PersonId::new("")),
        asked_at: at,
        confirmed: Some((confirmed_by.unwrap_or_else(|| PersonId::new("")), at)),
        log_from: index,
        erased: ErasedCounts::default(),
        leaf: None,
    };
    records.ask_erasure(record).await.map_err(failed)
}

fn note(open: &mut BTreeMap<u64, leaf::Intent>, index: u64, leaf: &Leaf) {
    match &leaf.event {
        Event::Intent(intent) => {
            open.insert(index, (**intent).clone());
        }
        Event::Outcome(outcome) => {
            open.remove(&outcome.intent);
        }
        _ => {}
    }
}

fn fact(index: u64, leaf: &Leaf) -> Option<LeafFact> {
    match &leaf.event {
        Event::Intent(intent) if intent.effect_kind == leaf::EffectKind::Effect => Some(LeafFact::Intent {
            index,
            post: PostId::new(intent.post.clone()),
            account: AccountId::new(intent.account.clone()),
            step: step_name(intent),
            safety: intent.safety.clone(),
            at: Timestamp::from_millisecond(leaf.at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            attempt: intent.attempt,
        }),
        Event::Outcome(outcome) => Some(LeafFact::Outcome {
            intent: outcome.intent,
            post: PostId::new(outcome.post.clone()),
            account: AccountId::new(outcome.account.clone()),
            result: result_name(outcome.result).to_owned(),
            target_state: outcome.target_state.as_deref().and_then(TargetState::parse),
            platform_ids: outcome.platform_ids.clone(),
        }),
        Event::Finished(finished) => Some(LeafFact::Finished {
            index,
            post: PostId::new(finished.post.clone()),
            account: AccountId::new(finished.account.clone()),
            target_state: TargetState::parse(&finished.target_state)?,
            platform_ids: finished.platform_ids.clone(),
        }),
        _ => None,
    }
}

/// A recall has steps of its own in the journal.
fn step_name(intent: &leaf::Intent) -> String {
    if intent.action == crate::model::Action::POST_DELETE.as_str() {
        format!("recall:{}", intent.step)
    } else {
        intent.step.clone()
    }
}

fn result_name(result: leaf::OutcomeResult) -> &'static str {
    match result {
        leaf::OutcomeResult::Answered => "answered",
        leaf::OutcomeResult::NotSent => "not-sent",
        leaf::OutcomeResult::Unanswered => "unanswered",
        leaf::OutcomeResult::Unknown => "unknown",
    }
}

async fn closing(records: &dyn Records, index: u64, intent: leaf::Intent) -> Result<leaf::Outcome, String> {
    let post = records.post(PostId::new(intent.post.clone())).await.map_err(|error| error.to_string())?;
    let target =
        post.and_then(|post| post.targets.into_iter().find(|target| target.account.as_str() == intent.account));
    let unknown = target.is_none_or(|target| target.unknown_step.is_some_and(|step| step.intent == index));
    let result = match (unknown, intent.effect_kind) {
        (true, _) | (false, leaf::EffectKind::Prepare) => leaf::OutcomeResult::Unknown,
        (false, _) => leaf::OutcomeResult::Answered,
    };
    Ok(leaf::Outcome {
        intent: index,
        post: intent.post,
        account: intent.account,
        brand: intent.brand,
        action: Some(intent.action),
        step: intent.step,
        result,
        status: None,
        response_digest: None,
        target_state: None,
        platform_ids: Vec::new(),
        recovered: true,
    })
}
