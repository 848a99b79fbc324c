//! Mail: TLS, the login, and servers that try to have it without.

use std::sync::{Arc, Mutex};

use lettre::Message;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio_rustls::TlsAcceptor;

use super::{
    Bench,
    connections::Liar,
    server::{self, Server},
};
use crate::egress::*;

const NAME: &str = "mail.example";

/// What a server was told, `tls` before each line that came by TLS.
type Told = Arc<Mutex<Vec<String>>>;

struct Mailer {
    server: Server,
    root: CertificateDer<'static>,
    told: Told,
}

/// A server. `offer` is what it says after EHLO in plain text, `injected` what it sends with its answer to STARTTLS.
async fn mailer(implicit: bool, offer: &'static str, injected: &'static str) -> Mailer {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let told = Told::default();
    let heard = Arc::clone(&told);
    let server = server::raw(move |stream| {
        let (acceptor, told) = (acceptor.clone(), Arc::clone(&heard));
        async move {
            if implicit {
                if let Ok(stream) = acceptor.accept(stream).await {
                    speak(BufStream::new(stream), ("tls ", "", ""), &told, true).await;
                }
                return;
            }
            let plain = speak(BufStream::new(stream), ("", offer, injected), &told, true).await;
            if let Some(stream) = plain
                && let Ok(stream) = acceptor.accept(stream.into_inner()).await
            {
                speak(BufStream::new(stream), ("tls ", "", ""), &told, false).await;
            }
        }
    })
    .await;
    Mailer { server, root: certificate, told }
}

/// Speaks until the client wants TLS, and gives the connection back then.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufStream<S>,
    (mark, offer, injected): (&str, &str, &str),
    told: &Told,
    greet: bool,
) -> Option<BufStream<S>> {
    if greet {
        stream.write_all(b"220 mail.example\r\n").await.ok()?;
    }
    loop {
        stream.flush().await.ok()?;
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        told.lock().unwrap().push(format!("{mark}{}", line.trim_end()));
        let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" if mark.is_empty() => format!("250-mail.example\r\n{offer}250 8BITMIME\r\n"),
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN\r\n".to_owned(),
            "STARTTLS" => {
                stream.write_all(format!("220 go\r\n{injected}").as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                return Some(stream);
            }
            "AUTH" => "235 ok\r\n".to_owned(),
            "DATA" => "354 go\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            "MAIL" | "RCPT" | "." => "250 ok\r\n".to_owned(),
            _ => continue,
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn mail() -> Message {
    let builder = Message::builder().from("Gate <gate@acme.example>".parse().unwrap());
    builder.to("editor@acme.example".parse().unwrap()).body("Hello".to_owned()).unwrap()
}

async fn send(mailer: &Mailer, tls: MailTls, trusted: bool) -> Result<(), MailFailure> {
    let extra_roots = if trusted { vec![mailer.root.clone()] } else { Vec::new() };
    let options = EgressOptions { extra_roots, ..EgressOptions::default() };
    let bench = Bench::with(options, Liar::new(&[&["127.0.0.1"]])).await;
    let password = SecretString::from("hunter2");
    let server = MailServer {
        host: NAME,
        port: mailer.server.port,
        tls,
        private: true,
        login: Some(("gate", &password)),
        hello: "gate.acme.example",
        timeout: Duration::from_secs(5),
    };
    bench.egress.send_mail(&server, &mail()).await
}

#[tokio::test]
async fn mail_and_login_go_by_tls() {
    for (implicit, tls) in [(true, MailTls::Implicit), (false, MailTls::Required), (false, MailTls::Offered)] {
        let mailer = mailer(implicit, "250-STARTTLS\r\n", "").await;
        assert_eq!(send(&mailer, tls, true).await, Ok(()), "{tls:?}");
        let told = mailer.told.lock().unwrap().clone();
        let (safe, plain): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.starts_with("tls "));
        assert!(safe.iter().any(|line| line.starts_with("tls AUTH PLAIN ")), "{told:?}");
        assert!(safe.iter().any(|line| line.as_str() == "tls Hello"), "{told:?}");
        let begun: &[&str] = if implicit { &[] } else { &["EHLO gate.acme.example", "STARTTLS"] };
        assert_eq!(plain, begun);
    }
}

#[tokio::test]
async fn nothing_goes_where_tls_fails() {
    // It was taken out of the answer, its certificate is nobody's, or somebody on the way speaks before TLS does.
    let stripped = mailer(false, "250-XXXXXXXX\r\n", "").await;
    let why = send(&stripped, MailTls::Required, true).await.unwrap_err().to_string();
    assert!(why.contains("no TLS"), "{why}");
    let unknown = mailer(false, "250-STARTTLS\r\n", "").await;
    let why = send(&unknown, MailTls::Offered, false).await.unwrap_err().to_string();
    assert!(why.contains("TLS failed"), "{why}");
    let injecting = mailer(false, "250-STARTTLS\r\n", "250 AUTH PLAIN\r\n").await;
    let why = send(&injecting, MailTls::Required, true).await.unwrap_err().to_string();
    assert!(why.contains("no SMTP") || why.contains("TLS failed"), "{why}");
    for mailer in [stripped, unknown, injecting] {
        let told = mailer.told.lock().unwrap().clone();
        assert!(told.iter().all(|line| line.starts_with("EHLO") || line.starts_with("STARTTLS")), "{told:?}");
    }
}

#[tokio::test]
async fn an_address_inside_needs_a_word() {
    let mailer = mailer(false, "", "").await;
    let bench = Bench::with(EgressOptions::default(), Liar::new(&[&["127.0.0.1"]])).await;
    let server = MailServer {
        host: NAME,
        port: mailer.server.port,
        tls: MailTls::Offered,
        private: false,
        login: None,
        hello: "gate.acme.example",
        timeout: Duration::from_secs(5),
    };
    let why = bench.egress.send_mail(&server, &mail()).await.unwrap_err().to_string();
    assert!(why.contains("not on the public internet"), "{why}");
    assert_eq!(mailer.server.connections(), 0);
}
