//! OAuth 1.0a signatures as the network checks them, worked out from RFC 5849 and not from the gateway's code.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

/// The parameters of an `Authorization: OAuth …` header.
pub fn parameters(header: &str) -> Option<BTreeMap<String, String>> {
    let pairs = header.strip_prefix("OAuth ")?.split(',').map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        Some((decode(name), decode(value.trim_matches('"'))))
    });
    pairs.collect()
}

/// The signature of a request: `given` are its parameters but `oauth_signature`, decoded.
pub fn signature(method: &str, address: &str, given: &[(String, String)], secrets: (&str, &str)) -> String {
    let mut pairs: Vec<String> =
        given.iter().map(|(name, value)| format!("{}\0{}", encode(name), encode(value))).collect();
    pairs.sort();
    let pairs = pairs.join("&").replace('\0', "=");
    let base = [method, address, &pairs].map(encode).join("&");
    let key = format!("{}&{}", encode(secrets.0), encode(secrets.1));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, base.as_bytes()))
}

/// The pairs of a query or a form.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decode(text: &str) -> String {
    pairs(&format!("a={}", text.replace('+', "%2B"))).remove(0).1
}
