//! How long an answer is good for, and whether who asks has it already.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};

use super::negotiate::Form;
use crate::{doors::conditional::has, model::hex::hex};

/// For a minute an old version may be shown by a cache of everybody's.
const EVERYBODYS: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// What was made for a person is kept by nobody.
const A_PERSONS: HeaderValue = HeaderValue::from_static("private, no-store");

/// Finishes an answer: by what it varies, its language, and, where it is for everybody, its tag and how long it may be kept.
pub(super) fn finish(
    mut response: Response,
    body: &[u8],
    language: Option<&str>,
    everybodys: bool,
    asked: &HeaderMap,
) -> Response {
    let tag = format!("\"{}\"", hex(digest(&SHA256, body).as_ref()));
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Language, Cookie"));
    headers.insert(CACHE_CONTROL, if everybodys { EVERYBODYS } else { A_PERSONS });
    if let Some(language) = language.and_then(|language| HeaderValue::from_str(language).ok()) {
        headers.insert(CONTENT_LANGUAGE, language);
    }
    if !everybodys {
        return response;
    }
    let has = has(asked, &tag);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if has {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// A text that is no page.
pub(super) fn plain(form: Form, body: String) -> Response {
    let kind = match form {
        Form::Markdown => "text/markdown; charset=utf-8",
        Form::Html | Form::Json => form.media_type(),
    };
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static(kind)), (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::header::IF_NONE_MATCH;

    use super::*;

    #[test]
    fn who_has_it_gets_no_body() {
        let answer = |tags: &str, everybodys| {
            let asked = HeaderMap::from_iter([(IF_NONE_MATCH, tags.parse().unwrap())]);
            finish(plain(Form::Markdown, "a".to_owned()), b"a", Some("cs"), everybodys, &asked)
        };
        let first = answer("\"x\"", true);
        assert_eq!((first.status(), &first.headers()[CACHE_CONTROL]), (StatusCode::OK, &EVERYBODYS));
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for tags in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = answer(&tags, true);
            assert_eq!((again.status(), &again.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &first.headers()[ETAG]));
            assert!(again.headers().contains_key(VARY) && !again.headers().contains_key(CONTENT_TYPE));
        }
        let private = answer("*", false);
        assert_eq!((private.status(), &private.headers()[CACHE_CONTROL]), (StatusCode::OK, &A_PERSONS));
        assert!(!private.headers().contains_key(ETAG));
    }
}
