//! TLS with an authority of our own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::{
    Bench,
    connections::Liar,
    scope_for,
    server::{self, Got, Server, answer},
};
use crate::egress::*;

/// A server whose certificate is for `name`, and the authority that signed it.
async fn server(name: &str, alpn: &[&[u8]]) -> (Server, CertificateDer<'static>) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()]).expect("parameters").signed_by(&key, &authority);
    let leaf = leaf.expect("a certificate").der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .expect("a certificate");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let respond = Arc::new(|request: Got| async move {
        let host = request.uri().authority().map(ToString::to_string);
        let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
        answer(200, format!("{:?} {} {}", request.version(), host.unwrap_or_default(), request.uri().path()))
    });
    let server = server::raw(move |stream| {
        let (acceptor, respond) = (acceptor.clone(), Arc::clone(&respond));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                server::serve(stream, respond).await;
            }
        }
    })
    .await;
    (server, authority.der().clone())
}

async fn bench(root: Option<CertificateDer<'static>>) -> Bench {
    let options = EgressOptions { extra_roots: root.into_iter().collect(), ..EgressOptions::default() };
    Bench::with(options, Liar::new(&[&["127.0.0.1"]])).await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    for (alpn, version) in [
        (&[&b"h2"[..], &b"http/1.1"[..]][..], "HTTP/2.0"),
        (&[&b"http/1.1"[..]][..], "HTTP/1.1"),
        (&[][..], "HTTP/1.1"),
    ] {
        let (server, root) = server("social.example", alpn).await;
        let bench = bench(Some(root)).await;
        let scope = scope_for(&format!("https://social.example:{}", server.port));
        for _ in 0..3 {
            let got = bench.get(&scope, "/x?y=z").await.expect("answered");
            let told = String::from_utf8_lossy(&got.body).into_owned();
            assert_eq!(told, format!("{version} social.example:{} /x", server.port));
        }
        assert_eq!(server.connections(), 1, "{version}");
    }
}

#[tokio::test]
async fn a_wrong_name_or_an_unknown_authority_is_not_sent_to() {
    let (server, root) = server("social.example", &[]).await;
    let trusting = bench(Some(root)).await;
    let wrong = scope_for(&format!("https://other.example:{}", server.port));
    let got = trusting.get(&wrong, "/").await;
    assert!(matches!(&got, Err(SendFailure::NotSent(why)) if why.contains("TLS")), "{got:?}");
    let by_address = scope_for(&format!("https://127.0.0.1:{}", server.port));
    let got = trusting.get(&by_address, "/").await;
    assert!(matches!(got, Err(SendFailure::NotSent(_))), "{got:?}");
    let right = scope_for(&format!("https://social.example:{}", server.port));
    let got = bench(None).await.get(&right, "/").await;
    assert!(matches!(got, Err(SendFailure::NotSent(_))), "{got:?}");
    assert!(trusting.get(&right, "/").await.is_ok());
}

#[tokio::test]
async fn a_root_that_is_none_is_refused_at_start() {
    let fixture = crate::vault::tests::Fixture::new().await;
    let options = EgressOptions { extra_roots: vec![CertificateDer::from(vec![1, 2, 3])], ..EgressOptions::default() };
    let opened = Egress::new(options, fixture.vault.clone(), fixture.clock.clone());
    assert!(matches!(opened, Err(EgressError::Root(0, _))));
}
