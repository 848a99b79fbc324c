//! The paths of the operator listener.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Serialize;

use super::{
    By, Ops, OpsError,
    access::{AccessRequest, AccessView},
    answer::{self, Problem},
    apply,
    authority::{self, AuthorityRequest, AuthorityView},
    backups::{BackupRequest, SealRequest},
    body::{Named, Strict},
    connect,
    connectors::{self, EventsRequest, EventsView},
    credentials::Wants,
    erasures,
    guard::Operator,
    guidelines::{AcknowledgementRow, GuidelineRow},
    notices::{self, NoticeRow},
    releases, served,
    webhooks::{self, ReplayRequest, ReplayView, RotationRequest, SecretRequest, SecretView},
    wire::{
        Applied, ApplyRequest, AuditKeyView, ConnectionRequest, ConnectionView, CredentialRequest, CredentialView,
        DiffView, ErasureRequest, ErasureView, KeyRequest, KeyView, RevokedView, StatusView, TrainingImported,
        TrainingRequest, TrainingView, UnattemptedView,
    },
};
use crate::{
    audit::AuditHealth,
    backup::Sealed,
    config::Governance,
    connectors::ConnectorView,
    events::webhooks::{DeadView, WebhookView},
    freezes::{
        self,
        change::Who,
        view::{FreezeRequest, FreezeView, FreezesView, LiftRequest, PermitRequest},
    },
    gateway::{Gateway, READY, Readiness},
    metrics::CONTENT_TYPE,
    model::KeyId,
    posts::{permit, thaw},
};

/// Everything that the operator listener serves.
pub fn router(gateway: Arc<Gateway>) -> Router {
    releases::http::routes(Router::new())
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/operator/status", get(status))
        .route("/operator/diff", get(diff))
        .route("/operator/apply", post(apply_folder))
        .route("/operator/keys", get(list_keys).merge(post(create_key)))
        .route("/operator/keys/{id}", delete(revoke_key))
        .route("/operator/training", get(list_training).merge(post(import_training)))
        .route("/operator/notices", get(list_notices))
        .route("/operator/connectors", get(list_connectors))
        .route("/operator/connectors/{id}/dead", get(list_dead_of_connector))
        .route("/operator/connectors/{id}/retries", post(retry_connector))
        .route("/operator/connectors/{id}/closings", post(close_for_connector))
        .route("/operator/webhooks", get(list_webhooks))
        .route("/operator/webhooks/{id}/dead", get(list_dead))
        .route("/operator/webhooks/{id}/replays", post(replay_webhook))
        .route("/operator/webhooks/{id}/secret", put(set_webhook_secret))
        .route("/operator/webhooks/{id}/secret/rotations", post(rotate_webhook_secret))
        .route("/operator/freezes", get(list_freezes).merge(post(begin_freeze)))
        .route("/operator/freezes/{id}/lift", post(lift_freeze))
        .route("/operator/freezes/{id}/permit", post(permit_post))
        .route("/operator/guidelines", get(list_guidelines))
        .route("/operator/guidelines/acknowledgements", get(list_acknowledgements))
        .route("/operator/audit/key", post(rotate_audit_key))
        .route("/operator/authority", get(show_authority).merge(post(init_authority)))
        .route("/operator/erasures", get(list_erasures).merge(post(ask_erasure)))
        .route("/operator/erasures/{id}", get(show_erasure))
        .route("/operator/erasures/{id}/confirmations", post(confirm_erasure))
        .route("/operator/access", get(review_access))
        .route("/operator/backups", post(begin_backup))
        .route("/operator/backups/{id}/seals", post(seal_backup))
        .route("/operator/credentials", get(list_credentials))
        .route("/operator/credentials/{account}/{label}", put(set_credential).merge(delete(revoke_credential)))
        .route("/operator/credentials/{account}/{label}/connections", post(begin_connection))
        .route("/operator/connections/{id}", get(show_connection))
        .route(connect::CALLBACK, get(connect::callback))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .with_state(gateway)
}

/// An answer that no cache may keep.
pub(super) struct Fresh<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Fresh<T> {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.1)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

pub(super) type Answer<T> = Result<Fresh<T>, Problem>;
pub(super) type Shared = State<Arc<Gateway>>;

pub(super) fn ok<T>(value: T) -> Answer<T> {
    Ok(Fresh(StatusCode::OK, value))
}

/// Changes the key that signs the log's checkpoints; the log says so itself.
async fn rotate_audit_key(State(gateway): Shared, Operator(by): Operator) -> Answer<AuditKeyView> {
    let by = by.to_string();
    let audit = gateway.audit.clone();
    let rotated = tokio::task::spawn_blocking(move || audit.rotate_key(&by)).await;
    let key = rotated.map_err(|error| OpsError::Internal(error.to_string()))?.map_err(OpsError::Invalid)?;
    ok(AuditKeyView { key: key.to_string() })
}

async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(gateway): Shared) -> Fresh<Readiness> {
    // No key was shown, so the causes stay with the operators.
    let readiness = gateway.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Fresh(status, readiness)
}

/// What can be measured. As with readiness, no key is asked for: it holds counts, and names nobody.
async fn metrics(State(gateway): Shared) -> Response {
    let text = gateway.metrics.render();
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

/// `ready`, or the log's state and its cause.
fn log_state(health: &AuditHealth) -> String {
    match health.reason() {
        Some(reason) => format!("{}: {reason}", health.word()),
        None => READY.to_owned(),
    }
}

async fn status(State(gateway): Shared, _operator: Operator) -> Answer<StatusView> {
    let audit = gateway.audit.health();
    let records = gateway.records.healthy().await.map_err(|error| error.to_string());
    let ready = audit.takes_leaves() && records.is_ok();
    let word = |part: Result<(), String>| part.err().unwrap_or_else(|| READY.to_owned());
    let serving = gateway.registry.snapshot();
    let mut plugins: Vec<String> =
        serving.adapters.values().chain(serving.policies.values()).map(|release| release.label().to_owned()).collect();
    plugins.sort();
    plugins.dedup();
    ok(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready,
        audit: log_state(&audit),
        leaves: gateway.audit.next_index(),
        records: word(records),
        governance: gateway.governance.load().digest.clone(),
        unapplied: apply::unapplied(&gateway),
        plugins,
        components: served::running(&serving),
        exports: gateway.exports.status(),
        witnesses: gateway.witnesses.status(),
        unattempted: gateway
            .unattempted
            .all()
            .into_iter()
            .map(|(account, late)| UnattemptedView {
                account: account.to_string(),
                targets: late.targets,
                since: late.since,
            })
            .collect(),
    })
}

async fn diff(State(gateway): Shared, _operator: Operator) -> Answer<DiffView> {
    ok(apply::diff(&gateway).await?)
}

async fn apply_folder(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<ApplyRequest>,
) -> Answer<Applied> {
    ok(apply::apply(&gateway, by, wish).await?)
}

async fn list_keys(State(gateway): Shared, _operator: Operator) -> Answer<Vec<KeyView>> {
    ok(Ops::running(&gateway).list_keys().await?)
}

async fn create_key(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<KeyRequest>,
) -> Result<Response, Problem> {
    let governance = gateway.governance.load_full();
    let made =
        to_the_end(
            &gateway,
            move |gateway| async move { Ops::running(&gateway).create_key(&by, &governance, wish).await },
        );
    Ok(Fresh(StatusCode::CREATED, made.await?).into_response())
}

async fn revoke_key(State(gateway): Shared, Operator(by): Operator, Named(id): Named<String>) -> Answer<KeyView> {
    let revoked =
        to_the_end(
            &gateway,
            move |gateway| async move { Ops::running(&gateway).revoke_key(&by, &KeyId::new(id)).await },
        );
    ok(revoked.await?)
}

async fn list_training(State(gateway): Shared, _operator: Operator) -> Answer<Vec<TrainingView>> {
    ok(Ops::running(&gateway).list_training().await?)
}

async fn import_training(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<TrainingRequest>,
) -> Answer<TrainingImported> {
    let imported = to_the_end(&gateway, move |gateway| async move {
        let governance = gateway.governance.load_full();
        let (imported, records) = Ops::running(&gateway).import_training(&by, &governance, wish).await?;
        gateway.people.training.add(records);
        Ok(imported)
    });
    ok(imported.await?)
}

async fn list_notices(State(gateway): Shared, _operator: Operator) -> Answer<Vec<NoticeRow>> {
    ok(notices::list(&gateway).await?)
}

async fn list_connectors(State(gateway): Shared, _operator: Operator) -> Answer<Vec<ConnectorView>> {
    ok(connectors::list(&gateway).await?)
}

async fn list_dead_of_connector(
    State(gateway): Shared,
    _operator: Operator,
    Named(id): Named<String>,
) -> Answer<Vec<DeadView>> {
    ok(connectors::dead(&gateway, &id).await?)
}

async fn retry_connector(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<EventsRequest>,
) -> Answer<EventsView> {
    ok(to_the_end(&gateway, move |gateway| async move { connectors::retry(&gateway, &by, &id, wish).await }).await?)
}

async fn close_for_connector(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<EventsRequest>,
) -> Answer<EventsView> {
    ok(to_the_end(&gateway, move |gateway| async move { connectors::close(&gateway, &by, &id, wish).await }).await?)
}

async fn list_webhooks(State(gateway): Shared, _operator: Operator) -> Answer<Vec<WebhookView>> {
    ok(webhooks::list(&gateway).await?)
}

async fn list_dead(State(gateway): Shared, _operator: Operator, Named(id): Named<String>) -> Answer<Vec<DeadView>> {
    ok(webhooks::dead(&gateway, &id).await?)
}

async fn replay_webhook(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<ReplayRequest>,
) -> Answer<ReplayView> {
    ok(to_the_end(&gateway, move |gateway| async move { webhooks::replay(&gateway, &by, &id, wish).await }).await?)
}

async fn set_webhook_secret(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<SecretRequest>,
) -> Answer<SecretView> {
    ok(to_the_end(&gateway, move |gateway| async move { webhooks::set_secret(&gateway, &by, &id, wish).await }).await?)
}

async fn rotate_webhook_secret(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(_wish): Strict<RotationRequest>,
) -> Answer<SecretView> {
    ok(to_the_end(&gateway, move |gateway| async move { webhooks::rotate_secret(&gateway, &by, &id).await }).await?)
}

fn who(by: By) -> Who {
    match by {
        By::Person(person) => Who::Person(person),
        By::Local | By::LocalSignal | By::Gate => Who::Local,
    }
}

async fn list_freezes(State(gateway): Shared, Operator(by): Operator) -> Answer<FreezesView> {
    ok(freezes::list(&gateway, &who(by)).await?)
}

async fn begin_freeze(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<FreezeRequest>,
) -> Result<Response, Problem> {
    let frozen = freezes::begin(&gateway, who(by), wish).await?;
    let status = if frozen.already.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Fresh(status, frozen).into_response())
}

async fn lift_freeze(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<LiftRequest>,
) -> Answer<FreezeView> {
    ok(thaw::lift(&gateway, who(by), id, wish).await?)
}

async fn permit_post(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<PermitRequest>,
) -> Answer<FreezeView> {
    ok(permit::permit(&gateway, who(by), id, wish).await?)
}

async fn list_guidelines(State(gateway): Shared, _operator: Operator) -> Answer<Vec<GuidelineRow>> {
    let governance = gateway.governance.load_full();
    ok(Ops::running(&gateway).list_guidelines(&governance).await?)
}

async fn list_acknowledgements(State(gateway): Shared, _operator: Operator) -> Answer<Vec<AcknowledgementRow>> {
    ok(Ops::running(&gateway).list_acknowledgements().await?)
}

async fn show_authority(State(gateway): Shared, _operator: Operator) -> Answer<AuthorityView> {
    let governance = gateway.governance.load_full();
    let view = Ops::running(&gateway).authority(wants(&gateway, &governance)).await?;
    let none = || OpsError::Missing("there is no authority; `pressgate ca init` makes it".into());
    ok(view.ok_or_else(none)?)
}

async fn init_authority(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<AuthorityRequest>,
) -> Answer<AuthorityView> {
    ok(to_the_end(&gateway, move |gateway| async move { authority::init(&gateway, &by, wish).await }).await?)
}

async fn ask_erasure(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<ErasureRequest>,
) -> Result<Response, Problem> {
    let asked = to_the_end(&gateway, move |gateway| async move { erasures::ask(&gateway, &by, wish).await });
    Ok(Fresh(StatusCode::CREATED, asked.await?).into_response())
}

async fn list_erasures(State(gateway): Shared, _operator: Operator) -> Answer<Vec<ErasureView>> {
    ok(erasures::list(&Ops::running(&gateway)).await?)
}

async fn show_erasure(State(gateway): Shared, _operator: Operator, Named(id): Named<String>) -> Answer<ErasureView> {
    ok(erasures::show(&Ops::running(&gateway), &id).await?)
}

async fn confirm_erasure(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<ErasureRequest>,
) -> Answer<ErasureView> {
    ok(to_the_end(&gateway, move |gateway| async move { erasures::confirm(&gateway, &by, &id, wish).await }).await?)
}

async fn review_access(
    State(gateway): Shared,
    Operator(by): Operator,
    RawQuery(query): RawQuery,
) -> Answer<AccessView> {
    let wish = asked(query.as_deref().unwrap_or_default())?;
    let governance = gateway.governance.load_full();
    ok(Ops::running(&gateway).access(&by, &governance, &wish).await?)
}

/// What is to be reviewed, from the address.
fn asked(query: &str) -> Result<AccessRequest, OpsError> {
    let mut wish = AccessRequest::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let invalid = || OpsError::Invalid("the query has `days`, `account` and `brand`, each once".into());
        let place = match &*name {
            "account" => &mut wish.account,
            "brand" => &mut wish.brand,
            "days" if wish.days.is_none() => {
                wish.days = Some(value.parse().map_err(|_| invalid())?);
                continue;
            }
            _ => return Err(invalid()),
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(invalid());
        }
    }
    Ok(wish)
}

async fn begin_backup(
    State(gateway): Shared,
    Operator(by): Operator,
    Strict(wish): Strict<BackupRequest>,
) -> Result<Response, Problem> {
    let begun = to_the_end(&gateway, move |gateway| async move {
        // What lies beside the log's leaves is copied with the records.
        gateway.openings.settle().await?;
        Ops::running(&gateway).begin_backup(&by, wish).await
    });
    Ok(Fresh(StatusCode::CREATED, begun.await?).into_response())
}

async fn seal_backup(
    State(gateway): Shared,
    Operator(by): Operator,
    Named(id): Named<String>,
    Strict(wish): Strict<SealRequest>,
) -> Answer<Sealed> {
    ok(to_the_end(&gateway, move |gateway| async move { Ops::running(&gateway).seal_backup(&by, &id, wish).await })
        .await?)
}

fn wants<'a>(gateway: &'a Gateway, governance: &'a Governance) -> Wants<'a> {
    Wants { governance, shelf: &gateway.shelf }
}

async fn list_credentials(State(gateway): Shared, _operator: Operator) -> Answer<Vec<CredentialView>> {
    let governance = gateway.governance.load_full();
    ok(Ops::running(&gateway).list_credentials(wants(&gateway, &governance)).await?)
}

async fn set_credential(
    State(gateway): Shared,
    Operator(by): Operator,
    Named((account, label)): Named<(String, String)>,
    Strict(wish): Strict<CredentialRequest>,
) -> Answer<CredentialView> {
    let set = to_the_end(&gateway, move |gateway| async move {
        let governance = gateway.governance.load_full();
        let wants = wants(&gateway, &governance);
        Ops::running(&gateway).set_credential(&by, wants, &account, &label, wish.secrets).await
    });
    ok(set.await?)
}

async fn revoke_credential(
    State(gateway): Shared,
    Operator(by): Operator,
    Named((account, label)): Named<(String, String)>,
) -> Answer<RevokedView> {
    let revoked =
        to_the_end(&gateway, move |gateway| async move { connect::revoke(&gateway, &by, &account, &label).await });
    ok(revoked.await?)
}

async fn begin_connection(
    State(gateway): Shared,
    Operator(by): Operator,
    Named((account, label)): Named<(String, String)>,
    Strict(wish): Strict<ConnectionRequest>,
) -> Result<Response, Problem> {
    let begun = connect::begin(&gateway, &by, &account, &label, wish).await?;
    Ok(Fresh(StatusCode::CREATED, begun).into_response())
}

async fn show_connection(
    State(gateway): Shared,
    _operator: Operator,
    Named(id): Named<String>,
) -> Answer<ConnectionView> {
    ok(connect::progress(&gateway, &id)?)
}

/// Runs a change to its end even when the client goes away between its leaf and its effect.
pub(super) async fn to_the_end<T, F>(
    gateway: &Arc<Gateway>,
    change: impl FnOnce(Arc<Gateway>) -> F,
) -> Result<T, super::OpsError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, super::OpsError>> + Send + 'static,
{
    let change = tokio::spawn(change(Arc::clone(gateway)));
    change
        .await
        .unwrap_or_else(|_| Err(super::OpsError::Internal("the change broke off; see the gateway's log".into())))
}
