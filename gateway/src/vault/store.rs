//! The narrow view that the vault has of the record store: it keeps ciphertext by name.

use std::sync::Arc;

use crate::records::{Answer, Records, SealedRecord};

/// Keeps sealed values. Each operation returns when its effect is durable.
pub trait SealedStore: Send + Sync + 'static {
    /// Keeps a value under its name, replacing an older generation.
    fn put(&self, sealed: SealedRecord) -> Answer<'_, ()>;
    /// The value of that name.
    fn get(&self, name: String) -> Answer<'_, Option<SealedRecord>>;
    /// All values whose name starts with `prefix`.
    fn list(&self, prefix: String) -> Answer<'_, Vec<SealedRecord>>;
    /// Deletes a value; false where there was none.
    fn delete(&self, name: String) -> Answer<'_, bool>;
}

impl SealedStore for Arc<dyn Records> {
    fn put(&self, sealed: SealedRecord) -> Answer<'_, ()> {
        self.put_sealed(sealed)
    }

    fn get(&self, name: String) -> Answer<'_, Option<SealedRecord>> {
        self.sealed(name)
    }

    fn list(&self, prefix: String) -> Answer<'_, Vec<SealedRecord>> {
        self.sealed_list(prefix)
    }

    fn delete(&self, name: String) -> Answer<'_, bool> {
        self.delete_sealed(name)
    }
}
