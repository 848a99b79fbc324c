//! The secrets that webhooks are signed with. A receiver has the same, so these come out, but only for egress and once for a person.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    Vault, VaultError,
    credential::check_name,
    envelope::{self},
    no_cipher,
};

/// How long the secret before a rotation still signs, in hours.
pub const OVERLAP_HOURS: i64 = 24;
/// Bytes of a fresh secret.
const FRESH_BYTES: usize = 32;

/// What is sealed: three lines, of which the second may be empty.
struct Kept {
    current: Zeroizing<String>,
    before: Option<Zeroizing<String>>,
    /// Until then the one before signs too, in milliseconds since 1970-01-01 UTC.
    before_until_ms: i64,
}

impl Kept {
    fn text(&self) -> Zeroizing<String> {
        let before = self.before.as_ref().map_or("", |before| before.as_str());
        Zeroizing::new(format!("{}\n{before}\n{}", self.current.as_str(), self.before_until_ms))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
        let kept = Self {
            current: Zeroizing::new(lines.next()?.to_owned()),
            before: lines.next().filter(|before| !before.is_empty()).map(|before| Zeroizing::new(before.to_owned())),
            before_until_ms: lines.next()?.parse().ok()?,
        };
        lines.next().is_none().then_some(kept)
    }
}

impl Vault {
    /// Sets the secret of a webhook; one that there was signs no more.
    ///
    /// # Errors
    /// [`VaultError::Invalid`] for a name or value that can't be kept; [`VaultError::Store`].
    pub async fn set_webhook_secret(&self, id: &str, secret: &SecretString) -> Result<(), VaultError> {
        if secret.expose_secret().contains('\n') {
            return Err(VaultError::Invalid("a webhook's secret is one line".into()));
        }
        let _writing = self.writing.lock().await;
        let current = Zeroizing::new(secret.expose_secret().to_owned());
        self.keep_webhook(id, &Kept { current, before: None, before_until_ms: 0 }).await
    }

    /// Makes a fresh secret for a webhook and gives it, this once. The one that there was signs for another [`OVERLAP_HOURS`].
    ///
    /// # Errors
    /// [`VaultError::Invalid`] for a name that can't be kept; [`VaultError::Store`].
    pub async fn rotate_webhook_secret(&self, id: &str) -> Result<Zeroizing<String>, VaultError> {
        let _writing = self.writing.lock().await;
        let before = self.webhook(id).await?.map(|kept| kept.current);
        let fresh: Zeroizing<[u8; FRESH_BYTES]> = Zeroizing::new(envelope::random().map_err(no_cipher)?);
        let current = Zeroizing::new(format!("whsec_{}", STANDARD.encode(fresh.as_slice())));
        let until = self.clock.now().saturating_add(SignedDuration::from_hours(OVERLAP_HOURS));
        let before_until_ms = until.map_or(i64::MAX, |until| until.as_millisecond());
        let given = current.clone();
        self.keep_webhook(id, &Kept { current, before, before_until_ms }).await?;
        Ok(given)
    }

    /// What a delivery of now is signed with, the newest first; none where no secret was set.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] where it is another than the gateway kept, [`VaultError::Store`].
    pub async fn webhook_secrets(&self, id: &str) -> Result<Vec<SecretString>, VaultError> {
        let Some(kept) = self.webhook(id).await? else { return Ok(Vec::new()) };
        let overlaps = self.clock.now().as_millisecond() < kept.before_until_ms;
        let before = kept.before.filter(|_| overlaps);
        Ok([Some(kept.current), before].into_iter().flatten().map(|text| SecretString::from(text.as_str())).collect())
    }

    async fn webhook(&self, id: &str) -> Result<Option<Kept>, VaultError> {
        let name = name_of(id)?;
        let Some(sealed) = self.kept(&name).await? else { return Ok(None) };
        let opened = self.open_sealed(&sealed, None)?;
        Kept::read(&opened.value).map(Some).ok_or(VaultError::Corrupt(name))
    }

    /// The caller holds `writing`.
    async fn keep_webhook(&self, id: &str, kept: &Kept) -> Result<(), VaultError> {
        let name = name_of(id)?;
        self.put(name, BTreeMap::new(), kept.text().as_bytes()).await.map(drop)
    }
}

fn name_of(id: &str) -> Result<String, VaultError> {
    check_name("webhook", id)?;
    Ok(format!("webhook/{id}"))
}
