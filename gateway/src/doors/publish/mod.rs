//! The publish door: our own API, `/v1`.

pub mod accounts;
pub mod calendar;
mod check;
pub mod invite;
pub mod me;
pub mod media;
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
    refusal::Refusal,
};

use super::problem::Problem;

/// Closes a journey that ended at the door: who asks badly is known, so it is logged like any refusal.
pub(in crate::doors) async fn refused(gateway: &Gateway, caller: &Caller, refusal: Refusal) -> Problem {
    Journey::begin(caller).refuse(gateway, refusal).await.into()
}
