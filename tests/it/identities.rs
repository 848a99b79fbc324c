//! Who is calling: client certificates, and access tokens of a company's own issuer, each the app that apps.toml says.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Gate, Running, intents, network, problem, until};
use tests::networks::issuer::{CLIENT_SECRET, Issuer};
use tokio::process::Command;

use crate::cli::run_as;
use crate::samples::{STATUSES, post, texts};

const AUDIENCE: &str = "https://gate.acme.example";
const ACCOUNT: &str = "acme-mastodon";

/// apps.toml with an app that is known by what `more` says.
fn apps(gate: Gate, more: &str) -> Gate {
    gate.govern(|governance| {
        let apps = governance.files()["apps.toml"].clone();
        let newsroom = "id = \"newsroom\"\nowner = \"ops-1\"\n";
        assert!(apps.contains(newsroom));
        governance.file("apps.toml", &apps.replace(newsroom, &format!("{newsroom}{more}\n")));
    })
}

/// An access token for a resource.
async fn token(issuer: &Issuer, resource: &str) -> String {
    let form = format!("grant_type=client_credentials&scope=read&resource={resource}&client_id=cms");
    let basic = format!("cms:{CLIENT_SECRET}");
    let output = Command::new("curl")
        .args(["-s", "-u", &basic, "-d", &form, &format!("{}/token", issuer.url)])
        .output()
        .await
        .expect("curl runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn status(gate: &Running, token: &str) -> u16 {
    gate.caller_with(token).get("/v1/me").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_companys_issuer_is_the_app_that_it_says() {
    let net = network().await;
    let Some(issuer) = Issuer::start(&net.url).await else { return };
    let said = format!(
        "[app.token.company]\nissuer = {:?}\nprivate_issuer = true\naudience = {AUDIENCE:?}\nsubject = \"cms\"",
        issuer.url
    );
    let clock = std::sync::Arc::new(pressgate::clock::ManualClock::at(Timestamp::now()));
    let gate = apps(Gate::new().account(ACCOUNT, &net), &said).clock(&clock).start().await;
    let good = token(&issuer, AUDIENCE).await;
    let cms = gate.caller_with(&good);
    let me = cms.get("/v1/me").await.expect(200);
    assert_eq!(me["principal"], "app:newsroom");
    cms.publish(&post(ACCOUNT, "By token")).await.expect(201);
    let native = format!("/native/{ACCOUNT}{STATUSES}");
    cms.send("POST", &native, &[JSON], json!({"status": "By token, natively"}).to_string()).await.expect(200);
    assert_eq!(texts(&net).await.len(), 2);
    let all = intents(&gate.leaves());
    let means = format!("token:{} {AUDIENCE} cms", issuer.url);
    assert!(all.iter().all(|(_, intent)| intent.app.as_deref() == Some("newsroom") && intent.key == means));
    // Made for somebody else, changed, unsigned, of nobody.
    assert_eq!(status(&gate, &token(&issuer, "https://other.acme.example").await).await, 401);
    let (head, rest) = good.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    // {"alg":"none"}, {"alg":"RS256","kid":"nobody"}, {"iss":"https://evil.example"}
    for forged in [
        format!("eyJhbGciOiJub25lIn0.{body}."),
        format!("eyJhbGciOiJub25lIn0.{body}.{signature}"),
        format!("eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSJ9.{body}.{signature}"),
        format!("{head}.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.{signature}"),
        format!("{head}.{body}."),
        format!("{good}x"),
    ] {
        let answer = gate.caller_with(&forged).get("/v1/me").await;
        assert_eq!(answer.status, 401, "{forged}: {}", answer.text());
        assert!(!answer.text().contains(body), "nothing of a token is repeated");
    }
    // The issuer is down: its keys hold on, for a day.
    drop(issuer);
    clock.advance(SignedDuration::from_mins(20));
    assert_eq!(status(&gate, &good).await, 200);
    clock.advance(SignedDuration::from_mins(41));
    assert_eq!(status(&gate, &good).await, 401, "the token has expired");
    clock.advance(SignedDuration::from_hours(24));
    let answer = gate.caller_with(&good).get("/v1/me").await;
    problem(&answer, "issuer-unavailable");
}

async fn openssl(folder: &Path, line: &str) {
    let ran = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().await.expect("openssl runs");
    assert!(ran.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A key and a certificate for it, with such a name.
async fn certificate(folder: &Path, authority: &str, name: &str, san: &str) {
    let wish = format!("subjectAltName={san}\nbasicConstraints=critical,CA:FALSE\n");
    std::fs::write(folder.join(format!("{name}.ext")), wish).expect("written");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder, &format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}")).await;
    let by = format!("-CA {authority}.pem -CAkey {authority}.key -CAcreateserial");
    let line = format!("x509 -req -in {name}.csr -out {name}.pem -days 2 -extfile {name}.ext {by}");
    openssl(folder, &line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_the_app_that_its_name_says() {
    let net = network().await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for authority in ["ca", "other"] {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(
            at,
            &format!("req -x509 {key} -keyout {authority}.key -out {authority}.pem -days 2 -subj /CN={authority}"),
        )
        .await;
    }
    certificate(at, "ca", "server", "IP:127.0.0.1").await;
    certificate(at, "ca", "newsroom", "URI:spiffe://acme.example/newsroom").await;
    certificate(at, "ca", "host", "DNS:CMS.internal.example").await;
    certificate(at, "ca", "nobody", "URI:spiffe://acme.example/nobody").await;
    certificate(at, "other", "stranger", "URI:spiffe://acme.example/newsroom").await;
    let path = |name: &str| format!("{:?}", at.join(name).display().to_string());
    let names = "certificates = [\"spiffe://acme.example/newsroom\", \"dns:cms.internal.example\"]";
    let mut gate = apps(Gate::new().account(ACCOUNT, &net), names)
        .setting("listen.tls.certificate", &path("server.pem"))
        .setting("listen.tls.key", &path("server.key"))
        .setting("listen.tls.client_ca", &path("ca.pem"))
        .spawn()
        .await;
    let url = gate.url.clone();
    let me = async |with: Option<&str>, key: Option<&str>| {
        let mut curl = Command::new("curl");
        curl.current_dir(at).args(["-s", "--cacert", "ca.pem", "-o", "answer", "-w", "%{http_code}"]);
        if let Some(name) = with {
            curl.args(["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key")]);
        }
        if let Some(key) = key {
            curl.args(["-H", &format!("Authorization: Bearer {key}")]);
        }
        let ran = curl.arg(format!("{url}/v1/me")).output().await.expect("curl runs");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    until("it serves TLS", || async { (me(Some("newsroom"), None).await == "200").then_some(()) }).await;
    let answer = std::fs::read_to_string(at.join("answer")).expect("an answer");
    assert!(answer.contains("newsroom") && answer.contains("certificate:spiffe://acme.example/newsroom"), "{answer}");
    assert_eq!(me(Some("host"), None).await, "200");
    assert_eq!(me(Some("nobody"), None).await, "401");
    assert_eq!(me(None, None).await, "401");
    assert_eq!(me(Some("stranger"), None).await, "000", "another authority's certificate ends the handshake");
    // A key counts before a certificate, also a wrong one.
    let careers = gate.site.key("app:careers").to_owned();
    assert_eq!(me(Some("newsroom"), Some(&careers)).await, "200");
    assert!(std::fs::read_to_string(at.join("answer")).expect("an answer").contains("careers"));
    assert_eq!(me(Some("newsroom"), Some("pgk_wrong")).await, "401");
    // The gateway's own commands speak TLS there too, and take its certificate and no other.
    let listed = run_as(&gate, "app:newsroom", "post list", "");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    std::fs::copy(at.join("server.pem"), at.join("kept.pem")).expect("kept");
    std::fs::copy(at.join("other.pem"), at.join("server.pem")).expect("another");
    let refused = run_as(&gate, "app:newsroom", "post list", "");
    assert!(refused.code == Some(3) && refused.err.contains("certificate"), "{refused:?}");
    std::fs::copy(at.join("kept.pem"), at.join("server.pem")).expect("back");
    assert_eq!(gate.terminate().await, Some(0));
}
