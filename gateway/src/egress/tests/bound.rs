//! A credential goes where it was set for, whatever the account says now.

use super::{
    Bench, request, rule, scope_for,
    server::{self, Got, answer},
    sessions::session_rule,
};
use crate::egress::*;

async fn network() -> server::Server {
    server::http(|_: Got| async {
        answer(200, r#"{"data":{"accessJwt":"access-canary","refreshJwt":"refresh-canary"}}"#)
    })
    .await
}

fn with(label: &str) -> OutRequest {
    OutRequest { credential: Some(label.into()), ..request("GET", "/x") }
}

#[tokio::test]
async fn an_account_that_moved_takes_no_credential_along() {
    let (old, new) = (network().await, network().await);
    let bench = Bench::new().await;
    let schemes = [
        rule("token", CredentialScheme::Bearer, &["token"]),
        rule("query", CredentialScheme::Query("key".into()), &["token"]),
        session_rule(),
    ];
    for rule in &schemes {
        let values = [("token", "secret-canary"), ("identifier", "acme"), ("password", "secret-canary")];
        bench.fixture.set_for(&old.origin, &rule.label, &values).await;
    }
    let at = |origin: &str| Scope { credentials: schemes.to_vec(), ..scope_for(origin) };
    for rule in &schemes {
        assert_eq!(bench.egress.send(&at(&old.origin), with(&rule.label)).await.expect("answered").status, 200);
        let refused = bench.egress.send(&at(&new.origin), with(&rule.label)).await;
        let Err(SendFailure::NoCredential(why)) = refused else { panic!("{}: {refused:?}", rule.label) };
        assert!(why.contains(&old.origin) && why.contains(&new.origin) && !why.contains("canary"), "{why}");
    }
    assert_eq!(new.connections(), 0, "neither a token nor a login went there");
    assert_eq!(bench.get(&at(&new.origin), "/x").await.expect("what needs no credential goes on").status, 200);
    // Set again, it works there.
    bench.fixture.set_for(&new.origin, "token", &[("token", "secret-canary-2")]).await;
    assert_eq!(bench.egress.send(&at(&new.origin), with("token")).await.expect("answered").status, 200);
}

#[tokio::test]
async fn an_origin_that_a_later_plugin_asks_for_gets_no_credential() {
    let (home, further) = (network().await, network().await);
    let bench = Bench::new().await;
    bench.fixture.set_for(&home.origin, "token", &[("token", "secret-canary")]).await;
    let mut scope = scope_for(&home.origin);
    scope.credentials = vec![rule("token", CredentialScheme::Bearer, &["token"])];
    scope.origins.extend(scope_for(&further.origin).origins);
    let there = OutRequest { url: format!("{}/x", further.origin), ..with("token") };
    let refused = bench.egress.send(&scope, there).await;
    assert!(matches!(&refused, Err(SendFailure::NoCredential(why)) if why.contains(&further.origin)), "{refused:?}");
    assert_eq!(further.connections(), 0);
    assert_eq!(bench.egress.send(&scope, with("token")).await.expect("answered").status, 200);
}
