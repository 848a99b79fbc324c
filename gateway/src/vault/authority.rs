//! The gateway's own certificate authority, key included, as one sealed value.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{Vault, VaultError};

/// Name of the value.
const NAME: &str = "authority/forward";

impl Vault {
    /// Keeps the authority in place of the one before, and answers its generation.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn keep_authority(&self, value: &[u8]) -> Result<u64, VaultError> {
        let _writing = self.writing.lock().await;
        self.put(NAME.to_owned(), BTreeMap::new(), value).await
    }

    /// The authority that was kept last.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] where it is another than the gateway kept, [`VaultError::Store`].
    pub async fn authority(&self) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(sealed) = self.kept(NAME).await? else { return Ok(None) };
        Ok(Some(self.open_sealed(&sealed, None)?.value))
    }
}
