//! The paths of releases on the operator listener.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;

use super::{
    change::{ChangeRequest, Kind, change},
    find, install, view,
};
use crate::{
    gateway::Gateway,
    host::COMPONENT_BYTES_MAX,
    operator::{
        answer::Problem,
        body::{Named, Strict},
        guard::Operator,
        routes::{Answer, Fresh, Shared, ok, to_the_end},
    },
    records::ReleaseState,
    refusal::{Refusal, Stage, problem},
};

/// How long a component may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The paths.
pub fn routes(router: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    router
        .route("/operator/plugins", get(list))
        .route("/operator/plugins/releases", post(install_release))
        .route("/operator/plugins/releases/{release}", get(show))
        .route("/operator/plugins/activations", post(activate))
        .route("/operator/plugins/canaries", post(canary))
        .route("/operator/plugins/promotions", post(promote))
        .route("/operator/plugins/rollbacks", post(rollback))
}

async fn list(State(gateway): Shared, _operator: Operator) -> Answer<view::RoutingView> {
    ok(view::routing(&gateway).await?)
}

async fn show(State(gateway): Shared, _operator: Operator, Named(release): Named<String>) -> Answer<view::ReleaseView> {
    let record = find(&gateway, &release).await?;
    ok(view::release(&gateway, record).await?)
}

async fn install_release(
    State(gateway): Shared,
    Operator(by): Operator,
    request: Request,
) -> Result<Response, Problem> {
    let reading = tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body())).await;
    let late = || {
        let detail = format!("The component did not arrive within {} s.", BODY_TIMEOUT.as_secs());
        Err(Refusal::new(problem::MALFORMED, Stage::Door, detail).into())
    };
    let component = reading.unwrap_or_else(|_| late())?;
    let installed =
        to_the_end(&gateway, move |gateway| async move { install::install(&gateway, &by, component).await }).await?;
    let status =
        if installed.state == ReleaseState::Ready { StatusCode::CREATED } else { StatusCode::UNPROCESSABLE_ENTITY };
    if status == StatusCode::CREATED {
        return Ok(Fresh(status, installed).into_response());
    }
    let failed = installed.steps.iter().find(|step| !step.passed);
    let why = failed.map_or_else(String::new, |step| format!("{}: {}", step.step, step.note));
    let detail = format!("{} {} was rejected at {why}", installed.name, installed.version);
    Err(Refusal::new(problem::INVALID, Stage::Door, detail).into())
}

/// What is longer than any plugin is not read to its end.
async fn collect(mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal::new(problem::MALFORMED, Stage::Door, "The body broke off.");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > COMPONENT_BYTES_MAX {
            let detail = format!("A plugin has at most {COMPONENT_BYTES_MAX} bytes.");
            return Err(Refusal::new(problem::TOO_LARGE, Stage::Door, detail).into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn activate(gateway: Shared, by: Operator, wish: Strict<ChangeRequest>) -> Answer<view::RoutingView> {
    changed(gateway, by, Kind::Activate, wish).await
}

async fn canary(gateway: Shared, by: Operator, wish: Strict<ChangeRequest>) -> Answer<view::RoutingView> {
    changed(gateway, by, Kind::Canary, wish).await
}

async fn promote(gateway: Shared, by: Operator, wish: Strict<ChangeRequest>) -> Answer<view::RoutingView> {
    changed(gateway, by, Kind::Promote, wish).await
}

async fn rollback(gateway: Shared, by: Operator, wish: Strict<ChangeRequest>) -> Answer<view::RoutingView> {
    changed(gateway, by, Kind::Rollback, wish).await
}

async fn changed(
    State(gateway): Shared,
    Operator(by): Operator,
    kind: Kind,
    Strict(wish): Strict<ChangeRequest>,
) -> Answer<view::RoutingView> {
    ok(to_the_end(&gateway, move |gateway| async move { change(&gateway, &by, kind, wish).await }).await?)
}
