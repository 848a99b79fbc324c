//! Classify: what does the caller want? A submission for n accounts becomes n calls.

pub mod native;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Caller, Submission,
    addressed::{addressed, escaped, still_fits},
    sources::Sources,
    submission::{Content, MediaUse},
};
use crate::{
    config::Governance,
    gateway::Gateway,
    host::{Release, Snapshot},
    model::{Account, AccountId, Action, Draft, MediaId, MediaRef, Part, PostId},
    records::{ClaimFor, MediaRecord, PostRecord, TargetRecord},
    refusal::{Fault, Refusal, Stage, problem},
};

/// Most entries of a thread.
pub const THREAD_PARTS_MAX: usize = 50;

/// Proof that a request was understood: one action on one account with its content.
#[derive(Clone)]
pub struct Call {
    caller: Caller,
    post: PostId,
    account: Arc<Account>,
    adapter: Arc<Release>,
    snapshot: Arc<Snapshot>,
    governance: Arc<Governance>,
    draft: Draft,
    sources: Sources,
}

impl Call {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    /// The post that it belongs to.
    pub fn post(&self) -> &PostId {
        &self.post
    }
    /// The account that will speak.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }
    /// The adapter that will carry it out, the same for the whole call.
    pub fn adapter(&self) -> &Arc<Release> {
        &self.adapter
    }
    /// The plugins as they were when the call began.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
    /// The governance as it was when the call began.
    pub fn governance(&self) -> &Arc<Governance> {
        &self.governance
    }
    /// The content.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }
    /// Where in the request its content stands.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }
}

/// Resolves a submission into a call for each account. All faults are reported at once.
#[tracing::instrument(target = "pressgate::span", name = "classify", skip_all)]
pub async fn classify(
    gateway: &Gateway,
    caller: &Caller,
    post: &PostId,
    submission: &Submission,
) -> Result<Vec<Call>, Refusal> {
    let governance = gateway.governance.load_full();
    let snapshot = gateway.registry.snapshot();
    let caller = caller.clone().acting_for(submission.on_behalf_of.clone());
    let mut faults = Vec::new();
    let mut found = Vec::new();
    for (position, id) in submission.accounts.iter().enumerate() {
        let account = governance.accounts.get(id);
        match account.and_then(|account| Some((account, snapshot.adapter_for(account, &call_name(post, id))?))) {
            Some((account, adapter)) => found.push((Arc::clone(account), Arc::clone(adapter))),
            None => faults.push(fault(
                format!("/accounts/{position}"),
                Some(id),
                "unknown-account",
                format!("There is no account `{id}`."),
            )),
        }
    }
    if !faults.is_empty() {
        let names = faults.iter().filter_map(|fault| fault.account.as_deref()).collect::<Vec<_>>().join("`, `");
        return Err(Refusal::new(problem::UNKNOWN_ACCOUNT, Stage::Classify, format!("There is no account `{names}`."))
            .with_faults(faults));
    }
    addressed(submission, &found)?;
    let media = resolve_media(gateway, &caller, submission).await?;
    let mut calls = Vec::with_capacity(found.len());
    for (account, adapter) in found {
        let draft = draft(submission, &account, &media);
        supported(&adapter, &account, &draft)?;
        let sources = Sources::of(submission, &account);
        calls.push(Call {
            caller: caller.clone(),
            post: post.clone(),
            account,
            adapter,
            snapshot: Arc::clone(&snapshot),
            governance: Arc::clone(&governance),
            draft,
            sources,
        });
    }
    Ok(calls)
}

/// How a call is named where it is counted towards a share: the same name for every attempt.
pub fn call_name(post: &PostId, account: &AccountId) -> String {
    format!("{post}/{account}")
}

/// The adapter's release that an attempt on this target uses, where nothing of it was sent yet.
pub fn release_for(gateway: &Gateway, snapshot: &Snapshot, post: &PostId, account: &AccountId) -> Option<String> {
    let governance = gateway.governance.load();
    let adapter = snapshot.adapter_for(governance.accounts.get(account)?, &call_name(post, account));
    adapter.map(|release| release.digest().to_owned())
}

/// The call of a kept target, to go on with it or to take it back, under the governance of this moment and with these plugins. What was
/// started goes on with the release that started it, while there is one.
#[tracing::instrument(target = "pressgate::span", name = "classify", skip_all)]
pub fn resume(
    gateway: &Gateway,
    snapshot: Arc<Snapshot>,
    caller: Caller,
    post: &PostRecord,
    target: &TargetRecord,
    purpose: ClaimFor,
) -> Result<Call, Refusal> {
    let governance = gateway.governance.load_full();
    let gone = || {
        Refusal::new(
            problem::UNKNOWN_ACCOUNT,
            Stage::Classify,
            format!("There is no account `{}` any more.", target.account),
        )
    };
    let account = governance.accounts.get(&target.account).map(Arc::clone).ok_or_else(gone)?;
    let routed = || snapshot.adapter_for(&account, &call_name(&post.id, &account.id));
    let bound = target.release.as_deref().and_then(|digest| snapshot.adapter_of(digest));
    let bound = bound.filter(|release| release.manifest().name == account.adapter);
    if let (Some(digest), None) = (&target.release, bound) {
        tracing::warn!(post = %post.id, account = %account.id, digest, "the release that began is gone; another goes on");
    }
    let adapter = bound.or_else(routed).map(Arc::clone).ok_or_else(gone)?;
    let mut draft = target.draft.clone();
    if purpose == ClaimFor::Recall {
        draft.action = Action::POST_DELETE;
        draft.target =
            Some(target.published.iter().map(|part| part.platform_id.as_str()).collect::<Vec<_>>().join("\n"));
    }
    if purpose == ClaimFor::Publish {
        still_fits(&account, &adapter, &draft)?;
    }
    supported(&adapter, &account, &draft)?;
    let sources = Sources::plain(&account);
    Ok(Call { caller, post: post.id.clone(), account, adapter, snapshot, governance, draft, sources })
}

/// The call's action must be one that the adapter offers.
fn supported(adapter: &Release, account: &Account, draft: &Draft) -> Result<(), Refusal> {
    if adapter.description().is_some_and(|description| description.actions.contains(&draft.action)) {
        return Ok(());
    }
    let detail = format!("The adapter of `{}` can't do `{}`.", account.id, draft.action);
    Err(Refusal::new(problem::UNSUPPORTED_ACTION, Stage::Classify, detail))
}

fn draft(submission: &Submission, account: &Account, media: &BTreeMap<MediaId, MediaRecord>) -> Draft {
    let content = submission.content_for(&account.id, &account.network);
    let refs = |uses: &[MediaUse]| {
        uses.iter().filter_map(|used| media.get(&used.id).map(|record| media_ref(record, used.alt.clone()))).collect()
    };
    let Content { text, language, media: first, thread } = content;
    let mut parts = vec![Part { text, media: refs(&first) }];
    parts.extend(thread.iter().map(|entry| Part { text: entry.text.clone(), media: refs(&entry.media) }));
    let reply = submission.reply_to.as_ref().filter(|reply| reply.account == account.id);
    Draft {
        action: if reply.is_some() { Action::COMMENT_CREATE } else { Action::POST_CREATE },
        parts,
        language,
        target: reply.map(|reply| reply.reference.clone()),
        options: submission.options.get(&account.network).cloned().unwrap_or_default(),
        labels: submission.labels.clone(),
        campaign: submission.campaign.clone(),
    }
}

/// A stored medium as a draft shows it.
fn media_ref(record: &MediaRecord, alt: Option<String>) -> MediaRef {
    MediaRef {
        id: record.id.clone(),
        media_type: record.media_type.clone(),
        size_bytes: record.size_bytes,
        width: record.width,
        height: record.height,
        digest: record.digest.clone(),
        alt,
    }
}

/// Every medium that any variant names; only its owner may use one.
async fn resolve_media(
    gateway: &Gateway,
    caller: &Caller,
    submission: &Submission,
) -> Result<BTreeMap<MediaId, MediaRecord>, Refusal> {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    for (pointer, used) in media_uses(submission) {
        if found.contains_key(&used.id) {
            continue;
        }
        let record = gateway.records.media(used.id.clone()).await.map_err(|error| {
            Refusal::new(problem::STATE_UNAVAILABLE, Stage::Classify, "The record store can't be read.").because(error)
        })?;
        match record.filter(|record| record.owner == *caller.principal()) {
            Some(record) => {
                found.insert(used.id.clone(), record);
            }
            None => faults.push(fault(
                pointer,
                None,
                "media-unknown",
                format!("There is no medium `{}` of yours.", used.id),
            )),
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    let detail = "Upload media with POST /v1/media first and use them within 24 hours.";
    Err(Refusal::new(problem::MEDIA_UNKNOWN, Stage::Classify, detail).with_faults(faults))
}

fn media_uses(submission: &Submission) -> Vec<(String, &MediaUse)> {
    let mut all: Vec<(String, &MediaUse)> = Vec::new();
    push(&mut all, "/content", &submission.content.media);
    for (index, entry) in submission.content.thread.iter().enumerate() {
        push(&mut all, &format!("/content/thread/{index}"), &entry.media);
    }
    for (name, variant) in &submission.variants {
        let base = format!("/variants/{}", escaped(name));
        push(&mut all, &base, variant.media.as_deref().unwrap_or_default());
        for (index, entry) in variant.thread.as_deref().unwrap_or_default().iter().enumerate() {
            push(&mut all, &format!("{base}/thread/{index}"), &entry.media);
        }
    }
    all
}

fn push<'a>(all: &mut Vec<(String, &'a MediaUse)>, base: &str, media: &'a [MediaUse]) {
    all.extend(media.iter().enumerate().map(|(index, used)| (format!("{base}/media/{index}"), used)));
}

fn fault(pointer: String, account: Option<&AccountId>, code: &str, message: String) -> Fault {
    Fault {
        pointer: Some(pointer),
        account: account.map(ToString::to_string),
        code: code.into(),
        message,
        measured: None,
        allowed: None,
    }
}
