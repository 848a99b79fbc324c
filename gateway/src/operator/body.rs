//! What requests carry. Bodies: bounded, wiped after use, read as one JSON value without unknown or repeated fields.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::request::Parts,
};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::answer::Problem;
use crate::refusal::{Refusal, Stage, problem};

/// Longest body: the most values of a credential, each of the greatest length, in JSON.
const BODY_BYTES_MAX: usize = 640 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// A body as a value.
pub struct Strict<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let reading = tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body())).await;
        let late = || malformed(format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs()));
        let bytes = reading.unwrap_or_else(|_| Err(late()))?;
        Ok(Self(read(&bytes)?))
    }
}

/// The named parts of a path. What is not text names nothing.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(named) = Path::from_request_parts(parts, state).await.map_err(|_| {
            Refusal::new(problem::NOT_FOUND, Stage::Door, "The path holds bytes that are not UTF-8; no name has them.")
        })?;
        Ok(Self(named))
    }
}

/// Gathers the body in one buffer that is wiped; it has its full size from the start, so that no copy stays behind.
async fn collect(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| malformed("The body broke off.".into()))?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            let detail = format!("The body may have {BODY_BYTES_MAX} bytes.");
            return Err(Refusal::new(problem::TOO_LARGE, Stage::Door, detail).into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// An empty body counts as an empty object. Errors name the place and quote nothing but names: values may be secret.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    // What serde derives for a struct would also take a list of its fields in their order. No struct of these lies deeper.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(
            Refusal::new(problem::INVALID, Stage::Door, "The body does not fit: an object is expected here.").into()
        );
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        if error.is_data() {
            let text = error.to_string();
            // serde quotes the value where the type is wrong; names of fields are quoted with back-ticks and are no secret.
            let quotes_a_value = text.starts_with("invalid type") || text.starts_with("invalid value");
            let what = if quotes_a_value { "a value has the wrong type or form" } else { text.as_str() };
            return Refusal::new(problem::INVALID, Stage::Door, format!("The body does not fit at {place}: {what}."))
                .into();
        }
        malformed(format!("The body is not one JSON value: the fault is at {place}."))
    })
}

fn malformed(detail: String) -> Problem {
    Refusal::new(problem::MALFORMED, Stage::Door, detail).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::wire::{ApplyRequest, CredentialRequest, KeyRequest};

    #[test]
    fn nothing_stands_for_no_wishes_and_unknown_or_repeated_fields_are_refused() {
        assert!(read::<ApplyRequest>(b" \n").is_ok());
        assert_eq!(read::<KeyRequest>(br#"{"ap":"x"}"#).unwrap_err().refusal().problem, problem::INVALID);
        assert_eq!(read::<KeyRequest>(br#"{"app":"x","app":"y"}"#).unwrap_err().refusal().problem, problem::INVALID);
        assert_eq!(read::<KeyRequest>(br#"{"app":"x"} {}"#).unwrap_err().refusal().problem, problem::MALFORMED);
        assert_eq!(
            read::<KeyRequest>(b" [\"x\"]").unwrap_err().refusal().problem,
            problem::INVALID,
            "no list of fields"
        );
        assert_eq!(read::<KeyRequest>(b"\xff").unwrap_err().refusal().problem, problem::MALFORMED);
    }

    proptest! {
        #[test]
        fn a_value_is_never_quoted(value in "[a-z]{8,12}", shape in 0..4usize) {
            let body = match shape {
                0 => format!("{{\"secrets\":\"canary{value}\"}}"),
                1 => format!("{{\"secrets\":{{\"token\":[\"canary{value}\"]}}}}"),
                2 => format!("{{\"secrets\":{{\"token\":\"canary{value}\""),
                _ => format!("\"canary{value}\""),
            };
            let Err(refusal) = read::<CredentialRequest>(body.as_bytes()) else { panic!("{body} was taken") };
            prop_assert!(!refusal.refusal().to_string().contains("canary"), "{}", refusal.refusal());
        }
    }
}
