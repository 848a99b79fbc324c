//! Is the call frozen? Asked when it is cleared and again before every effect, while no freeze can begin.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pressgate_workflow::{
    freeze::{EffectKind, PostEffect, may_send},
    ids::Label,
};

use super::{Approval, Call};
use crate::{
    freezes::{Going, Place, may_lift, told},
    gateway::Gateway,
    model::{Action, Principal},
    refusal::{Fault, Refusal, Stage, problem},
};

/// Of a call that is no post, or none yet.
const VERSION: u32 = 1;

/// The freeze in the way of a call that people agreed to, or that needed nobody.
pub(super) fn check(gateway: &Gateway, approval: &Approval, stage: Stage) -> Result<(), Refusal> {
    stopped(gateway, approval.call(), (approval.version(), approval.approved_at()), stage)
}

/// The freeze in the way of a call, as far as it is known before anybody voted.
pub(super) fn look(gateway: &Gateway, call: &Call) -> Result<(), Refusal> {
    stopped(gateway, call, (VERSION, None), Stage::Clear)
}

/// Before an effect: nothing is in the way, and a freeze that begins from now on waits until the effect is over. To be called
/// with [`Gateway::starts`] held.
pub(super) fn start(gateway: &Gateway, approval: &Approval) -> Result<Going, Refusal> {
    check(gateway, approval, Stage::Record)?;
    Ok(gateway.freezes.under_way.begin(place(approval.call())))
}

fn place(call: &Call) -> Place {
    Place::new(&call.account().id, &call.account().brand, call.draft().campaign.as_deref())
}

fn stopped(
    gateway: &Gateway,
    call: &Call,
    (version, approved_at): (u32, Option<Timestamp>),
    stage: Stage,
) -> Result<(), Refusal> {
    if gateway.freezes.is_quiet() {
        return Ok(());
    }
    let kind = match call.draft().action {
        action if action.is_read() => EffectKind::Read,
        Action::POST_DELETE => EffectKind::DeleteOwn,
        _ => EffectKind::Change,
    };
    // The right to call a post urgent was given in limits.toml, by review, to an app for these labels: that is its approval.
    let urgent = urgent_labels(gateway, call);
    let standing = (!urgent.is_empty()).then_some(Timestamp::MIN);
    let all: BTreeSet<Label> = match standing {
        Some(_) => urgent,
        None => call.draft().labels.iter().map(|label| label.as_str().into()).collect(),
    };
    let (id, place) = (call.post().as_str().into(), place(call));
    let post = PostEffect { id: &id, version, labels: &all, approved_at: standing.or(approved_at) };
    let freezes = gateway.freezes.on();
    let Err(freeze) = may_send(&freezes, &place.effect(kind, Some(post))) else { return Ok(()) };
    let detail = told(freeze, &may_lift(&gateway.governance.load(), &freeze.scope));
    let fault = Fault {
        pointer: None,
        account: Some(call.account().id.to_string()),
        code: problem::FROZEN.slug.to_owned(),
        message: detail.clone(),
        measured: None,
        allowed: None,
    };
    Err(Refusal::new(problem::FROZEN, stage, detail).with_faults(vec![fault]))
}

/// Labels of the draft that its app may call urgent under the governance of this moment.
fn urgent_labels(gateway: &Gateway, call: &Call) -> BTreeSet<Label> {
    let governance = gateway.governance.load();
    let urgent = &governance.limits.urgent;
    let may = matches!(call.caller().principal(), Principal::App(app) if urgent.apps.contains(app));
    let labels = call.draft().labels.iter().filter(|label| may && urgent.labels.contains(*label));
    labels.map(|label| label.as_str().into()).collect()
}
