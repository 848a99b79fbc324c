//! Request headers: what a plugin may set, and what is the gateway's.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, USER_AGENT},
};

use super::types::OutBody;
use crate::model::headers::is_gateways;

/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// Length of one header value.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The plugin's headers without those of the gateway, and the gateway's defaults.
pub(super) fn request_headers(
    given: &[(String, String)],
    body: &OutBody,
    user_agent: &HeaderValue,
) -> Result<HeaderMap, String> {
    if given.len() > HEADERS_MAX {
        return Err(format!("more than {HEADERS_MAX} headers"));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 4);
    let mut named = Vec::new();
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{}` is no header name", name.escape_default()))?;
        if value.len() > HEADER_BYTES_MAX {
            return Err(format!("the header `{name}` is over {HEADER_BYTES_MAX} bytes"));
        }
        let parsed = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of the header `{name}` holds characters that no header can carry"))?;
        if name == CONNECTION {
            named.extend(value.split(',').map(|name| name.trim().to_ascii_lowercase()));
        }
        if !is_ours(&name) {
            headers.append(name, parsed);
        }
    }
    // What `Connection` names is meant for one hop only.
    for name in named {
        headers.remove(name.as_str());
    }
    if matches!(body, OutBody::File { .. } | OutBody::Form(_)) {
        headers.remove(CONTENT_TYPE);
    }
    headers.entry(USER_AGENT).or_insert_with(|| user_agent.clone());
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(headers)
}

/// True for a name that only the gateway may set.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    is_gateways(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::headers::GATEWAYS;

    fn build(given: &[(&str, &str)]) -> Result<HeaderMap, String> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        request_headers(&given, &OutBody::None, &HeaderValue::from_static("gate"))
    }

    #[test]
    fn headers_of_the_gateway_are_dropped_in_any_case() {
        for name in GATEWAYS.iter().chain(&["proxy-authorization", "proxy-connection", "proxy-anything"]) {
            let headers = build(&[(&name.to_uppercase(), "planted"), ("x-kept", "1")]).expect("valid");
            assert!(headers.values().all(|value| value != "planted"), "{name}");
            assert_eq!(headers["x-kept"], "1");
        }
    }

    #[test]
    fn what_connection_names_is_dropped() {
        let headers = build(&[("Connection", "close, X-Hop"), ("x-hop", "1"), ("x-kept", "1")]).expect("valid");
        assert!(!headers.contains_key("x-hop") && headers.contains_key("x-kept"));
    }

    #[test]
    fn invalid_names_and_values_are_refused() {
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:b", "x"),
            ("a\r\nb", "x"),
            ("\u{e9}", "x"),
            ("x", "a\r\nb: c"),
            ("x", "a\nb"),
            ("x", "a\0b"),
            ("authorization", "a\r\nx: y"),
        ] {
            assert!(build(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
        assert!(build(&[("x", &"y".repeat(HEADER_BYTES_MAX + 1))]).is_err());
        assert!(build(&vec![("x", "y"); HEADERS_MAX + 1]).is_err());
    }

    #[test]
    fn user_agent_may_be_named() {
        assert_eq!(build(&[]).expect("valid")[USER_AGENT], "gate");
        assert_eq!(build(&[("User-Agent", "mine")]).expect("valid")[USER_AGENT], "mine");
    }
}
