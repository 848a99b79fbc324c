//! Heads, bodies and whole connections, whole and in parts.
