//! The forward door: an HTTP proxy for clients whose host is fixed. They ask for a tunnel to the network and show account and key while
//! they do; the tunnel ends here, and what they send in it goes the way of the native door.
//!
//! Who is asked for is never resolved or dialled: what leaves, leaves through egress like every call.

mod open;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderName, Method,
        header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION},
    },
    middleware::{self, Next},
    response::Response,
};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::{
    limits,
    listener::limits as listen_limits,
    native::{self, Addressed, Voice},
    problem::{Problem, unreadable},
    strict, traced,
};
use crate::{
    authority::{Place, places},
    call::authenticate::FORWARD,
    gateway::Gateway,
    listen::{self, Door, LastAnswer, Limits, Meter},
    model::AccountId,
    refusal::{Refusal, Stage, problem},
};

/// The port that an address need not name.
const USUAL_PORT: u16 = 443;
/// What a client's library adds for the network or a proxy by itself. The key of the tunnel stands for all of it.
const THE_CLIENTS_OWN: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// Serves tunnels on `listener` until the gateway stops; connections end after their request.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = Arc::clone(&gateway.stopping);
    let meter = Arc::new(Meter::default());
    let shown = Arc::clone(&meter);
    gateway.metrics.add(move |page| shown.show(page, "forward"));
    let limits = listen_limits(&gateway.config.listen);
    let limits = Limits {
        // The other listener has its own; together they leave descriptors for networks and files.
        connections_max: limits.connections_max.div_ceil(2),
        connections_per_source_max: limits.connections_per_source_max.div_ceil(2),
        ..limits
    };
    let tunnels: Arc<dyn listen::Tunnels> = Arc::new(open::Tunnels::new(gateway));
    let door = Door { limits, refuse: unreadable, meter, tls: None, tunnels: Some(tunnels) };
    listen::serve(listener, Router::new(), door, stop).await;
}

/// One tunnel: whose it is and where it leads. No `Debug`: it holds the key.
struct Passage {
    gateway: Arc<Gateway>,
    account: AccountId,
    place: Place,
    /// Looked at anew with each request, so that a key which is revoked opens nothing more.
    key: Zeroizing<String>,
}

impl Passage {
    /// What serves its requests.
    fn router(self) -> Router {
        let passage = Arc::new(self);
        let router = Router::new()
            .fallback(pass)
            .layer(middleware::from_fn(limits::told))
            .layer(middleware::from_fn(strict::strict))
            .layer(middleware::from_fn_with_state(Arc::clone(&passage), same_host))
            .with_state(passage);
        traced::traced(router, FORWARD)
    }
}

/// Every request names the host of its tunnel: else one tunnel would be another's.
async fn same_host(State(passage): State<Arc<Passage>>, request: Request, next: Next) -> Response {
    if names(&request, &passage.place) {
        return next.run(request).await;
    }
    let detail = format!("This tunnel leads to `{}`, and the request names another host.", authority(&passage.place));
    last(words(&passage.gateway, &request), Refusal::new(problem::MISDIRECTED, Stage::Door, detail)).await
}

async fn pass(State(passage): State<Arc<Passage>>, mut request: Request) -> Response {
    let gateway = &passage.gateway;
    if request.method() == Method::CONNECT {
        let detail = "There is no tunnel within a tunnel.";
        return last(words(gateway, &request), Refusal::new(problem::METHOD_NOT_ALLOWED, Stage::Door, detail)).await;
    }
    // The governance of this moment counts, not that of the CONNECT.
    if place_of(gateway, &passage.account, &passage.place.host, passage.place.port).is_none() {
        let detail = format!("`{}` leads to `{}` no more.", passage.account, authority(&passage.place));
        return last(words(gateway, &request), Refusal::new(problem::HOST_NOT_DECLARED, Stage::Door, detail)).await;
    }
    for name in &THE_CLIENTS_OWN {
        request.headers_mut().remove(name);
    }
    let path = request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
    let addressed = Addressed {
        account: passage.account.to_string(),
        path,
        base: format!("https://{}", authority(&passage.place)),
        origin: Some(passage.place.origin.clone()),
    };
    native::serve_as(gateway, addressed, FORWARD, Some(passage.key.as_str()), request).await
}

/// In whose words a refusal is said: those of the network that the client thinks it speaks to.
fn words(gateway: &Gateway, request: &Request) -> Voice {
    Voice::of(&gateway.registry.snapshot(), request.method().as_str(), request.uri().path())
}

/// A refusal after which the connection ends.
async fn last(words: Voice, refusal: Refusal) -> Response {
    LastAnswer::mark(words.say(refusal).await)
}

/// The place that an account declares under this name and port.
fn place_of(gateway: &Gateway, account: &AccountId, host: &str, port: u16) -> Option<Place> {
    let governance = gateway.governance.load();
    let account = governance.accounts.get(account)?;
    let snapshot = gateway.registry.snapshot();
    let adapter = snapshot.adapter(account)?;
    places(account, Some(adapter.manifest())).into_iter().find(|place| place.host == host && place.port == port)
}

/// Host and, where it is not the usual one, port.
fn authority(place: &Place) -> String {
    if place.port == USUAL_PORT { place.host.clone() } else { format!("{}:{}", place.host, place.port) }
}

/// Whether everything in a request that names a host names this one.
fn names(request: &Request, place: &Place) -> bool {
    let hosts = request.headers().get_all(HOST).into_iter().map(|host| host.to_str().unwrap_or_default().trim());
    let mut named = request.uri().authority().map(|authority| authority.as_str()).into_iter().chain(hosts).peekable();
    let usual = |given: &str| place.port == USUAL_PORT && given.eq_ignore_ascii_case(&place.host);
    let whole = format!("{}:{}", place.host, place.port);
    named.peek().is_some() && named.all(|given| usual(given) || given.eq_ignore_ascii_case(&whole))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(uri: &str, hosts: &[&str], port: u16) -> bool {
        let place = Place { host: "social.example".into(), port, origin: String::new() };
        let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header(HOST, *host));
        names(&request.body(Body::empty()).unwrap(), &place)
    }

    #[test]
    fn every_name_in_a_request_is_the_tunnels() {
        assert!(asked("/a", &["social.example"], 443));
        assert!(asked("/a", &["Social.Example:443"], 443));
        assert!(asked("https://social.example/a", &[], 443));
        assert!(asked("https://social.example/a", &["social.example"], 443));
        assert!(asked("/a", &["social.example:3000"], 3000));
        for (uri, hosts, port) in [
            ("/a", &[][..], 443),
            ("/a", &["other.example"], 443),
            ("/a", &["social.example:80"], 443),
            ("/a", &["social.example", "other.example"], 443),
            ("https://other.example/a", &["social.example"], 443),
            ("https://social.example/a", &["other.example"], 443),
            ("https://user@social.example/a", &[], 443),
            ("/a", &["social.example."], 443),
            ("/a", &["social.example"], 3000),
            ("/a", &["\u{e4}"], 443),
        ] {
            assert!(!asked(uri, hosts, port), "{uri} {hosts:?} {port}");
        }
    }
}
