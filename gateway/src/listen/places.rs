//! How many connections the process can bear: each takes a file descriptor, and so do the operators, the networks and the files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of apps, however many descriptors there are.
const PUBLIC_MAX: u64 = 8192;
/// Fewer would serve nobody.
const PUBLIC_LEAST: u64 = 16;
/// Descriptors that are the operators' alone.
const OPERATORS: u64 = 64;

/// Raises the number of descriptors that the process may have to what its owner allows, and returns it; none means no limit.
pub fn raise_descriptors() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the number of file descriptors stays as it is");
            current
        }
    }
}

/// Connections of apps at once. Half of what the operators leave: a call may need a connection to a network and files besides.
pub fn public_connections() -> u32 {
    within(getrlimit(Resource::Nofile).current)
}

fn within(descriptors: Option<u64>) -> u32 {
    let places = descriptors.map_or(PUBLIC_MAX, |descriptors| descriptors.saturating_sub(OPERATORS) / 2);
    u32::try_from(places.clamp(PUBLIC_LEAST, PUBLIC_MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_networks_and_files_keep_their_share() {
        assert_eq!((within(None), within(Some(1 << 20))), (8192, 8192));
        assert_eq!((within(Some(1024)), within(Some(200)), within(Some(10))), (480, 68, 16));
    }
}
