//! Manifest sessions against a server that counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response};
use jiff::SignedDuration;

use super::{
    Bench, request, scope_for,
    server::{self, Got, Server, answer},
};
use crate::egress::*;

const PASSWORD: &str = "app-password-canary";

/// What the network knows and how it behaves.
#[derive(Default)]
struct Network {
    issued: usize,
    access: String,
    refresh: String,
    logins: usize,
    refreshes: usize,
    posts: usize,
    login_status: Option<u16>,
    refresh_status: Option<u16>,
    forgets_refresh: bool,
    always_expired: bool,
    seen: Vec<String>,
}

impl Network {
    fn issue(&mut self) -> Response<Bytes> {
        self.issued += 1;
        self.access = format!("access-canary-{}", self.issued);
        let mut body = serde_json::json!({"data": {"accessJwt": self.access}, "handle": "acme.example"});
        if !self.forgets_refresh || self.refresh.is_empty() {
            self.refresh = format!("refresh-canary-{}", self.issued);
            body["data"]["refreshJwt"] = self.refresh.clone().into();
        }
        answer(200, body.to_string())
    }

    fn respond(&mut self, request: &Got) -> Response<Bytes> {
        let bearer = request.headers().get("authorization").map(|value| value.to_str().expect("text").to_owned());
        let bearer = bearer.as_deref().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.seen.push(format!("{} {} {body}", request.method(), request.uri()));
        match request.uri().path() {
            "/session/create" => {
                self.logins += 1;
                let wanted = serde_json::json!({"identifier": "acme.example", "password": PASSWORD});
                let right = serde_json::from_str::<serde_json::Value>(&body).is_ok_and(|got| got == wanted);
                match self.login_status {
                    Some(status) => answer(status, format!("no, {body}")),
                    None if right && bearer.is_empty() => self.issue(),
                    None => answer(401, "who?"),
                }
            }
            "/session/refresh" => {
                self.refreshes += 1;
                match self.refresh_status {
                    Some(status) => answer(status, "no"),
                    None if bearer == self.refresh && body.is_empty() => self.issue(),
                    None => answer(400, r#"{"error":"ExpiredToken"}"#),
                }
            }
            _ if bearer == self.access && !bearer.is_empty() && !self.always_expired => {
                self.posts += 1;
                answer(200, format!("acme.example {bearer} {} {PASSWORD} {body}", self.refresh))
            }
            _ => answer(400, format!(r#"{{"error":"ExpiredToken","saw":"{bearer}"}}"#)),
        }
    }
}

struct Setting {
    bench: Arc<Bench>,
    network: Arc<Mutex<Network>>,
    scope: Scope,
    _server: Server,
}

fn exchange(path: &str, body: &[(&str, &str)], bearer: Option<&str>) -> Exchange {
    let body: BTreeMap<_, _> = body.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Exchange { method: Method::POST, path: path.into(), body, bearer: bearer.map(str::to_owned) }
}

pub(super) fn session_rule() -> CredentialRule {
    let scheme = CredentialScheme::Session(SessionRule {
        login: exchange("/session/create", &[("identifier", "{identifier}"), ("password", "{password}")], None),
        refresh: exchange("/session/refresh", &[], Some("{refresh}")),
        access_pointer: "/data/accessJwt".into(),
        refresh_pointer: "/data/refreshJwt".into(),
        expired: Expired { statuses: vec![400, 401], pointer: "/error".into(), values: vec!["ExpiredToken".into()] },
    });
    CredentialRule { label: "session".into(), scheme, secrets: vec!["password".into()], instead_of: None }
}

impl Setting {
    async fn new() -> Self {
        let network = Arc::new(Mutex::new(Network::default()));
        let shared = Arc::clone(&network);
        let server = server::http(move |request: Got| {
            let network = Arc::clone(&shared);
            async move {
                // Slow enough for callers to meet.
                tokio::time::sleep(Duration::from_millis(20)).await;
                network.lock().expect("whole").respond(&request)
            }
        })
        .await;
        let bench = Arc::new(Bench::new().await);
        bench
            .fixture
            .set_for(&server.origin, "session", &[("identifier", "acme.example"), ("password", PASSWORD)])
            .await;
        let mut scope = scope_for(&server.origin);
        scope.credentials = vec![session_rule()];
        Self { bench, network, scope, _server: server }
    }

    async fn post(&self) -> Result<OutResponse, SendFailure> {
        post(&self.bench.egress, &self.scope).await
    }

    /// As after a restart: the same store, nothing in memory.
    async fn restarted(&self) -> Egress {
        let vault = self.bench.fixture.again().await.expect("opened");
        Egress::new(EgressOptions::default(), vault, self.bench.fixture.clock.clone()).expect("opened")
    }

    /// The network forgets the access token.
    fn expire(&self) {
        self.network.lock().expect("whole").access = "gone".into();
    }

    fn with<R>(&self, act: impl FnOnce(&mut Network) -> R) -> R {
        act(&mut self.network.lock().expect("whole"))
    }

    /// Logins, refreshes and accepted posts.
    fn counts(&self) -> (usize, usize, usize) {
        self.with(|network| (network.logins, network.refreshes, network.posts))
    }
}

async fn post(egress: &Egress, scope: &Scope) -> Result<OutResponse, SendFailure> {
    let mut out = request("POST", "/posts");
    out.body = OutBody::Bytes("text".into());
    out.credential = Some("session".into());
    let got = egress.send(scope, out).await;
    let told = match &got {
        Ok(response) => format!("{:?} {}", response.headers, String::from_utf8_lossy(&response.body)),
        Err(failure) => format!("{failure:?} {failure}"),
    };
    assert!(!told.contains("canary"), "{told}");
    got
}

fn accepted(got: Result<OutResponse, SendFailure>) {
    let got = got.expect("answered");
    let told = String::from_utf8_lossy(&got.body).into_owned();
    assert_eq!((got.status, told.as_str()), (200, "acme.example [redacted] [redacted] [redacted] text"));
}

#[tokio::test]
async fn one_login_serves_many_requests_and_a_restart() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    accepted(setting.post().await);
    assert_eq!(setting.counts(), (1, 0, 2));
    accepted(post(&setting.restarted().await, &setting.scope).await);
    assert_eq!(setting.counts(), (1, 0, 3));
    let dump = setting.bench.fixture.store.dump();
    assert!(!String::from_utf8_lossy(&dump).contains("canary"));
}

#[tokio::test]
async fn many_at_once_cause_one_login_and_one_refresh() {
    let setting = Arc::new(Setting::new().await);
    for (round, counts) in [(1, (1, 0, 40)), (2, (1, 1, 80)), (3, (1, 2, 120))] {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let setting = Arc::clone(&setting);
            running.spawn(async move { accepted(setting.post().await) });
        }
        while let Some(done) = running.join_next().await {
            done.expect("accepted");
        }
        assert_eq!(setting.counts(), counts, "round {round}");
        setting.expire();
    }
}

#[tokio::test]
async fn a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    setting.with(|network| network.forgets_refresh = true);
    for round in 1..=3 {
        setting.expire();
        accepted(setting.post().await);
        assert_eq!(setting.counts(), (1, round, 1 + round));
    }
    setting.expire();
    accepted(post(&setting.restarted().await, &setting.scope).await);
    assert_eq!(setting.counts(), (1, 4, 5));
}

#[tokio::test]
async fn a_refused_refresh_leads_to_a_login() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    setting.expire();
    setting.with(|network| network.refresh = "revoked".into());
    accepted(setting.post().await);
    assert_eq!(setting.counts(), (2, 1, 2));
}

#[tokio::test]
async fn a_passing_failure_of_the_refresh_causes_no_login() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    setting.expire();
    setting.with(|network| network.refresh_status = Some(503));
    assert!(matches!(setting.post().await, Err(SendFailure::NotSent(_))));
    setting.with(|network| network.refresh_status = None);
    assert!(matches!(setting.post().await, Err(SendFailure::NotSent(_))), "it pauses");
    assert_eq!(setting.counts(), (1, 1, 1));
    setting.bench.fixture.clock.advance(SignedDuration::from_secs(6));
    accepted(setting.post().await);
    assert_eq!(setting.counts(), (1, 2, 2));
}

#[tokio::test]
async fn a_refused_login_is_no_credential_and_is_not_hammered() {
    let setting = Setting::new().await;
    setting.with(|network| network.login_status = Some(401));
    for _ in 0..5 {
        let got = setting.post().await;
        assert!(matches!(&got, Err(SendFailure::NoCredential(why)) if why.contains("401")), "{got:?}");
    }
    assert_eq!(setting.counts(), (1, 0, 0));
    // A new credential is tried at once, the old one after the pause.
    setting.with(|network| network.login_status = None);
    assert!(setting.post().await.is_err());
    setting
        .bench
        .fixture
        .set_for(setting.scope.base.as_str(), "session", &[("identifier", "acme.example"), ("password", PASSWORD)])
        .await;
    accepted(setting.post().await);
    assert_eq!(setting.counts(), (2, 0, 1));
}

#[tokio::test]
async fn a_login_that_is_limited_is_not_sent_and_waits() {
    let setting = Setting::new().await;
    setting.with(|network| network.login_status = Some(429));
    assert!(matches!(setting.post().await, Err(SendFailure::NotSent(_))));
    assert!(matches!(setting.post().await, Err(SendFailure::NotSent(_))));
    assert_eq!(setting.counts(), (1, 0, 0));
    setting.with(|network| network.login_status = None);
    setting.bench.fixture.clock.advance(SignedDuration::from_secs(61));
    accepted(setting.post().await);
}

#[tokio::test]
async fn an_expiry_is_answered_by_one_more_try_only() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    setting.with(|network| network.always_expired = true);
    let got = setting.post().await.expect("answered");
    assert_eq!(got.status, 400);
    assert_eq!(setting.counts(), (1, 1, 1));
    let posts = setting.with(|network| network.seen.iter().filter(|seen| seen.contains("/posts")).count());
    assert_eq!(posts, 3);
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_no_refresh_token() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    setting.expire();
    // Gone in the middle of the refresh: after the 20 ms of the post, within those of the refresh.
    let gone = tokio::time::timeout(Duration::from_millis(32), setting.post()).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    accepted(setting.post().await);
    assert_eq!(setting.counts(), (1, 1, 2));
}

#[tokio::test]
async fn plugins_do_not_log_in_themselves() {
    let setting = Setting::new().await;
    for path in ["/session/create", "/session/refresh", "/session/refresh/", "/Session/Create?x"] {
        let mut out = request("POST", path);
        out.credential = Some("session".into());
        let got = setting.bench.egress.send(&setting.scope, out).await;
        assert!(matches!(got, Err(SendFailure::Denied(_))), "{path}: {got:?}");
    }
    assert_eq!(setting.counts(), (0, 0, 0));
}

#[tokio::test]
async fn a_revoked_credential_ends_its_session() {
    let setting = Setting::new().await;
    accepted(setting.post().await);
    let account = crate::vault::tests::account();
    assert!(setting.bench.fixture.vault.revoke_credential(&account, "session").await.expect("revoked"));
    assert!(matches!(setting.post().await, Err(SendFailure::NoCredential(_))));
    assert_eq!(setting.counts(), (1, 0, 1));
}
