//! Relative links in Markdown resolve: the file or folder is tracked, and the heading is there.

use std::collections::BTreeMap;

use crate::{Fault, Tree};

/// The links that lead nowhere.
pub fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.under("", ".md") {
        for (line, text) in prose(text) {
            for target in targets(&text) {
                if let Err(why) = resolve(tree, path, &target) {
                    faults.push(Fault::new(path, line, format!("the link `{target}` leads nowhere: {why}")));
                }
            }
        }
    }
    faults
}

/// The lines, from 1, outside fenced blocks and without what is in backticks.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fence = None;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark: String = start.chars().take_while(|letter| matches!(letter, '`' | '~')).collect();
        match &fence {
            None if mark.len() >= 3 => fence = Some(mark),
            Some(open) if mark.starts_with(open.as_str()) => fence = None,
            None => lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("`"))),
            Some(_) => {}
        }
    }
    lines
}

/// The targets of `[text](target)`, `[name]: target`, `href="target"` and `src="target"`.
fn targets(line: &str) -> Vec<String> {
    let until =
        |rest: &str, end: &[char]| rest.split(end).next().unwrap_or_default().trim_matches(['<', '>']).to_owned();
    let mut targets: Vec<String> =
        line.match_indices("](").map(|(at, _)| until(&line[at + 2..], &[')', ' '])).collect();
    for attribute in ["href=\"", "src=\""] {
        targets.extend(line.match_indices(attribute).map(|(at, _)| until(&line[at + attribute.len()..], &['"'])));
    }
    if let Some((name, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "))
        && !name.contains(']')
    {
        targets.push(until(rest.trim_start(), &[' ']));
    }
    targets
}

fn resolve(tree: &Tree, from: &str, target: &str) -> Result<(), String> {
    let has_scheme =
        target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(|letter| letter.is_ascii_alphabetic()));
    if has_scheme || target.starts_with("//") {
        return Ok(());
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { join(from, file)? };
    if !tree.has(&path) {
        return Err(format!("{path} is not tracked"));
    }
    match tree.text(&path) {
        Some(text) if !heading.is_empty() && path.ends_with(".md") => {
            let known = anchors(text).contains(&heading.to_owned());
            known.then_some(()).ok_or_else(|| format!("{path} has no such heading"))
        }
        _ => Ok(()),
    }
}

/// The path that a link in the file `from` means.
fn join(from: &str, link: &str) -> Result<String, String> {
    if link.starts_with('/') {
        return Err("it begins at the root of a machine; write it relative to this file".to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err("it leaves the repository".to_owned()),
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// What the headings of a page are called in links: lower case, spaces as hyphens, no punctuation, repeated ones numbered.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose_with_code(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let anchor: String =
                title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect();
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
        })
        .collect()
}

/// The lines outside fenced blocks, whole.
fn prose_with_code(text: &str) -> impl Iterator<Item = &str> {
    let numbers: Vec<usize> = prose(text).into_iter().map(|(line, _)| line).collect();
    text.lines().enumerate().filter(move |(index, _)| numbers.binary_search(&(index + 1)).is_ok()).map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found() {
        let page = "# The `first` page, & more\n## Again\n## Again\n\
            [a](b/c.md) [d](b/) [e](https://x.example/y) [f](#the-first-page--more) [g](b/c.md#sub) [h](#again-1)\n\
            [i](gone.md) `[j](code.md)` [k](b/c.md#none) [l](../up.md)\n\
            ```\n[m](fence.md)\n```\n\
            [n]: nowhere.md\n<img src=\"no.png\"> [o](/abs.md) [p](mailto:a@b.example)\n";
        let tree = Tree::planted(&[("README.md", page), ("b/c.md", "text\n### Sub\n[q](../README.md \"title\")\n")]);
        let lines: Vec<(String, usize)> = faults(&tree).into_iter().map(|fault| (fault.path, fault.line)).collect();
        assert_eq!(lines, [5, 5, 5, 9, 10, 10].map(|line| ("README.md".to_owned(), line)));
    }
}
