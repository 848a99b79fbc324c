//! HTTP out: the only way to a network (design §5).
//!
//! `target` checks the address against the scope, `connect` checks what it resolves to, `inject` adds the credential,
//! `answer` and `scrub` take it out of what comes back.

mod address;
mod answer;
mod body;
mod carry;
mod connect;
mod headers;
mod inject;
mod mail;
mod oauth;
mod oauth1;
mod own;
mod pool;
mod resolve;
mod scrub;
mod session;
mod sign_in;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod types;
mod webhook;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use carry::unfit;
use http::{
    HeaderMap, HeaderValue, Method, Request,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT},
};
pub use mail::{MailFailure, MailServer, MailTls};
pub use oauth::{Begun, ConnectFailure, Consent, Revocation};
pub use own::{JSON, OwnGet, OwnRequest, Proof};
pub use resolve::{Resolver, SystemResolver};
use secrecy::SecretString;
pub use sign_in::{NoIdentity, SignInCode, SignInWish, begin_sign_in};
pub use stream::{Streamed, StreamedBody};
pub use types::*;
pub use webhook::WebhookKey;

use self::{
    answer::RawAnswer,
    body::OutgoingBody,
    oauth::Connections,
    pool::{ClientKey, Pool},
    scrub::{Needles, Scrubber},
    session::Sessions,
    stream::OpenAnswer,
    target::Target,
};
use crate::{
    clock::Clock,
    vault::{self, Credential, Vault, VaultError},
};

/// Sends requests for plugins: checks the address, adds the credential, blanks secrets in the answer.
pub struct Egress {
    core: Arc<Core>,
}

/// What requests and session renewals share.
struct Core {
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    pool: Pool,
    sessions: Sessions,
    connections: Connections,
    /// How often tokens of a connection were renewed.
    renewals: AtomicU64,
    needles: Needles,
    request_timeout: Duration,
    user_agent: HeaderValue,
}

impl Egress {
    /// Opens egress with the machine's resolver.
    ///
    /// # Errors
    /// [`EgressError`] where the options can't be used.
    pub fn new(options: EgressOptions, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Result<Egress, EgressError> {
        Self::with_resolver(options, vault, clock, Arc::new(SystemResolver))
    }

    /// Opens egress with another resolver.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn with_resolver(
        options: EgressOptions,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Egress, EgressError> {
        let settings = connect::tls_settings(&options.extra_roots)?;
        let user_agent = HeaderValue::from_str(&options.user_agent).map_err(|_| EgressError::UserAgent)?;
        let pool = Pool::new(settings, resolver, options.connect_timeout, Arc::clone(&clock));
        let request_timeout = options.request_timeout;
        let (sessions, needles) = (Sessions::default(), Needles::default());
        let (connections, renewals) = (Connections::default(), AtomicU64::new(0));
        Ok(Egress {
            core: Arc::new(Core {
                vault,
                clock,
                pool,
                sessions,
                connections,
                renewals,
                needles,
                request_timeout,
                user_agent,
            }),
        })
    }

    /// Sends one request within `scope`. With a session credential a login or a refresh may come first, and the request
    /// goes once more where the network answered that the access token had run out, that is, did not accept it.
    ///
    /// # Errors
    /// [`SendFailure`]: it tells what is certain about the request.
    pub async fn send(&self, scope: &Scope, request: OutRequest) -> Result<OutResponse, SendFailure> {
        match self.exchange(scope, request, Wanted::Whole).await? {
            (Answer::Whole(answer), scrubber) => Ok(answer.scrubbed(&scrubber, scope.response_bytes_max)),
            (Answer::Open(_), _) => Err(SendFailure::Unanswered("the answer was not read to its end".into())),
        }
    }

    /// As [`Egress::send`], for a request that changes nothing: a good answer is given on while it comes.
    ///
    /// # Errors
    /// As [`Egress::send`].
    pub async fn stream(&self, scope: &Scope, request: OutRequest) -> Result<Streamed, SendFailure> {
        match self.exchange(scope, request, Wanted::Stream).await? {
            (Answer::Whole(answer), scrubber) => {
                Ok(Streamed::Whole(answer.scrubbed(&scrubber, scope.response_bytes_max)))
            }
            (Answer::Open(answer), scrubber) => Ok(answer.scrubbed(scrubber, scope.response_bytes_max)),
        }
    }

    async fn exchange(
        &self,
        scope: &Scope,
        request: OutRequest,
        wanted: Wanted,
    ) -> Result<(Answer, Scrubber), SendFailure> {
        let target = Target::of_request(scope, &request.method, &request.url).map_err(SendFailure::Denied)?;
        refuse_token_paths(scope, &target)?;
        let headers = headers::request_headers(&request.headers, &request.body, &self.core.user_agent)
            .map_err(SendFailure::Denied)?;
        let rule = match &request.credential {
            Some(label) => {
                let rule = scope.credentials.iter().find(|rule| rule.label == *label);
                let unknown =
                    || SendFailure::Denied(format!("the plugin has no credential `{}`", label.escape_debug()));
                Some(rule.ok_or_else(unknown)?)
            }
            None => None,
        };
        let live = Live::load(&self.core, scope).await?;
        // Before anything leaves: an answer that can't be scrubbed must not come.
        live.scrubber(&self.core)?;
        let rule = rule.map(|rule| live.standing_in(scope, rule));
        let answer = match rule {
            None => self.core.open(scope, None, &target, headers, &request.body, wanted).await?,
            Some(rule) => self.send_with(scope, rule, &live, target, headers, (&request.body, wanted)).await?,
        };
        // Built anew: tokens may have changed meanwhile.
        Ok((answer, live.scrubber(&self.core)?))
    }

    async fn send_with(
        &self,
        scope: &Scope,
        rule: &CredentialRule,
        live: &Live,
        mut target: Target,
        mut headers: HeaderMap,
        (body, wanted): (&OutBody, Wanted),
    ) -> Result<Answer, SendFailure> {
        let label = Some(rule.label.as_str());
        let credential = live.credentials.iter().find(|(label, _)| *label == rule.label).map(|(_, found)| found);
        let credential = credential.ok_or_else(|| {
            SendFailure::NoCredential(format!("`{}` has no credential `{}`", scope.account, rule.label))
        })?;
        inject::bound(scope, credential, &target)?;
        if matches!(rule.scheme, CredentialScheme::OAuth1) {
            let keys = oauth1::Keys::of(credential, &rule.secrets).ok_or_else(|| {
                SendFailure::NoCredential(format!("the credential `{}` lacks a value; set it again", rule.label))
            })?;
            let moment = oauth1::Moment::now(self.core.clock.as_ref())?;
            oauth1::sign(&keys, &moment, &target, &mut headers, body)?;
            return self.core.open(scope, label, &target, headers, body, wanted).await;
        }
        if matches!(rule.scheme, CredentialScheme::Webhook) {
            let secret = inject::value(rule, credential, 0)?;
            webhook::sign(secret, self.core.clock.now().as_second(), &mut headers, body)?;
            return self.core.open(scope, label, &target, headers, body, wanted).await;
        }
        if !matches!(rule.scheme, CredentialScheme::Session(_) | CredentialScheme::OAuth(_)) {
            inject::inject(rule, credential, &mut target, &mut headers)?;
            return self.core.open(scope, label, &target, headers, body, wanted).await;
        }
        let token = self.access_token(scope, rule, credential, None).await?;
        let mut first = headers.clone();
        inject::bearer(&token, &mut first)?;
        let answer = self.core.open(scope, label, &target, first, body, wanted).await?;
        let refused = match (&answer, &rule.scheme) {
            // It is a good one.
            (Answer::Open(_), _) => false,
            (Answer::Whole(answer), CredentialScheme::Session(session)) => session::is_expired(session, answer),
            (Answer::Whole(answer), _) => oauth::is_refused(answer),
        };
        if !refused {
            return Ok(answer);
        }
        let token = self.access_token(scope, rule, credential, Some(&token)).await?;
        inject::bearer(&token, &mut headers)?;
        self.core.open(scope, label, &target, headers, body, wanted).await
    }

    async fn access_token(
        &self,
        scope: &Scope,
        rule: &CredentialRule,
        credential: &Arc<Credential>,
        stale: Option<&SecretString>,
    ) -> Result<SecretString, SendFailure> {
        match &rule.scheme {
            CredentialScheme::Session(session) => {
                session::access_token(&self.core, scope, rule, session, credential, stale).await
            }
            CredentialScheme::OAuth(oauth) => {
                oauth::access_token(&self.core, scope, rule, oauth, credential, stale).await
            }
            _ => Err(SendFailure::Denied("this credential needs no token".into())),
        }
    }
}

impl Core {
    /// One request and its whole answer, within the time that is allowed.
    async fn round(
        &self,
        scope: &Scope,
        label: Option<&str>,
        target: &Target,
        headers: HeaderMap,
        body: &OutBody,
    ) -> Result<RawAnswer, SendFailure> {
        match self.open(scope, label, target, headers, body, Wanted::Whole).await? {
            Answer::Whole(answer) => Ok(answer),
            Answer::Open(_) => Err(SendFailure::Unanswered("the answer was not read to its end".into())),
        }
    }

    /// One request and its answer, whole or at its beginning, within the time that is allowed.
    async fn open(
        &self,
        scope: &Scope,
        label: Option<&str>,
        target: &Target,
        headers: HeaderMap,
        body: &OutBody,
        wanted: Wanted,
    ) -> Result<Answer, SendFailure> {
        let client = self.pool.client(ClientKey {
            account: scope.account.clone(),
            label: label.map(str::to_owned),
            origin: target.origin().ascii_serialization(),
            private: target.private(),
        });
        let handed = AtomicBool::new(false);
        let exchange = async {
            let slot = client.slot().await?;
            let (outgoing, kind) = OutgoingBody::open(body).await?;
            let empty = http_body::Body::is_end_stream(&outgoing);
            let mut request = Request::new(outgoing);
            *request.method_mut() = target.method().clone();
            *request.headers_mut() = headers;
            if let Some(kind) = kind {
                request.headers_mut().insert(CONTENT_TYPE, kind);
            }
            let wants_length = matches!(*target.method(), Method::POST | Method::PUT | Method::PATCH);
            if wants_length && empty {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            let (response, lease) = client.send(target, request, &handed).await?;
            if matches!(wanted, Wanted::Stream)
                && stream::is_worth_it(&response)
                && let Some(flow) = client.flow()
            {
                let held = stream::Held::new(Arc::clone(&client), lease, [slot, flow]);
                return Ok(Answer::Open(OpenAnswer::of(response, held, scope.timeout.min(self.request_timeout))?));
            }
            let answer = RawAnswer::read(response, scope.response_bytes_max).await?;
            client.give_back(lease);
            Ok(Answer::Whole(answer))
        };
        let patience = scope.timeout.min(self.request_timeout).saturating_add(body.sending_time());
        match tokio::time::timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) if handed.load(Ordering::Acquire) => {
                client.distrust();
                Err(SendFailure::Unanswered(format!("no whole answer within {} ms", patience.as_millis())))
            }
            Err(_) => Err(SendFailure::NotSent(format!("no connection within {} ms", patience.as_millis()))),
        }
    }

    /// Headers of a request that the gateway itself makes.
    fn default_headers(&self, headers: &mut HeaderMap, json: bool) {
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if json {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
    }
}

/// How an answer is wanted.
#[derive(Clone, Copy)]
enum Wanted {
    Whole,
    /// A good one while it comes; any other whole.
    Stream,
}

/// An answer that may still hold secrets.
#[allow(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
enum Answer {
    Whole(RawAnswer),
    Open(OpenAnswer),
}

/// The credentials of one account, opened for one request.
struct Live {
    credentials: Vec<(String, Arc<Credential>)>,
    secrets: Vec<SecretString>,
    slots: Vec<Arc<session::Slot>>,
    connections: Vec<Arc<oauth::Slot>>,
}

impl Live {
    async fn load(core: &Core, scope: &Scope) -> Result<Self, SendFailure> {
        let mut live =
            Self { credentials: Vec::new(), secrets: Vec::new(), slots: Vec::new(), connections: Vec::new() };
        for rule in &scope.credentials {
            let found = core.vault.credential(&scope.account, &rule.label).await;
            let found = found.map_err(|error| vault_failed(scope, &error))?;
            if let Some(credential) = found {
                live.secrets.extend(inject::secrets_of(rule, &credential));
                if matches!(rule.scheme, CredentialScheme::OAuth(_)) {
                    live.secrets.extend(oauth::pair_of(&credential));
                }
                live.credentials.push((rule.label.clone(), credential));
            }
            if matches!(rule.scheme, CredentialScheme::Session(_)) {
                let slot = core.sessions.slot(&scope.account, &rule.label);
                slot.load(core, &scope.account, &rule.label).await?;
                live.slots.push(slot);
            }
            if matches!(rule.scheme, CredentialScheme::OAuth(_)) {
                let slot = core.connections.slot(&scope.account, &rule.label);
                slot.load(core, &scope.account, &rule.label).await?;
                live.connections.push(slot);
            }
        }
        Ok(live)
    }

    /// The credential that a request gets: another that stands in for it, where the account has only that.
    fn standing_in<'a>(&self, scope: &'a Scope, rule: &'a CredentialRule) -> &'a CredentialRule {
        let has = |rule: &CredentialRule| self.credentials.iter().any(|(label, _)| *label == rule.label);
        let mut others = scope.credentials.iter().filter(|other| other.instead_of.as_ref() == Some(&rule.label));
        if has(rule) { rule } else { others.find(|other| has(other)).unwrap_or(rule) }
    }

    /// A scrubber for the secrets as they are now.
    fn scrubber(&self, core: &Core) -> Result<Scrubber, SendFailure> {
        let mut tokens: Vec<SecretString> = self.slots.iter().flat_map(|slot| slot.tokens()).collect();
        tokens.extend(self.connections.iter().flat_map(|slot| slot.tokens()));
        let scrubber = core.needles.scrubber(self.secrets.iter().chain(&tokens));
        scrubber.map_err(|_| SendFailure::NotSent("a secret can't be searched for; set the credential again".into()))
    }
}

fn vault_failed(scope: &Scope, error: &VaultError) -> SendFailure {
    match error {
        VaultError::Unbound(_) => SendFailure::NoCredential(vault::unbound(scope.account.as_str())),
        _ => SendFailure::NotSent(format!("the credential can't be opened: {error}")),
    }
}

/// Requests for tokens give tokens away; only the gateway makes them.
fn refuse_token_paths(scope: &Scope, target: &Target) -> Result<(), SendFailure> {
    let is_path = |own: &str| {
        let own = own.split('?').next().unwrap_or_default().trim_end_matches('/');
        target.url().path().trim_end_matches('/').eq_ignore_ascii_case(own)
    };
    let refused = |path: &str| Err(SendFailure::Denied(format!("`{path}` is for the gateway's own logins")));
    for rule in &scope.credentials {
        match &rule.scheme {
            CredentialScheme::Session(session) => {
                let own = [&session.login, &session.refresh].into_iter().find(|exchange| is_path(&exchange.path));
                if let Some(own) = own {
                    return refused(&own.path);
                }
            }
            CredentialScheme::OAuth(oauth) => {
                let endpoints = std::iter::once(&oauth.token).chain(oauth.revocation.as_ref()).map(|found| &found.url);
                let mut own = endpoints.chain([&oauth.authorization]);
                if let Some(own) = own.find(|own| own.origin() == target.origin() && is_path(own.path())) {
                    return refused(own.path());
                }
            }
            _ => {}
        }
    }
    Ok(())
}
