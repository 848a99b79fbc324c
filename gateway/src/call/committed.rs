//! What the leaves of a call commit to instead of holding it: the text, what it answers, where it came from.

use super::{Call, Caller, digest};
use crate::{
    gateway::Gateway,
    model::Draft,
    openings::{Committed, OpeningsError, REPLY_TO, SOURCE, TEXT},
    records::{Commitment, NewPost},
    refusal::{Refusal, Stage, problem},
};

/// Longest text of a refused call that is committed to, in bytes. What was accepted is committed to whole.
const REFUSED_BYTES_MAX: usize = 64 * 1024;

/// Gives a new post the commitments of its targets, and their openings, which are kept with it.
///
/// # Errors
/// `state-unavailable` where the keys of subjects can't be used.
pub async fn of_post(gateway: &Gateway, caller: &Caller, post: &mut NewPost) -> Result<(), Refusal> {
    let source = caller.source().map(|source| source.to_string());
    for target in &mut post.targets {
        let text = text_of(&target.draft);
        let mut values = vec![(TEXT, text.as_str())];
        values.extend(target.draft.target.as_deref().map(|reference| (REPLY_TO, reference)));
        values.extend(source.as_deref().map(|source| (SOURCE, source)));
        let committed = gateway.openings.commit(&post.subject, post.id.as_str(), &values).await;
        let Committed { commitments, openings } = committed.map_err(|error| unavailable(&error))?;
        target.commitments = commitments;
        post.openings.extend(openings);
    }
    Ok(())
}

/// Commitments to one draft that is kept nowhere else.
pub(crate) async fn of_draft(gateway: &Gateway, call: &Call) -> Result<Committed, Refusal> {
    let (caller, draft) = (call.caller(), call.draft());
    let source = caller.source().map(|source| source.to_string());
    let text = text_of(draft);
    let mut values = vec![(TEXT, text.as_str())];
    values.extend(draft.target.as_deref().map(|reference| (REPLY_TO, reference)));
    values.extend(source.as_deref().map(|source| (SOURCE, source)));
    let committed = gateway.openings.commit(&subject(gateway, caller), call.post().as_str(), &values).await;
    committed.map_err(|error| unavailable(&error))
}

/// Commitments to where a caller comes from and, for a refusal, to what it said.
pub(crate) async fn of_caller(
    gateway: &Gateway,
    caller: &Caller,
    call: &str,
    said: Option<&str>,
) -> Result<Committed, OpeningsError> {
    let source = caller.source().map(|source| source.to_string());
    let said = said.map(cut);
    let mut values: Vec<(&str, &str)> = said.map(|said| (TEXT, said)).into_iter().collect();
    values.extend(source.as_deref().map(|source| (SOURCE, source)));
    gateway.openings.commit(&subject(gateway, caller), call, &values).await
}

/// Commits to where a reader comes from, with what is to lie beside the leaf. Reads go on while the records can't be used: their leaf
/// then commits to nothing.
pub(crate) async fn source(gateway: &Gateway, caller: &Caller) -> (Vec<Commitment>, Vec<u8>) {
    let kept = async {
        let Committed { commitments, openings } = of_caller(gateway, caller, "", None).await?;
        Ok::<_, OpeningsError>((commitments, gateway.openings.beside(openings).await?))
    };
    kept.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a read is logged without where it came from");
        Default::default()
    })
}

/// Whose values they are. A person whom nobody knows is a word of the caller's, and gets no key.
fn subject(gateway: &Gateway, caller: &Caller) -> String {
    let governance = gateway.governance.load();
    let known = caller.on_behalf_of().is_none_or(|person| governance.people.contains_key(person));
    if known { caller.author().subject() } else { caller.principal().to_string() }
}

/// The refusal for values that can't be kept: nothing is done whose leaf could never be opened.
pub(crate) fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Record, "The record store can't be used.")
        .because(error)
        .retry_after(1)
}

/// A draft without what it answers, which is a value of its own.
fn text_of(draft: &Draft) -> String {
    let draft = Draft { target: None, ..digest::canonical(draft) };
    serde_json::to_string(&draft).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(REFUSED_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
