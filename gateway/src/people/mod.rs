//! People: their sign-in at the company's issuer, the devices that they enrol, the courses that they passed, and the
//! guidelines that they acknowledged.
//!
//! The pages and endpoints are in `doors/people`; here is what they rest on. Nothing here knows HTTP.

pub mod acknowledgements;
mod attempts;
mod codes;
mod guesses;
pub mod csv;
pub mod devices;
pub mod sign_in;
mod training;
mod user_code;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use crate::{
    audit::{AuditUnavailable, Leaf, leaf},
    gateway::Gateway,
    model::{PersonId, hex::hex},
    records::{Records, RecordsError},
};

pub use codes::{CODES_FOR, Codes, Polled, Shown, Started, Wrong};
pub use guesses::Guesses;
pub use training::{Standing, Training};

/// What a gateway knows of people besides the governance.
pub struct People {
    /// Sign-ins under way.
    pub(crate) attempts: attempts::Attempts,
    /// Devices that somebody enrols.
    pub codes: Codes,
    /// Courses.
    pub training: Training,
    /// Who guesses at links for outside approvers.
    pub guesses: Guesses,
    /// Who guesses at addresses of feeds. Programs go on asking for one that was revoked, which must not keep an approver out.
    pub feed_guesses: Guesses,
    /// Guidelines that they acknowledged.
    pub acknowledgements: acknowledgements::Acknowledgements,
    forms: hmac::Key,
    client_secret: Option<SecretString>,
}

impl People {
    /// `forms` is derived from the key-encryption key; `client_secret` is what the issuer knows this gateway by.
    ///
    /// # Errors
    /// The records'.
    pub async fn load(
        forms: &[u8; 32],
        client_secret: Option<SecretString>,
        records: &dyn Records,
    ) -> Result<Self, RecordsError> {
        Ok(Self {
            attempts: attempts::Attempts::default(),
            codes: Codes::default(),
            guesses: Guesses::default(),
            feed_guesses: Guesses::default(),
            training: Training::of(records.training().await?),
            acknowledgements: acknowledgements::Acknowledgements::of(records.acknowledgements().await?),
            forms: hmac::Key::new(hmac::HMAC_SHA256, forms),
            client_secret,
        })
    }

    /// What every form of this browser carries: nobody else's page can know it.
    pub fn form_token(&self, cookie: &str) -> String {
        hex(hmac::sign(&self.forms, cookie.as_bytes()).as_ref())
    }

    /// Does a form carry what it should?
    pub fn is_form_of(&self, cookie: &str, token: &str) -> bool {
        bool::from(self.form_token(cookie).as_bytes().ct_eq(token.as_bytes()))
    }
}

/// What is kept in place of a secret of 256 random bits.
fn hashed(secret: &str) -> [u8; 32] {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap_or([0; 32])
}

/// Writes that a person changed something of their own. `subject` holds opaque ids only.
async fn note(
    gateway: &Gateway,
    what: leaf::Changed,
    action: &str,
    subject: String,
    by: &PersonId,
) -> Result<(), AuditUnavailable> {
    let change = leaf::Change { what, action: action.to_owned(), subject, digest: None, by: by.to_string() };
    gateway.audit.append(Leaf::new(gateway.clock.now().as_millisecond(), change)).await.map(drop)
}
