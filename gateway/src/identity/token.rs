//! A token and its checks (RFC 7519, RFC 8725): signed by a key of its issuer with an algorithm that fits the key, and in time.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;

use super::Issuer;

/// A longer token is refused unread.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Clocks of issuers may differ from ours by so much.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Signatures that only an issuer can make. What is symmetric could be made by whoever can check it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why a token opens nothing. No text repeats anything of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not of the form, or without what it needs.
    #[error("the token can't be read: it must be a JWT that names its issuer, its audience, its subject and its end")]
    Malformed,
    /// Symmetric, unknown or none.
    #[error("the token is signed in a way that is not accepted here")]
    Algorithm,
    /// No app has this issuer.
    #[error("no app is known by tokens of this issuer")]
    UnknownIssuer,
    /// The issuer does not know the key.
    #[error("the token is signed with a key that its issuer does not name")]
    UnknownKey,
    /// Changed, or somebody else's.
    #[error("the token's signature does not hold")]
    Signature,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    Early,
    /// The issuer does not say its keys. Not the caller's fault.
    #[error("the keys of the token's issuer can't be had: {0}")]
    Unavailable(String),
}

/// What a token of an issuer says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Who made it.
    pub issuer: String,
    /// For whom it was made.
    pub audiences: Vec<String>,
    /// Whom it speaks for.
    pub subject: String,
    /// Of a sign-in: what it was asked with.
    pub nonce: Option<String>,
    /// The client that it was made for, where it says so.
    pub party: Option<String>,
}

/// What a token says of itself before anything is checked: enough to find the key.
pub(super) struct Unread {
    pub issuer: String,
    pub key: Option<String>,
    pub algorithm: Algorithm,
}

impl Unread {
    pub(super) fn of(token: &str) -> Result<Self, TokenRefused> {
        #[derive(Deserialize)]
        struct Named {
            iss: String,
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenRefused::Malformed);
        };
        let json = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed);
        // An algorithm that the library does not know, such as `none`, is no malformed token.
        let known: serde_json::Value = serde_json::from_slice(&json(head)?).map_err(|_| TokenRefused::Malformed)?;
        if known.get("alg").is_none_or(|alg| !alg.is_string()) {
            return Err(TokenRefused::Malformed);
        }
        if known.get("crit").is_some() {
            // It says what a reader must know, and nothing of it is known here (RFC 7515 section 4.1.11).
            return Err(TokenRefused::Algorithm);
        }
        let named: Named = serde_json::from_slice(&json(body)?).map_err(|_| TokenRefused::Malformed)?;
        let head = decode_header(token).map_err(|_| TokenRefused::Algorithm)?;
        if !ALGORITHMS.contains(&head.alg) {
            return Err(TokenRefused::Algorithm);
        }
        Ok(Self { issuer: named.iss, key: head.kid, algorithm: head.alg })
    }
}

/// May this key sign in that way?
pub(super) fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let asymmetric = !matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    let signs = key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let named = key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    asymmetric && signs && named
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519 section 2).
    exp: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    azp: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

/// Checks everything but audience and subject.
pub(super) fn read(
    token: &str,
    unread: &Unread,
    issuer: &Issuer,
    key: &Jwk,
    now: Timestamp,
) -> Result<Presented, TokenRefused> {
    let key = DecodingKey::from_jwk(key).map_err(|_| TokenRefused::UnknownKey)?;
    let mut rules = Validation::new(unread.algorithm);
    // Times by the gateway's own clock, below.
    (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
    rules.set_issuer(&[&issuer.id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims: Claims = decode(token, &key, &rules).map_err(|error| refused(&error))?.claims;
    let time = |seconds: f64| {
        let span = SignedDuration::try_from_secs_f64(seconds).map_err(|_| TokenRefused::Malformed)?;
        Timestamp::UNIX_EPOCH.checked_add(span).map_err(|_| TokenRefused::Malformed)
    };
    if time(claims.exp)?.checked_add(LEEWAY).is_ok_and(|end| end <= now) {
        return Err(TokenRefused::Expired);
    }
    if let Some(start) = claims.nbf
        && time(start)?.checked_sub(LEEWAY).is_ok_and(|start| now < start)
    {
        return Err(TokenRefused::Early);
    }
    let audiences = match claims.aud {
        Audiences::One(audience) => vec![audience],
        Audiences::Several(audiences) => audiences,
    };
    Ok(Presented { issuer: claims.iss, audiences, subject: claims.sub, nonce: claims.nonce, party: claims.azp })
}

fn refused(error: &jsonwebtoken::errors::Error) -> TokenRefused {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature | ErrorKind::InvalidIssuer => TokenRefused::Signature,
        ErrorKind::InvalidAlgorithm => TokenRefused::Algorithm,
        _ => TokenRefused::Malformed,
    }
}

/// The issuer that a token names, unchecked: enough to see whom it concerns.
pub fn issuer_of(token: &str) -> Option<String> {
    Unread::of(token).ok().map(|unread| unread.issuer)
}
