//! Tokens that are good, and all the ways in which they are not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Issuer,
    token::{Presented, TokenRefused, Unread, fits, read},
};

const NOW: i64 = 1_800_000_000;

fn issuer() -> Issuer {
    Issuer { id: "https://login.acme.example".into(), private: false }
}

fn key() -> (EncodingKey, Jwk) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    (key, public)
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": issuer().id, "sub": "newsroom-cms", "aud": "pressgate", "exp": NOW + 60});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn made(key: &EncodingKey, more: &Value) -> String {
    encode(&Header::new(Algorithm::ES256), &claims(more), key).unwrap()
}

fn checked(token: &str, public: &Jwk) -> Result<Presented, TokenRefused> {
    let unread = Unread::of(token)?;
    read(token, &unread, &issuer(), public, Timestamp::from_second(NOW).unwrap())
}

#[test]
fn a_good_token_says_whose_it_is() {
    let (key, public) = key();
    let said = checked(&made(&key, &json!({"aud": ["other", "pressgate"], "nbf": NOW + 20})), &public).unwrap();
    assert_eq!((said.subject.as_str(), said.audiences.len()), ("newsroom-cms", 2));
    // Clocks differ a little.
    assert!(checked(&made(&key, &json!({"exp": NOW - 29})), &public).is_ok());
}

#[test]
fn what_is_not_good_is_refused_by_name() {
    let (signing, public) = key();
    let (other, _) = key();
    let refused = |token: &str| checked(token, &public).unwrap_err();
    assert_eq!(refused(&made(&signing, &json!({"exp": NOW - 30}))), TokenRefused::Expired);
    assert_eq!(refused(&made(&signing, &json!({"nbf": NOW + 31}))), TokenRefused::Early);
    assert_eq!(refused(&made(&other, &json!({}))), TokenRefused::Signature);
    assert_eq!(refused(&made(&signing, &json!({"iss": "https://evil.example"}))), TokenRefused::Signature);
    for lacking in ["exp", "aud", "sub"] {
        assert_eq!(refused(&made(&signing, &json!({lacking: null}))), TokenRefused::Malformed, "{lacking}");
    }
    assert_eq!(refused(&made(&signing, &json!({"exp": "soon"}))), TokenRefused::Malformed);
    assert_eq!(refused(&made(&signing, &json!({"exp": i64::MAX}))), TokenRefused::Malformed);
    // Signed with what everybody knows, or not at all.
    let symmetric = EncodingKey::from_secret(&serde_json::to_vec(&public).unwrap());
    let confused = encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &symmetric).unwrap();
    assert_eq!(refused(&confused), TokenRefused::Algorithm);
    let good = made(&signing, &json!({}));
    let (_, rest) = good.split_once('.').unwrap();
    for alg in ["none", "None", "HS512", "ES256K", "RS1"] {
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
        assert_eq!(refused(&format!("{head}.{rest}")), TokenRefused::Algorithm, "{alg}");
    }
    // An algorithm that the key does not speak.
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    assert!(checked(&format!("{head}.{rest}"), &public).is_err());
    for token in ["", ".", "..", "a.b.c", "a.b.c.d", &format!("{good}."), &"e".repeat(20_000)] {
        assert_eq!(refused(token), TokenRefused::Malformed, "{token}");
    }
}

#[test]
fn a_key_signs_only_what_it_is_for() {
    let (_, public) = key();
    assert!(fits(&public, Algorithm::ES256));
    let with = |more: Value| {
        let mut key = serde_json::to_value(&public).unwrap();
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Jwk>(key).unwrap()
    };
    assert!(!fits(&with(json!({"use": "enc"})), Algorithm::ES256));
    assert!(!fits(&with(json!({"alg": "ES384"})), Algorithm::ES256));
    let symmetric: Jwk = serde_json::from_value(json!({"kty": "oct", "k": "c2VjcmV0"})).unwrap();
    assert!(!fits(&symmetric, Algorithm::HS256));
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token(text in "[A-Za-z0-9_.-]{0,80}|.{0,40}") {
        let (_, public) = key();
        prop_assert!(checked(&text, &public).is_err());
    }

    #[test]
    fn a_changed_token_is_refused(at in 0usize..1000, letter in "[A-Za-z0-9]") {
        let (signing, public) = key();
        let good = made(&signing, &json!({}));
        let at = at % good.len();
        let changed = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
        // The last letter of a part has bits that count for nothing.
        let last = good[at + 1..].starts_with('.') || at + 1 == good.len();
        prop_assert!(checked(&changed, &public).is_err() || changed == good || last);
    }
}
