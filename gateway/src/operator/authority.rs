//! The certificate authority of the forward door: made, renewed, shown. Its key never leaves.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{By, Ops, OpsError, credentials::Wants, ops::leaf_of};
use crate::{
    audit::leaf::Changed,
    authority::{Authority, AuthorityError, places},
    gateway::Gateway,
    vault::Vault,
};

/// What the leaf of a change names.
const SUBJECT: &str = "forward-ca";

/// An authority that somebody wants.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRequest {
    /// In place of the one that there is, for the hosts of this moment and with the same key.
    #[serde(default)]
    pub renew: bool,
    /// With a new key: clients must then trust the new certificate at once.
    #[serde(default)]
    pub new_key: bool,
}

/// The authority, without its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthorityView {
    /// What it is called.
    pub name: String,
    /// Its certificate, PEM: what clients are to trust.
    pub certificate: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub digest: String,
    /// The hosts that its name constraints permit.
    pub hosts: Vec<String>,
    /// When it ends.
    pub until: Timestamp,
    /// What should be done about it, one sentence each.
    pub notes: Vec<String>,
}

impl From<AuthorityError> for OpsError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::NoHosts | AuthorityError::TooManyHosts => Self::Invalid(error.to_string()),
            AuthorityError::Unreadable | AuthorityError::NotMade(_) => Self::Internal(error.to_string()),
        }
    }
}

impl Wants<'_> {
    /// The authority that a vault keeps, as it stands to these accounts.
    ///
    /// # Errors
    /// The vault's.
    pub async fn authority(&self, vault: &Vault, now: Timestamp) -> Result<Option<AuthorityView>, OpsError> {
        Ok(kept(vault).await?.map(|authority| view(&authority, *self, now)))
    }

    /// The hosts that an authority for these accounts is for, each with an account that has it.
    fn hosts(&self) -> Vec<(String, String)> {
        let accounts = self.governance.accounts.values();
        let of = |account: &crate::model::Account| {
            let id = account.id.to_string();
            places(account, self.shelf.manifest(&account.adapter))
                .into_iter()
                .map(move |place| (place.host, id.clone()))
        };
        accounts.flat_map(|account| of(account).collect::<Vec<_>>()).collect()
    }
}

async fn kept(vault: &Vault) -> Result<Option<Authority>, OpsError> {
    let Some(kept) = vault.authority().await? else { return Ok(None) };
    Ok(Some(Authority::open(&kept)?))
}

/// What should be done about an authority.
fn notes(authority: &Authority, wants: Wants<'_>, now: Timestamp) -> Vec<String> {
    let mut told = BTreeSet::new();
    let mut notes = Vec::new();
    for (host, account) in wants.hosts() {
        if !authority.hosts().contains(&host) && told.insert(host.clone()) {
            notes.push(format!(
                "the forward door can't lead `{account}` to `{host}`: its certificate authority is not for that host; run `pressgate ca init --renew`, and give clients the new certificate"
            ));
        }
    }
    if authority.ends_soon(now) {
        let until = authority.until();
        notes.push(format!(
            "the certificate authority of the forward door ends at {until}; run `pressgate ca init --renew`, and give clients the new certificate"
        ));
    }
    notes
}

fn view(authority: &Authority, wants: Wants<'_>, now: Timestamp) -> AuthorityView {
    AuthorityView {
        name: authority.name().to_owned(),
        certificate: authority.pem(),
        digest: authority.digest(),
        hosts: authority.hosts().iter().cloned().collect(),
        until: authority.until(),
        notes: notes(authority, wants, now),
    }
}

impl Ops<'_> {
    /// Makes the authority, or one in its place.
    ///
    /// # Errors
    /// [`OpsError::Invalid`] where there is one already and `renew` is not said, or no account has a host; the stores'.
    pub async fn init_authority(
        &self,
        by: &By,
        wants: Wants<'_>,
        wish: AuthorityRequest,
    ) -> Result<(Authority, AuthorityView), OpsError> {
        let before = kept(self.vault).await?;
        let action = match (&before, wish) {
            (None, AuthorityRequest { renew: false, .. }) => "init",
            (None, _) => return Err(OpsError::Missing("there is no authority yet; run `pressgate ca init`".into())),
            (Some(_), AuthorityRequest { renew: true, new_key: false }) => "renew",
            (Some(_), AuthorityRequest { renew: true, new_key: true }) => "renew-key",
            (Some(_), _) => {
                let why = "there is an authority already; `pressgate ca export` prints its certificate, and `pressgate ca init --renew` makes one for the hosts of this moment";
                return Err(OpsError::Invalid(why.into()));
            }
        };
        let hosts = wants.hosts().into_iter().map(|(host, _)| host).collect();
        let now = self.clock.now();
        let authority = Authority::make(hosts, before.as_ref().filter(|_| !wish.new_key), now)?;
        let kept = authority.kept()?;
        let change = leaf_of(Changed::Setting, action, SUBJECT.to_owned(), Some(authority.digest()), by);
        self.change(change, self.vault.keep_authority(&kept)).await?;
        let view = view(&authority, wants, now);
        Ok((authority, view))
    }

    /// The authority, where there is one.
    ///
    /// # Errors
    /// The vault's.
    pub async fn authority(&self, wants: Wants<'_>) -> Result<Option<AuthorityView>, OpsError> {
        wants.authority(self.vault, self.clock.now()).await
    }

    /// What should be done about the authority under a governance; nothing where there is none.
    ///
    /// # Errors
    /// The vault's.
    pub async fn authority_notes(&self, wants: Wants<'_>) -> Result<Vec<String>, OpsError> {
        Ok(self.authority(wants).await?.map_or_else(Vec::new, |view| view.notes))
    }
}

/// Makes the authority of a running gateway. New tunnels are spoken to with it at once.
///
/// # Errors
/// As for [`Ops::init_authority`].
pub async fn init(gateway: &Gateway, by: &By, wish: AuthorityRequest) -> Result<AuthorityView, OpsError> {
    // One at a time, and under one governance.
    let _applying = gateway.applying.lock().await;
    let governance = gateway.governance.load_full();
    let wants = Wants { governance: &governance, shelf: &gateway.shelf };
    let (authority, view) = Ops::running(gateway).init_authority(by, wants, wish).await?;
    gateway.authority.store(Some(std::sync::Arc::new(authority)));
    Ok(view)
}

/// What a gateway says in its own log when it starts to serve tunnels.
pub async fn warn(gateway: &Gateway) {
    let governance = gateway.governance.load_full();
    let wants = Wants { governance: &governance, shelf: &gateway.shelf };
    match Ops::running(gateway).authority(wants).await {
        Ok(None) => tracing::warn!("the forward door opens no tunnel before `pressgate ca init`"),
        Ok(Some(view)) => {
            for note in view.notes {
                tracing::warn!("{note}");
            }
        }
        Err(error) => tracing::error!(%error, "the certificate authority of the forward door can't be read"),
    }
}
