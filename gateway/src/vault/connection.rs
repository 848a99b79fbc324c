//! How an account stands with an authorization server (OAuth 2): what may be known of its tokens without opening them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Vault, VaultError, name_of};
use crate::{model::AccountId, records::SealedRecord};

/// Names in the open part of a session's row.
const CONNECTED: &str = "connected_at";
const REFRESHED: &str = "refreshed_at";
const EXPIRES: &str = "expires_at";
const RECONNECT: &str = "reconnect_since";
const CREDENTIAL: &str = "credential_generation";

/// What is known of the tokens of a connection. No token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// When a person connected the account.
    pub connected_at: Timestamp,
    /// When the tokens were renewed last; none where they are the first.
    pub refreshed_at: Option<Timestamp>,
    /// When the access token runs out; none where the network did not say.
    pub expires_at: Option<Timestamp>,
    /// Since when the authorization server gives no more tokens, so that a person must connect the account again.
    pub reconnect_since: Option<Timestamp>,
}

impl Connection {
    /// When the access token was got.
    pub(crate) fn got_at(&self) -> Timestamp {
        self.refreshed_at.unwrap_or(self.connected_at)
    }

    /// Into the open part of a row.
    pub(super) fn write(&self, generation: u64, public: &mut BTreeMap<String, String>) {
        public.insert(CREDENTIAL.to_owned(), generation.to_string());
        public.insert(CONNECTED.to_owned(), self.connected_at.to_string());
        let times = [(REFRESHED, self.refreshed_at), (EXPIRES, self.expires_at), (RECONNECT, self.reconnect_since)];
        for (name, time) in times {
            if let Some(time) = time {
                public.insert(name.to_owned(), time.to_string());
            }
        }
    }

    /// From the open part of a row; none where it is not of a connection, or of another credential than the one of `generation`.
    fn read(row: &SealedRecord, generation: u64) -> Option<Self> {
        let time = |name: &str| row.public.get(name)?.parse().ok();
        let of: u64 = row.public.get(CREDENTIAL)?.parse().ok()?;
        if of != generation {
            return None;
        }
        Some(Self {
            connected_at: time(CONNECTED)?,
            refreshed_at: time(REFRESHED),
            expires_at: time(EXPIRES),
            reconnect_since: time(RECONNECT),
        })
    }
}

impl Vault {
    /// How the account's credential of that label is connected; none where it is not.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn connection(&self, account: &AccountId, label: &str) -> Result<Option<Connection>, VaultError> {
        let Some(credential) = self.seen(&name_of("credential", account, label)?).await? else { return Ok(None) };
        let row = self.seen(&name_of("session", account, label)?).await?;
        Ok(row.and_then(|row| Connection::read(&row, credential.generation)))
    }

    /// Counts up with each change of a credential or its tokens, so that who tells of them need not look all the time.
    pub fn changes(&self) -> u64 {
        self.changes.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }
}
