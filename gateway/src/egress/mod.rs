//! HTTP out: the only way to a network.
