//! What becomes of a slot when somebody changes it. Pure: the records keep it, the registry serves it.

use jiff::{SignedDuration, Timestamp};

use crate::records::{CanaryRecord, Routing, SlotRecord};

/// How long a release that came into place is watched, and rolled back where it fails.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(15);

/// What is to become of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// This release serves all calls.
    Activate {
        /// Its digest.
        release: String,
    },
    /// This release serves a share of the calls.
    Canary {
        /// Its digest.
        release: String,
        /// Hundredths of a per cent.
        share_bp: u16,
    },
    /// The canary serves all calls; without one, what serves is watched no more.
    Promote,
    /// The canary is taken away; without one, what served before serves again.
    Rollback,
}

impl Wish {
    /// The word for it, in the log and on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Activate { .. } => "activate",
            Self::Canary { .. } => "canary",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// What a change needs to know.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The slot, as operators write it.
    pub slot: &'a str,
    /// The plugin that the governance names there.
    pub plugin: &'a str,
    /// The release that the configuration names: what serves where nobody changed anything.
    pub first: &'a str,
    /// Who asks.
    pub by: &'a str,
    /// Why, where the gate itself decided.
    pub why: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

/// The routing after the change, and the release that the change is about.
///
/// # Errors
/// A sentence: there is nothing to change so.
pub fn changed(routing: &Routing, wish: &Wish, asked: &Asked<'_>) -> Result<(Routing, String), String> {
    let slot = asked.slot;
    let (mut routing, now) = (routing.clone(), asked.now);
    let first = SlotRecord {
        plugin: asked.plugin.to_owned(),
        active: asked.first.to_owned(),
        since: now,
        by: asked.by.to_owned(),
        parked: None,
        fresh: false,
        canary: None,
        why: None,
    };
    // A slot of another plugin is of a governance that is over.
    let before = routing.slots.remove(slot).filter(|record| record.plugin == asked.plugin);
    let before = before.unwrap_or(first);
    let came = |active: String, parked: String, fresh: bool| SlotRecord {
        active,
        parked: Some(parked),
        fresh,
        since: now,
        by: asked.by.to_owned(),
        canary: None,
        why: asked.why.map(str::to_owned),
        plugin: asked.plugin.to_owned(),
    };
    let after = match wish {
        Wish::Activate { release } if *release == before.active && before.canary.is_none() => {
            return Err(format!("`{slot}` has this release already"));
        }
        // Over a canary of another release: that one is dropped.
        Wish::Activate { release } if *release == before.active => SlotRecord { canary: None, why: None, ..before },
        Wish::Activate { release } => came(release.clone(), before.active, true),
        Wish::Canary { release, .. } if *release == before.active => {
            return Err(format!("`{slot}` has this release for all calls already"));
        }
        Wish::Canary { release, share_bp } => {
            let canary =
                CanaryRecord { release: release.clone(), share_bp: *share_bp, since: now, by: asked.by.to_owned() };
            SlotRecord { canary: Some(canary), why: None, ..before }
        }
        Wish::Promote => match before.canary {
            Some(canary) => came(canary.release, before.active, true),
            None if before.fresh => SlotRecord { fresh: false, why: None, ..before },
            None => return Err(format!("`{slot}` has no canary to promote")),
        },
        Wish::Rollback => match (&before.canary, &before.parked) {
            (Some(_), _) => SlotRecord { canary: None, why: asked.why.map(str::to_owned), ..before },
            (None, Some(parked)) => came(parked.clone(), before.active.clone(), false),
            (None, None) => return Err(format!("`{slot}` has nothing to go back to")),
        },
    };
    let about = match wish {
        Wish::Activate { release } | Wish::Canary { release, .. } => release.clone(),
        Wish::Promote | Wish::Rollback => after.active.clone(),
    };
    routing.slots.insert(slot.to_owned(), after);
    Ok((routing, about))
}

/// Whether what serves in the slot came into place so lately that it is watched.
pub fn is_fresh(record: &SlotRecord, now: Timestamp) -> bool {
    record.fresh && now.duration_since(record.since) < FRESH_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(routing: &Routing, wish: Wish) -> Result<Routing, String> {
        let asked = Asked {
            slot: "network:x",
            plugin: "x",
            first: "first",
            by: "ops-1",
            why: None,
            now: Timestamp::from_second(1_000).unwrap(),
        };
        changed(routing, &wish, &asked).map(|(routing, _)| routing)
    }

    fn activate(release: &str) -> Wish {
        Wish::Activate { release: release.to_owned() }
    }

    fn canary(release: &str) -> Wish {
        Wish::Canary { release: release.to_owned(), share_bp: 1_000 }
    }

    /// What serves, what is parked, what is the canary.
    fn told(routing: &Routing) -> (&str, Option<&str>, Option<&str>) {
        let slot = &routing.slots["network:x"];
        (&slot.active, slot.parked.as_deref(), slot.canary.as_ref().map(|canary| canary.release.as_str()))
    }

    #[test]
    fn back_and_forth() {
        let none = Routing::default();
        let one = after(&none, activate("one")).unwrap();
        assert_eq!(told(&one), ("one", Some("first"), None));
        let two = after(&one, activate("two")).unwrap();
        assert_eq!(told(&two), ("two", Some("one"), None));
        let back = after(&two, Wish::Rollback).unwrap();
        assert_eq!(told(&back), ("one", Some("two"), None));
        assert!(two.slots["network:x"].fresh && !back.slots["network:x"].fresh, "what was gone back to is not watched");
        assert_eq!(told(&after(&back, Wish::Rollback).unwrap()), ("two", Some("one"), None));
        assert!(after(&one, activate("one")).is_err());
        for wish in [Wish::Promote, Wish::Rollback] {
            assert!(after(&none, wish).is_err());
        }
    }

    #[test]
    fn a_canary_is_promoted_or_taken_away() {
        let asked = after(&Routing::default(), canary("new")).unwrap();
        assert_eq!(told(&asked), ("first", None, Some("new")));
        let promoted = after(&asked, Wish::Promote).unwrap();
        assert_eq!(told(&promoted), ("new", Some("first"), None));
        assert!(promoted.slots["network:x"].fresh);
        assert!(!after(&promoted, Wish::Promote).unwrap().slots["network:x"].fresh, "watched no more");
        assert_eq!(told(&after(&asked, Wish::Rollback).unwrap()), ("first", None, None));
        assert_eq!(told(&after(&asked, activate("first")).unwrap()), ("first", None, None));
        assert_eq!(told(&after(&asked, canary("other")).unwrap()), ("first", None, Some("other")));
        assert!(after(&asked, canary("first")).is_err());
    }

    #[test]
    fn a_slot_of_a_governance_that_is_over_begins_anew() {
        let mut old = after(&Routing::default(), activate("one")).unwrap();
        old.slots.get_mut("network:x").unwrap().plugin = "y".to_owned();
        assert_eq!(told(&after(&old, activate("two")).unwrap()), ("two", Some("first"), None));
    }

    #[test]
    fn what_is_fresh_is_so_for_a_while() {
        let one = after(&Routing::default(), activate("one")).unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let slot = &one.slots["network:x"];
        assert!(is_fresh(slot, at(1_000)) && !is_fresh(slot, at(1_000 + 15 * 60)));
    }
}
