//! Signatures of webhooks: Standard Webhooks 1.0, symmetric (`v1`).

use aws_lc_rs::hmac;
use base64::{
    Engine, alphabet,
    engine::DecodePaddingMode,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

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
    fn what_is_no_secret_is_refused() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_!!!!", &long] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(key(&format!("whsec_{}", STANDARD.encode([7; 32]).trim_end_matches('='))).is_ok());
    }
}
