//! The life of a post.
