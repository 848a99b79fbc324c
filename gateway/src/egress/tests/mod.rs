//! Tests of egress against real local servers.

mod answers;
mod bound;
mod connections;
mod mail;
mod scrubbing;
mod server;
mod sessions;
mod tls;

use std::{sync::Arc, time::Duration};

use http::Method;

use super::*;
use crate::{model::AccountId, vault::tests::Fixture};

/// A vault and an egress over it.
pub(super) struct Bench {
    pub(super) fixture: Fixture,
    pub(super) egress: Egress,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(EgressOptions::default(), Arc::new(SystemResolver)).await
    }

    pub(super) async fn with(options: EgressOptions, resolver: Arc<dyn Resolver>) -> Self {
        let fixture = Fixture::new().await;
        let clock: Arc<dyn Clock> = fixture.clock.clone();
        let egress = Egress::with_resolver(options, fixture.vault.clone(), clock, resolver).expect("opened");
        Self { fixture, egress }
    }

    pub(super) async fn get(&self, scope: &Scope, url: &str) -> Result<OutResponse, SendFailure> {
        self.egress.send(scope, request("GET", url)).await
    }
}

/// A scope that may do everything at one origin, which is private.
pub(super) fn scope_for(origin: &str) -> Scope {
    let origin: url::Url = origin.parse().expect("an origin");
    Scope {
        account: AccountId::new("acme-sample"),
        base: origin.clone(),
        origins: vec![AllowedOrigin {
            origin,
            methods: vec![Method::GET, Method::POST],
            path_prefixes: vec!["/".into()],
            private: true,
        }],
        credentials: Vec::new(),
        response_bytes_max: 1024 * 1024,
        timeout: Duration::from_secs(5),
    }
}

pub(super) fn request(method: &str, url: &str) -> OutRequest {
    OutRequest { method: method.into(), url: url.into(), headers: Vec::new(), body: OutBody::None, credential: None }
}

/// A rule whose values are all secret.
pub(super) fn rule(label: &str, scheme: CredentialScheme, secrets: &[&str]) -> CredentialRule {
    let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
    CredentialRule { label: label.into(), scheme, secrets, instead_of: None }
}
