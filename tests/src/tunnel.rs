//! A client of the forward door whose every byte is the test's own: the CONNECT, the name in TLS, what goes through the tunnel.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever is asked for a certificate and a name.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// PEM of the authority.
    pub ca: &'a str,
    /// The name in TLS; an address is sent as none.
    pub name: &'a str,
    /// `h2` or `http/1.1`.
    pub speaks: &'a str,
}

/// What a CONNECT says.
pub fn connect_head(target: &str, account: &str, key: &str) -> String {
    let basic = base64(format!("{account}:{key}").as_bytes());
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {basic}\r\n\r\n")
}

/// Sends bytes to the proxy and gives the connection with the head of its answer.
///
/// # Panics
/// When nobody listens, or there is no answer in time.
pub async fn ask(proxy: &str, bytes: &[u8]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(proxy).await.expect("somebody listens");
    stream.write_all(bytes).await.expect("written");
    let head = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    };
    let head = tokio::time::timeout(PATIENCE, head).await.expect("an answer in time");
    (stream, head)
}

/// The status of a CONNECT, with the whole of its answer.
pub async fn refusal(proxy: &str, bytes: &[u8]) -> (u16, String) {
    let (stream, head) = ask(proxy, bytes).await;
    let rest = rest(stream).await;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, format!("{head}{rest}"))
}

/// Everything that still comes, until the end of the stream.
///
/// # Panics
/// When it does not end.
pub async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end in time");
    // A connection that ends without a word of farewell ends too.
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A tunnel with TLS in it.
///
/// # Errors
/// The handshake fails.
///
/// # Panics
/// When the proxy opens no tunnel.
pub async fn tunnel(proxy: &str, connect: &str, trust: Trust<'_>) -> io::Result<TlsStream<TcpStream>> {
    let (stream, head) = ask(proxy, connect.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trust.ca.as_bytes()).expect("PEM")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![trust.speaks.as_bytes().to_vec()];
    let name = ServerName::try_from(trust.name.to_owned()).expect("a name");
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream);
    tokio::time::timeout(PATIENCE, shaken).await.expect("a handshake in time")
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_has_its_padding() {
        for (bytes, text) in [("", ""), ("x", "eA=="), ("xy", "eHk="), ("xyz", "eHl6"), ("x:y", "eDp5")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
