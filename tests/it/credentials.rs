//! The life of a credential (OAuth 2) against a real authorization server: connected, renewed by one for all, never lost in
//! passing, and given back to a person when nothing else helps.

mod callback;
mod process;

use std::sync::Arc;

use jiff::SignedDuration;
use pressgate::audit::{Event, leaf};
use pressgate::clock::{Clock, ManualClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::harness::gate::clock;
use tests::harness::smtp::Smtp;
use tests::harness::{Caller, Gate, Running, network, problem, until};
use tests::http::{self, Answer};
use tests::networks::issuer::{CLIENT_SECRET, Issuer, plugins};

use crate::notices::told::{LOOKED_AGAIN, telling};
use crate::samples::{STATUSES, post};

const ACCOUNT: &str = "acme-mastodon";
/// The endpoints of oidc-provider.
const ENDPOINTS: &str = "authorization_endpoint = \"{account.endpoint}/auth\"\n\
     token_endpoint = \"{account.endpoint}/token\"\n\
     revocation_endpoint = \"{account.endpoint}/token/revocation\"\n\
     issuer = \"{account.endpoint}\"\n\
     scopes = [\"read\", \"write\"]\n\
     client_authentication = \"client_secret_basic\"\n";

/// The values of the client, as an operator sets them.
fn client() -> Vec<(String, String)> {
    vec![("client_id".into(), "pressgate".into()), ("client_secret".into(), CLIENT_SECRET.into())]
}

/// A gate with an account behind the authorization server.
fn gate(issuer: &Issuer, folder: &TempDir) -> Gate {
    let dir = format!("{:?}", folder.path().display().to_string());
    Gate::new()
        .account_on("mastodon", "acme/snacks", ACCOUNT, &issuer.url, "token", client())
        .setting("plugins.dir", &dir)
        // It answers at once, or it is a test of one that does not.
        .setting("egress.timeout_ms", "5000")
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &["timeline.read"])
}

/// A gateway within the test, with its operator listener, on a clock that the test moves.
struct Setting {
    net: sample_network::Running,
    issuer: Issuer,
    gate: Running,
    operators: String,
    clock: Arc<ManualClock>,
    _plugins: TempDir,
}

impl Setting {
    /// None where the authorization server is not installed.
    async fn new() -> Option<Self> {
        Self::with(|plan| plan).await
    }

    /// The same, with a change of the plan.
    async fn with(change: impl FnOnce(Gate) -> Gate) -> Option<Self> {
        let net = network().await;
        let issuer = Issuer::start(&net.url).await?;
        let folder = plugins(ENDPOINTS);
        let clock = clock();
        let gate = change(gate(&issuer, &folder).clock(&clock)).start().await;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let operators = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(pressgate::operator::serve(Arc::clone(gate.gateway()), listener));
        Some(Self { net, issuer, gate, operators, clock, _plugins: folder })
    }

    /// The same, connected.
    async fn connected() -> Option<Self> {
        let setting = Self::new().await?;
        setting.connect().await.expect_page(200);
        Some(setting)
    }

    fn operator(&self) -> Caller {
        Caller::new(&self.operators, self.gate.site.key("person:ops-1"))
    }

    /// Begins to connect, and gives the operator's answer.
    async fn begin(&self) -> Value {
        let body = json!({ "redirect_uri": format!("{}/oauth/callback", self.operators) });
        self.operator().post(&format!("/operator/credentials/{ACCOUNT}/token/connections"), &body).await.expect(201)
    }

    /// Begins, agrees in the browser, and gives the address that the browser is sent back to.
    async fn consent(&self) -> (Value, String) {
        let begun = self.begin().await;
        let callback = self.issuer.browse(begun["authorization_url"].as_str().expect("an address")).await;
        assert!(callback.starts_with(&format!("{}/oauth/callback?", self.operators)), "{callback}");
        (begun, callback)
    }

    async fn connect(&self) -> Page {
        let (_, callback) = self.consent().await;
        open(&callback).await
    }

    async fn progress(&self, begun: &Value) -> Value {
        self.operator()
            .get(&format!("/operator/connections/{}", begun["id"].as_str().expect("an id")))
            .await
            .expect(200)
    }

    /// The credential as operators see it.
    async fn credential(&self) -> Value {
        self.operator().get("/operator/credentials").await.expect(200)[0].clone()
    }

    async fn health(&self) -> Value {
        self.gate.get("/v1/accounts").await.expect(200)["accounts"][0]["health"].clone()
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    async fn publish(&self, text: &str) -> Answer {
        self.gate.publish(&post(ACCOUNT, text)).await
    }

    async fn posted(&self) -> u64 {
        self.net.count("POST", STATUSES).await
    }

    /// Alarms and changes of credentials in the log, in order.
    fn told(&self) -> Vec<String> {
        told(&self.gate.leaves())
    }

    async fn until_told(&self, what: &str) {
        until(what, || async { self.told().iter().any(|told| told == what).then_some(()) }).await;
    }
}

fn told(leaves: &[pressgate::audit::Leaf]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Alarm(alarm) => Some(format!("{} {} {}", alarm.code, alarm.subject, alarm.raised)),
        Event::Change(change) if change.what == leaf::Changed::Credential => {
            Some(format!("{} {} {}", change.action, change.subject, change.by))
        }
        _ => None,
    };
    leaves.iter().filter_map(|leaf| line(&leaf.event)).collect()
}

/// A page of the callback.
struct Page(Answer);

impl Page {
    /// Its text; with what no page of the callback is without.
    fn expect_page(&self, status: u16) -> String {
        let text = self.0.text();
        assert_eq!(self.0.status, status, "{text}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(self.0.header(name), Some(value));
        }
        assert!(
            self.0.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );
        text
    }
}

async fn open(url: &str) -> Page {
    Page(http::get(url, "").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_connected_used_renewed_and_revoked() {
    let Some(setting) = Setting::new().await else { return };
    let refused = problem(&setting.publish("too early").await, "credential-missing").to_string();
    assert!(refused.contains("pressgate credential connect acme-mastodon"), "{refused}");
    assert_eq!(setting.credential().await["state"], "not-connected");

    let (begun, callback) = setting.consent().await;
    assert_eq!(setting.progress(&begun).await["state"], "waiting");
    let page = open(&callback).await.expect_page(200);
    assert!(page.contains("connected"), "{page}");
    assert_eq!(setting.progress(&begun).await["state"], "connected");
    setting.publish("one").await.expect(201);
    assert_eq!(setting.posted().await, 1);
    let view = setting.credential().await;
    assert_eq!(
        (&view["state"], &view["scheme"], &view["refreshed_at"]),
        (&json!("connected"), &json!("oauth2"), &Value::Null)
    );
    assert!(view["expires_at"].is_string() && view["reconnect_since"].is_null(), "{view}");

    // Ahead of its end, and though nobody calls.
    setting.later(3600 - 30);
    let renewed = || async { (setting.issuer.seen().await.refreshes().len() == 1).then_some(()) };
    until("it is renewed", renewed).await;
    until("it is kept", || async { setting.credential().await["refreshed_at"].is_string().then_some(()) }).await;
    setting.publish("two").await.expect(201);
    assert_eq!(setting.health().await, "ready");

    let revoked = setting.operator().delete(&format!("/operator/credentials/{ACCOUNT}/token")).await.expect(200);
    assert_eq!(revoked["network"], "revoked", "{revoked}");
    let seen = setting.issuer.seen().await;
    let hints: Vec<_> = seen.revocation.iter().map(|request| (&request["hint"], &request["status"])).collect();
    assert_eq!(hints, [(&json!("refresh_token"), &json!(200)), (&json!("access_token"), &json!(200))]);
    problem(&setting.publish("three").await, "credential-missing");
    assert_eq!((setting.posted().await, seen.refreshes().len()), (2, 1));
    assert!(seen.token.iter().all(|request| request.basic), "the client authenticates as declared: {seen:?}");
    assert_eq!(setting.told(), ["connect acme-mastodon/token ops-1", "revoke acme-mastodon/token ops-1"]);
}

/// Publishes so many posts at once, and counts those that did not succeed.
async fn crowd(setting: &Setting, count: usize) -> Vec<String> {
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..count {
        let newsroom = setting.gate.caller("app:newsroom");
        calls.spawn(async move { newsroom.publish(&post(ACCOUNT, &format!("post {number}"))).await });
    }
    let answers = calls.join_all().await;
    let failed = answers.iter().filter(|answer| answer.status != 201);
    failed.map(|answer| answer.text().split("\"targets\"").last().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_over_an_expired_token_cause_one_refresh_and_none_fails() {
    let Some(setting) = Setting::connected().await else { return };
    setting.issuer.set(&json!({"token": {"mode": "normal", "delayMs": 300}})).await;
    setting.later(3601);
    let failed = crowd(&setting, 200).await;
    let seen = setting.issuer.seen().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!((setting.posted().await, seen.refreshes().len(), seen.refused_api), (200, 1, 0));
    assert!(seen.refreshes().iter().all(|refresh| refresh.status == Some(200)), "{seen:?}");

    // The network ends the access token before its time: all meet a 401, one gets the next, and every call goes once more.
    setting.issuer.refuse_access().await;
    let failed = crowd(&setting, 200).await;
    let seen = setting.issuer.seen().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!((setting.posted().await, seen.refreshes().len()), (400, 2));
    assert!(seen.refused_api > 0, "calls met the refused token");
    // The refresh tokens were rotated, and each was shown once.
    let [first, second] = seen.refreshes()[..] else { panic!("{seen:?}") };
    assert_eq!((first.issued_refresh.is_some(), &first.issued_refresh), (true, &second.refresh));

    // Reads of a network's own clients ask for no facts before, so all of them meet the expired token at once.
    let status = setting.publish("to be read").await.expect(201)["targets"][0]["platform_id"].clone();
    let path = format!("/native/{ACCOUNT}{STATUSES}/{}", status.as_str().expect("an id"));
    setting.later(3601);
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (newsroom, path) = (setting.gate.caller("app:newsroom"), path.clone());
        reads.spawn(async move { newsroom.get(&path).await.status });
    }
    assert_eq!(reads.join_all().await, [200; 200]);
    assert_eq!(setting.issuer.seen().await.refreshes().len(), 3);
    assert_eq!(setting.told(), ["connect acme-mastodon/token ops-1"], "no alarm");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_within_the_margin_wait_for_nobody() {
    let Some(setting) = Setting::connected().await else { return };
    setting.issuer.set(&json!({"token": {"mode": "normal", "delayMs": 1500}})).await;
    setting.later(3600 - 20);
    assert_eq!(crowd(&setting, 200).await, Vec::<String>::new());
    let renewed = || async { (setting.issuer.seen().await.refreshes().len() == 1).then_some(()) };
    until("it is renewed beside the calls", renewed).await;
    assert_eq!(setting.posted().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_for_five_minutes_costs_no_credential() {
    let Some(setting) = Setting::connected().await else { return };
    setting.publish("before").await.expect(201);
    setting.issuer.set(&json!({"token": {"mode": "cut"}})).await;
    // Within the margin the access token lives on: calls go through while the issuer is down.
    setting.later(3600 - 50);
    setting.publish("within the margin").await.expect(201);
    let down = clock_of(&setting);
    setting.later(51);
    let mut refused = 0;
    while clock_of(&setting) - down < 300 {
        // Both kinds of passing failure, turn by turn.
        let mode = if refused % 2 == 0 {
            json!({"mode": "raw", "status": 503, "body": "down"})
        } else {
            json!({"mode": "cut"})
        };
        setting.issuer.set(&json!({ "token": mode })).await;
        let headers = [("content-type", "application/json"), ("prefer", "wait=1")];
        let body = post(ACCOUNT, &format!("while down {refused}")).to_string();
        let answer = setting.gate.send("POST", "/v1/posts", &headers, body).await;
        assert!([202, 502, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
        refused += 1;
        setting.later(25);
    }
    assert!(refused >= 10, "{refused}");
    let view = setting.credential().await;
    assert_eq!((&view["state"], &view["reconnect_since"]), (&json!("connected"), &Value::Null), "{view}");
    assert_eq!(setting.health().await, "ready");
    let asked = setting.issuer.seen().await.token.len();
    assert!((2..=refused + 12).contains(&asked), "it backs off: asked {asked} times for {refused} calls");

    setting.issuer.set(&json!({"token": {"mode": "normal"}})).await;
    setting.later(61);
    setting.publish("after").await.expect(201);
    // Those that waited are sent too; nothing was lost.
    let sent = || async {
        setting.later(30);
        setting.gate.gateway().due.notify_one();
        (setting.posted().await == 3 + refused as u64).then_some(())
    };
    until("what waited is sent", sent).await;
    assert_eq!(setting.issuer.seen().await.refreshes().len(), 1);
    assert_eq!(setting.told(), ["connect acme-mastodon/token ops-1"], "no alarm");
}

fn clock_of(setting: &Setting) -> i64 {
    setting.clock.now().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_grant_is_alarmed_and_connecting_again_helps() {
    let smtp = Smtp::start().await;
    let Some(setting) = Setting::with(|plan| telling(plan, &smtp)).await else { return };
    setting.connect().await.expect_page(200);
    setting.publish("before").await.expect(201);
    let refused = json!({"mode": "raw", "status": 400, "body": "{\"error\":\"invalid_grant\"}"});
    setting.issuer.set(&json!({ "token": refused })).await;
    setting.later(3601);
    let answer = setting.publish("meets it").await;
    let text = problem(&answer, "credential-refused").to_string();
    assert!(text.contains("pressgate credential connect acme-mastodon"), "{text}");
    setting.until_told("reconnect-needed acme-mastodon/token true").await;
    let asked = setting.issuer.seen().await.token.len();

    // Later calls stop at `clear`; the issuer is not asked again.
    let told = problem(&setting.publish("at clear").await, "credential-refused");
    assert_eq!(told["stage"], "clear", "{told}");
    assert!(told.to_string().contains("pressgate credential connect acme-mastodon"), "{told}");
    setting.later(600);
    problem(&setting.publish("still").await, "credential-refused");
    assert_eq!((setting.issuer.seen().await.token.len(), setting.posted().await), (asked, 1));
    let view = setting.credential().await;
    assert_eq!((&view["state"], view["reconnect_since"].is_string()), (&json!("reconnect-needed"), true), "{view}");
    assert_eq!(setting.health().await, "reconnect");
    let metrics = http::get(&format!("{}/metrics", setting.operators), "").await.text();
    assert!(metrics.contains("pressgate_credentials_reconnect_needed 1"), "{metrics}");

    let title = "Pressgate: An account must be connected again";
    let told = || smtp.taken().into_iter().filter(|mail| mail.parsed().subject() == Some(title)).collect::<Vec<_>>();
    until("the operator is told", || async { (!told().is_empty()).then_some(()) }).await;
    setting.issuer.set(&json!({"token": {"mode": "normal"}})).await;
    setting.connect().await.expect_page(200);
    setting.publish("after").await.expect(201);
    setting.until_told("reconnect-needed acme-mastodon/token false").await;
    assert_eq!((setting.health().await, setting.posted().await), (json!("ready"), 2));
    let alarms = setting.told().iter().filter(|told| told.starts_with("reconnect-needed")).count();
    assert_eq!(alarms, 2, "raised once, ended once: {:?}", setting.told());
    tokio::time::sleep(LOOKED_AGAIN).await;
    let told = told();
    let [mail] = told.as_slice() else { panic!("{} mails", told.len()) };
    assert_eq!(mail.to, ["ops-1@acme.example"], "nobody else runs the gateway");
    assert!(mail.text().contains("acme-mastodon"), "{}", mail.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_refresh_token_keeps_the_one_before() {
    let Some(setting) = Setting::connected().await else { return };
    setting.issuer.set(&json!({"rotate": false, "withoutRefresh": true})).await;
    for round in 0..3 {
        setting.later(3601);
        setting.publish(&format!("round {round}")).await.expect(201);
    }
    let seen = setting.issuer.seen().await;
    let shown: std::collections::BTreeSet<_> = seen.refreshes().iter().map(|refresh| refresh.refresh.clone()).collect();
    assert_eq!((seen.refreshes().len(), shown.len()), (3, 1), "the same refresh token, three times");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_from_the_token_endpoint_loses_nothing() {
    let Some(setting) = Setting::connected().await else { return };
    let plans = [
        json!({"mode": "raw", "status": 200, "body": ""}),
        json!({"mode": "raw", "status": 200, "body": "<html>canary</html>"}),
        json!({"mode": "raw", "status": 200, "body": "{\"token_type\":\"Bearer\",\"refresh_token\":\"canary\"}"}),
        json!({"mode": "raw", "status": 200, "body": "{\"access_token\":\"a b\\n\"}"}),
        json!({"mode": "raw", "status": 200, "body": "[".repeat(100_000)}),
        json!({"mode": "raw", "status": 200, "endless": true}),
        json!({"mode": "raw", "status": 302, "body": "", "headers": {"location": "http://127.0.0.1:1/steal"}}),
        json!({"mode": "raw", "status": 400, "body": "{\"error\":\"canary\"}"}),
        json!({"mode": "raw", "status": 401, "body": "{\"error\":\"invalid_client\"}"}),
        json!({"mode": "raw", "status": 500, "body": "{\"error\":\"invalid_grant\"}"}),
    ];
    setting.later(3601);
    for plan in &plans {
        setting.issuer.set(&json!({ "token": plan })).await;
        let headers = [("content-type", "application/json"), ("prefer", "wait=2")];
        let answer = setting.gate.send("POST", "/v1/posts", &headers, post(ACCOUNT, "meanwhile").to_string()).await;
        assert!([202, 502, 503].contains(&answer.status), "{plan:.80}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        assert_eq!(setting.credential().await["state"], "connected", "{plan:.80}");
        setting.later(61);
    }
    assert_eq!(setting.posted().await, 0);
    setting.issuer.set(&json!({"token": {"mode": "normal"}})).await;
    setting.publish("after").await.expect(201);
    assert_eq!(setting.issuer.seen().await.refreshes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_makes_no_sense_makes_no_storm() {
    let Some(setting) = Setting::connected().await else { return };
    for life in [json!(0), json!(-5), json!(1e300), json!("3600"), json!("soon"), json!(null), json!([1])] {
        setting.issuer.set(&json!({ "expiresIn": life })).await;
        setting.issuer.refuse_access().await;
        setting.publish(&format!("{life} first")).await;
        let before = setting.issuer.seen().await.refreshes().len();
        for number in 0..5 {
            setting.publish(&format!("{life} {number}")).await.expect(201);
        }
        let after = setting.issuer.seen().await.refreshes().len();
        assert_eq!(after, before, "{life}: a token of unknown life is used until it is refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_seen_outside() {
    let Some(setting) = Setting::connected().await else { return };
    let mut shown = Vec::new();
    // The network repeats the access token in a header of its answers, and in the body of its refusals.
    let read = || setting.gate.get("/native/acme-mastodon/api/v1/timelines/home");
    for round in 0..3 {
        shown.extend(setting.publish(&format!("round {round}")).await.expect(201).to_string().into_bytes());
        let answer = read().await;
        let saw = answer.header("x-saw").unwrap_or_default().to_owned();
        assert_eq!(saw, "[redacted]");
        shown.extend(format!("{:?} {}", answer.headers, answer.text()).into_bytes());
        match round {
            0 => setting.issuer.refuse_access().await,
            _ => setting.later(3601),
        }
    }
    setting.issuer.refuse_access().await;
    setting
        .issuer
        .set(&json!({"token": {"mode": "raw", "status": 400, "body": "{\"error\":\"invalid_grant\"}"}}))
        .await;
    shown.extend(setting.publish("refused").await.text().into_bytes());
    shown.extend(setting.operator().get("/operator/credentials").await.text().into_bytes());
    collect(&setting.gate.data(), &mut shown);
    assert!(shown.len() > 100_000, "there is something to look at: {}", shown.len());
    let secrets = setting.issuer.secrets().await;
    assert!(secrets.len() >= 6, "{}", secrets.len());
    for secret in secrets.iter().map(String::as_str).chain([CLIENT_SECRET]) {
        let found = shown.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "a token or the client's secret is readable outside");
    }
}

fn collect(path: &std::path::Path, into: &mut Vec<u8>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            collect(&entry.expect("an entry").path(), into);
        }
    } else if let Ok(bytes) = std::fs::read(path) {
        into.extend(bytes);
    }
}
