//! HTTP out: the only way to a network (design §5).

mod resolve;
mod types;

use std::sync::Arc;

pub use resolve::{Resolver, SystemResolver};
pub use types::*;

use crate::{clock::Clock, vault::Vault};

/// Sends requests for plugins: checks the address, adds the credential, blanks secrets in the answer.
pub struct Egress {
    vault: Arc<Vault>,
}

impl Egress {
    /// Opens egress with the machine's resolver.
    ///
    /// # Errors
    /// [`EgressError`] where the options can't be used.
    pub fn new(options: EgressOptions, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Result<Egress, EgressError> {
        Self::with_resolver(options, vault, clock, Arc::new(SystemResolver))
    }

    /// Opens egress with another resolver.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn with_resolver(
        _options: EgressOptions,
        vault: Arc<Vault>,
        _clock: Arc<dyn Clock>,
        _resolver: Arc<dyn Resolver>,
    ) -> Result<Egress, EgressError> {
        Ok(Egress { vault })
    }

    /// Sends one request within `scope`.
    ///
    /// # Errors
    /// [`SendFailure`]: it tells what is certain about the request.
    pub async fn send(&self, scope: &Scope, _request: OutRequest) -> Result<OutResponse, SendFailure> {
        let _ = (&self.vault, scope);
        Err(SendFailure::NotSent("not built yet".into()))
    }
}
