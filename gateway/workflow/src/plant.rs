//! Mistakes that can be planted, so that the tests show that they would find them. Outside of tests there are none.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A vote survives an edit.
    VoteSurvives,
    /// The freeze is looked at before the claim only.
    FreezeAtClaim,
    /// A lease that still holds is taken for over.
    LeaseIgnored,
    /// A clock that was set back fires an occurrence again.
    FiresAgain,
    /// A substitute votes after the end.
    SubstituteLate,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Plant>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake on this thread, or none.
#[cfg(test)]
pub(crate) fn plant(plant: Option<Plant>) {
    PLANTED.set(plant);
}

/// Is this mistake planted?
#[cfg(test)]
pub(crate) fn planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}

/// Is this mistake planted?
#[cfg(not(test))]
pub(crate) const fn planted(_: Plant) -> bool {
    false
}
