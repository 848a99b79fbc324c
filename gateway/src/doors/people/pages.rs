//! Pages of people: plain HTML, without script. What others chose is escaped.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) use crate::model::html::escape;
use crate::people::sign_in::NotSignedIn;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem}\
code{font-size:1.4rem;letter-spacing:.1em}input,button{font:inherit;padding:.4rem .8rem;margin:.2rem .4rem .2rem 0}\
textarea{font:inherit;width:100%;min-height:5rem}.text{white-space:pre-wrap;overflow-wrap:anywhere;border-left:.25rem solid #888;\
padding-left:.8rem}[role=alert]{border:.15rem solid #a00;padding:.5rem .8rem}.done{border:.15rem solid #060;padding:.5rem .8rem}\
section,fieldset{margin:1rem 0}dt{font-weight:600}dd{margin:0 0 .6rem}footer{margin-top:3rem;color:#555}\n";

/// The style sheet.
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
    ];
    (headers, STYLE).into_response()
}

/// A page. `body` is HTML: whoever writes it escapes.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    dressed(status, html(title, body))
}

/// The text of a page.
pub(super) fn html(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Pressgate: {title}</title><link rel=\"stylesheet\" href=\"/people/style.css\"><h1>{title}</h1>{body}</html>\n"
    )
}

/// A page's text as a response, which no cache keeps.
pub(super) fn dressed(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // `same-origin`: browsers name the origin of a form only where they may; other hosts hear nothing.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (status, headers, html).into_response()
}

/// A page that says why something is not, and where to begin again.
pub(super) fn told(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p><p><a href=\"/people\">Begin again</a></p>", escape(text)))
}

/// There is no sign-in here.
pub(super) fn nothing_here() -> Response {
    told(StatusCode::NOT_FOUND, "Nothing here", "People do not sign in at this gateway. Ask an operator for a key.")
}

/// A form that is not ours, or an old one.
pub(super) fn stale() -> Response {
    let text =
        "The form was not sent from this browser's own page, or you were signed out meanwhile. Nothing was changed.";
    told(StatusCode::FORBIDDEN, "Not done", text)
}

/// Somebody could not sign in.
pub(super) fn not_signed_in(why: NotSignedIn) -> Response {
    let status = match why {
        NotSignedIn::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        NotSignedIn::Nobody | NotSignedIn::Declined => StatusCode::FORBIDDEN,
        NotSignedIn::State | NotSignedIn::Issuer | NotSignedIn::Proof => StatusCode::BAD_REQUEST,
    };
    told(status, "Not signed in", &why.to_string())
}

/// Elsewhere on this gateway, or at the issuer.
pub(super) fn redirect(to: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return told(StatusCode::INTERNAL_SERVER_ERROR, "Not done", "The address can't be opened.");
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The field that every form carries.
pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
}
