//! Credentials: set, listed, deleted. Their values go in and never come out.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{By, Ops, OpsError, keys::unknown, ops::leaf_of, wire::CredentialView};
use crate::{
    audit::leaf::Changed,
    config::Governance,
    egress::{self, CredentialScheme},
    host::manifest::{CredentialDecl, CredentialScheme as Declared, Origin},
    model::{Account, AccountId},
    plugins::Shelf,
    vault::{Binding, Origins, Vault},
};

/// The accounts that there are and what their adapters want.
#[derive(Clone, Copy)]
pub struct Wants<'a> {
    /// The accounts.
    pub governance: &'a Governance,
    /// The adapters.
    pub shelf: &'a Shelf,
}

impl<'a> Wants<'a> {
    /// The credential that an account's adapter wants under the label; without one, the only one that it wants.
    ///
    /// # Errors
    /// [`OpsError::Missing`] for an unknown account or label, [`OpsError::Invalid`] where a label must be named.
    pub fn declared(&self, account: &str, label: Option<&str>) -> Result<(&'a Account, &'a CredentialDecl), OpsError> {
        let Some(known) = self.governance.accounts.get(account) else {
            let known = self.governance.accounts.keys().map(AccountId::as_str);
            return Err(unknown("account", account, known, "accounts.toml"));
        };
        let wanted = self.of(known);
        let labels = || wanted.iter().map(|wish| format!("`{}`", wish.label)).collect::<Vec<_>>().join(", ");
        let found = match (label, wanted) {
            (Some(label), _) => wanted.iter().find(|wish| wish.label == label).ok_or_else(|| {
                OpsError::Missing(format!(
                    "the adapter `{}` knows no such credential; its labels are: {}",
                    known.adapter,
                    labels()
                ))
            })?,
            (None, [only]) => only,
            (None, []) => {
                return Err(OpsError::Invalid(format!("the adapter `{}` needs no credential", known.adapter)));
            }
            (None, _) => return Err(OpsError::Invalid(format!("name a label: {}", labels()))),
        };
        Ok((known.as_ref(), found))
    }

    fn of(&self, account: &Account) -> &'a [CredentialDecl] {
        self.shelf.manifest(&account.adapter).map_or(&[], |manifest| manifest.credentials.as_slice())
    }

    /// What every account wants and what the vault has, and what it keeps for accounts that are no more.
    ///
    /// # Errors
    /// The vault's.
    pub async fn listed(&self, vault: &Vault) -> Result<Vec<CredentialView>, OpsError> {
        let mut views = BTreeMap::new();
        for account in self.governance.accounts.values() {
            for declared in self.of(account) {
                let view = CredentialView {
                    account: account.id.to_string(),
                    label: declared.label.clone(),
                    secrets: declared.secrets.clone(),
                    wanted: true,
                    generation: None,
                    set_at: None,
                    origin: None,
                    again: false,
                };
                views.insert((view.account.clone(), view.label.clone()), view);
            }
        }
        for kept in vault.credentials().await? {
            let at = (kept.account.to_string(), kept.label.clone());
            let view = views.entry(at).or_insert_with(|| CredentialView {
                account: kept.account.to_string(),
                label: kept.label.clone(),
                secrets: kept.secrets.clone(),
                wanted: false,
                generation: None,
                set_at: None,
                origin: None,
                again: false,
            });
            let account = self.governance.accounts.get(&kept.account);
            let fits = |account: &Account| {
                kept.origins.as_ref().is_some_and(|origins| origins.is_endpoint(&account.endpoint.origin()))
            };
            view.again = view.wanted && !account.is_some_and(|account| fits(account));
            view.origin = kept.origins.as_ref().map(|origins| origins.endpoint().to_owned());
            view.generation = Some(kept.generation);
            view.set_at = Some(kept.created_at);
        }
        Ok(views.into_values().collect())
    }

    /// Where the account's credentials may go: its endpoint, and what the adapter's manifest names besides.
    fn origins(&self, account: &Account) -> Origins {
        let rules = self.shelf.manifest(&account.adapter).map_or(&[][..], |manifest| manifest.http.as_slice());
        let further = rules.iter().filter_map(|rule| match &rule.origin {
            Origin::AccountEndpoint => None,
            Origin::Fixed(origin) => Some(origin.as_str()),
        });
        Origins::new(&account.endpoint, further)
    }
}

/// Refuses what the credential's scheme could not carry to the network. No text quotes a value.
fn carried(declared: &CredentialDecl, secrets: &BTreeMap<String, SecretString>) -> Result<(), OpsError> {
    let scheme = match &declared.scheme {
        Declared::Bearer => CredentialScheme::Bearer,
        Declared::Basic => CredentialScheme::Basic,
        Declared::Header(name) => CredentialScheme::Header(name.clone()),
        // A login carries its values in JSON, as a query does in percent-encoding: any text.
        Declared::Query(name) => CredentialScheme::Query(name.clone()),
        Declared::Session(_) => CredentialScheme::Query(String::new()),
    };
    for (index, name) in declared.secrets.iter().enumerate() {
        if let Some(why) = secrets.get(name).and_then(|value| egress::unfit(&scheme, index, value)) {
            return Err(OpsError::Invalid(format!("the value of `{name}` {why}; nothing was changed")));
        }
    }
    Ok(())
}

impl Ops<'_> {
    /// Sets a credential and answers it without its values. Sessions of the one before are forgotten.
    ///
    /// # Errors
    /// [`OpsError::Missing`] and [`OpsError::Invalid`] as for [`Wants::declared`] or for other values than the adapter wants
    /// or its scheme can carry.
    pub async fn set_credential(
        &self,
        by: &By,
        wants: Wants<'_>,
        account: &str,
        label: &str,
        secrets: BTreeMap<String, SecretString>,
    ) -> Result<CredentialView, OpsError> {
        let (account, declared) = wants.declared(account, Some(label))?;
        let mut names: Vec<&str> = declared.secrets.iter().map(String::as_str).collect();
        names.sort_unstable();
        if !secrets.keys().map(String::as_str).eq(names.iter().copied()) {
            return Err(OpsError::Invalid(format!("the credential has exactly these values: {}", names.join(", "))));
        }
        carried(declared, &secrets)?;
        let change = leaf_of(Changed::Credential, "set", format!("{}/{label}", account.id), None, by);
        let origins = wants.origins(account);
        self.change(change, self.vault.set_credential(&account.id, label, &origins, secrets)).await?;
        let views = self.list_credentials(wants).await?;
        let found = views.into_iter().find(|view| view.account == account.id.as_str() && view.label == label);
        found.ok_or_else(|| OpsError::Internal("the credential was set and is not in the list".into()))
    }

    /// What every account wants and what it has, and what is kept for accounts that are no more.
    ///
    /// # Errors
    /// The vault's.
    pub async fn list_credentials(&self, wants: Wants<'_>) -> Result<Vec<CredentialView>, OpsError> {
        wants.listed(self.vault).await
    }

    /// Deletes a credential and its sessions. When it returns, no new request is sent with it.
    ///
    /// # Errors
    /// [`OpsError::Missing`] where there is none.
    pub async fn revoke_credential(&self, by: &By, account: &str, label: &str) -> Result<(), OpsError> {
        let account = AccountId::new(account);
        if !self.vault.has_credential(&account, label).await? {
            return Err(OpsError::Missing(
                "there is no such credential; `pressgate credential list` shows them".into(),
            ));
        }
        let change = leaf_of(Changed::Credential, "revoke", format!("{account}/{label}"), None, by);
        self.change(change, self.vault.revoke_credential(&account, label)).await?;
        Ok(())
    }

    /// What operators must know of the credentials under a governance: which must be set again because their account points
    /// elsewhere than when they were set.
    ///
    /// # Errors
    /// The vault's.
    pub async fn credentials_to_set_again(&self, wants: Wants<'_>) -> Result<Vec<String>, OpsError> {
        let mut faults = Vec::new();
        for account in wants.governance.accounts.values() {
            for declared in wants.of(account) {
                let binding = self.vault.binding(&account.id, &declared.label, &account.endpoint).await?;
                // One that was never set is nothing that an apply changes.
                if binding != Binding::Missing {
                    faults.extend(binding.fault(account.id.as_str(), &declared.label, &account.endpoint));
                }
            }
        }
        Ok(faults)
    }
}
