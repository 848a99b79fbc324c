//! Who a client is by its certificate.

use std::{io, sync::Arc};

use rustls_pki_types::CertificateDer;

/// Names of one certificate.
const NAMES_MAX: usize = 32;

/// A name in a verified client certificate (RFC 5280 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerName {
    /// A URI, a SPIFFE id for instance: `spiffe://example.org/newsroom`.
    Uri(String),
    /// A DNS name.
    Dns(String),
}

/// The names of a client that showed a certificate which one of the configured authorities signed: an extension of every
/// request of its connection. A client without a certificate has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its subject alternative names; the subject itself counts for nothing.
    pub names: Arc<[PeerName]>,
}

impl Peer {
    /// Of a certificate that was verified.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> io::Result<Self> {
        let unfit = |cause: String| io::Error::new(io::ErrorKind::InvalidData, cause);
        let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|error| unfit(error.to_string()))?;
        let uris = certificate.valid_uri_names().map(|name| PeerName::Uri(name.to_owned()));
        let names: Arc<[PeerName]> = uris
            .chain(certificate.valid_dns_names().map(|name| PeerName::Dns(name.to_owned())))
            .take(NAMES_MAX + 1)
            .collect();
        if names.len() > NAMES_MAX {
            return Err(unfit(format!("the client's certificate has more than {NAMES_MAX} names")));
        }
        Ok(Self { names })
    }
}
