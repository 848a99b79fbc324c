//! What a browser shows: its cookies, and where its request comes from.
//!
//! Behind TLS the cookies' names begin with `__Host-` (RFC 6265bis): no other host, path or plain connection can set or read them.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, HOST, ORIGIN},
};

use crate::{
    config::process::SignIn,
    gateway::Gateway,
    people::sign_in::{NotSignedIn, SIGNED_IN_FOR, SignedIn, current},
};

/// More than a cookie of ours has.
const COOKIE_BYTES_MAX: usize = 128;

/// One of our cookies.
#[derive(Clone, Copy)]
pub(super) enum Cookie {
    /// Who is signed in.
    Session,
    /// Which browser began a sign-in.
    Browser,
}

impl Cookie {
    fn name(self, config: &SignIn) -> String {
        let name = match self {
            Self::Session => "pressgate-session",
            Self::Browser => "pressgate-browser",
        };
        if config.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// What the browser shows; none where it shows several, which no browser does for one host.
    pub(super) fn of(self, config: &SignIn, headers: &HeaderMap) -> Option<String> {
        let name = self.name(config);
        let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
        let value = found.next().filter(|_| found.next().is_none())?;
        let fits = !value.is_empty() && value.len() <= COOKIE_BYTES_MAX;
        (fits && value.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| value.to_owned())
    }

    /// The header that sets it.
    pub(super) fn set(self, config: &SignIn, value: &str) -> HeaderValue {
        let age_s = match self {
            Self::Session => SIGNED_IN_FOR.as_secs(),
            Self::Browser => 3_600,
        };
        self.header(config, value, age_s)
    }

    /// The header that takes it away.
    pub(super) fn clear(self, config: &SignIn) -> HeaderValue {
        self.header(config, "", 0)
    }

    fn header(self, config: &SignIn, value: &str, age_s: i64) -> HeaderValue {
        let secure = if config.is_secure() { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}", self.name(config));
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Somebody who is signed in, with their cookie.
pub(super) struct Visitor {
    pub(super) signed_in: SignedIn,
    pub(super) cookie: String,
}

/// Who is signed in in this browser.
pub(super) async fn visitor(
    gateway: &Gateway,
    config: &SignIn,
    headers: &HeaderMap,
) -> Result<Option<Visitor>, NotSignedIn> {
    let Some(cookie) = Cookie::Session.of(config, headers) else { return Ok(None) };
    let signed_in = current(gateway, &cookie).await?;
    Ok(signed_in.map(|signed_in| Visitor { signed_in, cookie }))
}

/// Does a form come from a page of ours? Browsers say so of every POST; what says nothing has the form's token alone.
pub(super) fn from_here(config: &SignIn, headers: &HeaderMap) -> bool {
    let own = config.origin();
    let origin = headers.get(ORIGIN).is_none_or(|origin| origin.as_bytes() == own.as_bytes());
    let site = headers.get("sec-fetch-site").is_none_or(|site| site.as_bytes() == b"same-origin");
    // A name that was made to point here has cookies of its own.
    let host = own.split_once("://").map(|(_, host)| host).unwrap_or_default();
    let host = headers.get(HOST).is_none_or(|given| given.as_bytes().eq_ignore_ascii_case(host.as_bytes()));
    origin && site && (host || !config.is_secure())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn config(url: &str) -> SignIn {
        let text = format!("[sign_in]\nissuer = \"https://i\"\nclient_id = \"c\"\npublic_url = {url:?}\n");
        Config::parse(&text, "p.toml", Path::new("")).unwrap().sign_in.unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let name = axum::http::HeaderName::from_static;
        pairs.iter().fold(HeaderMap::new(), |mut all, (key, value)| {
            all.append(name(key), value.parse().unwrap());
            all
        })
    }

    #[test]
    fn cookies_are_of_this_host_alone() {
        let (secure, local) = (config("https://gate.acme.example"), config("http://127.0.0.1:8420"));
        let set = Cookie::Session.set(&secure, "abc");
        let expected = "__Host-pressgate-session=abc; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(set, expected);
        assert!(!Cookie::Session.set(&local, "abc").to_str().unwrap().contains("Secure"));
        let shown = |pairs: &[(&'static str, &str)]| Cookie::Session.of(&secure, &headers(pairs));
        assert_eq!(shown(&[("cookie", "a=b; __Host-pressgate-session=abc")]).as_deref(), Some("abc"));
        for bad in ["pressgate-session=abc", "__Host-pressgate-session=", "__Host-pressgate-session=a.b", "x"] {
            assert_eq!(shown(&[("cookie", bad)]), None, "{bad}");
        }
        let twice = "__Host-pressgate-session=abc; __Host-pressgate-session=def";
        assert_eq!(shown(&[("cookie", twice)]), None);
    }

    #[test]
    fn forms_come_from_here() {
        let config = config("https://gate.acme.example");
        assert!(from_here(
            &config,
            &headers(&[("origin", "https://gate.acme.example"), ("host", "gate.acme.example")])
        ));
        assert!(from_here(&config, &headers(&[("sec-fetch-site", "same-origin")])));
        for bad in [
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("origin", "http://gate.acme.example")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
            [("host", "evil.example")],
        ] {
            assert!(!from_here(&config, &headers(&bad)), "{bad:?}");
        }
    }
}
