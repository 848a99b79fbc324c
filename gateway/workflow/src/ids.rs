//! Names of things. The gateway makes and checks them; here they are only compared.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A post.
    PostId,
    /// An account on a network; a post has one target for each of its accounts.
    AccountId,
    /// A person, opaque.
    PersonId,
    /// An internal tool.
    AppId,
    /// A brand as a path in the tree: `acme/snacks`.
    Brand,
    /// A network.
    Network,
    /// A label of a post.
    Label,
    /// A campaign.
    Campaign,
    /// What a person may be: `approver`, `legal`.
    Role,
    /// A policy, as verdicts name it.
    Policy,
    /// A rule of approvals.
    RuleName,
    /// An outside party that approves: an agency, a client.
    External,
    /// A single-use link for an outside party; never the secret in it.
    LinkId,
    /// A process of the gateway that claims work.
    NodeId,
    /// A freeze.
    FreezeId,
    /// Digest of the whole content of a version, made by the caller.
    Digest,
}

impl Brand {
    /// True for the brand itself and every brand below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// A person, signed in as themselves.
    Person {
        /// Who.
        person: PersonId,
    },
    /// A tool or an agent. It may propose; it never counts, even where it acts for a person.
    App {
        /// Which.
        app: AppId,
        /// For whom it acts.
        on_behalf_of: Option<PersonId>,
    },
    /// An outside party, through a single-use link.
    Link {
        /// Which.
        link: LinkId,
    },
    /// The gateway itself: time, workers, recovery.
    Gate,
}

impl Actor {
    /// The person who acts themselves; none for an app, whoever it acts for.
    pub fn person(&self) -> Option<&PersonId> {
        match self {
            Self::Person { person } => Some(person),
            _ => None,
        }
    }

    /// The person behind it: themselves, or the one an app acts for.
    pub fn behind(&self) -> Option<&PersonId> {
        match self {
            Self::Person { person } => Some(person),
            Self::App { on_behalf_of, .. } => on_behalf_of.as_ref(),
            Self::Link { .. } | Self::Gate => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_covers_those_below_and_no_namesake() {
        let table = [
            ("acme", "acme", true),
            ("acme", "acme/snacks", true),
            ("acme", "acmeister", false),
            ("acme/snacks", "acme", false),
        ];
        for (above, below, covers) in table {
            assert_eq!(Brand::from(above).covers(&below.into()), covers, "{above} {below}");
        }
    }
}
