//! Where a request goes: checked once, and everything after it (connection, host name, path) is read from the same URL.

use http::Method;
use url::{Origin, Position, Url};

use super::types::{AllowedOrigin, Exchange, OAuthEndpoint, Scope};

/// Length of an address.
const URL_BYTES_MAX: usize = 8 * 1024;

/// An address that the scope allows. Only this file makes one.
#[derive(Clone)]
pub(super) struct Target {
    method: Method,
    url: Url,
    private: bool,
}

impl Target {
    /// Checks a plugin's method and address. The sentence of an error names what is not allowed, without the query.
    pub(super) fn of_request(scope: &Scope, method: &str, address: &str) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| "the method is not one of HTTP".to_owned())?;
        let url = parse(&scope.base, address)?;
        let origin = url.origin();
        let of_origin = || scope.origins.iter().filter(|allowed| allowed.origin.origin() == origin);
        if of_origin().next().is_none() {
            return Err(format!("the origin `{}` is not among those of this plugin", origin.ascii_serialization()));
        }
        let allowed = of_origin().find(|allowed| {
            let prefixes = &allowed.path_prefixes;
            allowed.methods.contains(&method) && prefixes.iter().any(|prefix| is_below(prefix, url.path()))
        });
        let Some(allowed) = allowed else {
            return Err(format!("`{method} {}` is not among the methods and paths of this plugin", url.path()));
        };
        Self::checked(method, url, allowed)
    }

    /// Checks a request of a session scheme, whose method and path the manifest itself names.
    pub(super) fn of_exchange(scope: &Scope, exchange: &Exchange) -> Result<Self, String> {
        let url = parse(&scope.base, &exchange.path)?;
        let origin = url.origin();
        match scope.origins.iter().find(|allowed| allowed.origin.origin() == origin) {
            Some(allowed) => Self::checked(exchange.method.clone(), url, allowed),
            None => Err(format!("the endpoint `{}` is not among the origins", origin.ascii_serialization())),
        }
    }

    /// A mail server that the configuration names, as an address: where it is, and whether TLS comes first.
    pub(super) fn of_mail(host: &str, port: u16, is_tls: bool, private: bool) -> Result<Self, String> {
        let scheme = if is_tls { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{host}:{port}/"));
        let url = url.map_err(|error| format!("the mail server's name can't be read: {error}"))?;
        Ok(Self { method: Method::CONNECT, url, private })
    }

    /// Checks an address of an authorization server, which the manifest itself names.
    pub(super) fn of_endpoint(endpoint: &OAuthEndpoint) -> Result<Self, String> {
        let OAuthEndpoint { url, private } = endpoint;
        let url = parse(url, url.as_str())?;
        let (methods, path_prefixes) = (vec![Method::POST], Vec::new());
        let allowed = AllowedOrigin { origin: url.clone(), methods, path_prefixes, private: *private };
        Self::checked(Method::POST, url, &allowed)
    }

    fn checked(method: Method, url: Url, allowed: &AllowedOrigin) -> Result<Self, String> {
        if url.scheme() == "http" && !allowed.private {
            return Err("plain HTTP is only for private endpoints".into());
        }
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(format!("`{method}` is never sent"));
        }
        let target = Self { method, url, private: allowed.private };
        if target.path_and_query().parse::<http::uri::PathAndQuery>().is_err() {
            return Err("the path or the query is not one of HTTP".into());
        }
        Ok(target)
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn origin(&self) -> Origin {
        self.url.origin()
    }

    /// Whether addresses that are not global are permitted.
    pub(super) fn private(&self) -> bool {
        self.private
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `Host` and `:authority`.
    pub(super) fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Path and query.
    pub(super) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// True where the query has a parameter of this name, however it is written.
    pub(super) fn has_query(&self, name: &str) -> bool {
        self.url.query_pairs().any(|(key, _)| key == name)
    }

    /// Adds a query parameter: the only change that is possible after the check.
    pub(super) fn add_query(&mut self, name: &str, value: &str) {
        self.url.query_pairs_mut().append_pair(name, value);
    }
}

/// Reads an address strictly. What the URL standard would repair (backslashes, dot segments, spaces) is refused, so that no
/// other reader can understand it differently.
fn parse(base: &Url, address: &str) -> Result<Url, String> {
    if address.len() > URL_BYTES_MAX {
        return Err(format!("the address is over {URL_BYTES_MAX} bytes"));
    }
    if let Some(odd) = address.chars().find(|character| !may_stand(*character)) {
        return Err(format!("the address holds `{}`, which must be percent-encoded", odd.escape_default()));
    }
    let whole = if address.starts_with('/') {
        format!("{}{address}", base.origin().ascii_serialization())
    } else {
        address.to_owned()
    };
    let after_scheme = whole.strip_prefix("https://").or_else(|| whole.strip_prefix("http://"));
    let after_scheme = after_scheme.ok_or("the address starts with neither `https://` nor `/`")?;
    let url = Url::parse(&whole).map_err(|error| format!("the address can't be read: {error}"))?;
    let authority_end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let (authority, rest) = after_scheme.split_at(authority_end);
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user name".into());
    }
    if url.fragment().is_some() {
        return Err("the address holds a fragment".into());
    }
    let path = rest.split('?').next().unwrap_or_default();
    check_path(path)?;
    if url.path() != if path.is_empty() { "/" } else { path } {
        return Err("the path is not in its normal form".into());
    }
    Ok(url)
}

fn may_stand(character: char) -> bool {
    character.is_ascii_graphic() && !matches!(character, '\\' | '#' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
}

/// Refuses a path that some server might take for another one.
fn check_path(path: &str) -> Result<(), String> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err("the path holds `//`".into());
        }
        // Some servers cut off `;…` before they resolve dots.
        if matches!(segment.split(';').next(), Some("." | "..")) {
            return Err("the path holds a dot segment".into());
        }
        check_escapes(segment)?;
    }
    Ok(())
}

fn check_escapes(segment: &str) -> Result<(), String> {
    let mut rest = segment;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or("the path holds a `%` that encodes nothing")?;
        rest = after.get(2..).unwrap_or_default();
        let twice = byte == b'%' && rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.');
        if twice || unreserved || byte.is_ascii_control() || matches!(byte, b'/' | b'\\') {
            return Err(format!("the path holds `%{byte:02X}` in encoded form"));
        }
    }
    Ok(())
}

/// True where `path` is the prefix or lies below it, on a segment boundary.
fn is_below(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.starts_with('/') && (prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::tests::scope_for;

    fn allow(address: &str) -> Result<Target, String> {
        let mut scope = scope_for("https://social.example");
        for allowed in &mut scope.origins {
            allowed.private = false;
            allowed.path_prefixes = vec!["/api/v1".into(), "/media/".into()];
            allowed.methods = vec![Method::GET];
        }
        Target::of_request(&scope, "GET", address)
    }

    #[test]
    fn what_lies_below_a_prefix_is_allowed() {
        for (address, sent) in [
            ("/api/v1", "https://social.example/api/v1"),
            ("/api/v1/", "https://social.example/api/v1/"),
            ("/api/v1/x?max_id=1&x[]=%2F..%2F", "https://social.example/api/v1/x?max_id=1&x[]=%2F..%2F"),
            ("https://social.example/api/v1/x", "https://social.example/api/v1/x"),
            ("https://SOCIAL.example:443/api/v1/x", "https://social.example/api/v1/x"),
            ("/media/a%20b;v=1", "https://social.example/media/a%20b;v=1"),
            ("/api/v1/100%25", "https://social.example/api/v1/100%25"),
            ("/api/v1/t/%C5%99", "https://social.example/api/v1/t/%C5%99"),
        ] {
            let target = allow(address).unwrap_or_else(|why| panic!("{address}: {why}"));
            assert_eq!(target.url().as_str(), sent);
        }
    }

    #[test]
    fn tricks_are_refused() {
        for address in [
            "",
            "/",
            "/api",
            "/api/",
            "/api/v10",
            "/api/v1x/y",
            "/media",
            "/API/v1",
            "api/v1",
            "//social.example/api/v1",
            "///api/v1",
            "/api//v1",
            "/api/v1//x",
            "/api/v1/../v2",
            "/api/v1/..",
            "/api/v1/.",
            "/api/v1/./x",
            "/api/v1/..;/admin",
            "/api/v1/..;x=1/admin",
            "/api/v1/%2e%2e/v2",
            "/api/v1/%2E%2e/v2",
            "/api/v1/.%2e/v2",
            "/api/v1%2fx",
            "/api/v1/%2F..%2F",
            "/api/v1/%5c..%5cx",
            "/api/v1\\..\\x",
            "/api/v1/%252e%252e/x",
            "/api/v1/%00",
            "/api/v1/%0d%0a",
            "/api/v1/%zz",
            "/api/v1/%2",
            "/api/v1/%",
            "/%61pi/v1",
            "/api/v1/x#y",
            "/api/v1/ x",
            "/api/v1/\tx",
            "/api/v1/\r\nx",
            "/api/v1/é",
            "/api/v1/\u{2025}",
            "http://social.example/api/v1",
            "https:social.example/api/v1",
            "https:/social.example/api/v1",
            "https:///social.example/api/v1",
            "HTTPS://social.example/api/v1",
            "https://user@social.example/api/v1",
            "https://:p@social.example/api/v1",
            "https://@social.example/api/v1",
            "https://social.example@evil.example/api/v1",
            "https://evil.example/api/v1",
            "https://social.example.evil.example/api/v1",
            "https://social.example:8443/api/v1",
            "https://social.example./api/v1",
            "https://social.example\\@evil/api/v1",
            "https://evil.example?https://social.example/api/v1",
            "https://social.example",
            "https://social.example?/api/v1",
            "ftp://social.example/api/v1",
            "file:///api/v1",
            "https://[::1]/api/v1",
            "https://127.1/api/v1",
        ] {
            assert!(allow(address).is_err(), "{address:?}");
        }
        assert!(allow(&format!("/api/v1/{}", "x".repeat(URL_BYTES_MAX))).is_err());
    }

    #[test]
    fn methods_are_exact() {
        let mut scope = scope_for("https://social.example");
        scope.origins[0].methods = vec![Method::GET, Method::TRACE, Method::CONNECT];
        assert!(Target::of_request(&scope, "GET", "/x").is_ok());
        for method in ["get", "POST", "", "GE T", "GET\r\n", "TRACE", "CONNECT"] {
            assert!(Target::of_request(&scope, method, "/x").is_err(), "{method:?}");
        }
    }

    #[test]
    fn plain_http_needs_a_private_origin() {
        let mut scope = scope_for("http://social.example");
        assert!(Target::of_request(&scope, "GET", "/x").is_ok());
        scope.origins[0].private = false;
        assert!(Target::of_request(&scope, "GET", "/x").is_err());
    }

    /// How a lax server might read a path: decode twice, turn backslashes, cut parameters, resolve dots.
    fn lax(path: &str) -> Vec<String> {
        let mut text = path.to_owned();
        for _ in 0..2 {
            let pairs = format!("k={}", text.replace('+', "%2B").replace('&', "%26"));
            text = url::form_urlencoded::parse(pairs.as_bytes()).map(|(_, value)| value.into_owned()).collect();
        }
        let mut segments = Vec::new();
        for segment in text.replace('\\', "/").split('/') {
            match segment.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name => segments.push(name.to_owned()),
            }
        }
        segments
    }

    proptest! {
        #[test]
        fn what_is_allowed_stays_below_its_prefix_for_lax_servers(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "/", "//", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "2e", "2f", ";", "x", "api", "v1", "%61", "?", "#",
                "@", "%00", "%", "media", "%C3%A9", " ", ":",
            ]), 0..12),
            prefixed in any::<bool>(),
        ) {
            let address = format!("{}{}", if prefixed { "/api/v1" } else { "/" }, pieces.concat());
            if let Ok(target) = allow(&address) {
                let segments = lax(target.url().path());
                prop_assert!(
                    segments.starts_with(&["api".into(), "v1".into()]) || segments.starts_with(&["media".into()]),
                    "{address} -> {segments:?}",
                );
                prop_assert_eq!(target.url().host_str(), Some("social.example"));
            }
        }
    }
}
