//! Who a person is to a registry: from the environment, or from what `docker login` left.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::outcome::Failure;

/// The environment's names.
pub const USER: &str = "PRESSGATE_REGISTRY_USER";
/// The password's.
pub const PASSWORD: &str = "PRESSGATE_REGISTRY_PASSWORD";

/// A user and a password, or a token in its place.
pub struct Login {
    /// The name.
    pub user: String,
    /// The secret.
    pub password: Zeroizing<String>,
}

/// What a registry asks for (RFC 9110 §11.6.1; the token's parameters are those of the distribution project).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// To do what.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads `WWW-Authenticate`; none where it asks for something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest.trim();
        while let Some((name, after)) = rest.split_once('=') {
            // A scope has commas within its quotes.
            let (value, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                "scope" => scope = Some(value.to_owned()),
                _ => {}
            }
            rest = left.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// The login for a registry; none where there is none, and the registry is asked as nobody.
///
/// # Errors
/// Half of one is in the environment.
pub fn find(registry: &str) -> Result<Option<Login>, Failure> {
    match (environment(USER), environment(PASSWORD)) {
        (Some(user), Some(password)) => return Ok(Some(Login { user, password: Zeroizing::new(password) })),
        (None, None) => {}
        _ => return Err(Failure::Usage(format!("set both {USER} and {PASSWORD}, or neither"))),
    }
    let Some(file) = docker_config() else { return Ok(None) };
    let Ok(text) = std::fs::read(file) else { return Ok(None) };
    Ok(of_docker(&Zeroizing::new(text), registry))
}

/// `docker login` writes `auths.<registry>.auth`, base64 of user and password.
fn of_docker(text: &[u8], registry: &str) -> Option<Login> {
    let config: Value = serde_json::from_slice(text).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let names = |name: &str| {
        name == registry || name.split("//").last().is_some_and(|rest| rest.split('/').next() == Some(registry))
    };
    let auth = auths.iter().find(|(name, _)| names(name))?.1.get("auth")?.as_str()?;
    let pair = Zeroizing::new(BASE64_STANDARD.decode(auth).ok()?);
    let pair = std::str::from_utf8(&pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(Login { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn docker_config() -> Option<PathBuf> {
    let folder = environment("DOCKER_CONFIG").map(PathBuf::from);
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".docker"));
    Some(folder.or_else(home)?.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_a_token_is_got() {
        let challenge = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:acme/square:pull,push""#;
        let Some(Challenge::Bearer { realm, service, scope }) = Challenge::parse(challenge) else {
            panic!("no challenge")
        };
        assert_eq!((realm.as_str(), service.as_deref()), ("https://auth.example/token", Some("registry.example")));
        assert_eq!(scope.as_deref(), Some("repository:acme/square:pull,push"));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        for other in ["Bearer", "Bearer service=x", "Bearer realm=\"x", "Digest realm=\"x\"", ""] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }

    #[test]
    fn docker_login_is_read_for_this_registry_alone() {
        let text = br#"{"auths":{"https://registry.example/v1/":{"auth":"b3BzOnNlY3JldDpvbmU="},"other.example":{"auth":"eDp5"}}}"#;
        let login = of_docker(text, "registry.example").expect("a login");
        assert_eq!((login.user.as_str(), login.password.as_str()), ("ops", "secret:one"));
        assert!(of_docker(text, "evil.example").is_none() && of_docker(b"{", "registry.example").is_none());
        assert!(of_docker(br#"{"auths":{"registry.example":{"auth":"%"}}}"#, "registry.example").is_none());
    }
}
