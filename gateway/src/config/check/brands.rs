//! `brands.toml`: a tree given by `parent`, from which the paths are derived.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    Brand,
    fault::did_you_mean,
    table::{At, Document, Entry, ID_RULE, Report, is_id},
};
use crate::model::BrandPath;

const KEYS: &[&str] = &["id", "parent", "name", "languages"];
/// The deepest tree. Every decision walks up from an account's brand.
const DEPTH_MAX: usize = 16;

/// The tree, and what may be referred to.
pub(super) struct Brands {
    tree: BTreeMap<BrandPath, Brand>,
    /// Declared, but without a place in the tree because of a fault that was reported.
    unplaced: BTreeSet<String>,
    complete: bool,
}

struct Node<'d> {
    entry: Entry<'d>,
    parent: Option<At<String>>,
    name: Option<String>,
    languages: Vec<String>,
}

impl Brands {
    pub(super) fn check(document: &Document<'_>, report: &Report) -> Self {
        document.only(&["brand"], report);
        let mut nodes: BTreeMap<String, Node<'_>> = BTreeMap::new();
        for entry in document.entries("brand", Some(report)) {
            entry.only(KEYS, report);
            let id = segment(&entry, report);
            let parent = entry.string("parent", report);
            let name = entry.string("name", report).map(|name| name.value);
            let languages = languages(&entry, report);
            let Some(id) = id else { continue };
            if let Some(first) = nodes.get(&id) {
                let above = first.entry.line;
                let line = entry.line_of("id");
                entry.fault(
                    line,
                    report,
                    format!("there is another brand `{id}` on line {above}; each id is given once"),
                );
                continue;
            }
            nodes.insert(id, Node { entry, parent, name, languages });
        }
        report_cycles(&nodes, report);

        let mut brands =
            Self { tree: BTreeMap::new(), unplaced: BTreeSet::new(), complete: document.complete("brand") };
        for (id, node) in &nodes {
            if let Some(parent) = node.parent.as_ref().filter(|parent| !nodes.contains_key(&parent.value)) {
                if brands.complete {
                    let hint = did_you_mean(&parent.value, nodes.keys().map(String::as_str));
                    let message = format!("`parent`: there is no brand `{}`{hint}", parent.value);
                    node.entry.fault(parent.line, report, message);
                }
                brands.unplaced.insert(id.clone());
                continue;
            }
            match lineage(&nodes, id) {
                Some(line) if line.len() <= DEPTH_MAX => {
                    let brand = brand(&nodes, id, node, &line);
                    brands.tree.insert(brand.path.clone(), brand);
                }
                Some(_) => {
                    node.entry.fault(node.entry.line, report, format!("brands are nested deeper than {DEPTH_MAX}"));
                    brands.unplaced.insert(id.clone());
                }
                // In or below a cycle, or below an unknown brand: both are reported at their root.
                None => {
                    brands.unplaced.insert(id.clone());
                }
            }
        }
        brands
    }

    /// The path where it names a brand; else it is reported.
    pub(super) fn resolve(
        &self,
        entry: &Entry<'_>,
        key: &str,
        path: &At<String>,
        report: &Report,
    ) -> Option<BrandPath> {
        let brand = BrandPath::new(path.value.clone());
        if self.tree.contains_key(&brand) {
            return Some(brand);
        }
        let last = path.value.rsplit('/').next().unwrap_or_default();
        if self.complete && !self.unplaced.contains(last) {
            let full = |known: &&str| known.rsplit('/').next() == Some(path.value.as_str());
            let hint = match self.tree.keys().map(BrandPath::as_str).find(full) {
                Some(full) => format!("; write its whole path, `{full}`"),
                None => did_you_mean(&path.value, self.tree.keys().map(BrandPath::as_str)),
            };
            entry.fault(path.line, report, format!("`{key}`: there is no brand `{}` in brands.toml{hint}", path.value));
        }
        None
    }

    /// Brands by a key that holds several.
    pub(super) fn resolve_all(&self, entry: &Entry<'_>, key: &str, report: &Report) -> Vec<BrandPath> {
        let paths = entry.strings(key, report).unwrap_or_default();
        paths.iter().filter_map(|path| self.resolve(entry, key, path, report)).collect()
    }

    pub(super) fn tree(&self) -> &BTreeMap<BrandPath, Brand> {
        &self.tree
    }

    pub(super) fn into_tree(self) -> BTreeMap<BrandPath, Brand> {
        self.tree
    }
}

fn segment(entry: &Entry<'_>, report: &Report) -> Option<String> {
    let id = entry.required("id", report)?;
    if is_id(&id.value) {
        return Some(id.value);
    }
    let slash = if id.value.contains('/') { "; the path comes from `parent`" } else { "" };
    entry.fault(id.line, report, format!("`id` must be {ID_RULE}{slash}"));
    None
}

/// A BCP 47 tag, well-formed as far as its parts go: a language of 2 or 3 letters, then parts of 1 to 8 letters or digits.
pub(super) fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    language && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn languages(entry: &Entry<'_>, report: &Report) -> Vec<String> {
    let mut good = Vec::new();
    for tag in entry.strings("languages", report).unwrap_or_default() {
        if is_language(&tag.value) {
            good.push(tag.value);
        } else {
            let message =
                format!("`languages`: `{}` is not a language tag such as `en` or `pt-BR` (BCP 47)", tag.value);
            entry.fault(tag.line, report, message);
        }
    }
    good
}

/// Reports each cycle once, at the `parent` of its first brand in the file.
fn report_cycles(nodes: &BTreeMap<String, Node<'_>>, report: &Report) {
    let parent = |id: &str| nodes.get(id).and_then(|node| node.parent.as_ref()).map(|parent| parent.value.as_str());
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for start in nodes.keys() {
        let mut walked: Vec<&str> = Vec::new();
        let mut at = Some(start.as_str()).filter(|id| !seen.contains(id));
        while let Some(id) = at {
            seen.insert(id);
            walked.push(id);
            at = parent(id);
            if let Some(back) = at.and_then(|next| walked.iter().position(|id| *id == next)) {
                report_cycle(nodes, walked.get(back..).unwrap_or_default(), report);
                break;
            }
            at = at.filter(|id| nodes.contains_key(*id) && !seen.contains(id));
        }
    }
}

fn report_cycle(nodes: &BTreeMap<String, Node<'_>>, cycle: &[&str], report: &Report) {
    let line = |id: &&str| nodes.get(*id).map_or(usize::MAX, |node| node.entry.line);
    let Some(first) = (0..cycle.len()).min_by_key(|at| cycle.get(*at).map(line)) else { return };
    let round: Vec<&str> = cycle.iter().cycle().skip(first).take(cycle.len() + 1).copied().collect();
    if let Some(node) = round.first().and_then(|id| nodes.get(*id)) {
        let line = node.parent.as_ref().map_or(node.entry.line, |parent| parent.line);
        node.entry.fault(line, report, format!("the brands form a cycle by `parent`: {}", round.join(" → ")));
    }
}

/// The brand's id and those above it, nearest first; none where that does not end at a root.
fn lineage<'n>(nodes: &'n BTreeMap<String, Node<'_>>, id: &'n str) -> Option<Vec<&'n str>> {
    let mut line = vec![id];
    let mut at = nodes.get(id)?;
    while let Some(parent) = &at.parent {
        at = nodes.get(&parent.value)?;
        line.push(&parent.value);
        if line.len() > nodes.len() {
            return None;
        }
    }
    Some(line)
}

fn brand(nodes: &BTreeMap<String, Node<'_>>, id: &str, node: &Node<'_>, line: &[&str]) -> Brand {
    let path: Vec<&str> = line.iter().rev().copied().collect();
    let languages = line.iter().filter_map(|id| nodes.get(*id)).find(|node| !node.languages.is_empty());
    Brand {
        path: BrandPath::new(path.join("/")),
        name: node.name.clone().unwrap_or_else(|| id.to_owned()),
        languages: languages.map(|node| node.languages.clone()).unwrap_or_default(),
    }
}
