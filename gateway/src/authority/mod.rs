//! The gateway's own certificate authority. With it the forward door speaks, inside a tunnel, as the network's host that the client
//! asked for.
//!
//! Critical name constraints bind it to the hosts of accounts: whoever stole its key could speak to a client as these, and as nobody
//! else. The key is made here, kept sealed in the vault, and never leaves.

mod kept;
mod leaf;
mod places;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use self::places::is_name;
use crate::model::hex::hex;
pub use places::{Place, places};

/// How long a certificate of the authority is good. Renewing keeps the key, so that nothing ends for clients that have the one before.
const AUTHORITY_DAYS: i64 = 730;
/// From so long before its end on, operators are told.
const SOON_DAYS: i64 = 30;
/// Clocks of clients may be behind.
const EARLY: SignedDuration = SignedDuration::from_hours(1);
/// Most hosts of one authority.
const HOSTS_MAX: usize = 1_000;

/// Why there is no certificate. No text has anything of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No account has a host that could stand in a certificate.
    #[error("no account has an endpoint with a host name, so there is nothing that the authority could be for")]
    NoHosts,
    /// More hosts than a certificate should name.
    #[error("the accounts have more than {HOSTS_MAX} hosts")]
    TooManyHosts,
    /// What is kept is not what was kept.
    #[error("what the vault keeps of the authority can't be read")]
    Unreadable,
    /// The library made none.
    #[error("no certificate: {0}")]
    NotMade(String),
}

/// Why the authority can't speak as a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its name constraints do not have the host.
    #[error(
        "`{0}` is not among the hosts of the gateway's certificate authority; an operator renews it: `pressgate ca init --renew`"
    )]
    Outside(String),
    /// Its time is over.
    #[error(
        "the certificate of the gateway's authority ended at {0}; an operator renews it: `pressgate ca init --renew`"
    )]
    Ended(Timestamp),
}

/// The authority, opened.
pub struct Authority {
    name: String,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    hosts: BTreeSet<String>,
    from: Timestamp,
    until: Timestamp,
    leaves: Mutex<HashMap<String, leaf::Leaf>>,
}

impl Authority {
    /// Makes one for exactly these hosts: with the key of the one before, so that clients which trust that go on, or with a new key.
    ///
    /// # Errors
    /// There is no host, or the library fails.
    pub fn make(hosts: BTreeSet<String>, before: Option<&Self>, now: Timestamp) -> Result<Self, AuthorityError> {
        if hosts.is_empty() {
            return Err(AuthorityError::NoHosts);
        }
        if hosts.len() > HOSTS_MAX {
            return Err(AuthorityError::TooManyHosts);
        }
        // The library writes them as they are.
        if let Some(host) = hosts.iter().find(|host| !is_name(host)) {
            return Err(AuthorityError::NotMade(format!("`{host}` is no host name")));
        }
        let (key, name) = match before {
            Some(before) => (before.key()?, before.name.clone()),
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(not_made)?;
                let name = name_of(&key);
                (key, name)
            }
        };
        let from = now.checked_sub(EARLY).map_err(|_| no_time())?;
        let until = now.checked_add(SignedDuration::from_hours(24 * AUTHORITY_DAYS)).map_err(|_| no_time())?;
        let params = params(&name, &hosts, from, until)?;
        let certificate = params.self_signed(&key).map_err(not_made)?.der().clone();
        Ok(Self { name, issuer: Issuer::new(params, key), certificate, hosts, from, until, leaves: Mutex::default() })
    }

    /// Opens what was kept.
    ///
    /// # Errors
    /// It is something else.
    pub fn open(kept: &[u8]) -> Result<Self, AuthorityError> {
        kept::open(kept)
    }

    /// Everything of it, key included, for the vault.
    ///
    /// # Errors
    /// It can't be written down.
    pub fn kept(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        kept::write(self)
    }

    /// Its certificate, for clients.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(&self.certificate);
        let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// SHA-256 of its certificate, hexadecimal.
    pub fn digest(&self) -> String {
        hex(digest(&SHA256, &self.certificate).as_ref())
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hosts that it may speak as.
    pub fn hosts(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// When it ends.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether it should be renewed for its age.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.until.duration_since(now) < SignedDuration::from_hours(24 * SOON_DAYS)
    }

    /// Whether it can speak as a host now.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, host: &str, now: Timestamp) -> Result<(), Unfit> {
        if !self.hosts.contains(host) {
            return Err(Unfit::Outside(host.to_owned()));
        }
        if now >= self.until { Err(Unfit::Ended(self.until)) } else { Ok(()) }
    }

    /// TLS as one host: its certificate is made when it is wanted, and anew before it ends.
    ///
    /// # Errors
    /// The library fails. The caller has asked [`Self::fits`].
    pub fn speak_as(&self, host: &str, now: Timestamp) -> Result<Arc<ServerConfig>, AuthorityError> {
        // Making one takes far less than a handshake does, so that nobody waits for the lock.
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(host).filter(|leaf| leaf.is_fresh(now)) {
            return Ok(leaf.config());
        }
        let leaf = leaf::Leaf::make(self, host, now)?;
        let config = leaf.config();
        leaves.insert(host.to_owned(), leaf);
        Ok(config)
    }

    fn key(&self) -> Result<KeyPair, AuthorityError> {
        let key = self.issuer.key().serialized_der().into();
        KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(|_| AuthorityError::Unreadable)
    }
}

/// A name of its own for each key: one that clients trusted before is another authority.
fn name_of(key: &KeyPair) -> String {
    let id = hex(digest(&SHA256, &key.subject_public_key_info()).as_ref());
    format!("Pressgate forward CA {}", id.get(..8).unwrap_or_default())
}

/// What its certificate says. Subtrees that are not permitted are forbidden for host names only, so addresses are excluded by name.
fn params(
    name: &str,
    hosts: &BTreeSet<String>,
    from: Timestamp,
    until: Timestamp,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: hosts.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
        ],
    });
    dated(&mut params, from, until)?;
    Ok(params)
}

/// The library has a type of its own for times; it counts in whole seconds.
fn dated(params: &mut CertificateParams, from: Timestamp, until: Timestamp) -> Result<(), AuthorityError> {
    let seconds = |at: Timestamp| u64::try_from(at.as_second()).map(Duration::from_secs).map_err(|_| no_time());
    let epoch = date_time_ymd(1970, 1, 1);
    (params.not_before, params.not_after) = (epoch + seconds(from)?, epoch + seconds(until)?);
    Ok(())
}

fn not_made(error: rcgen::Error) -> AuthorityError {
    AuthorityError::NotMade(error.to_string())
}

fn no_time() -> AuthorityError {
    AuthorityError::NotMade("the clock stands where no certificate can be dated".to_owned())
}
