//! Mistakes that can be planted into the recovery, so that the tests show that they would find them. Outside of tests there are none.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// The checksum of a frame is not looked at.
    Checksum,
    /// The last batch is taken for durable because it can be read.
    LastBatch,
    /// A later segment overrides what earlier ones hold only after its first index.
    Override,
    /// A torn tail is called damage.
    TornTail,
    /// The segments are read from their beginning, though the tree has the leaves and some segments are gone.
    Covered,
    /// The last batch is written again without what lies beside its leaves.
    Beside,
    /// The checkpoint is written before its tiles are durable.
    TilesUnsynced,
    /// What lies behind the checkpoint after a crash is taken for written.
    TilesTrusted,
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
