//! Class (b).
