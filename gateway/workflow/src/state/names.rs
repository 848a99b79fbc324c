//! The states by name. The names are kept in records and shown by the API: none is ever changed or taken out.

use serde::{Deserialize, Serialize};

macro_rules! states {
    ($(#[$doc:meta])* $type:ident { $($(#[$state_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $type {
            $($(#[$state_doc])* $variant,)*
        }

        impl $type {
            /// Every state.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name as it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The state of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

states! {
    /// Where one target of a post stands.
    TargetState {
        /// Being written.
        Draft = "draft",
        /// Policies look at it.
        Review = "review",
        /// Waits for people: their votes, or their word that it may go after all.
        Held = "held",
        /// A policy said no.
        Denied = "denied",
        /// Everybody agreed; no time is set.
        Approved = "approved",
        /// A person said no. Will not be sent.
        Rejected = "rejected",
        /// Its time to be approved or sent is over.
        Expired = "expired",
        /// Waits for its time.
        Scheduled = "scheduled",
        /// Its time came during a freeze.
        Frozen = "frozen",
        /// Taken out by a person or app before it was sent.
        Cancelled = "cancelled",
        /// Due, not claimed by an attempt.
        Accepted = "accepted",
        /// An attempt works on it.
        Publishing = "publishing",
        /// The network has it, with an id.
        Published = "published",
        /// The network said no, or the attempts are used up.
        Failed = "failed",
        /// A step was sent and not answered.
        Unknown = "unknown",
        /// A deletion works on it.
        Recalling = "recalling",
        /// Taken back.
        Recalled = "recalled",
    }
}

states! {
    /// Where a post stands: the sum of its targets.
    PostState {
        /// Being written.
        Draft = "draft",
        /// Policies look at it.
        Review = "review",
        /// Waits for people.
        Held = "held",
        /// A policy said no.
        Denied = "denied",
        /// Everybody agreed; no time is set.
        Approved = "approved",
        /// A person said no.
        Rejected = "rejected",
        /// Its time is over.
        Expired = "expired",
        /// Waits for its time.
        Scheduled = "scheduled",
        /// Its time came during a freeze.
        Frozen = "frozen",
        /// Taken out before it was sent.
        Cancelled = "cancelled",
        /// On its way.
        Publishing = "publishing",
        /// On every network.
        Published = "published",
        /// Targets differ.
        Partial = "partial",
        /// No network took it.
        Failed = "failed",
        /// A step was sent and nobody knows yet what became of it.
        Unknown = "unknown",
        /// Taken back.
        Recalled = "recalled",
    }
}

impl PostState {
    /// Sums up targets. Work in progress gives `publishing`, then `unknown`; all alike give that state; while all still wait, the
    /// one that most wants a person; any other mixture is `partial`.
    pub fn of(targets: impl IntoIterator<Item = TargetState>) -> Self {
        use TargetState as T;
        let targets: Vec<T> = targets.into_iter().collect();
        let any = |state: T| targets.contains(&state);
        if any(T::Accepted) || any(T::Publishing) || any(T::Recalling) {
            return Self::Publishing;
        }
        if any(T::Unknown) {
            return Self::Unknown;
        }
        let Some(first) = targets.first() else { return Self::Partial };
        if targets.iter().all(|target| target == first) {
            return Self::parse(first.as_str()).unwrap_or(Self::Partial);
        }
        const WAITING: [(T, PostState); 6] = [
            (T::Frozen, PostState::Frozen),
            (T::Held, PostState::Held),
            (T::Review, PostState::Review),
            (T::Draft, PostState::Draft),
            (T::Approved, PostState::Approved),
            (T::Scheduled, PostState::Scheduled),
        ];
        if targets.iter().all(|target| WAITING.iter().any(|(waiting, _)| waiting == target)) {
            return WAITING.iter().find(|(state, _)| any(*state)).map_or(Self::Partial, |(_, sum)| *sum);
        }
        Self::Partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_those_of_serde() {
        for state in TargetState::ALL {
            assert_eq!(TargetState::parse(state.as_str()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in PostState::ALL {
            assert_eq!(PostState::parse(state.as_str()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn targets_are_summed_up() {
        use PostState as P;
        use TargetState as T;
        let table: [(&[T], P); 14] = [
            (&[], P::Partial),
            (&[T::Held, T::Held], P::Held),
            (&[T::Held, T::Rejected], P::Partial),
            (&[T::Published, T::Accepted], P::Publishing),
            (&[T::Published, T::Recalling], P::Publishing),
            (&[T::Published, T::Unknown], P::Unknown),
            (&[T::Published, T::Failed], P::Partial),
            (&[T::Published, T::Recalled], P::Partial),
            (&[T::Recalled], P::Recalled),
            (&[T::Scheduled, T::Frozen], P::Frozen),
            (&[T::Scheduled, T::Held], P::Held),
            (&[T::Scheduled, T::Cancelled], P::Partial),
            (&[T::Frozen, T::Published], P::Partial),
            (&[T::Denied, T::Denied], P::Denied),
        ];
        for (targets, sum) in table {
            assert_eq!(P::of(targets.iter().copied()), sum, "{targets:?}");
        }
        for state in T::ALL {
            let sum = P::of([*state]);
            let moving = matches!(state, T::Accepted | T::Recalling);
            assert_eq!(sum.as_str(), if moving { "publishing" } else { state.as_str() });
        }
    }
}
