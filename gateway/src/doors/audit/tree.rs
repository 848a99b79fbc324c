//! `GET /v1/audit/tree/checkpoint` and `GET /v1/audit/tree/tile/…`: the log's tree as static files (C2SP tlog-tiles), for whoever
//! verifies, mirrors or follows it with other tools.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{caller::Known, problem::Problem, publish::refused},
    right::{note, permitted},
};
use crate::{
    audit::{TreeFile, leaf},
    call::Caller,
    gateway::Gateway,
    model::AuditRight,
    refusal::{Refusal, Stage, problem},
};

/// One file of the log's tree.
#[utoipa::path(get, path = "/v1/audit/tree/{path}", operation_id = "readAuditTree", tag = "audit",
    params(("path" = String, Path, description = "`checkpoint`, `tile/<level>/<number>` or `tile/entries/<number>`, as C2SP tlog-tiles writes them.")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "The file. Reading entries is a leaf of the log itself."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn file(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    match read(&gateway, &caller, &path).await {
        Ok((file, bytes)) => Ok(response(file, bytes)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

async fn read(gateway: &Arc<Gateway>, caller: &Caller, path: &str) -> Result<(TreeFile, Vec<u8>), Refusal> {
    let scope = permitted(gateway, caller, AuditRight::Read)?;
    if !scope.is_whole() {
        let text = "The tree is of the whole log; your right to read is for some brands only.";
        return Err(Refusal::new(problem::NO_AUDIT_RIGHT, Stage::Authorise, text));
    }
    let none = || Refusal::new(problem::NOT_FOUND, Stage::Door, "The log's tree has no such file.");
    let file = TreeFile::parse(path).ok_or_else(none)?;
    let audit = gateway.audit.clone();
    let found = tokio::task::spawn_blocking(move || audit.tree_file(file)).await;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, path, "a file of the log's tree can't be read");
        Refusal::new(problem::INTERNAL, Stage::Door, "The log's tree can't be read now.")
    };
    let bytes = found.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?.ok_or_else(none)?;
    // Hashes and checkpoints say nothing of what is in the leaves.
    if file.holds_leaves() {
        let filter = Some(format!("path={path}"));
        let read =
            leaf::Read { what: "audit.tree".into(), grant: Some(scope.grant()), filter, ..leaf::Read::default() };
        note(gateway, caller, read).await?;
    }
    Ok((file, bytes))
}

fn response(file: TreeFile, bytes: Vec<u8>) -> Response {
    let (kind, kept) = match file.is_for_ever() {
        true => ("application/octet-stream", "private, max-age=31536000, immutable"),
        false => ("text/plain; charset=utf-8", "no-store"),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
    ];
    (headers, bytes).into_response()
}
