//! Identifiers. Each is its own type, so that an account never stands where an app is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the identifier as it is written.
            pub fn new(id: impl Into<String>) -> Self { Self(id.into()) }
            /// The identifier as it is written.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
    )*};
}

ids! {
    /// An account's name in `accounts.toml`: `acme-example`.
    AccountId;
    /// An app's name in `apps.toml`: `newsroom`.
    AppId;
    /// A person's opaque id in `people.toml`: `editor-7`.
    PersonId;
    /// A role of a company's own in `people.toml`: `legal`.
    RoleName;
    /// A grant's id in `grants.toml`.
    GrantId;
    /// The public part of an API key.
    KeyId;
    /// A stored medium.
    MediaId;
    /// A post.
    PostId;
    /// A plugin's name in its manifest: `guidelines`.
    PluginName;
}

impl PostId {
    /// A fresh id that sorts by time (UUIDv7).
    pub fn fresh(now: jiff::Timestamp) -> Self {
        Self(format!("post_{}", time_ordered(now)))
    }

    /// An id as [`PostId::fresh`] makes them, from outside.
    pub fn parse(text: String) -> Option<Self> {
        let hex = text.strip_prefix("post_")?;
        let fits = hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then_some(Self(text))
    }
}

impl MediaId {
    /// A fresh id that sorts by time (UUIDv7).
    pub fn fresh(now: jiff::Timestamp) -> Self {
        Self(format!("media_{}", time_ordered(now)))
    }
}

fn time_ordered(now: jiff::Timestamp) -> uuid::fmt::Simple {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let stamp = uuid::Timestamp::from_unix(
        uuid::NoContext,
        millis / 1000,
        u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
    );
    uuid::Uuid::new_v7(stamp).simple()
}
