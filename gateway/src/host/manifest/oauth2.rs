//! The scheme `oauth2`: which endpoints of an authorization server the gateway uses for a person's consent and for tokens.

use url::Url;

use super::{
    CredentialDecl, CredentialScheme,
    check::{Checked, ManifestError, count, path},
    raw::{RawClientAuthentication, RawCredential, RawOAuth2},
    section::shorten,
};

/// What stands for the address in `accounts.toml`.
const ACCOUNT_ENDPOINT: &str = "{account.endpoint}";
/// Length of an address.
const URL_BYTES_MAX: usize = 512;
/// Length of one scope.
const SCOPE_BYTES_MAX: usize = 256;
/// Names of a client's values.
pub const CLIENT_ID: &str = "client_id";
/// The one that proves who the client is.
pub const CLIENT_SECRET: &str = "client_secret";

/// How tokens are got (RFC 6749 with PKCE) and ended (RFC 7009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth2Decl {
    /// Where a person agrees, in a browser.
    pub authorization: Endpoint,
    /// Where tokens are got.
    pub token: Endpoint,
    /// Where they are ended, where the network has that.
    pub revocation: Option<Endpoint>,
    /// Who the authorization server says that it is, in `iss` of its answer (RFC 9207); one that says nothing is then refused.
    pub issuer: Option<Endpoint>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the gateway proves which client it is.
    pub client: ClientAuthentication,
}

/// An address of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A path on the server of the account; empty for its bare origin.
    OfAccount(String),
    /// This address.
    Fixed(String),
}

/// How a client authenticates at the token endpoint (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// HTTP Basic.
    Basic,
    /// Parameters of the body.
    Post,
    /// A public client: its name alone.
    None,
}

impl Endpoint {
    /// The address for an account at this endpoint, as text: an issuer is compared letter by letter.
    pub fn text(&self, account: &Url) -> String {
        match self {
            Self::OfAccount(path) => format!("{}{path}", account.origin().ascii_serialization()),
            Self::Fixed(address) => address.clone(),
        }
    }

    /// True where it is on the server of the account.
    pub fn is_of_account(&self) -> bool {
        matches!(self, Self::OfAccount(_))
    }
}

impl OAuth2Decl {
    /// Every address to which the client's values or tokens go.
    pub fn carried_to(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.token).chain(self.revocation.as_ref())
    }
}

/// A credential of the scheme. What an operator sets follows from how the client authenticates.
pub(super) fn credential(place: &str, raw: &RawCredential, declared: &RawOAuth2) -> Checked<CredentialDecl> {
    for (key, given) in
        [("secrets", raw.secrets.is_some()), ("public", !raw.public.is_empty()), ("name", raw.name.is_some())]
    {
        if given {
            let message = "the scheme `oauth2` has none of an author's own; leave it out";
            return Err(ManifestError::at(format!("{place}.{key}"), message));
        }
    }
    if raw.session.is_some() {
        return Err(ManifestError::at(place, "the scheme `session`, and only that, has a `[credential.session]`"));
    }
    let secrets = match declared.client_authentication {
        RawClientAuthentication::None => vec![CLIENT_ID.to_owned()],
        _ => vec![CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned()],
    };
    let scheme = CredentialScheme::OAuth2(Box::new(check(&format!("{place}.oauth2"), declared)?));
    // The client's name stands in the address that a person opens: it is no secret.
    let public = vec![CLIENT_ID.to_owned()];
    Ok(CredentialDecl { label: raw.label.clone(), scheme, secrets, public, instead_of: raw.instead_of.clone() })
}

fn check(place: &str, raw: &RawOAuth2) -> Checked<OAuth2Decl> {
    let at = |key: &str| format!("{place}.{key}");
    let optional =
        |key: &str, text: &Option<String>, bare| text.as_ref().map(|text| endpoint(&at(key), text, bare)).transpose();
    count(&at("scopes"), raw.scopes.len())?;
    for (index, scope) in raw.scopes.iter().enumerate() {
        // What RFC 6749 section 3.3 lets a scope have.
        let fits = !scope.is_empty()
            && scope.len() <= SCOPE_BYTES_MAX
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        if !fits {
            let message = "must be one scope: visible ASCII without blanks, `\"` and `\\`";
            return Err(ManifestError::at(format!("{place}.scopes[{index}]"), message));
        }
    }
    Ok(OAuth2Decl {
        authorization: endpoint(&at("authorization_endpoint"), &raw.authorization_endpoint, false)?,
        token: endpoint(&at("token_endpoint"), &raw.token_endpoint, false)?,
        revocation: optional("revocation_endpoint", &raw.revocation_endpoint, false)?,
        issuer: optional("issuer", &raw.issuer, true)?,
        scopes: raw.scopes.clone(),
        client: match raw.client_authentication {
            RawClientAuthentication::ClientSecretBasic => ClientAuthentication::Basic,
            RawClientAuthentication::ClientSecretPost => ClientAuthentication::Post,
            RawClientAuthentication::None => ClientAuthentication::None,
        },
    })
}

/// `bare`: the address may be an origin without a path.
fn endpoint(place: &str, text: &str, bare: bool) -> Checked<Endpoint> {
    if let Some(rest) = text.strip_prefix(ACCOUNT_ENDPOINT) {
        if bare && rest.is_empty() {
            return Ok(Endpoint::OfAccount(String::new()));
        }
        return path(place, rest).map(Endpoint::OfAccount);
    }
    let fault = || {
        let message = "must be `{account.endpoint}/path` or `https://host/path`, without a query";
        ManifestError::at(place, format!("`{}` {message}", shorten(text)))
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let same = url.as_str() == text || (bare && url.as_str().strip_suffix('/') == Some(text));
    if url.scheme() != "https" || !plain || !same || url.password().is_some() || text.len() > URL_BYTES_MAX {
        return Err(fault());
    }
    if !bare {
        path(place, url.path())?;
    }
    Ok(Endpoint::Fixed(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_on_the_account_or_at_a_fixed_https_address() {
        let account: Url = "https://social.example/x".parse().unwrap();
        for (text, bare, address) in [
            ("{account.endpoint}/oauth/token", false, "https://social.example/oauth/token"),
            ("{account.endpoint}", true, "https://social.example"),
            ("https://api.example/2/token", false, "https://api.example/2/token"),
            ("https://api.example", true, "https://api.example"),
            ("https://api.example/", true, "https://api.example/"),
        ] {
            let found = endpoint("x", text, bare).map(|found| found.text(&account));
            assert_eq!(found.as_deref().ok(), Some(address), "{text}: {found:?}");
        }
        for (text, bare) in [
            ("", false),
            ("/oauth/token", false),
            ("{account.endpoint}", false),
            ("{account.endpoint}oauth", false),
            ("{account.endpoint}/a/../b", false),
            ("{account.endpoint}.evil.example/token", false),
            ("http://api.example/token", false),
            ("https://api.example/token?x=1", false),
            ("https://api.example/token#x", false),
            ("https://user@api.example/token", false),
            ("https://API.example/token", false),
            ("javascript:alert(1)", true),
        ] {
            assert!(endpoint("x", text, bare).is_err(), "{text}");
        }
    }
}
