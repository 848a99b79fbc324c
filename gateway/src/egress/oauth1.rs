//! `Authorization: OAuth …`: a request signed with HMAC-SHA1 by two keys (RFC 5849 §3), so that none of them leaves.

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{
    inject,
    target::Target,
    types::{OutBody, SendFailure},
};
use crate::{clock::Clock, vault::Credential};

/// The four values of a credential, in the order in which its rule names them.
pub(super) struct Keys<'a> {
    /// Name of the client.
    pub consumer_key: &'a SecretString,
    /// Its secret.
    pub consumer_secret: &'a SecretString,
    /// Name of the account's grant.
    pub access_token: &'a SecretString,
    /// Its secret.
    pub access_token_secret: &'a SecretString,
}

impl<'a> Keys<'a> {
    /// The values of a credential by their names; none where one is missing.
    pub(super) fn of(credential: &'a Credential, names: &[String]) -> Option<Self> {
        let value = |index: usize| credential.secrets.get(names.get(index)?);
        let (consumer_key, consumer_secret, access_token, access_token_secret) =
            (value(0)?, value(1)?, value(2)?, value(3)?);
        Some(Self { consumer_key, consumer_secret, access_token, access_token_secret })
    }
}

/// What makes each signature another one (§3.3).
pub(super) struct Moment {
    /// Never the same twice.
    pub nonce: String,
    /// Seconds since 1970.
    pub timestamp: i64,
}

impl Moment {
    /// Now.
    pub(super) fn now(clock: &dyn Clock) -> Result<Self, SendFailure> {
        let mut random = [0; 16];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| SendFailure::NotSent("no random bytes for a signature".into()))?;
        Ok(Self { nonce: format!("{:032x}", u128::from_be_bytes(random)), timestamp: clock.now().as_second() })
    }
}

/// Signs a request as it is about to leave.
pub(super) fn sign(
    keys: &Keys<'_>,
    moment: &Moment,
    target: &Target,
    headers: &mut HeaderMap,
    body: &OutBody,
) -> Result<(), SendFailure> {
    let form = match body {
        OutBody::Bytes(bytes) if is_form(headers) => Some(bytes.as_ref()),
        _ => None,
    };
    let value = authorization(keys, moment, target.method().as_str(), target.url(), form);
    headers.insert(header::AUTHORIZATION, inject::sensitive(&value)?);
    Ok(())
}

/// Parameters of the body are signed where it is a form of texts (§3.4.1.3.1).
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn authorization(keys: &Keys<'_>, moment: &Moment, method: &str, url: &Url, form: Option<&[u8]>) -> Zeroizing<String> {
    let timestamp = moment.timestamp.to_string();
    let own = [
        ("oauth_consumer_key", keys.consumer_key.expose_secret()),
        ("oauth_nonce", &moment.nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", &timestamp),
        ("oauth_token", keys.access_token.expose_secret()),
        ("oauth_version", "1.0"),
    ];
    let base = base_string(method, url, form, &own);
    let (consumer, token) = (keys.consumer_secret.expose_secret(), keys.access_token_secret.expose_secret());
    let key = Zeroizing::new(format!("{}&{}", encoded(consumer), encoded(token)));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, base.as_bytes()));
    let shown = own.iter().map(|(name, value)| (*name, *value)).chain([("oauth_signature", signature.as_str())]);
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
    Zeroizing::new(format!("OAuth {}", shown.join(", ")))
}

/// What is signed (§3.4.1): method, address and parameters, those of the header included.
fn base_string(method: &str, url: &Url, form: Option<&[u8]>, own: &[(&str, &str)]) -> Zeroizing<String> {
    let of_query = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
    let given = of_query.chain(form_urlencoded::parse(form.unwrap_or_default()));
    let mut pairs: Vec<(String, String)> = given.map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.extend(own.iter().map(|(name, value)| (encoded(name), encoded(value))));
    // By name and then by value, both encoded (§3.4.1.3.2).
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Without the port where it is the scheme's own, and without query (§3.4.1.2): as the parser writes it.
    let address = format!("{}{}", url.origin().ascii_serialization(), url.path());
    Zeroizing::new(format!("{}&{}&{}", method.to_ascii_uppercase(), encoded(&address), encoded(&pairs.join("&"))))
}

/// All but the unreserved characters of RFC 3986 (§3.6).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OAuth Core 1.0a, appendix A.5.
    #[test]
    fn the_example_of_the_first_specification_is_signed_as_there() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let (consumer_key, consumer_secret) = (secret("dpf43f3p2l4k3l03"), secret("kd94hf93k423kf44"));
        let (access_token, access_token_secret) = (secret("nnch734d00sl2jdk"), secret("pfkkdhi9sl3r4s00"));
        let keys = Keys {
            consumer_key: &consumer_key,
            consumer_secret: &consumer_secret,
            access_token: &access_token,
            access_token_secret: &access_token_secret,
        };
        let moment = Moment { nonce: "kllo9940pd9333jh".into(), timestamp: 1_191_242_096 };
        let signature = "oauth_signature=\"tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D\"";
        let url = |text: &str| text.parse().unwrap();
        let by_query = "http://photos.example.net/photos?file=vacation.jpg&size=original";
        let value = authorization(&keys, &moment, "get", &url(by_query), None);
        assert!(value.starts_with("OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_nonce="), "{}", *value);
        assert!(value.ends_with(signature), "{}", *value);
        // Where a parameter stands makes no difference.
        let form = Some(&b"size=original"[..]);
        let by_form =
            authorization(&keys, &moment, "GET", &url("http://photos.example.net/photos?file=vacation.jpg"), form);
        assert!(by_form.ends_with(signature), "{}", *by_form);
        let other = authorization(&keys, &moment, "GET", &url(by_query), Some(b"size=small"));
        assert!(!other.ends_with(signature));
    }

    /// RFC 5849 §3.4.1.1, §3.4.1.3.2.
    #[test]
    fn the_base_string_of_the_rfc() {
        let url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b".parse().unwrap();
        let own = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ];
        let base = base_string("POST", &url, Some(b"c2&a3=2+q"), &own);
        assert_eq!(
            *base,
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D\
             %26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
             %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
        let with_port = base_string("GET", &"https://social.example:8443/a?".parse().unwrap(), None, &[]);
        assert_eq!(*with_port, "GET&https%3A%2F%2Fsocial.example%3A8443%2Fa&");
    }

    #[test]
    fn letters_are_escaped_byte_by_byte() {
        assert_eq!(encoded("Ladies + Gentlemen"), "Ladies%20%2B%20Gentlemen");
        assert_eq!(encoded("☃ a~-._"), "%E2%98%83%20a~-._");
    }
}
