//! Authenticate: who is it?

use std::{net::IpAddr, sync::Arc};

use crate::{
    config::{Governance, TokenIdentity},
    gateway::Gateway,
    identity::{Issuer, TokenRefused},
    keys::{KeyRefused, Session, SessionRefused, Sessions},
    model::{AccountId, KeyId, PersonId, Principal},
    records::{Author, Commitment, FeedRecord, IdempotencyUse, KeyRecord},
    refusal::{Problem, Refusal, Stage, problem},
};

/// Proof that a key was presented and is live: who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    key: KeyId,
    principal: Principal,
    on_behalf_of: Option<PersonId>,
    source: Option<IpAddr>,
    door: &'static str,
    session: Option<Session>,
    kept: Vec<Commitment>,
    once: Option<IdempotencyUse>,
}

/// What stands for a key where somebody is signed in in a browser.
const SIGNED_IN: &str = "browser:";
/// The door of our own API, which calls come in by unless they say otherwise.
pub(crate) const PUBLISH: &str = "publish";
/// The door of networks' own APIs.
pub(crate) const NATIVE: &str = "native";
/// The door of the same by way of a proxy.
pub(crate) const FORWARD: &str = "forward";

impl Caller {
    /// The key that was presented; where it was something else, what: `certificate:` and a name, `token:` and what it says,
    /// `browser:` where its holder is signed in, `feed:` and its id where a calendar program reads for them.
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// Its holder.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The person for whom the holder acts; `authorise` decides whether it may.
    pub fn on_behalf_of(&self) -> Option<&PersonId> {
        self.on_behalf_of.as_ref()
    }

    /// Where the call came from; not known of a post that goes on later.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The door that the call came in by.
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// The session whose token was shown in place of the key.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Commitments to this call's values whose openings are kept already; empty where none were made.
    pub fn kept(&self) -> &[Commitment] {
        &self.kept
    }

    /// The same caller, whose values are committed to already.
    #[must_use]
    pub fn keeping(mut self, commitments: Vec<Commitment>) -> Self {
        self.kept = commitments;
        self
    }

    /// The key by which this request can be repeated; it is kept with what the request changes of a post.
    pub fn once(&self) -> Option<&IdempotencyUse> {
        self.once.as_ref()
    }

    /// The same caller, whose request can be repeated by a key.
    #[must_use]
    pub fn asking_once(mut self, usage: Option<IdempotencyUse>) -> Self {
        self.once = usage;
        self
    }

    /// The same caller at another door.
    #[must_use]
    pub fn at_door(mut self, door: &'static str) -> Self {
        self.door = door;
        self
    }

    /// The same caller, acting for a person.
    #[must_use]
    pub fn acting_for(mut self, person: Option<PersonId>) -> Self {
        self.on_behalf_of = person;
        self
    }

    /// The same caller, whose values come from where another's do.
    #[must_use]
    pub fn from_source(mut self, other: &Self) -> Self {
        self.source = other.source;
        self
    }

    /// Who made a post: authenticated when it was accepted, so that it may go on later.
    pub fn of(author: &Author) -> Self {
        Self {
            key: author.key.clone(),
            principal: author.principal.clone(),
            on_behalf_of: author.on_behalf_of.clone(),
            source: None,
            // What waits goes on as a post of ours, whichever door its content came in by.
            door: PUBLISH,
            session: None,
            kept: Vec::new(),
            once: None,
        }
    }

    /// Somebody who is signed in in a browser; the people's door has looked who.
    pub fn signed_in(person: &PersonId, source: IpAddr) -> Self {
        caller(KeyId::new(SIGNED_IN), Principal::Person(person.clone()), source)
    }

    /// The caller as a post remembers it.
    pub fn author(&self) -> Author {
        Author { principal: self.principal.clone(), key: self.key.clone(), on_behalf_of: self.on_behalf_of.clone() }
    }
}

/// A key lives no longer than the app or the person that it was made for; that of a device no longer than its person is who they
/// were at the company's issuer when they enrolled it.
fn known(governance: &Governance, key: &KeyRecord) -> bool {
    let person = match &key.holder {
        Principal::App(app) => return governance.apps.contains_key(app),
        Principal::Person(person) => governance.people.get(person),
    };
    match (person, &key.device) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(person), Some(device)) => {
            person.sign_in.as_ref().is_some_and(|identity| identity.digest() == device.identity)
        }
    }
}

/// What a caller shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// Names in its client certificate, as `apps.toml` writes them; empty without one.
    pub certificate: &'a [String],
    /// Where it comes from.
    pub source: IpAddr,
}

/// Checks what a caller shows: a key or an access token in the `Authorization` header, else its client certificate. Refusals are
/// counted for each source and second, not logged one by one: strangers must not be able to fill the log.
///
/// # Errors
/// `unauthenticated`; `issuer-unavailable` where the keys of a token's issuer can't be had.
#[tracing::instrument(target = "pressgate::span", name = "authenticate", skip_all)]
pub async fn authenticate(gateway: &Gateway, shown: Shown<'_>) -> Result<Caller, Refusal> {
    let refuse = |detail: &str| Err(stranger(gateway, shown.source, problem::UNAUTHENTICATED, detail));
    let Some(presented) = shown.authorization else {
        if shown.certificate.is_empty() {
            return refuse("Send `Authorization: Bearer <key>`.");
        }
        return of_certificate(gateway, shown);
    };
    let Some((scheme, token)) = presented.split_once(' ') else {
        return refuse("The Authorization header must read `Bearer <key>`.");
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return refuse("The Authorization header must read `Bearer <key>`.");
    }
    of_bearer(gateway, token.trim(), shown.source).await
}

/// Checks what a client of a network's own API shows where the network's token would be: as [`authenticate`] does, or a token of a
/// session at this account.
///
/// # Errors
/// As [`authenticate`]; `session-expired`.
#[tracing::instrument(target = "pressgate::span", name = "authenticate", skip_all)]
pub async fn client(
    gateway: &Gateway,
    token: Option<&str>,
    certificate: &[String],
    account: &AccountId,
    source: IpAddr,
) -> Result<Caller, Refusal> {
    let Some(token) = token else {
        if !certificate.is_empty() {
            return Ok(of_certificate(gateway, Shown { authorization: None, certificate, source })?.at_door(NATIVE));
        }
        let detail = "Send a Pressgate key where the network's token would be.";
        return Err(stranger(gateway, source, problem::UNAUTHENTICATED, detail));
    };
    if !Sessions::looks_like(token) || !Sessions::is_ours(token) {
        return Ok(of_bearer(gateway, token, source).await?.at_door(NATIVE));
    }
    let now = gateway.clock.now();
    let session = gateway.sessions.read(token, account, now).map_err(|why| match why {
        SessionRefused::Expired => stranger(
            gateway,
            source,
            problem::SESSION_EXPIRED,
            "The session has expired. Renew it, or log in again with the Pressgate key.",
        ),
        other => stranger(gateway, source, problem::UNAUTHENTICATED, &sentence(other)),
    })?;
    let key = gateway.keys.of_session(&session.key, now);
    Ok(Caller { session: Some(session), ..of_record(gateway, key, source)? }.at_door(NATIVE))
}

/// Does what a post was begun with still open anything? A key that merely ended was good when it was used.
pub fn stands(gateway: &Gateway, shown: &KeyId) -> bool {
    let governance = gateway.governance.load();
    match Means::of(shown) {
        Means::Key => gateway.keys.record(shown).is_some_and(|key| key.revoked_at.is_none()),
        Means::Certificate(name) => governance.apps.values().any(|app| app.certificates.iter().any(|own| own == name)),
        Means::Token(said) => governance.apps.values().any(|app| app.tokens.iter().any(|own| of_token(own) == said)),
    }
}

/// May what was begun with it go on to be shown? Not once the key has ended, or opens nothing any more.
pub fn lasts(gateway: &Gateway, shown: &KeyId) -> bool {
    let now = gateway.clock.now();
    let ended = gateway.keys.record(shown).and_then(|key| key.expires_at).is_some_and(|end| end <= now);
    !ended && stands(gateway, shown)
}

/// As whom a feed reads: as its holder, while the governance knows them and what they made it with was not revoked. A key that merely ended
/// was good then; when the feed ends is said in the feed.
pub fn of_feed(gateway: &Gateway, feed: &FeedRecord) -> Option<Caller> {
    let governance = gateway.governance.load();
    let stands = match (Means::of(&feed.key), &feed.holder) {
        (Means::Key, _) => {
            gateway.keys.record(&feed.key).is_some_and(|key| key.revoked_at.is_none() && known(&governance, &key))
        }
        (Means::Certificate(name), Principal::App(app)) => {
            governance.apps.get(app).is_some_and(|app| app.certificates.iter().any(|own| own == name))
        }
        (Means::Token(said), Principal::App(app)) => {
            governance.apps.get(app).is_some_and(|app| app.tokens.iter().any(|own| of_token(own) == said))
        }
        _ => false,
    };
    let reader = Caller::of(&Author {
        principal: feed.holder.clone(),
        key: KeyId::new(format!("feed:{}", feed.id)),
        on_behalf_of: None,
    });
    stands.then_some(reader)
}

/// What stands for a key where somebody shows something else; no key's id has a colon.
enum Means<'a> {
    Key,
    Certificate(&'a str),
    Token(&'a str),
}

impl<'a> Means<'a> {
    fn of(shown: &'a KeyId) -> Self {
        let text = shown.as_str();
        match (text.strip_prefix("certificate:"), text.strip_prefix("token:")) {
            (Some(name), _) => Self::Certificate(name),
            (_, Some(said)) => Self::Token(said),
            _ => Self::Key,
        }
    }
}

fn of_token(token: &TokenIdentity) -> String {
    format!("{} {} {}", token.issuer, token.audience, token.subject)
}

fn of_certificate(gateway: &Gateway, shown: Shown<'_>) -> Result<Caller, Refusal> {
    let governance = gateway.governance.load();
    let known = shown.certificate.iter().find_map(|name| {
        let app = governance.apps.values().find(|app| app.certificates.contains(name))?;
        Some((name, app))
    });
    let Some((name, app)) = known else {
        let detail = "No app has a name of your client certificate in apps.toml. Ask an operator.";
        return Err(stranger(gateway, shown.source, problem::UNAUTHENTICATED, detail));
    };
    Ok(caller(KeyId::new(format!("certificate:{name}")), Principal::App(app.id.clone()), shown.source))
}

async fn of_bearer(gateway: &Gateway, token: &str, source: IpAddr) -> Result<Caller, Refusal> {
    if !Sessions::looks_like(token) {
        return of_record(gateway, gateway.keys.verify(token, gateway.clock.now()), source);
    }
    let governance = gateway.governance.load_full();
    let identities = || governance.apps.values().flat_map(|app| app.tokens.iter().map(move |token| (app, token)));
    let issuers: Vec<Issuer> =
        identities().map(|(_, token)| Issuer { id: token.issuer.clone(), private: token.private_issuer }).collect();
    let refuse = |detail: &str| Err(stranger(gateway, source, problem::UNAUTHENTICATED, detail));
    let said = match gateway.identities.read(token, &issuers).await {
        Ok(said) => said,
        Err(why @ TokenRefused::Unavailable(_)) => {
            let detail = "The keys of this token's issuer can't be had now. Try again, or use a Pressgate key.";
            return Err(Refusal::new(problem::ISSUER_UNAVAILABLE, Stage::Authenticate, detail)
                .because(&why)
                .retry_after(30));
        }
        Err(why) => return refuse(&capital(&format!("{why}."))),
    };
    let known = identities().find(|(_, token)| {
        token.issuer == said.issuer && token.subject == said.subject && said.audiences.contains(&token.audience)
    });
    match known {
        Some((app, token)) => {
            Ok(caller(KeyId::new(format!("token:{}", of_token(token))), Principal::App(app.id.clone()), source))
        }
        None => refuse("No app has this audience and subject in apps.toml. Ask an operator."),
    }
}

fn caller(key: KeyId, principal: Principal, source: IpAddr) -> Caller {
    Caller {
        key,
        principal,
        on_behalf_of: None,
        source: Some(source.to_canonical()),
        door: PUBLISH,
        session: None,
        kept: Vec::new(),
        once: None,
    }
}

fn sentence(why: SessionRefused) -> String {
    capital(&format!("{why}. Log in with a Pressgate key."))
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(text.ceil_char_boundary(1));
    format!("{}{rest}", first.to_uppercase())
}

fn of_record(gateway: &Gateway, key: Result<Arc<KeyRecord>, KeyRefused>, source: IpAddr) -> Result<Caller, Refusal> {
    let refuse = |detail: &str| Err(stranger(gateway, source, problem::UNAUTHENTICATED, detail));
    match key {
        Ok(record) if !known(&gateway.governance.load(), &record) => refuse(
            "The holder of this key is not in the governance any more, or signs in as somebody else. Ask an operator.",
        ),
        Ok(record) => Ok(caller(record.id.clone(), record.holder.clone(), source)),
        Err(why) => refuse(why.public()),
    }
}

fn stranger(gateway: &Gateway, source: IpAddr, problem: &'static Problem, detail: &str) -> Refusal {
    gateway.counters.denied.add(1);
    gateway.strangers.count(source, gateway.clock.now());
    Refusal::new(problem, Stage::Authenticate, detail)
}
