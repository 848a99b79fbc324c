//! Where a plugin's requests may go: what its manifest asks for ∩ what the operator granted.

use url::Url;

use super::manifest::{HttpRule, Manifest, Origin};

/// What the operator granted a plugin beyond the account's endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginGrant {
    /// Origins: `https://cdn.example`.
    pub hosts: Vec<String>,
}

/// The requests that a release may make.
#[derive(Debug)]
pub(super) struct Reach {
    rules: Vec<HttpRule>,
    labels: Vec<String>,
}

impl Reach {
    /// Leaves out what was not granted.
    pub(super) fn new(manifest: &Manifest, grant: &PluginGrant) -> Self {
        let granted: Vec<String> = grant
            .hosts
            .iter()
            .filter_map(|host| Url::parse(host).ok())
            .map(|url| url.origin().ascii_serialization())
            .collect();
        let rules = manifest.http.iter().filter(|rule| match &rule.origin {
            Origin::AccountEndpoint => true,
            Origin::Fixed(origin) => granted.contains(origin),
        });
        Self {
            rules: rules.cloned().collect(),
            labels: manifest.credentials.iter().map(|credential| credential.label.clone()).collect(),
        }
    }

    /// Is this the label of a declared credential?
    pub(super) fn credential(&self, label: &str) -> Result<(), String> {
        if self.labels.iter().any(|declared| declared == label) {
            return Ok(());
        }
        Err("the manifest declares no credential of this label".into())
    }

    /// The absolute address of a permitted request. Everybody behind takes this very address, so that nobody reads the
    /// plugin's text a second time and differently.
    ///
    /// # Errors
    /// A sentence for the plugin's author.
    pub(super) fn permit(&self, endpoint: &str, method: &str, address: &str) -> Result<Url, String> {
        let relative = address.starts_with('/');
        if relative && (address.starts_with("//") || address.starts_with("/\\")) {
            return Err("the path of a request starts with one slash".into());
        }
        if address.chars().any(|letter| letter.is_control() || letter == '\\' || letter.is_whitespace()) {
            return Err("an address has no spaces, backslashes or control characters; escape them".into());
        }
        let absolute = if relative { format!("{endpoint}{address}") } else { address.to_owned() };
        let mut url = Url::parse(&absolute).map_err(|error| format!("the address is not valid: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
            return Err("an address is `https://host/…` without user and password".into());
        }
        if !means_itself(url.path()) {
            return Err("a path has no `..` and no escaped slash".into());
        }
        url.set_fragment(None);
        let origin = url.origin().ascii_serialization();
        let of_origin = |rule: &&HttpRule| match &rule.origin {
            Origin::AccountEndpoint => origin == endpoint,
            Origin::Fixed(fixed) => origin == *fixed,
        };
        if !self.rules.iter().any(|rule| of_origin(&rule)) {
            return Err(format!("the manifest and the operator's grant do not allow requests to {origin}"));
        }
        let covers = |rule: &HttpRule| {
            rule.methods.iter().any(|allowed| allowed == method)
                && rule.path_prefixes.iter().any(|prefix| is_below(url.path(), prefix))
        };
        if !self.rules.iter().filter(of_origin).any(covers) {
            return Err("the manifest does not allow this method on this path".to_owned());
        }
        Ok(url)
    }
}

/// No way of reading the path leads out of it: the parser resolved plain and escaped dots, and no slash is hidden.
fn means_itself(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    !lower.contains("%2f")
        && !lower.contains("%5c")
        && !lower.contains("%00")
        && !lower.contains("%252")
        && !path.split('/').any(|step| matches!(step, "." | ".."))
}

fn is_below(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENDPOINT: &str = "https://social.example";

    fn reach(hosts: &[&str]) -> Reach {
        let manifest = Manifest::from_toml(
            "[plugin]\nname = \"a\"\nversion = \"0.1.0\"\nkind = \"adapter\"\nwit = \"0.1.0\"\nnetworks = [\"a\"]\n\
             [[http]]\norigin = \"{account.endpoint}\"\nmethods = [\"GET\", \"POST\"]\npath_prefixes = [\"/api/v1/\"]\n\
             [[http]]\norigin = \"https://cdn.example\"\nmethods = [\"GET\"]\npath_prefixes = [\"/\"]\n\
             [[credential]]\nlabel = \"token\"\nscheme = \"bearer\"\nsecrets = [\"token\"]\n",
            |_| Err(String::new()),
        )
        .unwrap();
        Reach::new(&manifest, &PluginGrant { hosts: hosts.iter().map(ToString::to_string).collect() })
    }

    #[test]
    fn declared_requests_pass_with_one_absolute_address() {
        let reach = reach(&[]);
        for (address, absolute) in [
            ("/api/v1/statuses?x=1#y", "https://social.example/api/v1/statuses?x=1"),
            ("https://social.example:443/api/v1", "https://social.example/api/v1"),
            ("https://SOCIAL.example/api/v1/a/../b", "https://social.example/api/v1/b"),
        ] {
            assert_eq!(reach.permit(ENDPOINT, "GET", address).unwrap().as_str(), absolute);
        }
        assert!(reach.credential("token").is_ok() && reach.credential("other").is_err());
    }

    #[test]
    fn everything_else_is_denied() {
        let reach = reach(&[]);
        for (method, address) in [
            ("DELETE", "/api/v1/statuses"),
            ("get", "/api/v1/statuses"),
            ("GET", "/api/v10/statuses"),
            ("GET", "/oauth/token"),
            ("GET", "/api/v1/../../oauth/token"),
            ("GET", "/api/v1/%2e%2e/%2e%2e/oauth/token"),
            ("GET", "/api/v1/..%2f..%2foauth/token"),
            ("GET", "/api/v1/..%252f..%252foauth"),
            ("GET", "/api/v1\\..\\oauth"),
            ("GET", "//evil.example/api/v1"),
            ("GET", "https://evil.example/api/v1"),
            ("GET", "http://social.example/api/v1"),
            ("GET", "https://social.example:444/api/v1"),
            ("GET", "https://social.example.evil.example/api/v1"),
            ("GET", "https://social.example@evil.example/api/v1"),
            ("GET", "https://a:b@social.example/api/v1"),
            ("GET", "https://cdn.example/x"),
            ("GET", "file:///api/v1"),
            ("GET", "/api/v1/a b"),
            ("GET", "/api/v1/a\r\nX: y"),
            ("GET", "api/v1"),
            ("GET", ""),
        ] {
            assert!(reach.permit(ENDPOINT, method, address).is_err(), "{method} {address}");
        }
    }

    #[test]
    fn a_further_host_needs_manifest_and_grant() {
        let granted = reach(&["https://cdn.example/", "https://other.example"]);
        assert!(granted.permit(ENDPOINT, "GET", "https://cdn.example/x").is_ok());
        assert!(granted.permit(ENDPOINT, "POST", "https://cdn.example/x").is_err());
        assert!(granted.permit(ENDPOINT, "GET", "https://other.example/x").is_err());
    }

    proptest! {
        #[test]
        fn what_is_permitted_is_below_a_declared_prefix(address in "(https?://(social|evil)\\.example)?[/a.%2eEfF5cC@:\\\\?#v1pi]{0,40}") {
            if let Ok(url) = reach(&[]).permit(ENDPOINT, "GET", &address) {
                prop_assert_eq!(url.origin().ascii_serialization(), ENDPOINT);
                prop_assert!(url.path() == "/api/v1" || url.path().starts_with("/api/v1/"));
            }
        }
    }
}
