//! Links, mentions and tags, with their exact UTF-8 byte ranges.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// An address that starts with `http://` or `https://`.
    Link,
    /// `@name`, `@name.example` or `@name@server.example`.
    Mention,
    /// `#word`, in any script; digits alone are no tag.
    Tag,
}

/// One find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity<'a> {
    /// What it is.
    pub kind: EntityKind,
    /// UTF-8 bytes of the text that it takes, on character boundaries.
    pub range: Range<usize>,
    /// These bytes: `@name`, `#word`, `https://…`.
    pub text: &'a str,
}

impl<'a> Entity<'a> {
    /// The text without the sign before it: `name`, `word`; a link as it is.
    pub fn value(&self) -> &'a str {
        match self.kind {
            EntityKind::Link => self.text,
            EntityKind::Mention | EntityKind::Tag => {
                let mut letters = self.text.chars();
                letters.next();
                letters.as_str()
            }
        }
    }

    /// A mention's name and, where it has the form `@name@server`, the server.
    pub fn name_and_server(&self) -> (&'a str, Option<&'a str>) {
        match self.value().split_once('@') {
            Some((name, server)) if self.kind == EntityKind::Mention => (name, Some(server)),
            _ => (self.value(), None),
        }
    }
}

/// Finds links, mentions and tags: in order, never overlapping, without the punctuation behind them.
pub fn entities(text: &str) -> Vec<Entity<'_>> {
    let mut found = Vec::new();
    let mut before = None;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(letter) = rest.chars().next() else { break };
        let entity = match letter {
            'h' | 'H' if !before.is_some_and(is_word) => link_length(rest).map(|length| (EntityKind::Link, length)),
            '@' if !before.is_some_and(|c| is_word(c) || "@=/.-+".contains(c)) => {
                mention_length(rest).map(|length| (EntityKind::Mention, length))
            }
            '#' | '＃' if !before.is_some_and(|c| is_word(c) || "#＃&/".contains(c)) => {
                tag_length(rest).map(|length| (EntityKind::Tag, length))
            }
            _ => None,
        };
        let length = match entity.and_then(|(kind, length)| Some((kind, rest.get(..length)?))) {
            Some((kind, text)) => {
                found.push(Entity { kind, range: at..at + text.len(), text });
                text.len()
            }
            None => letter.len_utf8(),
        };
        before = rest.get(..length).and_then(|taken| taken.chars().next_back());
        at += length;
    }
    found
}

/// Letters, digits, marks and the underscore.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || is_combining_mark(letter)
}

fn link_length(rest: &str) -> Option<usize> {
    let scheme_bytes = ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = rest.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(scheme.len())
    })?;
    let address = rest.get(scheme_bytes..)?;
    // First, so that a text of nothing but schemes is not read to its end again and again.
    if !address.starts_with(|first: char| first.is_alphanumeric() || first == '[') {
        return None;
    }
    let end = address.find(|letter: char| !may_stand_in_link(letter)).unwrap_or(address.len());
    let address = without_trailing_punctuation(address.get(..end)?);
    (!address.is_empty()).then_some(scheme_bytes + address.len())
}

fn may_stand_in_link(letter: char) -> bool {
    if letter.is_ascii() { letter.is_ascii_graphic() && !"<>\"`\\^{|}".contains(letter) } else { is_word(letter) }
}

/// A sentence's punctuation is not part of a link, nor is a closing bracket without an opening one.
fn without_trailing_punctuation(address: &str) -> &str {
    let count = |sign: char| address.matches(sign).count();
    let mut unopened_round = count(')').saturating_sub(count('('));
    let mut unopened_square = count(']').saturating_sub(count('['));
    let mut is_trailing = |last: char| match last {
        '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '(' | '[' => true,
        ')' => take_one(&mut unopened_round),
        ']' => take_one(&mut unopened_square),
        _ => false,
    };
    let kept = address.char_indices().rev().find(|(_, letter)| !is_trailing(*letter));
    kept.and_then(|(at, letter)| address.get(..at + letter.len_utf8())).unwrap_or_default()
}

/// Takes one of what is left; false where nothing is.
fn take_one(left: &mut usize) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// `@`, then ASCII words joined by dots and dashes, then perhaps `@` and a server of words in any script.
fn mention_length(rest: &str) -> Option<usize> {
    let name = rest.get(1..)?;
    let name_bytes = joined_words_length(name, |letter| letter.is_ascii_alphanumeric() || letter == '_');
    let behind = name.get(name_bytes..)?;
    // `@jméno`: the name goes on with letters that no name has.
    if name_bytes == 0 || behind.chars().next().is_some_and(is_word) {
        return None;
    }
    let server_bytes = behind.strip_prefix('@').map_or(0, |server| joined_words_length(server, is_word));
    Some(1 + name_bytes + if server_bytes == 0 { 0 } else { 1 + server_bytes })
}

/// Length of `word([.-]+word)*` at the start.
fn joined_words_length(text: &str, is_letter: impl Fn(char) -> bool) -> usize {
    let mut length = 0;
    for (at, letter) in text.char_indices() {
        if is_letter(letter) {
            length = at + letter.len_utf8();
        } else if at == 0 || !(letter == '.' || letter == '-') {
            break;
        }
    }
    length
}

/// The sign, then letters, digits, marks and underscores with at least one letter. A few signs that words of some
/// scripts have inside (Hebrew maqaf, geresh and gershayim, the zero-width non-joiner, middle dots) may stand
/// between them.
fn tag_length(rest: &str) -> Option<usize> {
    const INNER: &str = "\u{200c}\u{05be}\u{05f3}\u{05f4}\u{00b7}\u{30fb}";
    let sign_bytes = rest.chars().next()?.len_utf8();
    let word = rest.get(sign_bytes..)?;
    let (mut length, mut has_letter) = (0, false);
    for (at, letter) in word.char_indices() {
        if is_word(letter) && !(at == 0 && is_combining_mark(letter)) {
            length = at + letter.len_utf8();
            has_letter |= letter.is_alphabetic();
        } else if at == 0 || !INNER.contains(letter) {
            break;
        }
    }
    has_letter.then_some(sign_bytes + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::EntityKind::{Link, Mention, Tag};
    use super::*;

    fn check(text: &str, expected: &[(EntityKind, &str)]) {
        let found = entities(text);
        let short: Vec<(EntityKind, &str)> = found.iter().map(|entity| (entity.kind, entity.text)).collect();
        assert_eq!(short, expected, "{text}");
        for entity in &found {
            assert_eq!(&text[entity.range.clone()], entity.text, "{text}");
        }
    }

    #[test]
    fn links_end_before_the_sentence_does() {
        check("see https://acme.example.", &[(Link, "https://acme.example")]);
        check("(https://acme.example/a_(b))", &[(Link, "https://acme.example/a_(b)")]);
        check("„https://acme.example/č?x=1&y=2#z“", &[(Link, "https://acme.example/č?x=1&y=2#z")]);
        check(
            "HTTPS://acme.example:8443/a, http://b.example…",
            &[(Link, "HTTPS://acme.example:8443/a"), (Link, "http://b.example")],
        );
        check("https://acme.example/@eva#tag ok", &[(Link, "https://acme.example/@eva#tag")]);
        check(
            "[https://acme.example/?a[]=1]) https://[::1]:80/a",
            &[(Link, "https://acme.example/?a[]=1"), (Link, "https://[::1]:80/a")],
        );
        check("https://acme.example/🎉", &[(Link, "https://acme.example/")]);
        check("https:// https://. xhttps://acme.example http://", &[]);
    }

    #[test]
    fn mentions_have_names_and_servers() {
        check(
            "@eva, @eva.acme.example! @eva@social.example.",
            &[(Mention, "@eva"), (Mention, "@eva.acme.example"), (Mention, "@eva@social.example")],
        );
        check("🎉@eva (@adam) „@ota“", &[(Mention, "@eva"), (Mention, "@adam"), (Mention, "@ota")]);
        check("post@acme.example @ @@eva @jméno /@eva", &[]);
        let found = entities("@eva@social.example");
        assert_eq!(found[0].name_and_server(), ("eva", Some("social.example")));
        assert_eq!(entities("@eva")[0].name_and_server(), ("eva", None));
    }

    #[test]
    fn tags_are_words_of_any_script() {
        check(
            "🎉 #Žluťoučký #кон_ь2, #שָׁלוֹם! (#日本語)",
            &[(Tag, "#Žluťoučký"), (Tag, "#кон_ь2"), (Tag, "#שָׁלוֹם"), (Tag, "#日本語")],
        );
        check("#צה״ל. #תל־אביב־", &[(Tag, "#צה״ל"), (Tag, "#תל־אביב")]);
        check("#2027 #️⃣ # ## a#b &#x27; #_", &[]);
        check("＃春", &[(Tag, "＃春")]);
        assert_eq!(entities("＃春")[0].value(), "春");
        check("#e\u{301}te\u{301}", &[(Tag, "#e\u{301}te\u{301}")]);
    }

    #[test]
    fn long_texts_of_nothing_but_signs_are_read_once() {
        // Each of these would take minutes if a find read the rest of the text again.
        for sign in ["https://", "https://[", "https://.", ")", "@a.", "@a@", "#\u{200c}", "h", "https://a)"] {
            let text = sign.repeat(50_000);
            entities(&text);
            entities(&format!("https://acme.example/{text}"));
        }
    }

    proptest! {
        #[test]
        fn ranges_are_ordered_on_boundaries_and_never_overlap(
            text in "([#@＃h.:/ )(🎉aéש_-]|https://|\u{301}|\u{200d}|\u{fe0f}|\\PC){0,40}",
        ) {
            let mut end = 0;
            for entity in entities(&text) {
                prop_assert!(entity.range.start >= end && entity.range.end > entity.range.start);
                prop_assert_eq!(text.get(entity.range.clone()), Some(entity.text));
                prop_assert!(!entity.value().is_empty());
                end = entity.range.end;
            }
        }
    }
}
