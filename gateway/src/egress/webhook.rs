//! Signatures of webhooks: Standard Webhooks 1.0, symmetric (`v1`).

use aws_lc_rs::hmac;
use base64::{
    Engine, alphabet,
    engine::DecodePaddingMode,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::types::{OutBody, SendFailure};

/// The message's id; a repetition has the same.
const ID: &str = "webhook-id";
/// When it was sent, in seconds since 1970.
const TIMESTAMP: &str = "webhook-timestamp";
/// What proves whose it is.
const SIGNATURE: &str = "webhook-signature";
/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, by the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Padding or not: both are in use.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A signing key. It can't be printed.
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// From a secret as receivers know it: `whsec_` and the base64 of 24 to 64 bytes. The error says what is wrong with it.
    ///
    /// # Errors
    /// A sentence that quotes nothing of the secret.
    pub fn parse(secret: &SecretString) -> Result<Self, &'static str> {
        let Some(text) = secret.expose_secret().strip_prefix(PREFIX) else {
            return Err("the secret does not begin with `whsec_`");
        };
        let bytes = TOLERANT.decode(text).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| "what follows `whsec_` in the secret is not base64")?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err("the secret has fewer than 24 or more than 64 bytes");
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for an id, a time in seconds since 1970-01-01 UTC and a body.
    pub(super) fn sign(&self, id: &str, at_s: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{at_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
    }
}

/// Signs a plugin's request as it is about to leave. Its `webhook-id` is the plugin's, time and signature are the gateway's.
pub(super) fn sign(
    secret: &SecretString,
    at_s: i64,
    headers: &mut HeaderMap,
    body: &OutBody,
) -> Result<(), SendFailure> {
    let body = match body {
        OutBody::None => &[][..],
        OutBody::Bytes(bytes) => bytes.as_ref(),
        _ => return Err(SendFailure::Denied("only a body of bytes is signed".into())),
    };
    let key = WebhookKey::parse(secret).map_err(|why| SendFailure::NoCredential(format!("{why}; set it again")))?;
    let id = headers.get(ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty() && !id.contains('.'));
    let id = id.ok_or_else(|| SendFailure::Denied(format!("a signed request has a `{ID}` without a dot")))?;
    let signature = key.sign(id, at_s, body);
    let unfit = |_| SendFailure::Denied("the signature can't be carried".into());
    let (at, signature) = (HeaderValue::from(at_s), HeaderValue::from_str(&signature).map_err(unfit)?);
    headers.insert(TIMESTAMP, at);
    headers.insert(SIGNATURE, signature);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<WebhookKey, &'static str> {
        WebhookKey::parse(&SecretString::from(text))
    }

    #[test]
    fn the_signature_is_that_of_the_reference_libraries() {
        // The vector that the reference libraries test with.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_or_else(|why| panic!("{why}"));
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_request_is_signed_over_its_own_id_and_body() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = OutBody::Bytes(br#"{"test": 2432232314}"#.as_slice().into());
        let mut headers = HeaderMap::new();
        assert!(sign(&secret, 1_614_265_330, &mut headers, &body).is_err(), "a message has an id");
        headers.insert(ID, HeaderValue::from_static("msg_p5jXN8AQM9LWM0D4loKWxJek"));
        headers.insert(SIGNATURE, HeaderValue::from_static("v1,mine"));
        sign(&secret, 1_614_265_330, &mut headers, &body).unwrap();
        assert_eq!(headers[SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(headers[TIMESTAMP], "1614265330");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_!!!!", &long] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(key(&format!("whsec_{}", STANDARD.encode([7; 32]).trim_end_matches('='))).is_ok());
    }
}
