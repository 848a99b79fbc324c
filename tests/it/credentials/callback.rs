//! What comes to the callback, which anybody can call: only the answer to a question that an operator asked does anything.

use serde_json::json;
use tests::harness::{Governance, slug};
use tests::http;

use super::{ACCOUNT, Setting, open};

/// The address with one parameter changed, or without it.
fn with(callback: &str, name: &str, value: Option<&str>) -> String {
    let mut url: url::Url = callback.parse().expect("an address");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(known, _)| known == name), "{callback} has no {name}");
    let kept = pairs.into_iter().filter_map(|(known, old)| match (known == name, value) {
        (false, _) => Some((known, old)),
        (true, Some(value)) => Some((known, value.to_owned())),
        (true, None) => None,
    });
    let kept: Vec<_> = kept.collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url.into()
}

async fn exchanges(setting: &Setting) -> usize {
    setting.issuer.seen().await.token.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_once_for_one_and_for_ten_minutes() {
    let Some(setting) = Setting::new().await else { return };
    let (begun, callback) = setting.consent().await;
    for foreign in ["", "x", "%00", "<script>alert(1)</script>"] {
        let page = open(&with(&callback, "state", Some(foreign))).await.expect_page(400);
        assert!(!page.contains("script"), "{page}");
    }
    open(&with(&callback, "state", None)).await.expect_page(400);
    open(&format!("{callback}&code=again")).await.expect_page(400);
    open(&format!("{}/oauth/callback", setting.operators)).await.expect_page(400);
    // Whoever looks ahead at a link uses nothing up.
    let ahead = http::call("HEAD", &callback, &[], "").await;
    assert_eq!(ahead.status, 503);
    assert_eq!((setting.progress(&begun).await["state"].clone(), exchanges(&setting).await), (json!("waiting"), 0));
    open(&callback).await.expect_page(200);
    // The same answer once more, as from a history.
    open(&callback).await.expect_page(400);
    assert_eq!((setting.progress(&begun).await["state"].clone(), exchanges(&setting).await), (json!("connected"), 1));

    let (late, callback) = setting.consent().await;
    setting.later(600);
    open(&callback).await.expect_page(400);
    assert_eq!(setting.progress(&late).await["state"], "expired");
    assert_eq!((exchanges(&setting).await, setting.credential().await["state"].clone()), (1, json!("connected")));
    assert_eq!(setting.told(), ["connect acme-mastodon/token ops-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_attempt_is_worth_nothing() {
    let Some(setting) = Setting::new().await else { return };
    let (first, callback) = setting.consent().await;
    let code = callback.parse::<url::Url>().expect("an address");
    let code =
        code.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned()).expect("a code");
    let (second, callback) = setting.consent().await;
    assert_eq!(setting.progress(&first).await["state"], "failed", "who begins again ends the attempt before");
    // The verifier is the second attempt's, the code the first's: PKCE keeps them apart.
    open(&with(&callback, "code", Some(&code))).await.expect_page(400);
    let failed = setting.progress(&second).await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["reason"].as_str().is_some_and(|why| why.contains("invalid_grant")), "{failed}");
    let seen = setting.issuer.seen().await;
    assert_eq!((seen.token.len(), seen.token[0].error.as_deref()), (1, Some("invalid_grant")));
    assert_eq!(setting.credential().await["state"], "not-connected");
    assert_eq!(setting.told(), ["connect acme-mastodon/token ops-1", "connect-failed acme-mastodon/token ops-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_another_issuer_is_not_used() {
    let Some(setting) = Setting::new().await else { return };
    for iss in [Some("http://evil.example"), Some(""), None] {
        let (begun, callback) = setting.consent().await;
        open(&with(&callback, "iss", iss)).await.expect_page(400);
        assert_eq!(setting.progress(&begun).await["state"], "failed", "{iss:?}");
    }
    assert_eq!(exchanges(&setting).await, 0, "the code went nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_declines_is_told_and_nothing_is_changed() {
    let Some(setting) = Setting::connected().await else { return };
    setting.issuer.set(&json!({"decline": true})).await;
    let (begun, callback) = setting.consent().await;
    assert!(callback.contains("error=access_denied"), "{callback}");
    let page = open(&callback).await.expect_page(400);
    assert!(!page.contains("script") && !page.contains("access_denied"), "{page}");
    let told = setting.progress(&begun).await;
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("declined")), "{told}");
    let (begun, callback) = setting.consent().await;
    open(&with(&callback, "error", Some("<script>canary</script>"))).await.expect_page(400);
    let told = setting.progress(&begun).await.to_string();
    assert!(!told.contains("canary") && !told.contains("script"), "{told}");
    setting.publish("as before").await.expect(201);
    assert_eq!((exchanges(&setting).await, setting.told().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_begins_and_still_is_one_when_it_ends() {
    let Some(mut setting) = Setting::new().await else { return };
    let path = format!("/operator/credentials/{ACCOUNT}/token/connections");
    let good = format!("{}/oauth/callback", setting.operators);
    for holder in ["app:newsroom", "person:chief-1"] {
        let other = tests::harness::Caller::new(&setting.operators, setting.gate.site.key(holder));
        let refused = other.post(&path, &json!({ "redirect_uri": good })).await;
        assert_eq!(slug(&refused), "no-grant", "{holder}");
    }
    for bad in ["https://evil.example/steal", "http://10.0.0.1/oauth/callback", "", "/oauth/callback"] {
        let refused = setting.operator().post(&path, &json!({ "redirect_uri": bad })).await;
        assert_eq!(slug(&refused), "invalid-request", "{bad}");
    }
    let (begun, callback) = setting.consent().await;
    let mut governance: Governance = setting.gate.governance.clone();
    let people = governance.files()["people.toml"].clone();
    let with_role = |id: &str| format!("id = {id:?}\nroles = [\"operator\"]");
    let without = |id: &str| format!("id = {id:?}\nroles = [\"author\"]");
    assert!(people.contains(&with_role("ops-1")) && people.contains(&without("editor-8")), "{people}");
    let other =
        people.replace(&with_role("ops-1"), &without("ops-1")).replace(&without("editor-8"), &with_role("editor-8"));
    governance.file("people.toml", &other);
    setting.gate.apply(governance.clone()).await;
    open(&callback).await.expect_page(400);
    governance.file("people.toml", &people);
    setting.gate.apply(governance).await;
    let told = setting.progress(&begun).await;
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("no operator any more")), "{told}");
    assert_eq!(exchanges(&setting).await, 0);
}
