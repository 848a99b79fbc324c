//! Nothing in the gateway or in the SDK is named after a network: what is special about one belongs to its plugin.

use crate::{Fault, Tree};

const NETWORKS: [&str; 8] =
    ["mastodon", "bluesky", "atproto", "linkedin", "twitter", "facebook", "instagram", "telegram"];
const NEUTRAL: [&str; 2] = ["gateway", "sdk"];

/// The files and lines of the gateway and the SDK that name a network: code, comments, tests and fixtures alike.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in NEUTRAL.iter().flat_map(|folder| tree.under(folder, "")) {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        for (line, text) in std::iter::once((0, path)).chain(lines) {
            let text = text.to_lowercase();
            for network in NETWORKS.iter().filter(|network| text.contains(*network)) {
                faults.push(Fault::new(
                    path,
                    line,
                    format!("names {network}: it belongs to the plugin, or call it something neutral"),
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_in_the_gateway_is_found() {
        let tree = Tree::planted(&[
            ("gateway/src/a.rs", "//! a\nstruct MastodonClient; // for atproto\n"),
            ("gateway/src/telegram.rs", "//! b\n"),
            ("sdk/src/c.rs", "\"LinkedIn\""),
            ("plugins/bluesky/src/lib.rs", "//! bluesky\n"),
        ]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        let expected =
            [("gateway/src/a.rs", 2), ("gateway/src/a.rs", 2), ("gateway/src/telegram.rs", 0), ("sdk/src/c.rs", 1)];
        assert_eq!(lines, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
