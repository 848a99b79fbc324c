//! Which versions of the contract in `wit/` this host takes: all that were released under its own minor version, which only ever adds to
//! them. Before 1.0 a minor version may break, as [Semantic Versioning](https://semver.org) has it.

/// The newest that it takes, and what its SDK is made for.
pub const CONTRACT: &str = "0.1.0";

/// Is a plugin that was built for `wanted` taken?
pub fn takes(wanted: &str) -> bool {
    match (parts(wanted), parts(CONTRACT)) {
        (Some(wanted), Some(ours)) => wanted[..2] == ours[..2] && wanted[2] <= ours[2],
        _ => false,
    }
}

/// What to do with a plugin that is not taken, in a few words.
pub fn advice(wanted: &str) -> &'static str {
    match (parts(wanted), parts(CONTRACT)) {
        (Some(wanted), Some(ours)) if wanted > ours => "Update the gateway, or build it with an older SDK",
        _ => "Build it again with the SDK of this gateway (`pressgate plugin sdk`)",
    }
}

/// Those that are taken, for people.
pub fn range() -> String {
    match parts(CONTRACT) {
        Some([major, minor, patch]) if patch > 0 => format!("{major}.{minor}.0 to {CONTRACT}"),
        _ => CONTRACT.to_owned(),
    }
}

fn parts(version: &str) -> Option<[u32; 3]> {
    let mut numbers = version.split('.').map(|number| {
        let plain = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| number.parse().ok()).flatten()
    });
    let parts = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_released_before_is_taken() {
        assert!(takes(CONTRACT) && takes("0.1.0"));
        for other in
            ["0.1.999", "0.2.0", "1.0.0", "0.0.9", "0.1.0-draft", "0.1", "0.1.0.0", "", "0.1.+0", "0.1.00000000000"]
        {
            assert!(!takes(other), "{other}");
        }
        assert!(advice("0.2.0").starts_with("Update") && advice("0.0.9").starts_with("Build it again"));
        assert!(advice("0.1.0-draft").starts_with("Build it again"));
    }
}
