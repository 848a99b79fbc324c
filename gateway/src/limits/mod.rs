//! Limits that protect the gate and share it fairly.
