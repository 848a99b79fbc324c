//! What HTTP leaves open and two readers could understand differently is refused; and no cache keeps an answer.

use axum::{
    extract::Request,
    http::{
        HeaderValue, Uri, Version,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, HOST, TRANSFER_ENCODING},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Problem;
use crate::refusal::{Refusal, Stage, problem};

/// Around every handler.
pub async fn strict(request: Request, next: Next) -> Response {
    let mut response = match fault(&request) {
        Some(refusal) => Problem::from(refusal).into_response(),
        None => next.run(request).await,
    };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn fault(request: &Request) -> Option<Refusal> {
    let malformed = |detail: &str| Some(Refusal::new(problem::MALFORMED, Stage::Door, detail));
    let headers = request.headers();
    let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
    if hosts.len() > 1 {
        return malformed("The request has more than one Host header.");
    }
    if hosts.is_empty() && request.version() == Version::HTTP_11 {
        return malformed("The request has no Host header.");
    }
    if let (Some(authority), Some(host)) = (authority(request.uri()), hosts.first())
        && !host.to_str().is_ok_and(|host| same(request.uri(), &authority, host))
    {
        return malformed("The address of the request and its Host header name different hosts.");
    }
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return malformed("The request has more than one Authorization header.");
    }
    let encoded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let coded =
        headers.get_all(TRANSFER_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    (encoded || coded).then(|| {
        let detail =
            "Send the body as it is, without `Content-Encoding`, and with no `Transfer-Encoding` but `chunked`.";
        Refusal::new(problem::UNSUPPORTED_MEDIA_TYPE, Stage::Door, detail)
    })
}

/// The host and port of an address in absolute form.
fn authority(uri: &Uri) -> Option<String> {
    uri.authority().map(|authority| authority.as_str().to_ascii_lowercase())
}

fn same(uri: &Uri, authority: &str, host: &str) -> bool {
    let usual = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
    let plain = |text: &str| text.strip_suffix(usual).unwrap_or(text).to_ascii_lowercase();
    plain(authority) == plain(host.trim())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode};

    use super::*;

    fn status(uri: &str, version: Version, headers: &[(&str, &str)]) -> Option<u16> {
        let request =
            headers.iter().fold(Request::builder().uri(uri).version(version), |all, (k, v)| all.header(*k, *v));
        fault(&request.body(Body::empty()).unwrap()).map(|refusal| refusal.problem.status)
    }

    #[test]
    fn one_host_one_key_and_no_coding() {
        let (v11, v2) = (Version::HTTP_11, Version::HTTP_2);
        let bad = Some(StatusCode::BAD_REQUEST.as_u16());
        assert_eq!(status("/", v11, &[("host", "a")]), None);
        assert_eq!(status("/", v11, &[]), bad);
        assert_eq!(status("/", Version::HTTP_10, &[]), None);
        assert_eq!(status("/", v11, &[("host", "a"), ("host", "a")]), bad);
        assert_eq!(status("http://a/", v11, &[("host", "A:80")]), None);
        assert_eq!(status("http://a/", v11, &[("host", "b")]), bad);
        assert_eq!(status("http://a:81/", v11, &[("host", "a")]), bad);
        assert_eq!(status("https://a/", v2, &[]), None);
        assert_eq!(status("https://a/", v2, &[("host", "b")]), bad);
        assert_eq!(
            status("/", v11, &[("host", "a"), ("authorization", "Bearer x"), ("authorization", "Bearer y")]),
            bad
        );
        assert_eq!(status("/", v11, &[("host", "a"), ("content-encoding", "Identity")]), None);
        assert_eq!(status("/", v11, &[("host", "a"), ("content-encoding", "gzip")]), Some(415));
        assert_eq!(status("/", v11, &[("host", "a"), ("transfer-encoding", "Chunked")]), None);
        assert_eq!(status("/", v11, &[("host", "a"), ("transfer-encoding", "gzip, chunked")]), Some(415));
    }
}
