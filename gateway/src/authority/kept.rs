//! The authority as the vault keeps it.

use std::{collections::BTreeSet, sync::Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Authority, AuthorityError, params};

/// No `Debug`: it holds the key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    hosts: BTreeSet<String>,
    from: Timestamp,
    until: Timestamp,
    /// DER in base64.
    certificate: String,
    /// PKCS #8 in base64.
    key: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Room for what is not a host: the text is never copied while it grows.
const ROOM_BYTES: usize = 16 * 1024;

pub(super) fn write(authority: &Authority) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    let kept = Kept {
        name: authority.name.clone(),
        hosts: authority.hosts.clone(),
        from: authority.from,
        until: authority.until,
        certificate: STANDARD.encode(&authority.certificate),
        key: STANDARD.encode(authority.issuer.key().serialized_der()),
    };
    let hosts: usize = kept.hosts.iter().map(|host| host.len() + 8).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(ROOM_BYTES + hosts + kept.certificate.len()));
    serde_json::to_writer(&mut *text, &kept).map_err(|_| AuthorityError::Unreadable)?;
    Ok(text)
}

pub(super) fn open(text: &[u8]) -> Result<Authority, AuthorityError> {
    let kept: Kept = serde_json::from_slice(text).map_err(|_| AuthorityError::Unreadable)?;
    let certificate = STANDARD.decode(&kept.certificate).map_err(|_| AuthorityError::Unreadable)?;
    let key = Zeroizing::new(STANDARD.decode(&kept.key).map_err(|_| AuthorityError::Unreadable)?);
    let key = PrivatePkcs8KeyDer::from(key.as_slice());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256);
    let key = key.map_err(|_| AuthorityError::Unreadable)?;
    // The certificate is not made anew; its issuer's name and constraints are the same.
    let params = params(&kept.name, &kept.hosts, kept.from, kept.until)?;
    Ok(Authority {
        name: kept.name.clone(),
        issuer: Issuer::new(params, key),
        certificate: CertificateDer::from(certificate),
        hosts: kept.hosts.clone(),
        from: kept.from,
        until: kept.until,
        leaves: Mutex::default(),
    })
}
