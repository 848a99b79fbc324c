//! `[sign_in]`: the company's issuer, at which people sign in.

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    SecretFrom,
    export::RawSecret,
    raw::{Checker, spanned},
};

/// What is asked of the issuer: who it is, and no more.
const SCOPES_DEFAULT: &[&str] = &["openid"];
/// Most scopes.
const SCOPES_MAX: usize = 16;
/// Longest name of a client, in bytes.
const CLIENT_BYTES_MAX: usize = 256;

/// Where people sign in (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The issuer's identifier, which its tokens repeat byte for byte.
    pub issuer: String,
    /// Permits plain HTTP and addresses that are not on the public internet.
    pub private_issuer: bool,
    /// What the issuer calls this gateway.
    pub client_id: String,
    /// How the gateway proves that it is this client; without it, by PKCE alone.
    pub secret: Option<SecretFrom>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where people's browsers reach the listener for apps: scheme, host and port.
    pub public_url: Url,
}

impl SignIn {
    /// The origin that browsers name: `https://gate.acme.example`.
    pub fn origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// Do browsers come by TLS, here or at a proxy before the gateway?
    pub fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// An address of the gateway, as browsers reach it.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSignIn {
    issuer: Option<Spanned<String>>,
    private_issuer: bool,
    client_id: Option<Spanned<String>>,
    secret: Option<Spanned<RawSecret>>,
    scopes: Option<Spanned<Vec<String>>>,
    public_url: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn sign_in(&mut self, raw: Option<Spanned<RawSignIn>>) -> Option<SignIn> {
        let raw = raw?;
        let (at, raw) = (raw.span().start, raw.into_inner());
        let mut given = |key: &str, value: Option<Spanned<String>>| {
            if value.is_none() {
                self.fault(at, format!("sign_in.{key}: it is missing"));
            }
            value
        };
        let issuer = given("issuer", raw.issuer);
        let client_id = given("client_id", raw.client_id);
        let public_url = given("public_url", raw.public_url);
        let secret = raw.secret.and_then(|secret| self.secret("sign_in", secret));
        let scopes = self.scopes(raw.scopes);
        let issuer = issuer.filter(|issuer| self.is_issuer(issuer, raw.private_issuer));
        let client_id = client_id.filter(|client| self.is_client(client));
        let public_url = public_url.and_then(|url| self.public_url(&url));
        Some(SignIn {
            issuer: issuer?.into_inner(),
            private_issuer: raw.private_issuer,
            client_id: client_id?.into_inner(),
            secret,
            scopes,
            public_url: public_url?,
        })
    }

    fn is_issuer(&mut self, issuer: &Spanned<String>, private: bool) -> bool {
        let schemes: &[&str] = if private { &["https", "http"] } else { &["https"] };
        let url = Url::parse(issuer.get_ref()).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
        let fits =
            url.is_some_and(|url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty());
        if !fits {
            let rule = "write the issuer's identifier, an https address (with `private_issuer = true` also http)";
            self.fault(issuer.span().start, format!("sign_in.issuer: {rule}"));
        }
        fits
    }

    fn is_client(&mut self, client: &Spanned<String>) -> bool {
        let text = client.get_ref();
        let fits = (1..=CLIENT_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let rule = format!("1 to {CLIENT_BYTES_MAX} visible ASCII characters, as the issuer gave it");
            self.fault(client.span().start, format!("sign_in.client_id: {rule}"));
        }
        fits
    }

    /// `openid` is what makes it a sign-in.
    fn scopes(&mut self, raw: Option<Spanned<Vec<String>>>) -> Vec<String> {
        let usual = || SCOPES_DEFAULT.iter().map(|scope| (*scope).to_owned()).collect();
        let Some(raw) = raw else { return usual() };
        let (at, scopes) = (raw.span().start, raw.into_inner());
        let token = |scope: &String| {
            let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            !scope.is_empty() && scope.len() <= CLIENT_BYTES_MAX && scope.bytes().all(visible)
        };
        if scopes.len() > SCOPES_MAX || !scopes.iter().all(token) || !scopes.iter().any(|scope| scope == "openid") {
            self.fault(at, format!("sign_in.scopes: at most {SCOPES_MAX} words, `openid` among them"));
            return usual();
        }
        scopes
    }

    /// A cookie and a code must not cross a network in plain text.
    fn public_url(&mut self, raw: &Spanned<String>) -> Option<Url> {
        let (text, at) = spanned(Some(raw.clone()), "");
        let url = Url::parse(&text).ok().filter(Url::has_host);
        let bare = |url: &Url| {
            let named = !url.username().is_empty() || url.password().is_some();
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !named
        };
        let Some(url) = url.filter(bare) else {
            self.fault(at, "sign_in.public_url: write scheme, host and port alone: `https://gate.acme.example`".into());
            return None;
        };
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
            return Some(url);
        }
        self.fault(at, "sign_in.public_url: it begins with `https://` unless it is on the loopback".into());
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Option<SignIn>, String> {
        Config::parse(text, "p.toml", Path::new("/etc/p"))
            .map(|config| config.sign_in)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    const GOOD: &str = "[sign_in]\nissuer = \"https://login.acme.example\"\nclient_id = \"pressgate\"\n\
                        public_url = \"https://gate.acme.example\"\n";

    #[test]
    fn it_is_read_with_its_defaults() {
        assert_eq!(parse(""), Ok(None));
        let read = parse(GOOD).unwrap().unwrap();
        assert_eq!(
            (read.scopes.as_slice(), read.secret.is_none(), read.private_issuer),
            (&["openid".to_owned()][..], true, false)
        );
        assert!(read.is_secure());
        assert_eq!(read.address("/people/callback"), "https://gate.acme.example/people/callback");
        let more = parse(&format!("{GOOD}scopes = [\"openid\", \"email\"]\nsecret = {{ file = \"client\" }}\n"));
        let more = more.unwrap().unwrap();
        assert_eq!(more.secret, Some(SecretFrom::File("/etc/p/client".into())));
        let local = GOOD.replace("https://gate.acme.example", "http://127.0.0.1:8420");
        assert!(!parse(&local).unwrap().unwrap().is_secure());
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (from, to) in [
            ("issuer = \"https://login.acme.example\"\n", ""),
            ("client_id = \"pressgate\"\n", ""),
            ("client_id = \"pressgate\"", "client_id = \"\""),
            ("public_url = \"https://gate.acme.example\"\n", ""),
            ("https://login", "http://login"),
            ("https://login.acme.example", "https://login.acme.example?x=1"),
            ("https://login.acme.example", "login.acme.example"),
            ("https://gate.acme.example", "http://gate.acme.example"),
            ("https://gate.acme.example", "https://gate.acme.example/gate"),
            ("https://gate.acme.example", "https://me@gate.acme.example"),
            ("https://gate.acme.example", "http://localhost.evil.example"),
            ("client_id", "scopes = [\"email\"]\nclient_id"),
            ("client_id", "secret = { file = \"a\", env = \"b\" }\nclient_id"),
            ("client_id", "secret = \"plain\"\nclient_id"),
            ("client_id", "callback = \"x\"\nclient_id"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert!(parse(&text).is_err_and(|fault| fault.contains("p.toml:")), "{text}");
        }
    }
}
