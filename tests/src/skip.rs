//! Tests that need something from outside the repository say so when it is absent, and fail where nothing may be
//! skipped.

/// Says that a test is skipped and why.
///
/// # Panics
/// With `PRESSGATE_NO_SKIP=1`.
pub fn skipped(why: &str) {
    let forbidden = std::env::var("PRESSGATE_NO_SKIP").is_ok_and(|value| value == "1");
    assert!(!forbidden, "nothing may be skipped (PRESSGATE_NO_SKIP=1), but {why}");
    println!("skipped: {why}");
}
