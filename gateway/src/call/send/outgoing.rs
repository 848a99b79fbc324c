//! From a plugin's request to an egress request: what the manifest asks for, bound to the account that speaks.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::Method;
use tracing::{Instrument, Span};
use url::Url;

use crate::{
    egress::{
        AllowedOrigin, ClientAuthentication, CredentialRule, CredentialScheme, Egress, Exchange, Expired, FormField,
        FormValue, OAuthEndpoint, OAuthRule, OutBody, OutRequest, Scope, SendFailure, SessionRule, Streamed,
    },
    gateway::{Gateway, MediaStore},
    host::manifest::{self, CredentialDecl, CredentialScheme as Declared, Endpoint, OAuth2Decl, Origin, SessionDecl},
    host::{self, Outbound, PluginRequest, PluginResponse, Release, RequestBody, SendError, StepKind},
    model::Account,
    telemetry::{
        spans::{self, key},
        traceparent,
    },
};

/// What this adapter may reach when it speaks for this account.
pub fn scope(gateway: &Gateway, account: &Account, adapter: &Release) -> Scope {
    let manifest = adapter.manifest();
    let origins = manifest
        .http
        .iter()
        .filter_map(|rule| {
            let (origin, own) = match &rule.origin {
                Origin::AccountEndpoint => (account.endpoint.clone(), true),
                Origin::Fixed(origin) => (Url::parse(origin).ok()?, false),
            };
            Some(AllowedOrigin {
                origin,
                methods: rule.methods.iter().filter_map(|method| Method::from_bytes(method.as_bytes()).ok()).collect(),
                path_prefixes: rule.path_prefixes.clone(),
                private: own && account.private_endpoint,
            })
        })
        .collect();
    Scope {
        account: account.id.clone(),
        base: account.endpoint.clone(),
        origins,
        credentials: manifest.credentials.iter().filter_map(|declared| credential(declared, account)).collect(),
        response_bytes_max: manifest.limits.response_bytes_max,
        timeout: Duration::from_millis(gateway.config.egress.timeout_ms),
    }
}

/// None where an address that the manifest names is none: nothing can be sent with the credential then.
fn credential(declared: &CredentialDecl, account: &Account) -> Option<CredentialRule> {
    let scheme = match &declared.scheme {
        Declared::Bearer => CredentialScheme::Bearer,
        Declared::Basic => CredentialScheme::Basic,
        Declared::Header(name) => CredentialScheme::Header(name.clone()),
        Declared::Query(name) => CredentialScheme::Query(name.clone()),
        Declared::OAuth1 => CredentialScheme::OAuth1,
        Declared::Webhook => CredentialScheme::Webhook,
        Declared::Session(session) => CredentialScheme::Session(rule(session)),
        Declared::OAuth2(oauth) => CredentialScheme::OAuth(oauth_rule(oauth, account)?),
    };
    let secret = |name: &&String| !declared.public.contains(name);
    Some(CredentialRule {
        label: declared.label.clone(),
        scheme,
        secrets: declared.secrets.iter().filter(secret).cloned().collect(),
        instead_of: declared.instead_of.clone(),
    })
}

fn oauth_rule(declared: &OAuth2Decl, account: &Account) -> Option<OAuthRule> {
    let url = |endpoint: &Endpoint| Url::parse(&endpoint.text(&account.endpoint)).ok();
    let own = |endpoint: &Endpoint| {
        let private = endpoint.is_of_account() && account.private_endpoint;
        url(endpoint).map(|url| OAuthEndpoint { url, private })
    };
    Some(OAuthRule {
        authorization: url(&declared.authorization)?,
        token: own(&declared.token)?,
        revocation: match &declared.revocation {
            Some(endpoint) => Some(own(endpoint)?),
            None => None,
        },
        issuer: declared.issuer.as_ref().map(|issuer| issuer.text(&account.endpoint)),
        scopes: declared.scopes.clone(),
        client: match declared.client {
            manifest::ClientAuthentication::Basic => ClientAuthentication::Basic,
            manifest::ClientAuthentication::Post => ClientAuthentication::Post,
            manifest::ClientAuthentication::None => ClientAuthentication::None,
        },
    })
}

/// Where a session can't be refreshed it logs in again, with the same answer shape.
fn rule(session: &SessionDecl) -> SessionRule {
    let method = |method: &str| Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
    let login = Exchange {
        method: method(&session.login.method),
        path: session.login.path.clone(),
        body: session.login.body.clone(),
        bearer: None,
    };
    let refresh = match &session.refresh {
        Some(refresh) => Exchange {
            method: method(&refresh.method),
            path: refresh.path.clone(),
            body: BTreeMap::new(),
            bearer: Some(refresh.bearer.clone()),
        },
        None => login.clone(),
    };
    let expired = match &session.expired {
        Some(expired) => Expired {
            statuses: expired.statuses.clone(),
            pointer: expired.pointer.clone().unwrap_or_default(),
            values: expired.values.clone(),
        },
        None => Expired { statuses: vec![401], pointer: String::new(), values: Vec::new() },
    };
    SessionRule {
        login,
        refresh,
        access_pointer: session.access_pointer.clone(),
        refresh_pointer: session.refresh_pointer.clone().unwrap_or_default(),
        expired,
    }
}

/// The request as egress takes it. Media of the post are streamed from the media folder.
pub(crate) fn outgoing(
    request: PluginRequest,
    media: &MediaStore,
    draft: Option<&crate::model::Draft>,
) -> Result<OutRequest, SendError> {
    let file = |id: &str| {
        let found = draft
            .into_iter()
            .flat_map(|draft| &draft.parts)
            .flat_map(|part| &part.media)
            .find(|medium| medium.id.as_str() == id);
        found
            .ok_or_else(|| SendError::Denied(format!("the call has no medium `{id}`")))
            .map(|medium| (media.path(&medium.id), medium))
    };
    let body = match request.body {
        RequestBody::None => OutBody::None,
        RequestBody::Bytes(bytes) => OutBody::Bytes(bytes.into()),
        RequestBody::Media(id) => {
            let (path, medium) = file(&id)?;
            let (digest, media_type) = (medium.digest.clone(), medium.media_type.clone());
            OutBody::File { path, size_bytes: medium.size_bytes, digest, media_type }
        }
        RequestBody::Multipart(fields) => {
            let mut out = Vec::with_capacity(fields.len());
            for field in fields {
                let value = match field.value {
                    host::FormValue::Text(text) => FormValue::Text(text),
                    host::FormValue::Media(id) => {
                        let (path, medium) = file(&id)?;
                        let (digest, media_type) = (medium.digest.clone(), medium.media_type.clone());
                        FormValue::File { path, size_bytes: medium.size_bytes, digest, media_type }
                    }
                    host::FormValue::MediaSlice { id, offset, length } => {
                        let (path, medium) = file(&id)?;
                        let (digest, media_type) = (medium.digest.clone(), medium.media_type.clone());
                        FormValue::Piece { path, size_bytes: medium.size_bytes, digest, media_type, offset, length }
                    }
                };
                out.push(FormField { name: field.name, filename: field.filename, value });
            }
            OutBody::Form(out)
        }
    };
    Ok(OutRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body,
        credential: request.credential,
    })
}

/// Sends one request to `network`.
pub(crate) async fn transmit(
    egress: &Egress,
    scope: &Scope,
    network: &str,
    request: OutRequest,
) -> Result<PluginResponse, SendFailure> {
    let (span, request) = traced(network, scope, request);
    let answer = egress.send(scope, request).instrument(span.clone()).await;
    let answer = answer.inspect_err(|failure| spans::failed(&span, failure.word()))?;
    spans::note_in(&span, key::STATUS, || i64::from(answer.status));
    Ok(PluginResponse { status: answer.status, headers: answer.headers, body: answer.body })
}

/// Sends one request to `network`, whose answer may come in pieces. Its span ends with the head of the answer.
pub(super) async fn stream(
    egress: &Egress,
    scope: &Scope,
    network: &str,
    request: OutRequest,
) -> Result<Streamed, SendFailure> {
    let (span, request) = traced(network, scope, request);
    let answer = egress.stream(scope, request).instrument(span.clone()).await;
    let answer = answer.inspect_err(|failure| spans::failed(&span, failure.word()))?;
    let status = match &answer {
        Streamed::Whole(answer) => answer.status,
        Streamed::Coming { status, .. } => *status,
    };
    spans::note_in(&span, key::STATUS, || i64::from(status));
    Ok(answer)
}

/// The span of a request, and the request as it leaves.
fn traced(network: &str, scope: &Scope, mut request: OutRequest) -> (Span, OutRequest) {
    let span = spans::platform(network, scope.account.as_str(), &request.method, &request.url);
    span.in_scope(|| trace_context(&mut request));
    (span, request)
}

/// A network gets the trace of this request where the configuration says so, and else none, whoever wrote it.
fn trace_context(request: &mut OutRequest) {
    request.headers.retain(|(name, _)| !traceparent::ALL.iter().any(|own| name.eq_ignore_ascii_case(own)));
    if let Some((name, value)) = spans::carried() {
        request.headers.push((name.to_owned(), value));
    }
}

/// A failure in the plugin's words.
pub(crate) fn told(failure: SendFailure) -> SendError {
    match failure {
        SendFailure::Denied(why) => SendError::Denied(why),
        SendFailure::NoCredential(why) | SendFailure::NotSent(why) => SendError::NotSent(why),
        SendFailure::Unanswered(why) => SendError::Unknown(why),
        SendFailure::TooLarge => SendError::TooLarge,
    }
}

/// A request that changes nothing must look like one, or a plugin could call an effect a read.
pub(crate) fn is_read(request: &PluginRequest) -> Result<(), SendError> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(()),
        other => Err(SendError::Denied(format!("a `read` step must be GET, not {other}"))),
    }
}

/// The wire for calls that only look: `discover`, `reconcile`.
pub struct ReadOnly {
    egress: Arc<Egress>,
    media: Arc<MediaStore>,
    scope: Scope,
    network: String,
}

impl ReadOnly {
    /// A wire that lets only reads through.
    pub fn new(gateway: &Gateway, account: &Account, adapter: &Release) -> Self {
        Self {
            egress: Arc::clone(&gateway.egress),
            media: Arc::clone(&gateway.media),
            scope: scope(gateway, account, adapter),
            network: account.adapter.to_string(),
        }
    }
}

impl Outbound for ReadOnly {
    fn send(
        &self,
        _step: String,
        kind: StepKind,
        request: PluginRequest,
    ) -> Pin<Box<dyn Future<Output = Result<PluginResponse, SendError>> + Send + '_>> {
        Box::pin(async move {
            if !matches!(kind, StepKind::Read) {
                return Err(SendError::Denied("only `read` steps may be sent here".into()));
            }
            is_read(&request)?;
            transmit(&self.egress, &self.scope, &self.network, outgoing(request, &self.media, None)?)
                .await
                .map_err(told)
        })
    }
}
