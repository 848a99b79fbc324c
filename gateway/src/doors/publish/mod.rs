//! The publish door: our own API, `/v1`.

pub mod accounts;
pub mod calendar;
mod check;
pub mod feeds;
pub mod invite;
pub mod me;
pub mod media;
mod once;
pub mod posts;
pub mod request;
pub mod standing;
pub mod steps;
pub mod view;
pub mod votes;
pub mod written;

use crate::{
    call::{Caller, journey::Journey},
    gateway::Gateway,
    model::PostId,
    refusal::Refusal,
};

use super::problem::Problem;

/// Closes a journey that ended at the door: who asks badly is known, so it is logged like any refusal.
pub(in crate::doors) async fn refused(gateway: &Gateway, caller: &Caller, refusal: Refusal) -> Problem {
    Journey::begin(caller).refuse(gateway, refusal).await.into()
}

/// The same of a step on a post, by the name of the step that was tried.
pub(in crate::doors) async fn refused_step(
    gateway: &Gateway,
    caller: &Caller,
    step: &'static str,
    post: &PostId,
    refusal: Refusal,
) -> Problem {
    Journey::begin(caller).trying(step, Some(post)).refuse(gateway, refusal).await.into()
}
