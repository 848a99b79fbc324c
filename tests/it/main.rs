//! The one integration binary.

mod host;
