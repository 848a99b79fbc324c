//! Where a release serves.

use std::{fmt, str::FromStr};

use crate::{
    config::Governance,
    model::{AccountId, PluginName},
};

/// Where a release serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// `network:square`: every account of the network that uses the plugin.
    Network(String),
    /// `account:acme-square`: one account, whatever serves its network.
    Account(AccountId),
    /// `policy:house-rules`: a policy of `policies.toml`.
    Policy(String),
}

impl Slot {
    /// The plugins that the governance names for the slot.
    ///
    /// # Errors
    /// There is no such slot: the sentence says what there is.
    pub fn plugins(&self, governance: &Governance) -> Result<Vec<PluginName>, String> {
        let mut found: Vec<PluginName> = match self {
            Self::Network(network) => {
                let of_network = governance.accounts.values().filter(|account| account.network == *network);
                of_network.map(|account| account.adapter.clone()).collect()
            }
            Self::Account(id) => {
                governance.accounts.get(id).map(|account| account.adapter.clone()).into_iter().collect()
            }
            Self::Policy(name) => {
                let of_name = governance.policies.iter().filter(|rule| rule.name == *name);
                of_name.map(|rule| rule.plugin.clone()).collect()
            }
        };
        found.sort();
        found.dedup();
        if found.is_empty() {
            return Err(format!(
                "the applied governance has nothing for `{self}`: name an account, a network of an account, or a policy"
            ));
        }
        Ok(found)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "network:{network}"),
            Self::Account(account) => write!(f, "account:{account}"),
            Self::Policy(policy) => write!(f, "policy:{policy}"),
        }
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("network", name)) if !name.is_empty() => Ok(Self::Network(name.to_owned())),
            Some(("account", name)) if !name.is_empty() => Ok(Self::Account(AccountId::new(name))),
            Some(("policy", name)) if !name.is_empty() => Ok(Self::Policy(name.to_owned())),
            _ => Err(format!("`{}` is no slot: write `network:…`, `account:…` or `policy:…`", text.escape_debug())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_written_as_they_are_read() {
        for text in ["network:square", "account:acme-square", "policy:house-rules"] {
            assert_eq!(text.parse::<Slot>().unwrap().to_string(), text);
        }
        for text in ["square", "network:", "brand:acme", ""] {
            assert!(text.parse::<Slot>().unwrap_err().contains("is no slot"), "{text}");
        }
    }
}
