//! Keys of others, wrapped: a subject's data key, say. The vault keeps none of them; it only makes and opens the envelope.

use zeroize::Zeroizing;

use super::{
    DerivedKey, Vault, VaultError,
    envelope::{self, Label, OpenError},
    kek::{KEY_BYTES, Key},
    no_cipher,
};

/// Stands before the names, so that no envelope of a credential opens as one of these.
const PREFIX: &str = "wrapped/";

impl Vault {
    /// A fresh random key and its envelope. It opens under this name alone.
    ///
    /// # Errors
    /// [`VaultError::Kek`] where the machine gives no random bytes.
    pub fn wrap_fresh(&self, name: &str) -> Result<(DerivedKey, Vec<u8>), VaultError> {
        let key: Key = Zeroizing::new(envelope::random().map_err(no_cipher)?);
        let name = format!("{PREFIX}{name}");
        let label = Label { name: &name, generation: 1, origins: None };
        let wrapped = self.wrapper.seal(&label, key.as_slice()).map_err(no_cipher)?;
        Ok((DerivedKey(key), wrapped))
    }

    /// Opens an envelope of [`Vault::wrap_fresh`].
    ///
    /// # Errors
    /// [`VaultError::WrongKek`], or [`VaultError::Corrupt`] where it is not what was wrapped under this name.
    pub fn unwrap_key(&self, name: &str, wrapped: &[u8]) -> Result<DerivedKey, VaultError> {
        let name = format!("{PREFIX}{name}");
        let label = Label { name: &name, generation: 1, origins: None };
        let opened = self.wrapper.open(&label, wrapped).map_err(|error| match error {
            OpenError::OtherKek => VaultError::WrongKek,
            OpenError::Changed => VaultError::Corrupt(name.clone()),
        })?;
        let bytes = <[u8; KEY_BYTES]>::try_from(opened.value.as_slice());
        Ok(DerivedKey(Zeroizing::new(bytes.map_err(|_| VaultError::Corrupt(name.clone()))?)))
    }
}
