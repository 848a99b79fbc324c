//! A freeze begins by one word and ends by the word of two people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Freeze, Freezes, Scope, Statements};
use crate::ids::{Actor, FreezeId, PersonId, PostId};

/// How many different people lift a freeze.
pub const LIFTERS: usize = 2;
/// Most freezes that may be on.
const FREEZES_MAX: usize = 1000;

/// What became of a freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum FreezeEvent {
    /// It began.
    Began {
        /// All of it.
        freeze: Freeze,
    },
    /// A statement may pass from now on.
    Permitted {
        /// Which freeze.
        freeze: FreezeId,
        /// Post.
        post: PostId,
        /// The version that passes.
        version: u32,
        /// Who.
        by: PersonId,
        /// When.
        at: Timestamp,
    },
    /// A person wants it lifted; it is still on.
    LiftAsked {
        /// Which freeze.
        freeze: FreezeId,
        /// Who.
        by: PersonId,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// Enough people wanted it lifted.
    Lifted {
        /// Which freeze.
        freeze: FreezeId,
        /// The one whose word was the last needed.
        by: PersonId,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
}

/// Why a freeze does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeRefused {
    /// Not on.
    #[error("There is no freeze `{0}` that is on.")]
    Unknown(FreezeId),
    /// The id was used.
    #[error("There is a freeze `{0}` already.")]
    Exists(FreezeId),
    /// Apps can freeze; only people lift.
    #[error("Only a person, signed in as themselves, may do this.")]
    NotAPerson,
    /// The same person again.
    #[error("You asked for it before; another person must ask too.")]
    AskedBefore,
    /// No reason.
    #[error("Say why.")]
    ReasonNeeded,
    /// Too many.
    #[error("There are {FREEZES_MAX} freezes already; lift some, or freeze a wider scope.")]
    TooMany,
}

impl Freezes {
    /// Begins a freeze. Anybody whom the gateway lets, an app too: stopping is always safe.
    ///
    /// # Errors
    /// See [`FreezeRefused`].
    pub fn begin(
        &self,
        id: FreezeId,
        scope: Scope,
        statements: Statements,
        (by, at, why): (&Actor, Timestamp, &str),
    ) -> Result<FreezeEvent, FreezeRefused> {
        if self.find(&id).is_ok() {
            return Err(FreezeRefused::Exists(id));
        }
        if self.on.len() >= FREEZES_MAX {
            return Err(FreezeRefused::TooMany);
        }
        let why = reason(why)?;
        let freeze = Freeze { id, scope, statements, since: at, by: by.clone(), why, lifting: Default::default() };
        Ok(FreezeEvent::Began { freeze })
    }

    /// Lets one version of one post pass.
    ///
    /// # Errors
    /// See [`FreezeRefused`].
    pub fn permit(
        &self,
        id: &FreezeId,
        (post, version): (PostId, u32),
        (by, at): (&Actor, Timestamp),
    ) -> Result<FreezeEvent, FreezeRefused> {
        let freeze = self.find(id)?.id.clone();
        let by = by.person().ok_or(FreezeRefused::NotAPerson)?.clone();
        Ok(FreezeEvent::Permitted { freeze, post, version, by, at })
    }

    /// Asks for the end of a freeze; the second person's word ends it.
    ///
    /// # Errors
    /// See [`FreezeRefused`].
    pub fn lift(&self, id: &FreezeId, by: &Actor, at: Timestamp, why: &str) -> Result<FreezeEvent, FreezeRefused> {
        let freeze = self.find(id)?;
        let by = by.person().ok_or(FreezeRefused::NotAPerson)?.clone();
        let why = reason(why)?;
        if freeze.lifting.contains(&by) {
            return Err(FreezeRefused::AskedBefore);
        }
        let id = freeze.id.clone();
        Ok(if freeze.lifting.len() + 1 < LIFTERS {
            FreezeEvent::LiftAsked { freeze: id, by, at, why }
        } else {
            FreezeEvent::Lifted { freeze: id, by, at, why }
        })
    }

    /// Takes over what was decided. An event of a freeze that is not on changes nothing.
    pub fn apply(&mut self, event: &FreezeEvent) {
        match event {
            FreezeEvent::Began { freeze } => self.on.push(freeze.clone()),
            FreezeEvent::Permitted { freeze, post, version, .. } => {
                if let Some(on) = self.on.iter_mut().find(|on| on.id == *freeze) {
                    on.statements.posts.insert(post.clone(), *version);
                }
            }
            FreezeEvent::LiftAsked { freeze, by, .. } => {
                if let Some(on) = self.on.iter_mut().find(|on| on.id == *freeze) {
                    on.lifting.insert(by.clone());
                }
            }
            FreezeEvent::Lifted { freeze, .. } => self.on.retain(|on| on.id != *freeze),
        }
    }

    fn find(&self, id: &FreezeId) -> Result<&Freeze, FreezeRefused> {
        self.on.iter().find(|freeze| freeze.id == *id).ok_or_else(|| FreezeRefused::Unknown(id.clone()))
    }
}

fn reason(why: &str) -> Result<String, FreezeRefused> {
    if why.trim().is_empty() { Err(FreezeRefused::ReasonNeeded) } else { Ok(why.to_owned()) }
}
