//! What a token endpoint answered (RFC 6749 sections 5.1 and 5.2), read with patience: networks differ, and some send anything.

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::egress::answer::RawAnswer;

/// Longest token; a JWT with many claims fits.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest life that is believed.
const LIFE_MAX_S: i64 = 366 * 24 * 3600;

/// Tokens that came.
pub(super) struct Tokens {
    pub(super) access: SecretString,
    pub(super) refresh: Option<SecretString>,
    /// None where the network did not say, or said nonsense: the token is then used until it is refused.
    pub(super) life: Option<SignedDuration>,
}

/// Why none came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTokens {
    /// `invalid_grant`: what was shown is worth nothing any more. Only a person helps.
    Grant,
    /// The client itself is refused: its name, its secret, or what it may ask for.
    Client(&'static str),
    /// Anything that may pass, in words of ours.
    Passing(&'static str),
}

/// Reads an answer. No text quotes it.
pub(super) fn read(answer: RawAnswer) -> Result<Tokens, NoTokens> {
    let RawAnswer { status, body, .. } = answer;
    let body = Zeroizing::new(body);
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    match status {
        200..=299 => tokens(json.as_ref()),
        408 | 425 | 429 => Err(NoTokens::Passing("it asked for patience")),
        400..=499 => Err(refusal(json.as_ref())),
        500..=599 => Err(NoTokens::Passing("it is out of order")),
        _ => Err(NoTokens::Passing("its answer is none of a token endpoint")),
    }
}

fn tokens(json: Option<&Value>) -> Result<Tokens, NoTokens> {
    let json = json.and_then(Value::as_object).ok_or(NoTokens::Passing("its answer is not a JSON object"))?;
    // Some networks answer an error with status 200.
    if json.contains_key("error") {
        return Err(refusal(Some(&Value::Object(json.clone()))));
    }
    let kind = json.get("token_type").and_then(Value::as_str);
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(NoTokens::Passing("its token is not of the type `Bearer`"));
    }
    let token = |name: &str| json.get(name).and_then(Value::as_str).filter(|text| fits(text)).map(SecretString::from);
    let access = token("access_token").ok_or(NoTokens::Passing("its answer has no access token"))?;
    Ok(Tokens { access, refresh: token("refresh_token"), life: json.get("expires_in").and_then(life) })
}

/// What a header can carry, and what can be searched for in answers.
fn fits(token: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Seconds as a number or, as some networks write them, as text. Nothing and less is as good as not said.
fn life(value: &Value) -> Option<SignedDuration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // A float that is too large, or none, becomes the nearest whole number.
    (seconds >= 1.0).then(|| SignedDuration::from_secs((seconds as i64).min(LIFE_MAX_S)))
}

fn refusal(json: Option<&Value>) -> NoTokens {
    match json.and_then(|json| json.get("error")).and_then(Value::as_str) {
        Some("invalid_grant") => NoTokens::Grant,
        Some("invalid_client") => NoTokens::Client("it does not know the client or its secret (invalid_client)"),
        Some("unauthorized_client") => NoTokens::Client("the client may not do this (unauthorized_client)"),
        Some("invalid_scope") => NoTokens::Client("it refuses what is asked for (invalid_scope)"),
        Some("unsupported_grant_type") => NoTokens::Client("it knows no such grant (unsupported_grant_type)"),
        _ => NoTokens::Passing("it refused without a reason that is known"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use secrecy::ExposeSecret;

    use super::*;

    fn answer(status: u16, body: &str) -> Result<Tokens, NoTokens> {
        read(RawAnswer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() })
    }

    #[test]
    fn the_life_of_a_token_is_believed_within_reason() {
        for (given, seconds) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("59.9", Some(59)),
            ("0", None),
            ("-1", None),
            ("\"-3600\"", None),
            ("1e300", Some(LIFE_MAX_S)),
            ("18446744073709551615", Some(LIFE_MAX_S)),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("null", None),
            ("[1]", None),
            ("true", None),
        ] {
            let tokens = answer(200, &format!(r#"{{"access_token":"a","expires_in":{given}}}"#));
            let Ok(tokens) = tokens else { panic!("{given}") };
            assert_eq!(tokens.life.map(|life| life.as_secs()), seconds, "{given}");
        }
    }

    #[test]
    fn a_token_is_one_text_that_a_header_can_carry() {
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(TOKEN_BYTES_MAX + 1));
        for body in [
            "",
            "null",
            "[]",
            "{",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":{"a":1}}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"é"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"refresh_token":"r"}"#,
            &long,
        ] {
            assert!(matches!(answer(200, body), Err(NoTokens::Passing(_))), "{body:.40}");
        }
        let tokens = answer(201, r#"{"access_token":"a","token_type":"bearer","refresh_token":""}"#);
        let Ok(tokens) = tokens else { panic!("no tokens") };
        assert_eq!(tokens.access.expose_secret(), "a");
        assert!(tokens.refresh.is_none(), "an empty one is none");
    }

    #[test]
    fn only_invalid_grant_needs_a_person_to_connect_again() {
        let error = |status, code: &str| answer(status, &format!(r#"{{"error":"{code}"}}"#)).err();
        assert_eq!(error(400, "invalid_grant"), Some(NoTokens::Grant));
        assert_eq!(error(401, "invalid_grant"), Some(NoTokens::Grant));
        assert_eq!(error(200, "invalid_grant"), Some(NoTokens::Grant), "some networks answer so");
        assert!(matches!(error(401, "invalid_client"), Some(NoTokens::Client(_))));
        for (status, code) in
            [(500, "invalid_grant"), (503, "x"), (429, "invalid_grant"), (400, "server_error"), (302, "x")]
        {
            assert!(matches!(error(status, code), Some(NoTokens::Passing(_))), "{status} {code}");
        }
        for body in ["", "<html>", r#"{"error":7}"#, r#"{"error":null}"#, "[\"invalid_grant\"]"] {
            assert!(matches!(answer(400, body), Err(NoTokens::Passing(_))), "{body}");
        }
    }
}
