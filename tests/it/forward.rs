//! The forward door: tunnels for clients whose host is fixed. The network listens on plain HTTP under the name `localhost`; clients
//! believe that they speak TLS with it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pressgate::audit::{Event, leaf::Changed};
use pressgate::model::PersonId;
use pressgate::operator::By;
use pressgate::operator::authority::{AuthorityRequest, init};
use serde_json::{Value, json};
use tests::harness::{Gate, Running, TOKEN, intents, network, until};
use tests::tunnel::{Trust, ask, connect_head, refusal, rest, tunnel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::samples::{STATUSES, texts};

const ACCOUNT: &str = "acme-mastodon";
const READS: [&str; 4] = ["profile.read", "timeline.read", "inbox.read", "post.read"];
const NAME: &str = "localhost";

/// The network under a name: an address stands in no certificate of the gateway.
fn named(net: &sample_network::Running) -> String {
    net.url.replace("127.0.0.1", NAME)
}

/// Host and port of the network, as a client names them.
fn target(net: &sample_network::Running) -> String {
    named(net).replace("http://", "")
}

fn plan(net: &sample_network::Running) -> Gate {
    let secrets = vec![("token".to_owned(), TOKEN.to_owned())];
    Gate::new()
        .account_on("mastodon", "acme/snacks", ACCOUNT, &named(net), "token", secrets)
        .guidelines(&json!({"forbidden": [{"phrase": "miracle cure"}]}))
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .forward()
}

/// A gateway with a forward door and its authority's certificate.
async fn gate(net: &sample_network::Running) -> (Running, String) {
    let gate = plan(net).start().await;
    let ca = authority(&gate, AuthorityRequest::default()).await;
    (gate, ca)
}

async fn authority(gate: &Running, wish: AuthorityRequest) -> String {
    let by = By::Person(PersonId::new("ops-1"));
    init(gate.gateway(), &by, wish).await.expect("made").certificate
}

fn proxy(gate: &Running) -> &str {
    gate.proxy.as_deref().expect("a forward door")
}

fn newsroom(gate: &Running, target: &str) -> String {
    connect_head(target, ACCOUNT, gate.site.key("app:newsroom"))
}

fn trust(ca: &str) -> Trust<'_> {
    Trust { ca, name: NAME, speaks: "http/1.1" }
}

/// A request as the network's SDK writes it, with a token of its own that nobody knows.
fn request(method: &str, host: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer the-sdks-own-token\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn status(text: &str) -> String {
    json!({ "status": text }).to_string()
}

/// One answer from a connection that may go on.
async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head + &String::from_utf8_lossy(&body))
}

/// curl by way of the proxy: the exit code, and everything that it received or said.
async fn curl(proxy: &str, user: &str, ca: &Path, arguments: &[&str]) -> (i32, String) {
    let run = Command::new("curl")
        .args(["--silent", "--show-error", "--verbose", "--max-time", "30", "--noproxy", ""])
        .args(["--proxy", &format!("http://{proxy}"), "--proxy-user", user, "--cacert"])
        .arg(ca)
        .args(arguments)
        .output();
    let output = run.await.expect("curl runs");
    let all = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
}

fn kept(gate: &Running, ca: &str) -> std::path::PathBuf {
    let path = gate.folder().join("ca.pem");
    std::fs::write(&path, ca).expect("written");
    path
}

#[tokio::test]
async fn a_client_that_knows_one_host_posts_and_reads() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let (ca, host) = (kept(&gate, &ca), target(&net));
    let key = gate.site.key("app:newsroom").to_owned();
    let user = format!("{ACCOUNT}:{key}");
    let mut heard = String::new();
    for (version, spoken) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
        let url = format!("https://{host}{STATUSES}");
        let token = "Authorization: Bearer the-sdks-own-token";
        let cookie = "Cookie: session=the-sdks-own-cookie";
        let text = format!("status=By {version}");
        let (code, said) =
            curl(proxy(&gate), &user, &ca, &[version, "-H", token, "-H", cookie, "-d", &text, &url]).await;
        assert!(code == 0 && said.contains(spoken), "{said}");
        heard += &said.replace(&tests::tunnel::base64(user.as_bytes()), "");
        let me = format!("https://{host}/api/v1/accounts/verify_credentials");
        let (code, said) = curl(proxy(&gate), &user, &ca, &[version, "-H", token, &me]).await;
        assert!(code == 0 && said.contains(spoken) && said.contains("\"username\""), "{said}");
        heard += &said;
    }
    assert_eq!(texts(&net).await, ["By --http1.1", "By --http2"]);
    // The key stays here, and so does what the client said in place of one; the token stays there.
    for request in net.requests().await {
        let seen = format!("{request:?}");
        assert!(!seen.contains(&key) && !seen.contains("the-sdks-own") && !seen.contains("roxy"), "{seen}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
    assert!(!heard.contains(TOKEN), "{heard}");
    let leaves = gate.leaves();
    let intents = intents(&leaves);
    assert_eq!(intents.len(), 2);
    for (_, intent) in intents {
        assert_eq!(
            (intent.door.as_deref(), intent.action.as_str(), intent.app.as_deref()),
            (Some("forward"), "post.create", Some("newsroom"))
        );
    }
    let made = leaves.iter().find_map(|leaf| match &leaf.event {
        Event::Change(change) if change.what == Changed::Setting && change.subject == "forward-ca" => Some(change),
        _ => None,
    });
    let made = made.expect("the log says who made the authority");
    assert_eq!((made.action.as_str(), made.by.as_str(), made.digest.is_some()), ("init", "ops-1", true));
}

#[tokio::test]
async fn what_a_policy_forbids_is_refused_in_the_networks_own_words() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let host = target(&net);
    let mut stream = tunnel(proxy(&gate), &newsroom(&gate, &host), trust(&ca)).await.expect("TLS");
    stream.write_all(request("POST", &host, STATUSES, &status("Our miracle cure")).as_bytes()).await.expect("written");
    let (code, said) = answer(&mut stream).await;
    assert!(code == 403 && said.contains(r#""error_description":"policy-denied""#), "{said}");
    // The same connection goes on.
    stream.write_all(request("POST", &host, STATUSES, &status("Plain")).as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await.0, 200);
    assert_eq!(texts(&net).await, ["Plain"]);
}

#[tokio::test]
async fn a_stranger_is_asked_for_a_key_and_hears_nothing_more() {
    let net = network().await;
    let (gate, _) = gate(&net).await;
    let host = target(&net);
    let plain = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (_, without) = refusal(proxy(&gate), plain.as_bytes()).await;
    assert!(without.starts_with("HTTP/1.1 407 ") && without.contains("proxy-authenticate: Basic realm=\"Pressgate\""));
    let body = |text: &str| text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    for (account, key, asked) in [
        (ACCOUNT, "pgk_nobody", host.as_str()),
        ("nothing", "pgk_nobody", &host),
        (ACCOUNT, "pgk_nobody", "127.0.0.1:80"),
    ] {
        let (status, told) = refusal(proxy(&gate), connect_head(asked, account, key).as_bytes()).await;
        assert_eq!((status, body(&told)), (407, body(&without)), "the same for all");
    }
    // A key that has no grant on the account hears the same as for one that is not there.
    let other = gate.site.key("app:careers");
    let (status, one) = refusal(proxy(&gate), connect_head(&host, ACCOUNT, other).as_bytes()).await;
    let (_, two) = refusal(proxy(&gate), connect_head(&host, "nothing", other).as_bytes()).await;
    assert!(status == 403 && one.contains("no-grant") && body(&one) == body(&two), "{one}\n{two}");
    let denied = gate.leaves().into_iter().filter(|leaf| match &leaf.event {
        Event::Refused(refused) => refused.door.as_deref() == Some("forward") && refused.problem == "no-grant",
        _ => false,
    });
    assert_eq!(denied.count(), 2);
    assert!(net.requests().await.is_empty());
}

#[tokio::test]
async fn a_tunnel_leads_to_declared_hosts_alone() {
    let net = network().await;
    let (gate, _) = gate(&net).await;
    let trap = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = trap.local_addr().expect("an address").port();
    let network = target(&net).replace(NAME, "127.0.0.1");
    for target in [
        format!("127.0.0.1:{port}"),
        network,
        format!("localhost:{port}"),
        format!("LOCALHOST.:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "169.254.169.254:80".to_owned(),
        "metadata.google.internal:80".to_owned(),
        "localhost:443".to_owned(),
        "bank.example:443".to_owned(),
    ] {
        let (status, told) = refusal(proxy(&gate), newsroom(&gate, &target).as_bytes()).await;
        assert!(status == 403 && told.contains("host-not-declared"), "{target}: {told}");
    }
    let dialled = tokio::time::timeout(Duration::from_millis(300), trap.accept()).await;
    assert!(dialled.is_err(), "nobody is dialled");
    assert!(net.requests().await.is_empty());
}

#[tokio::test]
async fn a_proxy_for_tunnels_takes_nothing_else() {
    let net = network().await;
    let (gate, _) = gate(&net).await;
    let host = target(&net);
    let get = format!("GET http://{host}/api/v1/instance HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (status, told) = refusal(proxy(&gate), get.as_bytes()).await;
    assert!(status == 405 && told.contains("allow: CONNECT") && told.contains("https://"), "{told}");
    let lines = "x: y\r\n".repeat(4000);
    for (bytes, expected) in [
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nX: {}", "x".repeat(20_000)), 431),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{lines}"), 431),
        (format!("CONNECT {host} HTTP/1.1\nHost: {host}\n\n"), 400),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: other\r\n\r\n"), 400),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nGET "), 400),
        ("\u{16}\u{3}\u{1} no http at all\r\n\r\n".to_owned(), 400),
    ] {
        let (status, told) = refusal(proxy(&gate), bytes.as_bytes()).await;
        assert_eq!(status, expected, "{told}");
    }
    assert!(net.requests().await.is_empty());
}

#[tokio::test]
async fn who_is_slow_with_a_connect_is_let_go() {
    let net = network().await;
    let gate = plan(&net).setting("listen.head_timeout_ms", "500").start().await;
    let mut stream = tokio::net::TcpStream::connect(proxy(&gate)).await.expect("somebody listens");
    let drip = async {
        for byte in newsroom(&gate, &target(&net)).bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), drip).await.expect("an end in time"), "it was let go");
    // Nor is who opens a tunnel and says nothing in it.
    let ca = authority(&gate, AuthorityRequest::default()).await;
    let (stream, head) = ask(proxy(&gate), newsroom(&gate, &target(&net)).as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(rest(stream).await, "");
    let stream = tunnel(proxy(&gate), &newsroom(&gate, &target(&net)), trust(&ca)).await.expect("TLS");
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn connect_tls_and_every_request_name_one_host() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let host = target(&net);
    let connect = newsroom(&gate, &host);
    // Another name in TLS, and none: an address is not sent as a name.
    for name in ["other.example", "127.0.0.1"] {
        let shaken = tunnel(proxy(&gate), &connect, Trust { name, ..trust(&ca) }).await;
        assert!(shaken.is_err(), "{name}");
    }
    // Another host in a request ends the connection; what comes after it is not read.
    for other in ["other.example", "localhost", "127.0.0.1", &format!("{NAME}:1")] {
        let mut stream = tunnel(proxy(&gate), &connect, trust(&ca)).await.expect("TLS");
        let two = request("POST", other, STATUSES, &status("one")) + &request("POST", &host, STATUSES, &status("two"));
        stream.write_all(two.as_bytes()).await.expect("written");
        let (code, said) = answer(&mut stream).await;
        assert!(code == 421 && said.contains("connection: close"), "{other}: {said}");
        assert_eq!(rest(stream).await, "");
    }
    // In HTTP/2 as well.
    let stream = tunnel(proxy(&gate), &connect, Trust { speaks: "h2", ..trust(&ca) }).await.expect("TLS");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let mut get = async |authority: &str| {
        let request = Request::get(format!("https://{authority}/api/v1/accounts/verify_credentials"));
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await.map(|_| status)
    };
    assert_eq!(get(&host).await.expect("an answer"), 200);
    let reads = net.requests().await.len();
    assert_eq!(get("other.example").await.expect("an answer"), 421);
    tokio::time::timeout(Duration::from_secs(10), connection).await.expect("it ends").expect("no panic").ok();
    assert!(get(&host).await.is_err());
    assert_eq!(net.requests().await.len(), reads);
    assert!(texts(&net).await.is_empty());
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_more_in_a_living_tunnel() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let host = target(&net);
    let (key, id) = gate.fresh_key("newsroom", None).await;
    let mut stream = tunnel(proxy(&gate), &connect_head(&host, ACCOUNT, &key), trust(&ca)).await.expect("TLS");
    stream.write_all(request("POST", &host, STATUSES, &status("before")).as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await.0, 200);
    let gateway = gate.gateway();
    gateway.keys.revoke(gateway.records.as_ref(), &id, gateway.clock.now()).await.expect("revoked");
    stream.write_all(request("POST", &host, STATUSES, &status("after")).as_bytes()).await.expect("written");
    let (code, said) = answer(&mut stream).await;
    assert!(code == 401 && said.contains("unauthenticated"), "{said}");
    assert_eq!(texts(&net).await, ["before"]);
}

#[tokio::test]
async fn what_two_readers_could_read_differently_ends_the_tunnel() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let host = target(&net);
    let smuggled = request("POST", &host, STATUSES, &status("smuggled"));
    let head = format!("POST {STATUSES} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    for first in [
        format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{head}Content-Length: 4\r\nContent-Length: 0\r\n\r\n"),
        format!("{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{head}Content_Length: 4\r\n\r\n"),
        format!("{head}X: y\n\r\n"),
        format!("{head}Host: other.example\r\n\r\n"),
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET http://other.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ] {
        let mut stream = tunnel(proxy(&gate), &newsroom(&gate, &host), trust(&ca)).await.expect("TLS");
        stream.write_all((first.clone() + &smuggled).as_bytes()).await.expect("written");
        let (code, said) = answer(&mut stream).await;
        assert_eq!(code, 400, "{first}: {said}");
        assert_eq!(rest(stream).await, "", "{first}");
    }
    assert!(net.requests().await.is_empty());
}

#[tokio::test]
async fn a_strict_client_accepts_the_certificate_for_its_host_and_for_a_day() {
    let net = network().await;
    let (gate, ca) = gate(&net).await;
    let stream = tunnel(proxy(&gate), &newsroom(&gate, &target(&net)), trust(&ca)).await.expect("TLS");
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate").to_vec();
    let (ca, leaf) = (kept(&gate, &ca), gate.folder().join("leaf.der"));
    std::fs::write(&leaf, &chain[0]).expect("written");
    let openssl = async |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().await.expect("openssl runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (ca, leaf) = (ca.display().to_string(), leaf.display().to_string());
    let strict = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", &ca];
    let (good, told) = openssl(&[&strict[..], &["-verify_hostname", NAME, &leaf]].concat()).await;
    assert!(good, "{told}");
    let (good, told) = openssl(&[&strict[..], &["-verify_hostname", "other.example", &leaf]].concat()).await;
    assert!(!good, "{told}");
    let (_, text) = openssl(&["x509", "-in", &ca, "-noout", "-text"]).await;
    assert!(text.contains("X509v3 Name Constraints: critical") && text.contains("DNS:localhost"), "{text}");
    assert!(text.contains("pathlen:0") && text.contains("prime256v1"), "{text}");
    // Good now, and not in a day.
    let (good, told) = openssl(&["x509", "-in", &leaf, "-noout", "-checkend", "3600"]).await;
    assert!(good, "{told}");
    let (good, told) = openssl(&["x509", "-in", &leaf, "-noout", "-checkend", "86400"]).await;
    assert!(!good, "{told}");
}

#[tokio::test]
async fn an_account_with_another_host_waits_for_a_renewal() {
    let (net, other) = (network().await, network().await);
    let mut gate = plan(&net).start().await;
    let (status, told) = refusal(proxy(&gate), newsroom(&gate, &target(&net)).as_bytes()).await;
    assert!(status == 503 && told.contains("pressgate ca init"), "{told}");
    let before = authority(&gate, AuthorityRequest::default()).await;
    let mut governance = gate.governance.clone();
    governance.account(tests::harness::Account {
        id: "acme-new".into(),
        network: "mastodon".into(),
        endpoint: "https://new.example".into(),
        brand: "acme/snacks".into(),
    });
    gate.apply(governance).await;
    drop(other);
    let connect = connect_head("new.example:443", "acme-new", gate.site.key("app:newsroom"));
    let (status, told) = refusal(proxy(&gate), connect.as_bytes()).await;
    assert!(status == 503 && told.contains("--renew"), "{told}");
    // Once is enough.
    let by = By::Person(PersonId::new("ops-1"));
    assert!(init(gate.gateway(), &by, AuthorityRequest::default()).await.is_err());
    let after = authority(&gate, AuthorityRequest { renew: true, new_key: false }).await;
    let (_, head) = ask(proxy(&gate), connect.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    // The key is the same: who trusts the certificate of before goes on.
    for ca in [&before, &after] {
        let shaken = tunnel(proxy(&gate), &newsroom(&gate, &target(&net)), trust(ca)).await;
        assert!(shaken.is_ok(), "{shaken:?}");
    }
    // With a new key it is another authority.
    let new = authority(&gate, AuthorityRequest { renew: true, new_key: true }).await;
    let connect = newsroom(&gate, &target(&net));
    assert!(tunnel(proxy(&gate), &connect, trust(&after)).await.is_err());
    assert!(tunnel(proxy(&gate), &connect, trust(&new)).await.is_ok());
    // A start finds it again.
    gate.restart().await;
    assert!(tunnel(proxy(&gate), &newsroom(&gate, &target(&net)), trust(&new)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_was_begun_in_a_tunnel() {
    let net = network().await;
    let mut gate = plan(&net).spawn().await;
    let key = gate.site.path("ops.key");
    std::fs::write(&key, gate.site.key("person:ops-1")).expect("written");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let key = key.display().to_string();
    let (code, _, told) = gate.command(&["doctor", "--key-file", &key]).await;
    assert_eq!(code, Some(1), "{told}");
    let (code, made, told) = gate.command(&["ca", "init", "--key-file", &key]).await;
    assert!(code == Some(0) && made.contains(NAME), "{made}{told}");
    // A second time there is nothing to make, and a key that clients trust is not replaced without a word.
    let (code, _, told) = gate.command(&["ca", "init", "--key-file", &key]).await;
    assert!(code == Some(1) && told.starts_with("pressgate: there is an authority already;"), "{told}");
    let renewed = ["ca", "init", "--renew", "--new-key", "--key-file", &key];
    let (code, _, told) = gate.command(&renewed).await;
    assert!(code == Some(2) && told.contains("--yes") && told.contains("no client trusts"), "{told}");
    let (code, ca, told) = gate.command(&["ca", "export", "--key-file", &key]).await;
    assert!(code == Some(0) && ca.starts_with("-----BEGIN CERTIFICATE-----\n"), "{told}");
    let (_, report, _) = gate.command(&["doctor", "--key-file", &key]).await;
    assert!(report.lines().any(|line| line.starts_with("ok") && line.contains("forward ca")), "{report}");
    let host = target(&net);
    let proxy = gate.proxy().expect("a forward door");
    let connect = connect_head(&host, ACCOUNT, gate.site.key("app:newsroom"));
    let mut idle = tunnel(&proxy, &connect, trust(&ca)).await.expect("TLS");
    idle.write_all(request("GET", &host, "/api/v1/accounts/verify_credentials", "").as_bytes()).await.expect("written");
    assert_eq!(answer(&mut idle).await.0, 200);
    let mut busy = tunnel(&proxy, &connect, trust(&ca)).await.expect("TLS");
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 1_500 })).await;
    busy.write_all(request("POST", &host, STATUSES, &status("on its way")).as_bytes()).await.expect("written");
    until("the intent is there", || async { (intents(&gate.leaves()).len() == 1).then_some(()) }).await;
    let answered = tokio::spawn(async move {
        let told = answer(&mut busy).await;
        (told, rest(busy).await)
    });
    assert_eq!(gate.terminate().await, Some(0));
    let ((code, said), after) = answered.await.expect("an answer");
    assert!(code == 200 && said.contains("connection: close") && after.is_empty(), "{said}");
    assert_eq!(rest(idle).await, "");
    assert_eq!(texts(&net).await, ["on its way"]);
    // Doctor finds all well without a gateway too, and the authority is there after a start.
    let (_, report, _) = gate.command(&["doctor"]).await;
    assert!(report.lines().any(|line| line.starts_with("ok") && line.contains("forward ca")), "{report}");
    let (_, again, _) = gate.command(&["ca", "export", "--json"]).await;
    let view: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!((view["certificate"].as_str(), &view["hosts"]), (Some(ca.as_str()), &json!([NAME])));
}

/// The log alone tells of what went through a tunnel, as at the native door.
#[tokio::test]
async fn a_start_after_a_crash_finds_nothing_amiss() {
    let net = network().await;
    let mut gate = plan(&net).spawn().await;
    let key = gate.site.path("ops.key");
    std::fs::write(&key, gate.site.key("person:ops-1")).expect("written");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let (_, made, told) = gate.command(&["ca", "init", "--json", "--key-file", &key.display().to_string()]).await;
    let made: Value = serde_json::from_str(&made).unwrap_or_else(|_| panic!("{told}"));
    let ca = made["certificate"].as_str().expect("PEM").to_owned();
    let host = target(&net);
    let connect = connect_head(&host, ACCOUNT, gate.site.key("app:newsroom"));
    let mut stream = tunnel(&gate.proxy().expect("a door"), &connect, trust(&ca)).await.expect("TLS");
    stream.write_all(request("POST", &host, STATUSES, &status("one")).as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await.0, 200);
    gate.kill9().await;
    gate.restart().await;
    let mut stream = tunnel(&gate.proxy().expect("a door"), &connect, trust(&ca)).await.expect("TLS");
    stream.write_all(request("POST", &host, STATUSES, &status("two")).as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await.0, 200);
    assert_eq!(gate.terminate().await, Some(0));
}
