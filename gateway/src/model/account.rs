//! Accounts: one identity on one network at one endpoint, owned by one brand.

use url::Url;

use super::{AccountId, BrandPath, PluginName};

/// An account as `accounts.toml` declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name in the gateway.
    pub id: AccountId,
    /// The network that it is on, which its adapter must speak.
    pub network: String,
    /// The adapter.
    pub adapter: PluginName,
    /// Origin of the server: scheme, host and port, no path.
    pub endpoint: Url,
    /// Permits an endpoint whose address is not global (an on-premises server).
    pub private_endpoint: bool,
    /// The brand that owns it.
    pub brand: BrandPath,
    /// Its name on the network, for people.
    pub handle: Option<String>,
    /// What becomes of content that a client of the network's own API sends and a policy holds.
    pub native_hold: NativeHold,
}

/// What becomes of held content at the native door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NativeHold {
    /// It is refused, and nothing is kept.
    #[default]
    Refuse,
    /// It is refused, and kept as a held post that a person may approve.
    Draft,
}

impl NativeHold {
    /// As `accounts.toml` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Draft => "draft",
        }
    }
}

impl Account {
    /// The endpoint as plugins see it: an origin without a slash at the end.
    pub fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}
