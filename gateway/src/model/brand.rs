//! Brands: nodes of a tree, written as a path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A brand's path from the root, parts joined by `/`: `acme/snacks`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrandPath(String);

impl BrandPath {
    /// Takes the path as it is written; the governance files are where it is checked.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The brand itself and those above it, nearest first.
    pub fn lineage(&self) -> impl Iterator<Item = &str> {
        let path = self.0.as_str();
        std::iter::successors(Some(path), |path| path.rfind('/').and_then(|cut| path.get(..cut)))
    }

    /// True for the brand itself and every brand below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.lineage().any(|brand| brand == self.0)
    }

    /// The nearest brand that covers all of these; none where there is none.
    pub fn nearest_of(brands: &[&Self]) -> Option<Self> {
        let (first, rest) = brands.split_first()?;
        first.lineage().map(Self::new).find(|brand| rest.iter().all(|other| brand.covers(other)))
    }
}

impl fmt::Display for BrandPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_covers_itself_and_what_is_below_but_no_sister() {
        let acme = BrandPath::new("acme");
        let snacks = BrandPath::new("acme/snacks");
        assert!(acme.covers(&snacks) && snacks.covers(&snacks));
        assert!(!snacks.covers(&acme));
        assert!(!BrandPath::new("acme/sna").covers(&snacks));
        let nearest = |paths: &[&str]| {
            let brands: Vec<BrandPath> = paths.iter().map(|path| BrandPath::new(*path)).collect();
            BrandPath::nearest_of(&brands.iter().collect::<Vec<_>>()).map(|brand| brand.to_string())
        };
        assert_eq!(nearest(&["acme/snacks", "acme/snacks"]).as_deref(), Some("acme/snacks"));
        assert_eq!(nearest(&["acme/snacks/bars", "acme/drinks"]).as_deref(), Some("acme"));
        assert_eq!((nearest(&["acme", "other"]), nearest(&[])), (None, None));
        assert_eq!(BrandPath::new("a/b/c").lineage().collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
    }
}
