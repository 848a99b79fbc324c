//! Who makes a change, as the log names them.

use std::fmt;

use crate::model::PersonId;

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// An operator with a key.
    Person(PersonId),
    /// Whoever may write to the data folder of a gateway that does not run.
    Local,
    /// A signal to the process.
    LocalSignal,
    /// The gateway itself.
    Gate,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => write!(f, "{person}"),
            Self::Local => f.write_str("local"),
            Self::LocalSignal => f.write_str("local-signal"),
            Self::Gate => f.write_str("pressgate"),
        }
    }
}
