//! What adapters say of themselves, asked once for each component.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::host::{Description, PluginError, Release};

/// Descriptions by the component's digest.
#[derive(Default)]
pub struct Descriptions {
    known: RwLock<HashMap<String, Arc<Description>>>,
}

impl Descriptions {
    /// The adapter's description.
    pub async fn of(&self, adapter: &Arc<Release>) -> Result<Arc<Description>, PluginError> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(adapter.digest()) {
            return Ok(Arc::clone(known));
        }
        let description = Arc::new(adapter.describe().await?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(adapter.digest().to_owned(), Arc::clone(&description));
        Ok(description)
    }
}
