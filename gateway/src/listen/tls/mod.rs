//! TLS on a listener: certificate and key from files that may be replaced at any time, and names of clients that show a
//! certificate.

mod files;
mod peer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::files::Stamp;
use crate::{
    metrics::{Counter, Page},
    stop::{Phase, Stop},
};

pub use peer::{Peer, PeerName};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What is spoken within (RFC 7301).
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Where certificate and key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, and those between it and the authority that clients trust.
    pub certificate: PathBuf,
    /// PEM: the certificate's private key.
    pub key: PathBuf,
    /// PEM: authorities whose certificates clients may show. Without it nobody is asked for one.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS can't be spoken. No text has anything of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificate and key don't do.
    #[error("{path}: the certificate can't be used with its key: {cause}")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
}

/// TLS of one listener. Connections keep the certificate with which they began.
pub struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// The files as they were last looked at, good or bad.
    seen: Mutex<Stamp>,
    loaded: Counter,
    failed: Counter,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file does not do, and why.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let seen = Mutex::new(Stamp::of(&files));
        let config = ArcSwap::from(config(&files)?);
        let (loaded, failed) = Default::default();
        Ok(Arc::new(Self { files, config, seen, loaded, failed }))
    }

    /// Reads the files again. What is there already goes on where they don't do. Blocks.
    ///
    /// # Errors
    /// Which file does not do, and why.
    pub fn reload(&self) -> Result<(), TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Stamp::of(&self.files);
        match config(&self.files) {
            Ok(config) => {
                self.config.store(config);
                self.loaded.add(1);
                tracing::info!(file = %self.files.certificate.display(), "the certificate was read anew");
                Ok(())
            }
            Err(error) => {
                self.failed.add(1);
                tracing::error!(%error, "the certificate was not read anew; the one before serves on");
                Err(error)
            }
        }
    }

    /// Reads the files again whenever they change, until nobody comes in any more.
    pub async fn watch(self: Arc<Self>, stop: Arc<Stop>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.reached(Phase::Closing) => return,
            }
            let tls = Arc::clone(&self);
            // A task that panicked has told so.
            let _ = tokio::task::spawn_blocking(move || {
                if *tls.seen.lock().unwrap_or_else(PoisonError::into_inner) != Stamp::of(&tls.files) {
                    // The cause is in the process's log.
                    let _ = tls.reload();
                }
            })
            .await;
        }
    }

    /// Puts what it measures on a page.
    pub fn show(&self, page: &mut Page) {
        let mut reads = |result, count: &Counter| {
            let help = "How often certificate and key were read anew, by what came of it.";
            page.counter("pressgate_certificate_reads_total", help, &[("result", result)], count.get());
        };
        reads("loaded", &self.loaded);
        reads("failed", &self.failed);
    }

    /// Greets a client.
    pub(super) async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
    ) -> std::io::Result<(TlsStream<T>, Option<Peer>)> {
        let stream = TlsAcceptor::from(self.config.load_full()).accept(stream).await?;
        let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(Peer::of);
        Ok((stream, peer.transpose()?))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let pair = |cause| TlsError::Pair { path: files.certificate.clone(), cause };
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(pair)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let unfit = |cause: String| TlsError::File { path: path.clone(), cause };
            for authority in files::certificates(path)? {
                roots.add(authority).map_err(|error| unfit(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            // A client without one comes with a key, or is a stranger.
            let verifier = verifier.allow_unauthenticated().build().map_err(|error| unfit(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = files::certificates(&files.certificate)?;
    let mut config = builder.with_single_cert(chain, files::key(&files.key)?).map_err(pair)?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
