//! Who acts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppId, PersonId};

/// The holder of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Principal {
    /// An internal tool.
    App(AppId),
    /// A human with a key of their own.
    Person(PersonId),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(id) => write!(f, "app:{id}"),
            Self::Person(id) => write!(f, "person:{id}"),
        }
    }
}
