//! Tests of the vault, and a store in memory for those of egress.
