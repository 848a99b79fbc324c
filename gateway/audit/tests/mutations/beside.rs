//! Class (c).
