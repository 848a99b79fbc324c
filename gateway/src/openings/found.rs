//! What a check of the values beside the log finds.

use pressgate_audit::ReadError;

use super::OpeningsError;

/// Faults that are kept; of more only the number is told.
pub const FAULTS_MAX: usize = 1_000;

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is gone, and the log tells of no erasure.
    Missing,
    /// The key that it is sealed under is gone, and the log tells of no erasure.
    KeyMissing,
    /// That key can't be used.
    KeyDamaged,
    /// It is kept for somebody else than whoever the leaf and the key are of: an erasure would miss it.
    Subject,
    /// It does not open, or is not what the leaf commits to.
    Changed,
    /// No leaf commits to it, and it does not open.
    Stray,
    /// The records can't be read there.
    Unreadable,
}

impl Why {
    /// A stable identifier.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::KeyMissing => "key-missing",
            Self::KeyDamaged => "key-damaged",
            Self::Subject => "subject",
            Self::Changed => "changed",
            Self::Stray => "stray",
            Self::Unreadable => "unreadable",
        }
    }

    /// The same for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => "its value is gone, and the log tells of no erasure",
            Self::KeyMissing => "the key of its subject is gone, and the log tells of no erasure",
            Self::KeyDamaged => "the key of its subject was changed, or is that of another subject",
            Self::Subject => "its value is kept for another subject: an erasure would miss it",
            Self::Changed => "its value was changed, or belongs to another leaf",
            Self::Stray => "no leaf commits to it, and it does not open: it was put there, or moved",
            Self::Unreadable => "the records can't be read there",
        }
    }
}

/// A value that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The leaf that commits to it; none where no leaf does.
    pub leaf: Option<u64>,
    /// Which value of the leaf.
    pub field: Option<String>,
    /// What is wrong.
    pub why: Why,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The first leaf that was looked at; those before it are gone by retention.
    pub from: u64,
    /// The index after the last one.
    pub until: u64,
    /// Values that open and are what a leaf commits to.
    pub values: u64,
    /// Values that were erased, as the log states.
    pub erased: u64,
    /// Values of refusals that a crash cut off.
    pub cut_off: u64,
    /// Values that open and that no leaf commits to.
    pub unsent: u64,
    /// What is wrong; the first [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How much is wrong.
    pub faults_total: u64,
}

impl Found {
    /// Is everything as it should be?
    pub fn holds(&self) -> bool {
        self.faults_total == 0
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// This machine can't do it.
    #[error(transparent)]
    Openings(#[from] OpeningsError),
}
