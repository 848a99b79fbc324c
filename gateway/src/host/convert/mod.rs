//! The gateway's words ↔ the contract's records. [`answers`] also checks what plugins answer.

pub(super) mod answers;
pub(super) mod connector;

use jiff::Timestamp;

use super::adapter::{Facts, Login, PerformCall, RefusalView, SessionView};
use super::bindings::{adapter_api, http, match_, policy_api, types};
use super::exchange::{FormField, FormValue, PluginRequest, PluginResponse, RequestBody, Safety, SendError, StepKind};
use super::patterns;
use super::policy::ReviewContext;
use crate::model::{Account, Draft, MediaRef, Part};

/// Milliseconds since the Unix epoch, 0 for what was before.
pub(super) fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

pub(super) fn account(account: &Account) -> types::Account {
    types::Account {
        id: account.id.as_str().to_owned(),
        network: account.network.clone(),
        endpoint: account.origin(),
        brand: account.brand.as_str().to_owned(),
        handle: account.handle.clone(),
        extra: Vec::new(),
    }
}

pub(super) fn draft(draft: &Draft) -> types::Draft {
    let options = match draft.options.is_empty() {
        true => "{}".to_owned(),
        false => serde_json::to_string(&draft.options).unwrap_or_else(|_| "{}".to_owned()),
    };
    types::Draft {
        action: draft.action.as_str().to_owned(),
        parts: draft.parts.iter().map(part).collect(),
        language: draft.language.clone(),
        target: draft.target.clone(),
        options,
        labels: draft.labels.clone(),
        extra: Vec::new(),
    }
}

fn part(part: &Part) -> types::Part {
    types::Part { text: part.text.clone(), media: part.media.iter().map(media_ref).collect(), extra: Vec::new() }
}

pub(super) fn media_ref(media: &MediaRef) -> types::MediaRef {
    types::MediaRef {
        id: media.id.as_str().to_owned(),
        media_type: media.media_type.clone(),
        size_bytes: media.size_bytes,
        width: media.width,
        height: media.height,
        digest: media.digest.clone(),
        alt: media.alt.clone(),
        extra: Vec::new(),
    }
}

pub(super) fn context(context: &ReviewContext, draft: &Draft) -> policy_api::Context {
    policy_api::Context {
        account: account(&context.account),
        brands: context.account.brand.lineage().map(str::to_owned).collect(),
        languages: context.languages.clone(),
        app: context.app.as_ref().map(|app| app.as_str().to_owned()),
        person: context.person.as_ref().map(|person| person.as_str().to_owned()),
        campaign: draft.campaign.clone(),
        extra: Vec::new(),
    }
}

pub(super) fn facts(facts: &Facts) -> adapter_api::Facts {
    adapter_api::Facts {
        json: facts.json.clone(),
        fresh_s: facts.fresh_s,
        // What they said was counted; it holds no more.
        budgets: Vec::new(),
        extra: Vec::new(),
    }
}

pub(super) fn call(call: &PerformCall) -> adapter_api::Call {
    adapter_api::Call {
        key: call.key.to_vec(),
        created_at_ms: millis(call.created_at),
        attempt: call.attempt,
        account: account(&call.account),
        draft: draft(&call.draft),
        facts: call.facts.as_ref().map(facts),
        answered: call.answered.iter().map(|(step, body)| (step.clone(), body.clone().into_bytes())).collect(),
        extra: Vec::new(),
    }
}

pub(super) fn login(login: Login) -> adapter_api::Login {
    match login {
        Login::Open => adapter_api::Login::Open,
        Login::OpenLasting => adapter_api::Login::OpenLasting,
        Login::Renew => adapter_api::Login::Renew,
        Login::Look => adapter_api::Login::Look,
        Login::End => adapter_api::Login::End,
    }
}

pub(super) fn session(session: &SessionView) -> adapter_api::Session {
    adapter_api::Session {
        access: session.access.clone(),
        refresh: session.refresh.clone(),
        created_at_ms: millis(session.created_at),
        expires_at_ms: millis(session.expires_at),
        facts: session.facts.as_ref().map(facts),
        extra: Vec::new(),
    }
}

pub(super) fn refusal(refusal: &RefusalView) -> adapter_api::Refusal {
    adapter_api::Refusal {
        status: refusal.status,
        code: refusal.code.clone(),
        message: refusal.message.clone(),
        retry_after_s: refusal.retry_after_s,
    }
}

pub(super) fn hit(hit: patterns::Hit) -> match_::Hit {
    let patterns::Hit { pattern, start, end, score, disguised } = hit;
    match_::Hit { pattern, start, end, score, disguised }
}

pub(super) fn step_kind(kind: http::Kind) -> StepKind {
    match kind {
        http::Kind::Prepare(how) => StepKind::Prepare(safety(how)),
        http::Kind::Effect(how) => StepKind::Effect(safety(how)),
        http::Kind::Read => StepKind::Read,
    }
}

fn safety(how: http::Safety) -> Safety {
    match how {
        http::Safety::NativeKey(window_s) => Safety::NativeKey { window_s },
        http::Safety::ClientId => Safety::ClientId,
        http::Safety::TwoPhase => Safety::TwoPhase,
        http::Safety::LookUp => Safety::LookUp,
        http::Safety::None => Safety::None,
    }
}

pub(super) fn request(request: http::Request) -> PluginRequest {
    let field = |field: http::FormField| FormField {
        name: field.name,
        filename: field.filename,
        value: match field.value {
            http::FormValue::Text(text) => FormValue::Text(text),
            http::FormValue::Media(id) => FormValue::Media(id),
            http::FormValue::MediaSlice(http::MediaSlice { id, offset, length }) => {
                FormValue::MediaSlice { id, offset, length }
            }
        },
    };
    PluginRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: match request.body {
            http::Body::None => RequestBody::None,
            http::Body::Bytes(bytes) => RequestBody::Bytes(bytes),
            http::Body::Media(id) => RequestBody::Media(id),
            http::Body::Multipart(fields) => RequestBody::Multipart(fields.into_iter().map(field).collect()),
        },
        credential: request.credential,
    }
}

/// A request for the plugin to read.
pub(super) fn request_out(request: &PluginRequest) -> http::Request {
    let field = |field: &FormField| http::FormField {
        name: field.name.clone(),
        filename: field.filename.clone(),
        value: match &field.value {
            FormValue::Text(text) => http::FormValue::Text(text.clone()),
            FormValue::Media(id) => http::FormValue::Media(id.clone()),
            FormValue::MediaSlice { id, offset, length } => {
                http::FormValue::MediaSlice(http::MediaSlice { id: id.clone(), offset: *offset, length: *length })
            }
        },
    };
    http::Request {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body: match &request.body {
            RequestBody::None => http::Body::None,
            RequestBody::Bytes(bytes) => http::Body::Bytes(bytes.clone()),
            RequestBody::Media(id) => http::Body::Media(id.clone()),
            RequestBody::Multipart(fields) => http::Body::Multipart(fields.iter().map(field).collect()),
        },
        credential: request.credential.clone(),
    }
}

pub(super) fn response(response: PluginResponse) -> http::Response {
    http::Response { status: response.status, headers: response.headers, body: response.body }
}

pub(super) fn send_error(error: SendError) -> http::Error {
    match error {
        SendError::Denied(reason) => http::Error::Denied(reason),
        SendError::NotSent(reason) => http::Error::NotSent(reason),
        SendError::Unknown(reason) => http::Error::Unknown(reason),
        SendError::TooLarge => http::Error::TooLarge,
    }
}
