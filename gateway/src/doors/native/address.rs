//! Which account a request is for, and where its client thinks that the network is.

use axum::{
    extract::Request,
    http::{Uri, header::HOST},
};

use crate::{config::process::Native, model::AccountId};

/// The first segment of the path.
const PREFIX: &str = "/native/";

/// A request that is for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doors) struct Addressed {
    /// The account as the client names it.
    pub account: String,
    /// Path and query as the network would see them.
    pub path: String,
    /// The address that stands for the network's own in what the client is told: without a slash at the end.
    pub base: String,
    /// The network's origin, where it is another one than the account's endpoint.
    pub origin: Option<String>,
}

/// Reads a request's address: by path first, then by host name.
pub(super) fn addressed(native: &Native, encrypted: bool, request: &Request) -> Option<Addressed> {
    of(native, request.uri(), &host(request)?, scheme(encrypted))
}

/// The address of a request at a listener of the account's own: all of it is the network's.
pub(super) fn of_listener(account: &AccountId, encrypted: bool, request: &Request) -> Option<Addressed> {
    let path = request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
    let base = format!("{}://{}", scheme(encrypted), host(request)?);
    Some(Addressed { account: account.to_string(), path, base, origin: None })
}

fn host(request: &Request) -> Option<String> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    authority.or_else(|| request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned))
}

fn scheme(encrypted: bool) -> &'static str {
    if encrypted { "https" } else { "http" }
}

fn of(native: &Native, uri: &Uri, host: &str, scheme: &str) -> Option<Addressed> {
    let whole = uri.path_and_query().map_or("/", |whole| whole.as_str());
    if let Some(rest) = whole.strip_prefix(PREFIX) {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (account, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let base = format!("{scheme}://{host}{PREFIX}{account}");
        return Some(Addressed { account: account.to_owned(), path, base, origin: None });
    }
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let account = name.strip_suffix(native.domain.as_deref()?)?.strip_suffix('.')?;
    if account.is_empty() || account.contains('.') {
        return None;
    }
    let base = format!("{scheme}://{host}");
    Some(Addressed { account: account.to_owned(), path: whole.to_owned(), base, origin: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str, host: &str) -> Option<(String, String, String)> {
        let native = Native { domain: Some("social.gate.example".into()), ..Native::default() };
        let found = of(&native, &uri.parse().unwrap(), host, "https")?;
        Some((found.account, found.path, found.base))
    }

    #[test]
    fn an_account_is_named_by_path_or_by_host() {
        let some = |account: &str, path: &str, base: &str| Some((account.into(), path.into(), base.into()));
        assert_eq!(
            read("/native/acme/api/v1/x?a=%2F", "gate"),
            some("acme", "/api/v1/x?a=%2F", "https://gate/native/acme")
        );
        assert_eq!(read("/native/acme", "gate:80"), some("acme", "/", "https://gate:80/native/acme"));
        assert_eq!(read("/native/acme?x=1", "gate"), some("acme", "/?x=1", "https://gate/native/acme"));
        assert_eq!(
            read("/api/v1/x?a=1", "Acme.Social.Gate.example:8443"),
            some("acme", "/api/v1/x?a=1", "https://Acme.Social.Gate.example:8443")
        );
    }

    #[test]
    fn nothing_else_is_for_an_account() {
        for (uri, host) in [
            ("/v1/posts", "gate"),
            ("/v1/posts", "social.gate.example"),
            ("/v1/posts", ".social.gate.example"),
            ("/v1/posts", "a.b.social.gate.example"),
            ("/v1/posts", "evilsocial.gate.example"),
            ("/nativeacme/x", "gate"),
        ] {
            assert_eq!(read(uri, host), None, "{host}{uri}");
        }
    }
}
