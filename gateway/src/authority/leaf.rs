//! Certificates of one host each: short-lived, made when they are wanted.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::PrivatePkcs8KeyDer;

use super::{Authority, AuthorityError, EARLY, dated, no_time, not_made};

/// How long a certificate is good from now on; with [`EARLY`] it is less than a day in all.
const LIVES: SignedDuration = SignedDuration::from_hours(22);
/// It is made anew when so much of that is left. A tunnel outlives its certificate: it was shown at the beginning.
const ANEW: SignedDuration = SignedDuration::from_hours(6);
/// What is spoken within (RFC 7301).
const SPOKEN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A host's certificate, ready to be spoken with.
pub(super) struct Leaf {
    config: Arc<ServerConfig>,
    from: Timestamp,
    anew_at: Timestamp,
}

impl Leaf {
    pub(super) fn make(authority: &Authority, host: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let from = now.checked_sub(EARLY).map_err(|_| no_time())?.max(authority.from);
        let until = now.checked_add(LIVES).map_err(|_| no_time())?.min(authority.until);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(not_made)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // What counts is the alternative name; a common name may have no more than 64 characters, which a host may exceed.
        params.distinguished_name.push(DnType::CommonName, "Pressgate forward door");
        let name = host.try_into().map_err(not_made)?;
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        dated(&mut params, from, until)?;
        let certificate = params.signed_by(&key, &authority.issuer).map_err(not_made)?.der().clone();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let failed = |error: rustls::Error| AuthorityError::NotMade(error.to_string());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let key = provider.key_provider.load_private_key(key.into()).map_err(failed)?;
        let shown = Only { host: host.to_owned(), key: Arc::new(CertifiedKey::new(vec![certificate], key)) };
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = SPOKEN.map(<[u8]>::to_vec).to_vec();
        // Each tunnel shakes hands for itself: a ticket would speak for a host without a look at its name.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let anew_at = until.checked_sub(ANEW).map_err(|_| no_time())?;
        Ok(Self { config: Arc::new(config), from, anew_at })
    }

    /// Whether it is good for a while. A clock that was put back makes it one of the future.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.anew_at
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Shows the certificate to those that ask for its host by name, and to nobody else: the handshake then fails.
#[derive(Debug)]
struct Only {
    host: String,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Only {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().is_some_and(|name| name.eq_ignore_ascii_case(&self.host));
        named.then(|| Arc::clone(&self.key))
    }
}
