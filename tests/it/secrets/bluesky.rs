//! The secrets of a session: the app password, every access token and every refresh token.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde_json::{Value, json};
use tests::harness::{Endpoint, Gate, until};

use super::echo::{Asked, Echo};
use super::search::{Heard, WRAPPINGS, assert_nowhere, one_life};

/// With characters that every way of escaping changes.
pub const PASSWORD: &str = "cnry-p7Wq+x/2~Jd.A9_uRf6bKm1yD==";
/// What every access token begins with.
pub const ACCESS: &str = "cnry-a4Tz+h/8~Pc.M6_vEg3nLs7wB==";
/// What every refresh token begins with.
pub const REFRESH: &str = "cnry-r1Xk+d/5~Qy.H3_oUi9tCj2mF==";
/// All of them by name.
pub const CANARIES: [(&str, &str); 3] =
    [("the app password", PASSWORD), ("an access token", ACCESS), ("a refresh token", REFRESH)];

const DID: &str = "did:plc:pgvatuzar5i2dfpvguzk6qan";
const CID: &str = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
/// What the account's server is asked, by method and the path's last part.
const METHODS: [(&str, &str); 8] = [
    ("POST", "/xrpc/com.atproto.server.createSession"),
    ("POST", "/xrpc/com.atproto.server.refreshSession"),
    ("GET", "/xrpc/com.atproto.server.getSession"),
    ("GET", "/xrpc/com.atproto.identity.resolveHandle"),
    ("POST", "/xrpc/com.atproto.repo.uploadBlob"),
    ("POST", "/xrpc/com.atproto.repo.createRecord"),
    ("GET", "/xrpc/com.atproto.repo.getRecord"),
    ("POST", "/xrpc/com.atproto.repo.deleteRecord"),
];

/// A server (PDS) that repeats. The access token of a login has run out by the time it is used, so that each session is
/// refreshed.
pub async fn server(look: impl Fn(&Asked) + Send + Sync + 'static) -> Echo {
    let sessions = AtomicU32::new(0);
    Echo::start(move |asked| {
        look(asked);
        let tokens = |age: &str| {
            let number = sessions.fetch_add(1, Relaxed);
            let session = [("accessJwt", ACCESS), ("refreshJwt", REFRESH)]
                .map(|(name, canary)| (name, format!("{canary}{age}{number}")));
            let mut answer = json!({"did": DID, "handle": "acme.test"});
            for (name, token) in session {
                answer[name] = json!(token);
            }
            (200, answer)
        };
        let reference = |asked: &Asked| {
            let sent: Value = serde_json::from_str(&asked.body).unwrap_or_default();
            let rkey = sent["rkey"].as_str().unwrap_or("3nco6z2k323k5").to_owned();
            (200, json!({"uri": format!("at://{DID}/app.bsky.feed.post/{rkey}"), "cid": CID}))
        };
        let fresh = asked.bearer().starts_with(&format!("{ACCESS}fresh"));
        match asked.path.rsplit('.').next().unwrap_or_default() {
            "createSession" if asked.text("password").as_deref() == Some(PASSWORD) => tokens("stale"),
            "refreshSession" if asked.bearer().starts_with(REFRESH) => tokens("fresh"),
            _ if !fresh => (400, json!({"error": "ExpiredToken", "message": "Token has expired"})),
            "getSession" => (200, json!({"did": DID, "handle": "acme.test"})),
            "resolveHandle" => (200, json!({"did": DID})),
            "uploadBlob" => {
                (200, json!({"blob": {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 67}}))
            }
            "createRecord" => reference(asked),
            "getRecord" => {
                let (status, mut answer) = reference(asked);
                answer["value"] = json!({"text": "x"});
                (status, answer)
            }
            "deleteRecord" => (200, json!({})),
            _ => (501, json!({"error": "MethodNotImplemented", "message": "Method Not Implemented"})),
        }
    })
    .await
}

/// An account on the server.
pub fn account(gate: Gate, id: &str, server: &Echo) -> Gate {
    let secrets = vec![("identifier".to_owned(), format!("{id}.test")), ("password".to_owned(), PASSWORD.to_owned())];
    gate.account_on("bluesky", "acme/snacks", id, server.address(), "session", secrets)
}

fn name(method: usize, wrapping: usize) -> String {
    format!("acme-{method}-{wrapping}")
}

#[tokio::test]
async fn heavy_a_sessions_secrets_are_found_nowhere() {
    let server = server(|_| ()).await;
    let mut plan = Gate::new();
    for method in 0..METHODS.len() {
        for wrapping in 0..WRAPPINGS.len() {
            plan = account(plan, &name(method, wrapping), &server);
        }
    }
    let mut gate = plan.setting("log.filter", "\"trace\"").spawn().await;
    let mut heard = Heard::default();
    // Each account is new to the server, so that each life begins with a login.
    for (number, (method, path)) in METHODS.into_iter().enumerate() {
        for (at, wrapping) in WRAPPINGS.into_iter().enumerate() {
            server.wrap(method, path, wrapping);
            one_life(&gate, &name(number, at), "Hello @friend.test", &mut heard).await;
            // After a no that may pass, the gateway comes again later.
            until(&format!("{method} {path} was repeated: {wrapping:?}"), || async {
                let wrapped = server.asked().iter().filter(|asked| asked.wrapped && asked.path == path).count();
                (wrapped == at + 1).then_some(())
            })
            .await;
        }
    }
    // The session that the vault kept over a restart is repeated too; tokens that were replaced before are forgotten by both.
    gate.kill9().await;
    server.forget();
    let logins = |server: &Echo| server.asked().iter().filter(|asked| asked.path == METHODS[0].1).count();
    let before = logins(&server);
    gate.restart().await;
    one_life(&gate, &name(7, 3), "Hello again", &mut heard).await;
    assert_eq!(logins(&server), before, "the session is still there");
    heard.keep(&gate.get("/v1/posts?limit=200").await);
    heard.keep(&gate.get("/v1/accounts").await);
    // The canaries were really there: at the server, and in its answers.
    let asked = server.asked();
    let with = |canary: &str| asked.iter().filter(|asked| asked.bearer().starts_with(canary)).count();
    assert!(
        with(ACCESS) > 200 && with(REFRESH) >= METHODS.len() * WRAPPINGS.len(),
        "{} {}",
        with(ACCESS),
        with(REFRESH)
    );
    assert!(asked.iter().filter(|asked| asked.body.contains(PASSWORD)).count() >= METHODS.len() * WRAPPINGS.len());

    gate.kill9().await;
    assert_nowhere(&gate, &heard, &CANARIES, &name(7, 3));
}
