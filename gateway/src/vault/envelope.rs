//! The envelope around each sealed value.
//!
//! ```text
//! offset  length  what
//!      0       4  "PGV1": format and version
//!      4       8  kid: which key-encryption key wrapped the data key
//!     12      32  commitment to the data key
//!     44      12  nonce of the wrapped data key
//!     56      48  data key under the wrapping key, AES-256-GCM, with its tag
//!    104      12  nonce of the value
//!    116     n+16 value under the data key, AES-256-GCM, with its tag
//! ```
//!
//! Each version of a value has a data key of its own, which seals this one message. Both encryptions have as associated
//! data: what is sealed ("key" or "value") ‖ format ‖ kid ‖ commitment ‖ length of the name ‖ name ‖ generation, and for a value
//! that may only go to certain origins ‖ length of their list ‖ list. So a row moved to another name, generation or origin does
//! not open. AES-GCM does not commit to its key, therefore
//! `HKDF(data key, "commit")` is stored and checked. The wrapping key, the kid and nothing else follow from the
//! key-encryption key (HKDF-SHA-256).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::kek::{KEY_BYTES, Key};

const MAGIC: &[u8; 4] = b"PGV1";
const KID_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 4 + KID_BYTES + KEY_BYTES + NONCE_LEN + KEY_BYTES + TAG_BYTES + NONCE_LEN;

/// Why an envelope did not open. It says nothing about the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// Wrapped by another key-encryption key.
    OtherKek,
    /// Not an envelope of this format, or not the one that was sealed under this label.
    Changed,
}

/// No random bytes, or the cipher refused; neither happens on a sane machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealError;

/// What wraps data keys.
pub(super) struct Wrapper {
    kid: [u8; KID_BYTES],
    key: LessSafeKey,
}

/// An opened value.
pub(super) struct Opened {
    /// Unique to this sealed version; not secret.
    pub(super) commitment: [u8; KEY_BYTES],
    /// The value.
    pub(super) value: Zeroizing<Vec<u8>>,
}

impl Wrapper {
    pub(super) fn new(kek: &Key) -> Result<Self, SealError> {
        let id = expand(kek.as_slice(), b"kid")?;
        let mut kid = [0; KID_BYTES];
        kid.copy_from_slice(id.first_chunk::<KID_BYTES>().ok_or(SealError)?);
        let key = cipher(expand(kek.as_slice(), b"wrap")?.as_slice())?;
        Ok(Self { kid, key })
    }

    /// Seals `value` under a fresh data key.
    pub(super) fn seal(&self, label: &Label<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let data_key: Key = Zeroizing::new(random()?);
        let commitment = *expand(data_key.as_slice(), b"commit")?;
        let identity = Identity { kid: self.kid, commitment, label };

        let wrap_nonce: [u8; NONCE_LEN] = random()?;
        let mut wrapped = Zeroizing::new(Vec::with_capacity(KEY_BYTES + TAG_BYTES));
        wrapped.extend_from_slice(data_key.as_slice());
        seal_in_place(&self.key, wrap_nonce, &identity.bytes(b"key"), &mut wrapped)?;

        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + TAG_BYTES));
        sealed.extend_from_slice(value);
        seal_in_place(&cipher(data_key.as_slice())?, nonce, &identity.bytes(b"value"), &mut sealed)?;

        let mut envelope = Vec::with_capacity(HEADER_BYTES + sealed.len());
        for part in [MAGIC.as_slice(), &self.kid, &commitment, &wrap_nonce, &wrapped, &nonce, &sealed] {
            envelope.extend_from_slice(part);
        }
        Ok(envelope)
    }

    /// Opens what was sealed under this label.
    pub(super) fn open(&self, label: &Label<'_>, envelope: &[u8]) -> Result<Opened, OpenError> {
        let parts = Parts::read(envelope).ok_or(OpenError::Changed)?;
        if parts.kid != self.kid {
            return Err(OpenError::OtherKek);
        }
        let identity = Identity { kid: parts.kid, commitment: parts.commitment, label };
        let mut wrapped = Zeroizing::new(parts.wrapped.to_vec());
        let data_key = open_in_place(&self.key, parts.wrap_nonce, &identity.bytes(b"key"), &mut wrapped)?;
        let expected = expand(data_key, b"commit").map_err(|_| OpenError::Changed)?;
        if !bool::from(expected.as_slice().ct_eq(&parts.commitment)) {
            return Err(OpenError::Changed);
        }
        let cipher = cipher(data_key).map_err(|_| OpenError::Changed)?;
        let mut value = Zeroizing::new(parts.sealed.to_vec());
        let length = open_in_place(&cipher, parts.nonce, &identity.bytes(b"value"), &mut value)?.len();
        value.truncate(length);
        Ok(Opened { commitment: parts.commitment, value })
    }
}

/// What a sealed value is.
pub(super) struct Label<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Which value of that name.
    pub(super) generation: u64,
    /// Where it may go, for values that are sent.
    pub(super) origins: Option<&'a str>,
}

/// What an envelope is bound to.
struct Identity<'a> {
    kid: [u8; KID_BYTES],
    commitment: [u8; KEY_BYTES],
    label: &'a Label<'a>,
}

impl Identity<'_> {
    fn bytes(&self, what: &[u8]) -> Vec<u8> {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        let Label { name, generation, origins } = self.label;
        let mut bytes =
            [what, MAGIC, &self.kid, &self.commitment, &length(name), name.as_bytes(), &generation.to_be_bytes()]
                .concat();
        if let Some(origins) = origins {
            bytes.extend_from_slice(&length(origins));
            bytes.extend_from_slice(origins.as_bytes());
        }
        bytes
    }
}

/// An envelope cut into its fields.
struct Parts<'a> {
    kid: [u8; KID_BYTES],
    commitment: [u8; KEY_BYTES],
    wrap_nonce: [u8; NONCE_LEN],
    wrapped: &'a [u8],
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(envelope: &'a [u8]) -> Option<Self> {
        let rest = envelope.strip_prefix(MAGIC.as_slice())?;
        let (kid, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let (wrap_nonce, rest) = rest.split_first_chunk()?;
        let (wrapped, rest) = rest.split_at_checked(KEY_BYTES + TAG_BYTES)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        Some(Self { kid: *kid, commitment: *commitment, wrap_nonce: *wrap_nonce, wrapped, nonce: *nonce, sealed })
    }
}

/// HKDF-SHA-256 of `secret` for one purpose.
pub(super) fn expand(secret: &[u8], purpose: &[u8]) -> Result<Key, SealError> {
    let pseudorandom = Salt::new(HKDF_SHA256, b"pressgate vault 1").extract(secret);
    let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
    let info = [purpose];
    let output = pseudorandom.expand(&info, Length).map_err(|_| SealError)?;
    output.fill(key.as_mut_slice()).map_err(|_| SealError)?;
    Ok(key)
}

/// Tells HKDF how much to make.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// `N` random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError)?;
    Ok(bytes)
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, SealError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError)?))
}

fn seal_in_place(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    identity: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), SealError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(identity), buffer).map_err(|_| SealError)
}

fn open_in_place<'b>(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    identity: &[u8],
    buffer: &'b mut [u8],
) -> Result<&'b [u8], OpenError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    Ok(key.open_in_place(nonce, Aad::from(identity), buffer).map_err(|_| OpenError::Changed)?)
}
