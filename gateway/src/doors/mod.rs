//! Doors: HTTP in.
