//! Whether a tunnel may be: who asks, for which account, to which host.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    http::{
        HeaderValue,
        header::{ALLOW, CACHE_CONTROL, PROXY_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{FORWARD, Passage, Problem, authority, place_of};
use crate::{
    authority::Place,
    call::{
        Caller,
        admit::admit_request,
        authenticate::{Shown, authenticate},
        journey::Journey,
    },
    gateway::Gateway,
    listen::{self, Connect, Decision, Source, Tunnel},
    model::AccountId,
    refusal::{Fault, Refusal, Stage, problem},
};

/// How a client is asked for a key.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Pressgate\", charset=\"UTF-8\"");

/// Decides about tunnels.
pub(super) struct Tunnels {
    gateway: Arc<Gateway>,
}

impl Tunnels {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

impl listen::Tunnels for Tunnels {
    fn open(&self, wish: Connect, source: Source) -> Decision<'_> {
        Box::pin(async move { open(&self.gateway, wish, source.0).await.map_err(answer) })
    }

    fn no_tunnel(&self) -> Response {
        let detail = "This is a proxy for tunnels: it takes CONNECT and nothing else. Use an https:// address, for which clients send CONNECT.";
        let mut answer = answer(Refusal::new(problem::METHOD_NOT_ALLOWED, Stage::Door, detail));
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("CONNECT"));
        answer
    }
}

/// A refusal as the answer to a CONNECT.
fn answer(refusal: Refusal) -> Response {
    let asks = refusal.problem == problem::PROXY_UNAUTHENTICATED;
    let mut answer = Problem::from(refusal).into_response();
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if asks {
        answer.headers_mut().insert(PROXY_AUTHENTICATE, CHALLENGE);
    }
    answer
}

async fn open(gateway: &Arc<Gateway>, wish: Connect, source: IpAddr) -> Result<Tunnel, Refusal> {
    if gateway.stopping.is_set() {
        return Err(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping."));
    }
    let shown = wish.authorization.as_deref().and_then(|value| basic(value));
    let authorization = shown.as_ref().map(|(_, key)| Zeroizing::new(format!("Bearer {}", key.as_str())));
    // A stranger hears nothing of which accounts or hosts there are.
    let authorization = authorization.as_deref().map(String::as_str);
    // No certificate before the tunnel: the connection to the proxy is plain.
    let caller = authenticate(gateway, Shown { authorization, certificate: &[], source }).await.map_err(unknown)?;
    let caller = caller.at_door(FORWARD);
    let Some((account, key)) = shown else { return Err(unknown_caller()) };
    admit_request(gateway, &caller, true).await?;
    match allowed(gateway, &caller, &AccountId::new(account), &wish) {
        Ok((account, place)) => {
            let tls = speak_as(gateway, &place)?;
            let passage = Passage { gateway: Arc::clone(gateway), account, place, key };
            Ok(Tunnel { tls, app: passage.router() })
        }
        Err(refusal) => Err(Journey::begin(&caller).refuse(gateway, refusal).await),
    }
}

/// The account and the place that a caller may have a tunnel to.
fn allowed(
    gateway: &Gateway,
    caller: &Caller,
    account: &AccountId,
    wish: &Connect,
) -> Result<(AccountId, Place), Refusal> {
    let governance = gateway.governance.load_full();
    let visible = governance.accounts_visible(caller.principal(), None, gateway.clock.now());
    let Some(account) = visible.into_iter().find(|known| known.id == *account) else {
        // The same for an account that there is not.
        let detail =
            "The user name of the proxy must be an account that the key has a grant for. GET /v1/accounts lists them.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    };
    let refuse = |detail: String| {
        let mut refusal = Refusal::new(problem::HOST_NOT_DECLARED, Stage::Door, detail.clone());
        let (code, account) = (problem::HOST_NOT_DECLARED.slug.to_owned(), Some(account.id.to_string()));
        refusal.faults.push(Fault { pointer: None, account, code, message: detail, measured: None, allowed: None });
        refusal
    };
    if is_address(&wish.host) {
        return Err(refuse("A tunnel leads to a host with a name, never to an IP address.".to_owned()));
    }
    place_of(gateway, &account.id, &wish.host, wish.port)
        .map(|place| (account.id.clone(), place))
        .ok_or_else(|| refuse(format!("`{}` does not lead to `{}:{}`.", account.id, wish.host, wish.port)))
}

/// TLS as the host, by the gateway's own authority.
fn speak_as(gateway: &Gateway, place: &Place) -> Result<Arc<rustls::ServerConfig>, Refusal> {
    let refuse = |detail: String| Refusal::new(problem::TUNNEL_UNAVAILABLE, Stage::Door, detail);
    let now = gateway.clock.now();
    let Some(ca) = gateway.authority.load_full() else {
        let detail = "The gateway has no certificate authority yet; an operator makes it: `pressgate ca init`.";
        return Err(refuse(detail.to_owned()));
    };
    ca.fits(&place.host, now).map_err(|why| refuse(format!("{why}.")))?;
    ca.speak_as(&place.host, now).map_err(|error| {
        let detail = format!("There is no certificate for `{}` now.", authority(place));
        Refusal::new(problem::INTERNAL, Stage::Door, detail).because(error)
    })
}

/// Account and key of a `Basic` value (RFC 7617).
fn basic(value: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, text) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let (account, key) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((account.to_owned(), Zeroizing::new(key.to_owned())))
}

/// What a stranger hears, as a proxy says it.
fn unknown(refusal: Refusal) -> Refusal {
    Refusal { cause: refusal.cause, ..unknown_caller() }
}

fn unknown_caller() -> Refusal {
    let detail = "Give the proxy a user name and a password: the account, and a live Pressgate key.";
    Refusal::new(problem::PROXY_UNAUTHENTICATED, Stage::Authenticate, detail)
}

/// Whether a host is an address and no name, however it is written: some resolvers take `127.1` and `2130706433` for addresses too.
fn is_address(host: &str) -> bool {
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    inner.parse::<IpAddr>().is_ok()
        || inner.parse::<Ipv6Addr>().is_ok()
        || url::Host::parse(host).is_ok_and(|host| !matches!(host, url::Host::Domain(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_key_are_read_from_basic_alone() {
        let read = |value: &str| basic(value).map(|(account, key)| (account, key.to_string()));
        let some = |account: &str, key: &str| Some((account.to_owned(), key.to_owned()));
        // acme:pgk_1 and acme:a:b
        assert_eq!(read("Basic YWNtZTpwZ2tfMQ=="), some("acme", "pgk_1"));
        assert_eq!(read("bAsIc  YWNtZTpwZ2tfMQ== "), some("acme", "pgk_1"));
        assert_eq!(read("Basic YWNtZTphOmI="), some("acme", "a:b"));
        for value in ["", "Basic", "Basic !", "Basic YWNtZQ==", "Bearer YWNtZTpwZ2tfMQ==", "Basic /w=="] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn addresses_are_found_in_every_spelling() {
        for host in ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "127.1", "2130706433", "0x7f.1"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["localhost", "social.example", "1.example", "metadata.google.internal"] {
            assert!(!is_address(host), "{host}");
        }
    }
}
