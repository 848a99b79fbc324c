//! The SDK matrix: clients of networks' own APIs, unchanged but for the address and a Pressgate key, against real networks.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tests::harness::{Endpoint, Gate, GateProcess, TOKEN, intents, network};
use tests::networks::bluesky::BlueskyNetwork;
use tests::sdks::{Ran, Sdk};
use tests::tap::Tap;

use crate::cli::run_as;
use crate::samples::PNG;

const BLUESKY: &str = "acme-bluesky";
const MASTODON: &str = "acme-mastodon";
const DOMAIN: &str = "social.gate.example";
const READS: [&str; 4] = ["profile.read", "timeline.read", "inbox.read", "post.read"];
const LISTENING: &str = "data/listening.json";

/// How a client reaches its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Path,
    Host,
    Listener,
    /// The forward door: the client believes that it speaks with the network.
    Tunnel,
}

/// A gateway whose lines to its networks and clients are tapped.
struct Matrix {
    gate: GateProcess,
    account: &'static str,
    apps: Tap,
    listener: Tap,
    proxy: Tap,
    upstream: Tap,
    image: std::path::PathBuf,
}

/// An address, as the harness takes it.
struct At(String);

impl Endpoint for At {
    fn address(&self) -> &str {
        &self.0
    }
}

fn governed(gate: Gate, account: &str) -> Gate {
    let rules = json!({"forbidden": [{"phrase": "miracle cure"}, {"phrase": "cheap", "outcome": "hold"}]});
    gate.guidelines(&rules)
        .grant("readers", "app:careers", "brand:acme", &READS)
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .govern(|governance| {
            governance.each_account("native_hold = \"draft\"");
        })
        .setting("native.domain", &format!("{DOMAIN:?}"))
        .setting(&format!("native.listeners.{account}"), "\"127.0.0.1:0\"")
        .forward()
}

async fn matrix(gate: Gate, account: &'static str, upstream: Tap) -> Matrix {
    let gate = governed(gate, account).spawn().await;
    let listening: Value =
        serde_json::from_slice(&std::fs::read(gate.site.path(LISTENING)).expect("the word")).expect("JSON");
    let tap = async |at: &Value| Tap::start(at.as_str().expect("an address")).await.expect("a free port");
    let (apps, listener) = (tap(&listening["address"]).await, tap(&listening["native"][account]).await);
    let proxy = tap(&listening["forward"]).await;
    let image = gate.site.path("dot.png");
    std::fs::write(&image, PNG).expect("written");
    run_as(&gate, "person:ops-1", "ca init", "").text(0);
    let exported = run_as(&gate, "person:ops-1", "ca export", "");
    std::fs::write(gate.site.path("ca.pem"), exported.text(0)).expect("written");
    Matrix { gate, account, apps, listener, proxy, upstream, image }
}

impl Matrix {
    async fn run(&self, sdk: Sdk, way: Way) -> Option<Value> {
        let (port, listener, account) = (self.apps.port, self.listener.port, self.account);
        let (key, reader) = (self.gate.site.key("app:newsroom"), self.gate.site.key("app:careers"));
        let service = match way {
            Way::Path => format!("http://127.0.0.1:{port}/native/{account}"),
            Way::Host => format!("http://{account}.{DOMAIN}:{port}"),
            Way::Listener => format!("http://127.0.0.1:{listener}"),
            Way::Tunnel => format!("https://localhost:{}", self.upstream.port),
        };
        let ca = self.gate.site.path("ca.pem").display().to_string();
        let proxy = format!("http://{account}:{key}@127.0.0.1:{}", self.proxy.port);
        let mut environment = Vec::new();
        if way == Way::Tunnel {
            environment.push(("HTTPS_PROXY", proxy.as_str()));
            let trusts = ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];
            environment.extend(trusts.map(|name| (name, ca.as_str())));
        }
        let (key, reader) = if way == Way::Tunnel { ("the-sdks-own", None) } else { (key, Some(reader)) };
        let task = json!({
            "service": service, "handle": "acme.test", "friend": "@friend.test", "key": key, "reader": reader,
            "image": self.image, "host": format!("{account}.{DOMAIN}"),
        });
        let before = intents(&self.gate.leaves()).len();
        let Ran { told, connections } = sdk.run(&task, &environment).await?;
        // Nothing but the gate, which the SDK reached by the tap.
        let ports = if way == Way::Tunnel { vec![self.proxy.port] } else { vec![port, listener] };
        let here: Vec<SocketAddr> = ports.into_iter().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert!(!connections.is_empty(), "{sdk:?}: strace saw no connection at all");
        let elsewhere: Vec<_> = connections.iter().filter(|at| !here.contains(at)).collect();
        assert!(elsewhere.is_empty(), "{sdk:?} connected to {elsewhere:?}");
        // A medium, a post, a reply and two deletions, and nothing of what was refused.
        let done: Vec<_> =
            intents(&self.gate.leaves())[before..].iter().map(|(_, intent)| intent.action.to_string()).collect();
        assert_eq!(done, ["media.upload", "post.create", "comment.create", "post.delete", "post.delete"], "{sdk:?}");
        println!("{sdk:?} by {way:?}: {} connections, {told}", connections.len());
        Some(told)
    }

    /// Of what was said on either side, nothing holds the other side's secret.
    fn assert_apart(&self, tokens: &[&str]) {
        let keys = [self.gate.site.key("app:newsroom"), self.gate.site.key("app:careers")];
        let clients = [self.apps.taken(), self.listener.taken()].concat();
        let upstream = self.upstream.taken();
        assert!(clients.len() > 1 && !upstream.is_empty());
        for token in tokens {
            let shown = clients.iter().filter(|taken| holds(&taken.answered, token)).count();
            assert_eq!(shown, 0, "a token of the network reached a client");
            let used = upstream.iter().filter(|taken| holds(&taken.asked, token)).count();
            assert!(used > 0, "the tap saw no request with the network's own token");
        }
        for key in keys {
            assert!(clients.iter().any(|taken| holds(&taken.asked, key)), "the tap saw no client with its key");
            assert!(!upstream.iter().any(|taken| holds(&taken.asked, key)), "a key reached the network");
        }
        // Nor does a session's token, which all begin in the same way.
        let session = session_token(&clients.iter().flat_map(|taken| taken.answered.clone()).collect::<Vec<_>>());
        assert!(!upstream.iter().any(|taken| holds(&taken.asked, &session)), "a session's token reached the network");
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The last session's token that a client was given.
fn session_token(answered: &[u8]) -> String {
    let text = String::from_utf8_lossy(answered);
    let (_, token) =
        ["accessJwt\":\"", "access_token\":\""].iter().find_map(|name| text.rsplit_once(name)).expect("a login");
    token.split('"').next().expect("a token").to_owned()
}

/// Somebody on the sample network who answers each status that is no reply.
async fn friend(net: &sample_network::Running) -> Infallible {
    let mut answered = BTreeSet::new();
    loop {
        for status in net.timeline().await {
            let id = status["id"].as_str().expect("an id").to_owned();
            if status["in_reply_to_id"].is_null() && answered.insert(id.clone()) {
                net.hear("friend", "So do we.", Some(&id)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each refusal in the SDK's own type, with status and name as the network's own would be.
fn assert_refused(told: &Value, way: Way, kinds: &[(&str, &str, i64, &str)]) {
    for (what, kind, status, name) in kinds {
        let refusal = &told["refused"][what];
        if way == Way::Tunnel && ["grant", "password"].contains(what) {
            // A tunnel has one key.
            assert_eq!(refusal, &Value::Null);
            continue;
        }
        let told = refusal["status"].as_i64().unwrap_or_default();
        assert_eq!((&refusal["type"], told), (&json!(kind), *status), "{what}: {refusal}");
        let text = format!("{} {}", refusal["error"], refusal["message"]);
        assert!(text.contains(name), "{what}: {text}");
    }
    let held = told["refused"]["held"]["message"].as_str().expect("a sentence");
    assert!(held.contains("`post_"), "the held draft is named: {held}");
}

#[tokio::test]
async fn heavy_bluesky_clients_work_unchanged() {
    let Some(net) = BlueskyNetwork::start().await else { return };
    let acme = net.account("acme.test");
    let upstream = Tap::start(
        net.url
            .trim_start_matches("http://localhost:")
            .parse::<u16>()
            .map(|port| format!("127.0.0.1:{port}"))
            .expect("a port")
            .as_str(),
    )
    .await
    .expect("a free port");
    let secrets = vec![("identifier".to_owned(), acme.handle.clone()), ("password".to_owned(), acme.password.clone())];
    // By name: an address stands in no certificate of the gateway.
    let url = format!("http://localhost:{}", upstream.port);
    let gate = Gate::new().account_on("bluesky", "acme/snacks", BLUESKY, &url, "session", secrets);
    let matrix = matrix(gate, BLUESKY, upstream).await;
    for (sdk, way) in [
        (Sdk::AtprotoApi, Way::Host),
        (Sdk::AtprotoApi, Way::Listener),
        (Sdk::AtprotoApi, Way::Tunnel),
        (Sdk::Atproto, Way::Path),
        (Sdk::Atproto, Way::Host),
        (Sdk::Atproto, Way::Tunnel),
    ] {
        let Some(told) = matrix.run(sdk, way).await else { return };
        assert_eq!((&told["did"], &told["handle"]), (&json!(acme.did), &json!(acme.handle)));
        assert_eq!((&told["replies"], &told["images"]), (&json!(1), &json!(1)));
        assert_eq!(told["notifications"].as_array().map(|all| all.contains(&json!("mention"))), Some(true), "{told}");
        assert_eq!((&told["resumed"], told["deleted"].as_array().map(Vec::len)), (&json!(acme.did), Some(2)));
        let denied = if sdk == Sdk::AtprotoApi { "XRPCError" } else { "UnauthorizedError" };
        let kinds = [
            ("grant", denied, 403, "NoGrant"),
            ("policy", denied, 403, "PolicyDenied"),
            ("held", denied, 403, "NeedsApproval"),
            ("mint", denied, 403, "NotClassified"),
            ("service", denied, 403, "NotClassified"),
            ("like", denied, 403, "NotClassified"),
            ("password", denied, 401, "AuthenticationRequired"),
        ];
        assert_refused(&told, way, &kinds);
    }
    let session =
        session_token(&matrix.upstream.taken().iter().flat_map(|taken| taken.answered.clone()).collect::<Vec<_>>());
    matrix.assert_apart(&[acme.password.as_str(), session.as_str()]);
}

#[tokio::test]
async fn heavy_mastodon_clients_work_unchanged() {
    let net = network().await;
    let upstream = Tap::start(net.url.trim_start_matches("http://")).await.expect("a free port");
    let gate = Gate::new().account(MASTODON, &At(format!("http://localhost:{}", upstream.port)));
    let matrix = matrix(gate, MASTODON, upstream).await;
    for (sdk, way) in [
        (Sdk::Masto, Way::Host),
        (Sdk::Masto, Way::Listener),
        (Sdk::Masto, Way::Tunnel),
        (Sdk::MastodonPy, Way::Path),
        (Sdk::MastodonPy, Way::Host),
        (Sdk::MastodonPy, Way::Tunnel),
    ] {
        let told = tokio::select! {
            told = matrix.run(sdk, way) => told,
            never = friend(&net) => match never {},
        };
        let Some(told) = told else { return };
        assert_eq!((&told["me"], &told["images"], &told["reply"]), (&json!("acme"), &json!(1), &json!(true)));
        assert!(told["timeline"].as_i64() >= Some(2), "{told}");
        assert_eq!(told["notifications"], json!(["mention", "friend", "<p>So do we.</p>"]), "{told}");
        assert_eq!(told["deleted"].as_array().map(Vec::len), Some(2));
        let kinds = match sdk {
            Sdk::Masto => [
                ("grant", "MastoHttpError", 403, "no-grant"),
                ("policy", "MastoHttpError", 403, "policy-denied"),
                ("held", "MastoHttpError", 403, "needs-approval"),
                ("mint", "MastoHttpError", 403, "not-classified"),
                ("password", "MastoHttpError", 401, "unauthenticated"),
            ],
            // It shows the sentence, not the name; and of a login it makes its own error.
            _ => [
                ("grant", "MastodonAPIError", 403, "no grant covers"),
                ("policy", "MastodonAPIError", 403, "is against: house-rules"),
                ("held", "MastodonAPIError", 403, "must approve this first"),
                ("mint", "MastodonAPIError", 403, "may pass here"),
                ("password", "MastodonIllegalArgumentError", 0, "Show a live Pressgate key"),
            ],
        };
        assert_refused(&told, way, &kinds);
    }
    matrix.assert_apart(&[TOKEN]);
}
