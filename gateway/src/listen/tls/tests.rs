//! A listener with TLS: names of clients, and certificates that change while calls are made.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, StatusCode, Version},
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream as ClientStream};

use super::*;
use crate::listen::{Door, Fault, Limits, serve};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn issued(authority: &Authority, names: Vec<SanType>) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = names;
    let key = KeyPair::generate().unwrap();
    (pem("CERTIFICATE", params.signed_by(&key, authority).unwrap().der()), pem("PRIVATE KEY", &key.serialize_der()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn gate_names() -> Vec<SanType> {
    vec![SanType::DnsName("gate.example".try_into().unwrap())]
}

/// Writes a fresh certificate for the gate, each file in one step.
fn put(folder: &Path, authority: &Authority) {
    let (certificate, key) = issued(authority, gate_names());
    for (name, text) in [("key.pem", key), ("gate.pem", certificate)] {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("gate.pem"),
        key: folder.join("key.pem"),
        client_ca: Some(folder.join("clients.pem")),
    }
}

fn refuse(fault: Fault) -> Response {
    (StatusCode::from_u16(fault.status()).unwrap(), fault.to_string()).into_response()
}

#[allow(clippy::disallowed_methods, reason = "the test's own listener")]
async fn running(folder: &Path) -> (SocketAddr, Arc<Tls>, Arc<Stop>) {
    let who = |peer: Option<Extension<Peer>>| async move {
        peer.map_or_else(|| "nobody".to_owned(), |Extension(peer)| format!("{:?}", peer.names))
    };
    let limits = Limits {
        connections_max: 500,
        connections_per_source_max: 500,
        head_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(20),
        head_bytes_max: 16 * 1024,
        head_fields_max: 100,
        http2: true,
        streams_max: 100,
    };
    let tls = Tls::load(files(folder)).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), Arc::new(Stop::default()));
    let door = Door { limits, refuse, meter: Arc::default(), tls: Some(Arc::clone(&tls)), tunnels: None };
    tokio::spawn(serve(listener, Router::new().route("/", get(who)), door, Arc::clone(&stop)));
    (address, tls, stop)
}

fn client(authority: &Authority, own: Option<(String, String)>, alpn: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[allow(clippy::disallowed_methods, reason = "the test's own client")]
async fn connect(address: SocketAddr, client: &TlsConnector) -> std::io::Result<ClientStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    client.connect(ServerName::try_from("gate.example").unwrap(), stream).await
}

/// One call on a connection of its own; its certificate, version and answer.
async fn call(address: SocketAddr, client: &TlsConnector) -> Result<(Vec<u8>, Version, String), String> {
    let stream = connect(address, client).await.map_err(|error| error.to_string())?;
    let state = stream.get_ref().1;
    let certificate = state.peer_certificates().unwrap()[0].to_vec();
    let http2 = state.alpn_protocol() == Some(HTTP2);
    let request = |uri: &str| Request::get(uri).header("host", "gate.example").body(Body::empty()).unwrap();
    let told = |error: hyper::Error| error.to_string();
    let answer = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(told)?;
        tokio::spawn(connection);
        let request = Request::get("https://gate.example/").body(Body::empty()).unwrap();
        sender.send_request(request).await.map_err(told)?
    } else {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        tokio::spawn(connection);
        sender.send_request(request("/")).await.map_err(told)?
    };
    let version = answer.version();
    let body = answer.into_body().collect().await.map_err(told)?.to_bytes();
    Ok((certificate, version, String::from_utf8(body.to_vec()).unwrap()))
}

fn folder(authority: &Authority, clients: &Authority) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), authority);
    fs::write(folder.path().join("clients.pem"), pem("CERTIFICATE", clients.der())).unwrap();
    folder
}

#[tokio::test]
async fn both_versions_are_spoken_and_verified_names_are_handed_up() {
    let (ca, clients, strangers) = (authority(), authority(), authority());
    let folder = folder(&ca, &clients);
    let (address, ..) = running(folder.path()).await;
    let (_, version, body) = call(address, &client(&ca, None, HTTP2)).await.unwrap();
    assert_eq!((version, body.as_str()), (Version::HTTP_2, "nobody"));
    let (_, version, body) = call(address, &client(&ca, None, HTTP1)).await.unwrap();
    assert_eq!((version, body.as_str()), (Version::HTTP_11, "nobody"));
    let names = || {
        vec![
            SanType::DnsName("cms.example".try_into().unwrap()),
            SanType::URI("spiffe://example.org/newsroom".try_into().unwrap()),
        ]
    };
    for alpn in [HTTP1, HTTP2] {
        let (.., body) = call(address, &client(&ca, Some(issued(&clients, names())), alpn)).await.unwrap();
        assert_eq!(body, r#"[Uri("spiffe://example.org/newsroom"), Dns("cms.example")]"#);
        // Who shows a certificate of another authority is nobody's client, not a stranger with a key.
        call(address, &client(&ca, Some(issued(&strangers, names())), alpn)).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_peer_that_does_not_shake_hands_is_let_go() {
    let ca = authority();
    let folder = folder(&ca, &ca);
    let (address, ..) = running(folder.path()).await;
    #[allow(clippy::disallowed_methods, reason = "the test's own client")]
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut byte = [0];
    let read =
        tokio::time::timeout(Duration::from_secs(4), tokio::io::AsyncReadExt::read(&mut stream, &mut byte)).await;
    assert_eq!(read.expect("closed").unwrap_or(0), 0);
}

#[tokio::test]
async fn bad_files_leave_the_old_ones_in_force_and_say_why() {
    let ca = authority();
    let folder = folder(&ca, &ca);
    let (address, tls, _stop) = running(folder.path()).await;
    let (before, ..) = call(address, &client(&ca, None, HTTP1)).await.unwrap();
    let other = issued(&ca, gate_names()).1;
    for (name, text, said) in [
        ("key.pem", other.as_str(), "key"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\nnonsense", "no private key"),
        ("gate.pem", "", "no certificate"),
        ("clients.pem", "nothing", "no certificate"),
    ] {
        let path = folder.path().join(name);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains("nonsense"), "{error}");
        fs::write(&path, kept).unwrap();
    }
    fs::remove_file(folder.path().join("gate.pem")).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("gate.pem"));
    assert_eq!(call(address, &client(&ca, None, HTTP1)).await.unwrap().0, before);
    assert!(Tls::load(files(folder.path())).is_err(), "and nothing starts with them");
}

/// Six callers, three of each version, each call on a connection of its own, and one connection that stays; meanwhile the
/// certificate changes, by a word and by itself. Failed is every call without a 200.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_swapped_under_load_and_no_call_fails() {
    let ca = authority();
    let folder = folder(&ca, &ca);
    let (address, tls, stop) = running(folder.path()).await;
    let watching = tokio::spawn(Arc::clone(&tls).watch(Arc::clone(&stop)));
    let kept = connect(address, &client(&ca, None, HTTP1)).await.unwrap();
    let first = kept.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(kept)).await.unwrap();
    tokio::spawn(connection);
    let request = || Request::get("/").header("host", "gate.example").body(Body::empty()).unwrap();
    sender.send_request(request()).await.unwrap().into_body().collect().await.unwrap();
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..6)
        .map(|number| {
            let client = client(&ca, None, if number % 2 == 0 { HTTP1 } else { HTTP2 });
            let (done, calls) = (Arc::clone(&done), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut seen = std::collections::BTreeSet::new();
                while !done.load(Ordering::Relaxed) {
                    let (certificate, _, body) = call(address, &client).await.expect("no call fails");
                    assert_eq!(body, "nobody");
                    seen.insert(certificate);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for _ in 0..10 {
        put(folder.path(), &ca);
        tls.reload().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    put(folder.path(), &ca);
    let wanted = fs::read(folder.path().join("gate.pem")).unwrap();
    let wanted = CertificateDer::from_pem_slice(&wanted).unwrap().to_vec();
    let other = client(&ca, None, HTTP1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while call(address, &other).await.unwrap().0 != wanted {
        assert!(tokio::time::Instant::now() < deadline, "the change is seen without a word");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.expect("no call failed").len() > 3, "the swaps were seen");
    }
    assert_eq!(sender.send_request(request()).await.unwrap().status(), 200, "a connection outlives its certificate");
    assert_ne!(first, wanted);
    assert!(calls.load(Ordering::Relaxed) > 50, "{calls:?}");
    stop.set();
    watching.await.unwrap();
}
