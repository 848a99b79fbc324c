//! The record store: what should happen.
