//! Credentials that their network refuses: known until another value is set, so that no further call runs into the same no.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{Connection, Vault, VaultError, binding_of, name_of};
use crate::{
    model::{Account, AccountId},
    records::SealedRecord,
};

/// One value of a credential, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialMark {
    generation: u64,
    set_at: Timestamp,
    /// Where it was meant for: at another server the same value may do.
    endpoint: String,
}

/// How a credential stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none for the address that the account has: what to do, as a sentence.
    Unfit(String),
    /// The network refused this very value; only another one helps.
    Refused,
    /// The authorization server gives no more tokens since then; only a person can connect the account again.
    Reconnect(Timestamp),
    /// Nothing is known against it.
    Usable(CredentialMark),
}

/// The refused ones, by name. In memory only: after a restart one call finds out again.
#[derive(Default)]
pub(super) struct Refused(Mutex<HashMap<String, CredentialMark>>);

impl Refused {
    fn holds(&self, name: &str, mark: &CredentialMark) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name) == Some(mark)
    }
}

impl Vault {
    /// How an account's credential of that label stands. `connects`: a person must have connected it.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn standing(&self, account: &Account, label: &str, connects: bool) -> Result<Standing, VaultError> {
        let name = name_of("credential", &account.id, label)?;
        let kept = self.seen(&name).await?;
        let fault = binding_of(kept.as_deref(), &account.endpoint).fault(account.id.as_str(), label, &account.endpoint);
        let sealed = match (kept, fault) {
            (Some(sealed), None) => sealed,
            (_, fault) => return Ok(Standing::Unfit(fault.unwrap_or_default())),
        };
        let mut mark = mark(&sealed, account);
        if connects {
            match self.connection(&account.id, label).await? {
                None => return Ok(Standing::Unfit(unconnected(account.id.as_str()))),
                Some(Connection { reconnect_since: Some(since), .. }) => return Ok(Standing::Reconnect(since)),
                // Another connection is another value.
                Some(connection) => mark.set_at = connection.connected_at,
            }
        }
        Ok(if self.refused.holds(&name, &mark) { Standing::Refused } else { Standing::Usable(mark) })
    }

    /// Whether an account has a credential of that label at all.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn has(&self, account: &AccountId, label: &str) -> Result<bool, VaultError> {
        Ok(self.seen(&name_of("credential", account, label)?).await?.is_some())
    }

    /// Notes that the network refused this value.
    pub fn refuse(&self, account: &AccountId, label: &str, mark: CredentialMark) {
        if let Ok(name) = name_of("credential", account, label) {
            self.refused.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, mark);
        }
    }
}

/// Nobody has connected the account.
pub(crate) fn unconnected(account: &str) -> String {
    format!("`{account}` is not connected. An operator must run `pressgate credential connect {account}`.")
}

fn mark(sealed: &SealedRecord, account: &Account) -> CredentialMark {
    CredentialMark { generation: sealed.generation, set_at: sealed.created_at, endpoint: account.origin() }
}
