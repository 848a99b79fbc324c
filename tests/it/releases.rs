//! Releases of plugins: installed, put in place, tried on a share of the calls, taken back, while calls go on.

mod command;
mod rejected;
mod signed;
mod swapped;
mod watched;

use pressgate::audit::{Event, leaf};
use pressgate::model::PersonId;
use pressgate::operator::releases::{
    change::{ChangeRequest, Kind, change},
    install::install,
    view::{ReleaseView, RoutingView, routing},
};
use pressgate::operator::{By, OpsError};
use tests::harness::Running;

const MASTODON: &str = "network:mastodon";

fn ops() -> By {
    By::Person(PersonId::new("ops-1"))
}

async fn installed(gate: &Running, component: Vec<u8>) -> ReleaseView {
    install(gate.gateway(), &ops(), component).await.unwrap_or_else(|error| panic!("not installed: {error}"))
}

/// A wish on what stands now.
async fn wish(gate: &Running, slot: &str, release: &str) -> ChangeRequest {
    let version = stands(gate).await.version;
    ChangeRequest { slot: slot.into(), version, release: Some(release.into()), ..ChangeRequest::default() }
}

async fn asked(gate: &Running, kind: Kind, wish: ChangeRequest) -> Result<RoutingView, OpsError> {
    change(gate.gateway(), &ops(), kind, wish).await
}

async fn activated(gate: &Running, slot: &str, release: &str) -> RoutingView {
    let wish = wish(gate, slot, release).await;
    asked(gate, Kind::Activate, wish).await.unwrap_or_else(|error| panic!("not activated: {error}"))
}

async fn rolled_back(gate: &Running, slot: &str) -> RoutingView {
    let wish = ChangeRequest { release: None, ..wish(gate, slot, "").await };
    asked(gate, Kind::Rollback, wish).await.unwrap_or_else(|error| panic!("not rolled back: {error}"))
}

async fn stands(gate: &Running) -> RoutingView {
    routing(gate.gateway()).await.expect("a routing")
}

/// What the log says of plugins: action, subject, by whom.
fn told(leaves: Vec<pressgate::audit::Leaf>) -> Vec<(String, String, String)> {
    let of = |event| match event {
        Event::Change(leaf::Change { what: leaf::Changed::Plugin, action, subject, by, .. }) => {
            Some((action, subject, by))
        }
        _ => None,
    };
    leaves.into_iter().filter_map(|leaf| of(leaf.event)).filter(|(action, ..)| action != "load").collect()
}
