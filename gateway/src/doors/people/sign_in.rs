//! Pages of a sign-in: to the company's issuer, back from there, and out again.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{Extensions, HeaderMap, Method, StatusCode, header::SET_COOKIE},
    response::Response,
};
use secrecy::SecretString;

use super::{
    VERIFY,
    browser::{Cookie, Visitor, from_here, visitor},
    configured,
    form::{Fields, Form},
    pages,
};
use crate::{
    doors::caller::source,
    gateway::Gateway,
    keys::unguessable,
    people::{
        devices::is_live,
        sign_in::{self, Answer, NotSignedIn, SignedInNow},
    },
};

/// Longest path that a sign-in leads to.
const TO_BYTES_MAX: usize = 200;

/// A path of these pages, with its query. Anything else could lead elsewhere.
pub(super) fn inside(to: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_?=&.".contains(&byte);
    let below = ["/people/", "/guidelines/"].iter().any(|start| to.starts_with(start));
    let fits = matches!(to, "/people" | "/guidelines") || (below && !to.contains("//") && !to.contains(".."));
    if fits && to.len() <= TO_BYTES_MAX && to.bytes().all(plain) { to } else { "/people" }
}

/// Who is signed in, and what they may do here.
pub(super) async fn home(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let Some(config) = configured(&gateway) else { return pages::nothing_here() };
    let visitor = match visitor(&gateway, config, &headers).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => {
            let body = "<p>You are not signed in.</p><p><a href=\"/people/sign-in\">Sign in at the company</a></p>";
            return pages::page(StatusCode::OK, "Sign in", body);
        }
        Err(why) => return pages::not_signed_in(why),
    };
    let Visitor { signed_in, cookie } = visitor;
    let (token, now) = (gateway.people.form_token(&cookie), gateway.clock.now());
    let devices = gateway.keys.devices_of(&signed_in.person);
    let rows: String = devices
        .iter()
        .filter(|key| is_live(key, now))
        .map(|key| {
            let name = key.device.as_ref().map(|device| device.name.as_str()).unwrap_or_default();
            let end = key.expires_at.map(|end| end.to_string()).unwrap_or_default();
            format!("<li>{}: until {end} ({})</li>", pages::escape(name), pages::escape(key.id.as_str()))
        })
        .collect();
    let body = format!(
        "<p>You are signed in as <strong>{}</strong>.</p><p><a href=\"/people/approvals\">What waits for you</a></p>\
         <p><a href=\"{VERIFY}\">Enrol a device</a></p><h2>Your devices</h2>\
         <ul>{rows}</ul><p>End one with <code>pressgate device revoke</code>.</p>\
         <form method=\"post\" action=\"/people/sign-out\">{}<button>Sign out</button></form>",
        pages::escape(signed_in.person.as_str()),
        pages::hidden("form", &token)
    );
    pages::page(StatusCode::OK, "You", &body)
}

/// Sends the browser to the company's issuer.
pub(super) async fn begin(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(config) = configured(&gateway) else { return pages::nothing_here() };
    if gateway.stopping.is_set() {
        return pages::not_signed_in(NotSignedIn::Unavailable);
    }
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let to = fields.as_ref().map_or("/people", |fields| inside(fields.get("to")));
    // The same browser keeps its cookie, so that a second tab does not spoil the first.
    let browser = match Cookie::Browser.of(config, &headers) {
        Some(browser) => browser,
        None => match unguessable() {
            Ok(browser) => browser,
            Err(_) => return pages::not_signed_in(NotSignedIn::Unavailable),
        },
    };
    match sign_in::begin(&gateway, config, to, &browser, source(&extensions)).await {
        Ok(url) => with_cookies(pages::redirect(&url), [Cookie::Browser.set(config, &browser)]),
        Err(why) => pages::not_signed_in(why),
    }
}

/// Takes the issuer's answer from the browser.
pub(super) async fn callback(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(config) = configured(&gateway).cloned() else { return pages::nothing_here() };
    // Whoever looks ahead at a link must not use the state up.
    if method != Method::GET || gateway.stopping.is_set() {
        return pages::not_signed_in(NotSignedIn::Unavailable);
    }
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let (Some(fields), Some(browser)) = (fields, Cookie::Browser.of(&config, &headers)) else {
        gateway.strangers.count(source(&extensions), gateway.clock.now());
        return pages::not_signed_in(NotSignedIn::State);
    };
    let given = |name: &str| Some(fields.get(name)).filter(|value| !value.is_empty());
    let answer = Answer {
        state: fields.get("state").to_owned(),
        code: given("code").map(SecretString::from),
        error: given("error").map(str::to_owned),
        issuer: given("iss").map(str::to_owned),
    };
    let before = Cookie::Session.of(&config, &headers);
    let (finishing, of) = (Arc::clone(&gateway), config.clone());
    // To the end, even when the browser goes away: the code is spent.
    let finished = tokio::spawn(async move {
        let finished = sign_in::finish(&finishing, &of, answer, &browser).await?;
        // Who signs in anew leaves no open session behind.
        if let Some(before) = before
            && let Ok(Some(signed_in)) = sign_in::current(&finishing, &before).await
        {
            sign_in::end(&finishing, &signed_in, &before).await?;
        }
        Ok(finished)
    });
    match finished.await.unwrap_or(Err(NotSignedIn::Unavailable)) {
        Ok(SignedInNow { cookie, to }) => {
            with_cookies(pages::redirect(inside(&to)), [Cookie::Session.set(&config, &cookie)])
        }
        Err(why) => {
            if why != NotSignedIn::Unavailable {
                gateway.strangers.count(source(&extensions), gateway.clock.now());
            }
            pages::not_signed_in(why)
        }
    }
}

/// Signs the browser out.
pub(super) async fn end(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, Form(form): Form) -> Response {
    let Some(config) = configured(&gateway) else { return pages::nothing_here() };
    let visitor = match visitor(&gateway, config, &headers).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return pages::stale(),
        Err(why) => return pages::not_signed_in(why),
    };
    let good = form.is_some_and(|form| gateway.people.is_form_of(&visitor.cookie, form.get("form")));
    if !good || !from_here(config, &headers) {
        return pages::stale();
    }
    match sign_in::end(&gateway, &visitor.signed_in, &visitor.cookie).await {
        Ok(()) => with_cookies(pages::redirect("/people"), [Cookie::Session.clear(config)]),
        Err(why) => pages::not_signed_in(why),
    }
}

fn with_cookies<const N: usize>(mut response: Response, cookies: [axum::http::HeaderValue; N]) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_only_to_these_pages() {
        for good in [
            "/people",
            "/people/device",
            "/people/device?code=WDJB-MJHT",
            "/guidelines",
            "/guidelines/acme/snacks?version=2027.1&language=cs",
        ] {
            assert_eq!(inside(good), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "/people//evil.example",
            "/peoples",
            "https://evil.example",
            "/\\evil.example",
            "/people/\\evil",
            "/people/../v1/me",
            "/guidelines/../v1/me",
            "/guidelinesx",
            "/people/%2e%2e",
            "/people/device\r\nset-cookie: a=b",
            "javascript:alert(1)",
            "/people/@evil.example",
            &format!("/people/{}", "x".repeat(TO_BYTES_MAX)),
        ] {
            assert_eq!(inside(bad), "/people", "{bad}");
        }
    }
}
