//! Host names in links and bare domains in text, compared with a list of domains.
//!
//! The set does not know whether its domains are allowed or forbidden: each host that the text names gives a hit, with the pattern that
//! covers it (the longest listed domain that is the host or a parent of it), or `NO_PATTERN` where none does. Hosts are compared as the
//! URL standard does: lower case, punycode, without user information, port and trailing dot.

use std::collections::HashMap;

use super::cache::Folded;
use super::hits::{FOUND_MAX, Hit};
use super::letters::is_word;
use super::sets::Fold;
use super::tlds::{is_file_ending, is_top_level};
use super::view::View;

/// The pattern of a hit for a host that no listed domain covers.
pub const NO_PATTERN: u32 = u32::MAX;
/// Bytes of a host name, as in the domain name system.
const HOST_BYTES_MAX: usize = 253;

/// A compiled list of domains.
pub(super) struct Domains {
    fold: Fold,
    by_name: HashMap<String, u32>,
}

/// A host in a text.
struct Host<'a> {
    name: &'a str,
    start: usize,
    /// Named by a link or followed by a path: surely an address.
    certain: bool,
    /// Part of an e-mail address or a handle: counts only where a listed domain covers it.
    mail: bool,
}

impl Domains {
    /// Takes domains such as `example.com` (with all below it) or an IP address; `*.` and a dot in front are ignored.
    pub(super) fn build(domains: &[&str], fold: Fold) -> Result<Domains, (usize, String)> {
        let mut by_name = HashMap::with_capacity(domains.len());
        for (index, raw) in domains.iter().enumerate() {
            let bare = raw.trim().trim_start_matches("*.").trim_start_matches('.');
            if bare.contains(['/', '@', ':']) && !bare.starts_with('[') {
                return Err((index, "give the domain alone, without scheme, user, port or path".into()));
            }
            let name = host_name(bare).ok_or((index, "this is not a domain name".to_owned()))?;
            by_name.entry(name).or_insert(u32::try_from(index).unwrap_or(NO_PATTERN));
        }
        Ok(Domains { fold, by_name })
    }

    /// Finds hosts; under the strict fold also behind invisible characters and compatibility forms.
    pub(super) fn scan(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        if self.fold == Fold::Strict
            && let Some(view) = folded.exact(steps)
        {
            self.scan_text(&view.text, Some(view), steps, out);
            return;
        }
        self.scan_text(&folded.text, None, steps, out);
    }

    fn scan_text(&self, text: &str, view: Option<&View>, steps: &mut u64, out: &mut Vec<Hit>) {
        *steps += text.len() as u64;
        for_each_host(text, |host| {
            *steps += 1;
            if out.len() >= FOUND_MAX {
                return;
            }
            let Some(pattern) = self.judge(&host) else { return };
            let (start, end) = (host.start, host.start + host.name.len());
            let (from, to) = view.map_or((start, end), |v| v.origin(start, end));
            let disguised = view.is_some_and(|v| v.rewritten(start, end));
            out.push(Hit { pattern, ..Hit::new(0, from, to, disguised) });
        });
    }

    /// The pattern for a host; none where it is no address.
    fn judge(&self, host: &Host<'_>) -> Option<u32> {
        if !host.certain && !has_known_ending(host.name) && !self.may_be_listed(host.name) {
            return None;
        }
        let name = host_name(host.name)?;
        let listed = std::iter::successors(Some(name.as_str()), |n| n.split_once('.').map(|(_, parent)| parent))
            .find_map(|n| self.by_name.get(n).copied());
        if listed.is_some() {
            return listed;
        }
        let plausible = host.certain || (!host.mail && is_plausible(host.name));
        plausible.then_some(NO_PATTERN)
    }

    /// Listed names with endings of their own (`intranet.corp`) count in plain text too.
    fn may_be_listed(&self, name: &str) -> bool {
        host_name(name).is_some_and(|n| {
            std::iter::successors(Some(n.as_str()), |n| n.split_once('.').map(|(_, parent)| parent))
                .any(|n| self.by_name.contains_key(n))
        })
    }
}

/// The name as the domain name system knows it.
fn host_name(raw: &str) -> Option<String> {
    if raw.is_empty() || raw.len() > 4 * HOST_BYTES_MAX {
        return None;
    }
    let plain = raw.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    let letter_last = raw.trim_end_matches('.').bytes().next_back().is_some_and(|b| b.is_ascii_lowercase());
    let name = if plain && letter_last && !raw.contains("xn--") {
        raw.to_owned()
    } else {
        match url::Host::parse(raw).ok()? {
            url::Host::Domain(name) => name,
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        }
    };
    let name = name.trim_end_matches('.');
    (!name.is_empty() && name.len() <= HOST_BYTES_MAX).then(|| name.to_owned())
}

fn has_known_ending(name: &str) -> bool {
    let name = name.trim_end_matches(is_dot);
    name.rsplit(is_dot).next().is_some_and(is_top_level)
}

/// A bare domain that a network would turn into a link, and not a file name or two sentences without a space between.
fn is_plausible(name: &str) -> bool {
    let mut labels = name.rsplit(is_dot);
    let (Some(last), Some(before)) = (labels.next(), labels.next()) else { return false };
    if !is_top_level(last) || is_file_ending(last) || before.is_empty() || name.split(is_dot).any(str::is_empty) {
        return false;
    }
    let capital = last.chars().next().is_some_and(char::is_uppercase);
    let shouting = !name.chars().any(char::is_lowercase) && before.chars().count() > 1;
    !capital || shouting
}

fn is_dot(c: char) -> bool {
    matches!(c, '.' | '。' | '．' | '｡')
}

fn is_host_char(c: char) -> bool {
    is_word(c) || is_dot(c) || matches!(c, '-' | '_')
}

/// Calls `found` for each host, in order: of links (with a scheme or `//`), then bare names with a dot.
fn for_each_host<'a>(text: &'a str, mut found: impl FnMut(Host<'a>)) {
    let bytes = text.as_bytes();
    let (mut at, mut done) = (0, 0);
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| may_name(*byte))) {
        at += next;
        let end = match bytes.get(at) {
            Some(b'/' | b'\\') => link(text, at, &mut found),
            _ => bare(text, at, done, &mut found),
        };
        if let Some(end) = end {
            done = end;
        }
        at = end.map_or(at + 1, |end| end.max(at + 1));
    }
}

/// Slashes, and what a dot of any script begins with.
fn may_name(byte: u8) -> bool {
    NAMING.get(usize::from(byte)).copied().unwrap_or(false)
}

#[allow(clippy::indexing_slicing, reason = "a table of every byte, made when this is compiled")]
static NAMING: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'/' | b'\\' | b'.' | 0xE3 | 0xEF);
        byte += 1;
    }
    table
};

/// A link at `//`: the host after it, past any user information. Returns where the authority ends.
fn link<'a>(text: &'a str, at: usize, found: &mut impl FnMut(Host<'a>)) -> Option<usize> {
    let slash = |i: usize| matches!(text.as_bytes().get(i), Some(b'/' | b'\\'));
    let before = text.get(..at)?.chars().next_back();
    // `https://`, `//host`; not a second slash in a path.
    if !slash(at + 1) || before.is_some_and(|c| is_word(c) || c == '/' || c == '\\') {
        return None;
    }
    let extra = text.get(at + 2..)?.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
    let start = at + 2 + extra;
    let authority = text.get(start..)?;
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '/' | '\\' | '?' | '#' | '"' | '<' | '>' | '`' | '(' | ')' | ',' | ';')
    };
    let length = authority.find(ends).unwrap_or(authority.len());
    let authority = authority.get(..length)?;
    let host_at = authority.rfind('@').map_or(0, |i| i + 1);
    let host = authority.get(host_at..)?;
    let name = match host.strip_prefix('[') {
        Some(rest) => host.get(..rest.find(']')? + 2)?,
        None => host.split(':').next()?.trim_end_matches(|c: char| !is_word(c)),
    };
    if before != Some(':') && !name.contains('.') {
        return None;
    }
    if !name.is_empty() {
        found(Host { name, start: start + host_at, certain: true, mail: false });
    }
    Some(start + length)
}

/// A bare name around the dot at `at`, not before `floor`. Returns where the name ends.
fn bare<'a>(text: &'a str, at: usize, floor: usize, found: &mut impl FnMut(Host<'a>)) -> Option<usize> {
    if !text.get(at..)?.starts_with(is_dot) {
        return None;
    }
    let before = text.get(floor..at)?;
    let left: usize =
        before.chars().rev().take_while(|c| is_word(*c) || matches!(c, '-' | '_')).map(char::len_utf8).sum();
    let start = at - left;
    let after = text.get(at..)?;
    let right: usize = after.chars().take_while(|c| is_host_char(*c)).map(char::len_utf8).sum();
    let end = at + right;
    let name = text.get(start..end)?.trim_end_matches(|c: char| !is_word(c));
    if left == 0 || name.len() <= left + 1 {
        return Some(end);
    }
    let previous = text.get(..start)?.chars().next_back();
    let rest = text.get(start + name.len()..)?;
    // In `name@host` before an address, the name is no host.
    if rest.starts_with('@') {
        return Some(start + name.len());
    }
    let path =
        rest.starts_with('/') || rest.strip_prefix(':').is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit()));
    let www = name.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www."));
    let mail = previous == Some('@');
    let certain = (path || www) && !mail && has_known_ending(name);
    found(Host { name, start, certain, mail });
    Some(end)
}
