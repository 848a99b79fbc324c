//! The one place where a credential meets a request.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    headers::is_ours,
    target::Target,
    types::{CredentialRule, CredentialScheme, Scope, SendFailure},
};
use crate::vault::{self, Credential};

/// Refuses a request that would take a credential to another origin than it was sealed for: the account's endpoint may have been
/// edited since, and whoever may edit it need not be whoever may have the credential.
pub(super) fn bound(scope: &Scope, credential: &Credential, target: &Target) -> Result<(), SendFailure> {
    let origins = &credential.origins;
    let endpoint = scope.base.origin();
    if !origins.is_endpoint(&endpoint) {
        let why = vault::elsewhere(scope.account.as_str(), origins.endpoint(), &endpoint);
        return Err(SendFailure::NoCredential(why));
    }
    if !origins.allow(&target.origin()) {
        return Err(SendFailure::NoCredential(format!(
            "The credential of `{}` was not set for {}. An operator must set it again, under the plugin that asks for this address.",
            scope.account,
            target.origin().ascii_serialization()
        )));
    }
    Ok(())
}

/// Applies a credential that is not a session.
pub(super) fn inject(
    rule: &CredentialRule,
    credential: &Credential,
    target: &mut Target,
    headers: &mut HeaderMap,
) -> Result<(), SendFailure> {
    match &rule.scheme {
        CredentialScheme::Bearer => bearer(value(rule, credential, 0)?, headers),
        CredentialScheme::Basic => {
            let pair = basic_pair(value(rule, credential, 0)?, value(rule, credential, 1)?);
            let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
            headers.insert(AUTHORIZATION, sensitive(&text)?);
            Ok(())
        }
        CredentialScheme::Header(name) => {
            let name = HeaderName::from_bytes(name.as_bytes())
                .ok()
                .filter(|name| *name == AUTHORIZATION || !is_ours(name))
                .ok_or_else(|| SendFailure::Denied(format!("no credential can be put into the header `{name}`")))?;
            headers.insert(name, sensitive(value(rule, credential, 0)?.expose_secret())?);
            Ok(())
        }
        CredentialScheme::Query(name) => {
            if target.has_query(name) {
                return Err(SendFailure::Denied(format!("the query parameter `{name}` is the credential's")));
            }
            target.add_query(name, value(rule, credential, 0)?.expose_secret());
            Ok(())
        }
        CredentialScheme::OAuth1 | CredentialScheme::Webhook => {
            Err(SendFailure::Denied("a signature is made of the whole request".into()))
        }
        CredentialScheme::Session(_) => Err(SendFailure::Denied("a session needs a login".into())),
        CredentialScheme::OAuth(_) => Err(SendFailure::Denied("an access token is got first".into())),
    }
}

/// Applies a token.
pub(super) fn bearer(token: &SecretString, headers: &mut HeaderMap) -> Result<(), SendFailure> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    headers.insert(AUTHORIZATION, sensitive(&text)?);
    Ok(())
}

/// The values that must not be seen, of those that a rule names.
pub(super) fn secrets_of(rule: &CredentialRule, credential: &Credential) -> Vec<SecretString> {
    let named = |name: &String| credential.secrets.get(name).cloned();
    let values: Vec<SecretString> = match (&rule.scheme, rule.secrets.as_slice()) {
        // Without names, everything is secret.
        (_, []) => return credential.secrets.values().cloned().collect(),
        (CredentialScheme::Basic, [user, password, ..]) => {
            let (user, password) = (named(user), named(password));
            let pair = user.as_ref().zip(password.as_ref()).map(|(user, password)| basic_pair(user, password));
            [password, pair].into_iter().flatten().collect()
        }
        (_, names) => names.iter().filter_map(named).collect(),
    };
    values
}

fn basic_pair(user: &SecretString, password: &SecretString) -> SecretString {
    SecretString::from(format!("{}:{}", user.expose_secret(), password.expose_secret()))
}

pub(super) fn value<'a>(
    rule: &CredentialRule,
    credential: &'a Credential,
    index: usize,
) -> Result<&'a SecretString, SendFailure> {
    let found = match rule.secrets.get(index) {
        Some(name) => credential.secrets.get(name),
        None if rule.secrets.is_empty() && credential.secrets.len() == 1 => credential.secrets.values().next(),
        None => None,
    };
    found.ok_or_else(|| {
        let name = rule.secrets.get(index).map_or("", String::as_str);
        SendFailure::NoCredential(format!("the credential `{}` has no value `{name}`; set it again", rule.label))
    })
}

pub(super) fn sensitive(text: &str) -> Result<HeaderValue, SendFailure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        SendFailure::NoCredential("the credential holds characters that no header can carry; set it again".into())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
