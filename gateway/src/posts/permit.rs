//! A statement passes a freeze: one version of one post, by the word of a person who has no part in it.

use std::sync::Arc;

use pressgate_workflow::approval::part_in;

use super::{
    life::{By, Turn},
    read,
    thaw::thaw,
};
use crate::{
    freezes::{
        Place,
        change::{self, Who},
        view::{FreezeView, PermitRequest},
    },
    gateway::Gateway,
    model::PostId,
    refusal::{Refusal, Stage, problem},
};

/// Lets the post pass, as it is now, once all have agreed whose agreement its rules ask for. What the freeze had stopped of it goes out. It
/// goes on to its end whatever becomes of the caller.
///
/// # Errors
/// No such freeze or post, no right, a part in the post, another version than was seen, and what the stores say; it stays frozen then.
pub async fn permit(gateway: &Arc<Gateway>, by: Who, id: String, wish: PermitRequest) -> Result<FreezeView, Refusal> {
    let gateway = Arc::clone(gateway);
    let permitting = async move {
        let post = PostId::new(&wish.post);
        let view = permitted(&gateway, &by, &id, (&post, wish.version)).await?;
        thaw(&gateway, &post, Some(gateway.clock.now())).await?;
        gateway.due.notify_one();
        Ok(view)
    };
    tokio::spawn(permitting).await.unwrap_or_else(|error| {
        let detail = "The change broke off; see the gateway's log.";
        Err(Refusal::new(problem::INTERNAL, Stage::Door, detail).because(error))
    })
}

async fn permitted(
    gateway: &Arc<Gateway>,
    by: &Who,
    id: &str,
    (post, saw): (&PostId, Option<u32>),
) -> Result<FreezeView, Refusal> {
    // Nobody edits it meanwhile.
    let _alone = gateway.lives.alone(post).await;
    let freeze = change::on(&gateway.freezes.on(), id)?;
    // Who has no right to the freeze hears nothing of the post.
    change::allowed(&gateway.governance.load(), by, &freeze.scope)?;
    let turn = Turn::begin(gateway, read(gateway, post).await?, By::Gate);
    let version = turn.life().version().number;
    let governance = gateway.governance.load_full();
    let campaign = turn.life().content().campaign.as_ref().map(|campaign| campaign.as_str());
    let is_in = |account: &str| {
        let account = governance.accounts.get(account);
        account.is_some_and(|account| Place::new(&account.id, &account.brand, campaign).is_in(&freeze.scope))
    };
    if !turn.life().targets().iter().any(|target| is_in(target.account().as_str())) {
        let detail = format!("The freeze `{id}` does not stop the post `{post}`.");
        return Err(Refusal::new(problem::INVALID, Stage::Door, detail));
    }
    if saw.is_some_and(|saw| saw != version) {
        let detail = format!("The post is at version {version}, which is another than the one you saw. Read it again.");
        return Err(Refusal::new(problem::CONTENT_CHANGED, Stage::Approve, detail));
    }
    let Who::Person(person) = by else {
        let detail = "A person lets a post pass, on a running gateway, with a key of their own.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    };
    if part_in(turn.life(), &turn.facts(), &person.as_str().into()).is_some() {
        let detail = "You wrote it, edited it last, or can operate its app: somebody else lets it pass.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    change::permit(gateway, by, id, (post, version)).await
}
