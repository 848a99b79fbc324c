//! New connections: the name is resolved and every address checked each time.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use super::{
    address::is_global,
    body::OutgoingBody,
    resolve::Resolver,
    target::Target,
    types::{EgressError, SendFailure},
};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Shortest time that is given to one of several addresses.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_millis(250);
/// TLS sessions remembered for one client.
const TLS_SESSIONS_MAX: usize = 8;
/// Size of all headers of an answer.
const ANSWER_HEADER_BYTES_MAX: u32 = 64 * 1024;
/// Number of headers of an answer.
const ANSWER_HEADERS_MAX: usize = 128;

/// An open connection.
pub(super) enum Channel {
    /// One request at a time.
    Http1(http1::SendRequest<OutgoingBody>),
    /// Many at once.
    Http2(http2::SendRequest<OutgoingBody>),
}

/// Opens connections for one client; TLS sessions are not shared with others.
pub(super) struct Connector {
    resolver: Arc<dyn Resolver>,
    tls: TlsConnector,
    timeout: Duration,
}

/// TLS settings: public roots and the extra ones, HTTP/2 preferred.
pub(super) fn tls_settings(extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, EgressError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for (index, root) in extra_roots.iter().enumerate() {
        roots.add(root.clone()).map_err(|error| EgressError::Root(index, error.to_string()))?;
    }
    // One crypto stack, whatever another crate installed as the process's default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EgressError::Tls(error.to_string()))?;
    let mut settings = builder.with_root_certificates(roots).with_no_client_auth();
    settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(settings)
}

impl Connector {
    pub(super) fn new(settings: &ClientConfig, resolver: Arc<dyn Resolver>, timeout: Duration) -> Self {
        let mut settings = settings.clone();
        settings.resumption = rustls::client::Resumption::in_memory_sessions(TLS_SESSIONS_MAX);
        Self { resolver, tls: TlsConnector::from(Arc::new(settings)), timeout }
    }

    /// Opens a connection to the target's origin.
    pub(super) async fn connect(&self, target: &Target) -> Result<Channel, SendFailure> {
        match tokio::time::timeout(self.timeout, self.open(target)).await {
            Ok(opened) => opened,
            Err(_) => Err(not_sent(target, "it took too long to connect")),
        }
    }

    async fn open(&self, target: &Target) -> Result<Channel, SendFailure> {
        let stream = self.wire(target).await?;
        if !target.is_tls() {
            return http1(target, stream).await;
        }
        let stream = self.secure(target, stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            http2(target, stream).await
        } else {
            http1(target, stream).await
        }
    }

    /// A connection to a checked address of the target.
    pub(super) async fn wire(&self, target: &Target) -> Result<TcpStream, SendFailure> {
        let addresses = self.addresses(target).await?;
        self.dial(target, &addresses).await
    }

    /// TLS on a connection, with the certificate of the target's host.
    pub(super) async fn secure(&self, target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, SendFailure> {
        let name = match target.url().host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
            Some(Host::Ipv4(address)) => Some(ServerName::from(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => Some(ServerName::from(IpAddr::V6(address))),
            None => None,
        };
        let name = name.ok_or_else(|| not_sent(target, "the host name is not one for TLS"))?;
        let stream = self.tls.connect(name, stream).await;
        stream.map_err(|error| not_sent(target, &format!("TLS failed: {error}")))
    }

    /// All addresses of the target's host, or a refusal where one of them may not be reached.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, SendFailure> {
        let addresses = match target.url().host() {
            Some(Host::Domain(name)) => {
                let found = self.resolver.resolve(name).await;
                found.map_err(|error| not_sent(target, &format!("the name has no address: {}", reason(&error))))?
            }
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(not_sent(target, "the name has no address"));
        }
        if !target.private() && !addresses.iter().all(|address| is_global(*address)) {
            return Err(SendFailure::Denied(format!(
                "`{}` has an address that is not on the public internet; `accounts.toml` can permit it, and `private_endpoint` \
                 that of an export or of notices",
                target.authority()
            )));
        }
        let port = target.url().port_or_known_default().ok_or_else(|| not_sent(target, "the address has no port"))?;
        Ok(addresses.into_iter().take(ADDRESSES_MAX).map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Connects to the first checked address that answers.
    #[expect(clippy::disallowed_methods, reason = "the one place that connects to a network, with checked addresses")]
    async fn dial(&self, target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, SendFailure> {
        let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let patience = if tries == 1 { self.timeout } else { (self.timeout / tries).max(ADDRESS_TIMEOUT_MIN) };
        let mut failed = not_sent(target, "the name has no address");
        for address in addresses {
            let stream = match tokio::time::timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    failed = not_sent(target, &format!("no connection: {}", reason(&error)));
                    continue;
                }
                Err(_) => {
                    failed = not_sent(target, "no connection: nothing answered in time");
                    continue;
                }
            };
            let ends = (stream.local_addr(), stream.peer_addr());
            if let (Ok(local), Ok(peer)) = ends
                && !may_talk(local.ip(), peer.ip(), target.private())
            {
                return Err(SendFailure::Denied(format!("`{}` is this machine", target.authority())));
            }
            // Small writes go out at once; a failure here only costs time.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
        Err(failed)
    }
}

/// A machine's own address may be global; its listeners are no network.
fn may_talk(local: IpAddr, peer: IpAddr, private: bool) -> bool {
    private || (local != peer && is_global(peer))
}

async fn http1<S>(target: &Target, stream: S) -> Result<Channel, SendFailure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(ANSWER_HEADERS_MAX);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|_| not_sent(target, "HTTP/1.1 failed"))?;
    tokio::spawn(async move {
        // The request that was on it hears of the error.
        let _ = connection.await;
    });
    Ok(Channel::Http1(sender))
}

async fn http2<S>(target: &Target, stream: S) -> Result<Channel, SendFailure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_header_list_size(ANSWER_HEADER_BYTES_MAX);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|_| not_sent(target, "HTTP/2 failed"))?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(Channel::Http2(sender))
}

fn not_sent(target: &Target, why: &str) -> SendFailure {
    SendFailure::NotSent(format!("`{}`: {why}", target.authority()))
}

/// An I/O error in words, without what a library may have put into it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => "the resolver or the network failed".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_refused() {
        let own: IpAddr = "8.8.8.8".parse().expect("an address");
        let other: IpAddr = "1.1.1.1".parse().expect("an address");
        let inner: IpAddr = "10.0.0.1".parse().expect("an address");
        assert!(may_talk(own, other, false));
        assert!(!may_talk(own, own, false));
        assert!(!may_talk(own, inner, false));
        assert!(may_talk(inner, inner, true));
    }
}
