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
    vault::{Binding, Origins, Standing, Vault},
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
        let Some(known) = self.governance.system(account) else {
            let known = self.governance.systems().map(|known| known.id.as_str());
            return Err(unknown("account or connector", account, known, "accounts.toml or connectors.toml"));
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
        for account in self.governance.systems() {
            for declared in self.of(account) {
                let mut view = empty(account.id.as_str(), &declared.label, &declared.secrets);
                view.wanted = true;
                view.scheme = declared.scheme.word().to_owned();
                views.insert((view.account.clone(), view.label.clone()), view);
            }
        }
        for kept in vault.credentials().await? {
            let at = (kept.account.to_string(), kept.label.clone());
            let view = views.entry(at).or_insert_with(|| empty(kept.account.as_str(), &kept.label, &kept.secrets));
            let account = self.governance.system(kept.account.as_str());
            let fits = |account: &Account| {
                kept.origins.as_ref().is_some_and(|origins| origins.is_endpoint(&account.endpoint.origin()))
            };
            view.again = view.wanted && !account.is_some_and(|account| fits(account));
            view.origin = kept.origins.as_ref().map(|origins| origins.endpoint().to_owned());
            view.generation = Some(kept.generation);
            view.set_at = Some(kept.created_at);
        }
        for account in self.governance.systems() {
            for declared in self.of(account) {
                let Some(label) = &declared.instead_of else { continue };
                let at = |label: &str| (account.id.to_string(), label.to_owned());
                let has = |label: &str| views.get(&at(label)).is_some_and(|view| view.generation.is_some());
                // One of the two is enough, and the one that requests name counts where both are there.
                let unneeded = if has(&declared.label) && !has(label) { label } else { &declared.label };
                if let Some(view) = views.get_mut(&at(unneeded)) {
                    view.wanted = false;
                }
            }
        }
        let mut list: Vec<_> = views.into_values().collect();
        for view in &mut list {
            self.stand(vault, view).await?;
        }
        Ok(list)
    }

    /// How a credential stands, and its connection.
    async fn stand(&self, vault: &Vault, view: &mut CredentialView) -> Result<(), OpsError> {
        let account = self.governance.accounts.get(view.account.as_str());
        let declared = account.and_then(|account| self.of(account).iter().find(|found| found.label == view.label));
        let (Some(account), Some(declared)) = (account, declared) else {
            view.state = "unused".to_owned();
            return Ok(());
        };
        let connects = declared.scheme.connects();
        let connection = if connects { vault.connection(&account.id, &view.label).await? } else { None };
        if let Some(connection) = connection {
            view.connected_at = Some(connection.connected_at);
            view.refreshed_at = connection.refreshed_at;
            view.expires_at = connection.expires_at;
            view.reconnect_since = connection.reconnect_since;
        }
        let state = match (view.set_at, view.again, vault.standing(account, &view.label, connects).await?) {
            (None, ..) if !view.wanted => "not-needed",
            (None, ..) => "missing",
            (_, true, _) => "set-again",
            (.., Standing::Reconnect(_)) => "reconnect-needed",
            (.., Standing::Refused) => "refused",
            (.., Standing::Unfit(_)) if connects && connection.is_none() => "not-connected",
            (.., Standing::Unfit(_)) => "set-again",
            (.., Standing::Usable(_)) if connects => "connected",
            (.., Standing::Usable(_)) => "set",
        };
        view.state = state.to_owned();
        Ok(())
    }

    /// Where the account's credentials may go: its endpoint, and what the adapter's manifest names besides.
    fn origins(&self, account: &Account) -> Origins {
        let rules = self.shelf.manifest(&account.adapter).map_or(&[][..], |manifest| manifest.http.as_slice());
        let further = rules.iter().filter_map(|rule| match &rule.origin {
            Origin::AccountEndpoint => None,
            Origin::Fixed(origin) => Some(origin.as_str()),
        });
        // A client's secret and its tokens go to the authorization server, which may be elsewhere.
        let servers: Vec<String> = self
            .of(account)
            .iter()
            .filter_map(|declared| match &declared.scheme {
                Declared::OAuth2(oauth) => Some(oauth.carried_to().map(|endpoint| endpoint.text(&account.endpoint))),
                _ => None,
            })
            .flatten()
            .collect();
        Origins::new(&account.endpoint, further.chain(servers.iter().map(String::as_str)))
    }
}

fn empty(account: &str, label: &str, secrets: &[String]) -> CredentialView {
    CredentialView {
        account: account.to_owned(),
        label: label.to_owned(),
        secrets: secrets.to_vec(),
        ..Default::default()
    }
}

/// Refuses what the credential's scheme could not carry to the network. No text quotes a value.
fn carried(declared: &CredentialDecl, secrets: &BTreeMap<String, SecretString>) -> Result<(), OpsError> {
    let scheme = match &declared.scheme {
        Declared::Bearer => CredentialScheme::Bearer,
        Declared::Basic => CredentialScheme::Basic,
        Declared::Header(name) => CredentialScheme::Header(name.clone()),
        // A login carries its values in JSON, a client in a form, as a query does in percent-encoding: any text.
        Declared::Query(name) => CredentialScheme::Query(name.clone()),
        Declared::Webhook => CredentialScheme::Webhook,
        Declared::Session(_) | Declared::OAuth1 | Declared::OAuth2(_) => CredentialScheme::Query(String::new()),
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

    /// Deletes a credential and its sessions, after `first`, whose answer it gives: what the network is asked while the tokens are
    /// still there. When it returns, no new request is sent with the credential.
    ///
    /// # Errors
    /// [`OpsError::Missing`] where there is none.
    pub async fn revoke_credential<T>(
        &self,
        by: &By,
        account: &str,
        label: &str,
        first: impl Future<Output = T>,
    ) -> Result<T, OpsError> {
        let account = AccountId::new(account);
        if !self.vault.has_credential(&account, label).await? {
            return Err(OpsError::Missing(
                "there is no such credential; `pressgate credential list` shows them".into(),
            ));
        }
        let change = leaf_of(Changed::Credential, "revoke", format!("{account}/{label}"), None, by);
        let revoke = async {
            let first = first.await;
            self.vault.revoke_credential(&account, label).await.map(|_| first)
        };
        self.change(change, revoke).await
    }

    /// What operators must know of the credentials under a governance: which must be set again because their account points
    /// elsewhere than when they were set.
    ///
    /// # Errors
    /// The vault's.
    pub async fn credentials_to_set_again(&self, wants: Wants<'_>) -> Result<Vec<String>, OpsError> {
        let mut faults = Vec::new();
        for account in wants.governance.systems() {
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
