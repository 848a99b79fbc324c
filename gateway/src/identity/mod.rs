//! Tokens of a company's own issuers (OpenID Connect): who is a caller that shows one, and who signs in?
//!
//! Issuer, audience and subject are pinned in `apps.toml`; the issuer's keys are asked for through egress and kept.

mod keys;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use url::Url;

use crate::{clock::Clock, egress::Egress};

pub use keys::Places;
pub use token::{Presented, TokenRefused, issuer_of};

/// An issuer, as `apps.toml` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// Its identifier, which tokens repeat byte for byte.
    pub id: String,
    /// Permits plain HTTP and addresses that are not on the public internet.
    pub private: bool,
}

impl Issuer {
    /// Where it says where its keys are (OpenID Connect Discovery 1.0 §4).
    fn discovery(&self) -> Option<Url> {
        Url::parse(&format!("{}/.well-known/openid-configuration", self.id.trim_end_matches('/'))).ok()
    }
}

/// Reads tokens.
pub struct Identities {
    keys: keys::Keys,
    clock: Arc<dyn Clock>,
}

impl Identities {
    /// Asks issuers through `egress`.
    pub fn new(egress: Arc<Egress>, clock: Arc<dyn Clock>) -> Self {
        Self { keys: keys::Keys::new(egress, Arc::clone(&clock)), clock }
    }

    /// Where people sign in at an issuer.
    ///
    /// # Errors
    /// [`TokenRefused::Unavailable`].
    pub async fn places(&self, issuer: &Issuer) -> Result<Places, TokenRefused> {
        self.keys.places(issuer).await
    }

    /// Whose token is it? Checked are its signature, its issuer and its times; audience and subject are the caller's to compare.
    ///
    /// # Errors
    /// [`TokenRefused`]; no text repeats anything of the token.
    pub async fn read(&self, token: &str, issuers: &[Issuer]) -> Result<Presented, TokenRefused> {
        let unread = token::Unread::of(token)?;
        let issuer = issuers.iter().find(|issuer| issuer.id == unread.issuer).ok_or(TokenRefused::UnknownIssuer)?;
        let key = self.keys.find(issuer, &unread).await?;
        token::read(token, &unread, issuer, &key, self.clock.now())
    }
}
