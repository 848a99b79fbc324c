//! Words of a leaf, and of a text that somebody searches: both are cut in the same way, so that what is found is what matches.
//!
//! A word is a run of ASCII letters, digits, `-`, `_`, `.` and of anything beyond ASCII; ASCII letters count in lower case. That
//! is also how the index's own tokenizer cuts (`ascii` of FTS5 with these characters added).

/// Words of one searched text, at most.
pub const WORDS_MAX: usize = 16;
/// The longest word that is kept, in bytes; what is longer is cut, on both sides.
const WORD_BYTES_MAX: usize = 200;

/// One word of a searched text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The word, in lower case.
    pub word: String,
    /// It only needs to be how a word begins.
    pub prefix: bool,
}

/// True for the characters of words.
fn is_part(letter: char) -> bool {
    !letter.is_ascii() || letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

/// The words of a text, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter| !is_part(letter)).filter(|word| !word.is_empty()).map(lower)
}

/// The words of a searched text: all must be there, in any order. A word before `*` is only how one begins.
pub fn wanted(text: &str) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let tail = rest.get(start..).unwrap_or_default();
        let end = tail.find(|letter| !is_part(letter)).unwrap_or(tail.len());
        let (word, after) = tail.split_at_checked(end).unwrap_or((tail, ""));
        wanted.push(Wanted { word: lower(word), prefix: after.starts_with('*') });
        rest = after;
    }
    wanted
}

fn lower(word: &str) -> String {
    let end = (0..=WORD_BYTES_MAX.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
    word.get(..end).unwrap_or_default().to_ascii_lowercase()
}

impl Wanted {
    /// True where the word is what is wanted.
    pub fn is(&self, word: &str) -> bool {
        if self.prefix { word.starts_with(&self.word) } else { word == self.word }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_whole_and_addresses_fall_apart() {
        let cut = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(
            cut("at://did:plc:AbC/app.bsky.feed.post/3k"),
            ["at", "did", "plc", "abc", "app.bsky.feed.post", "3k"]
        );
        assert_eq!(cut("no-grant  post_01AB \"x\""), ["no-grant", "post_01ab", "x"]);
        assert_eq!(cut("Žluť ŽLUŤ"), ["Žluť", "ŽluŤ"], "only ASCII has a lower case here");
        assert_eq!(cut("*:\u{0}"), [""; 0]);
        assert_eq!(cut(&"é".repeat(150))[0].len(), 200);
    }

    #[test]
    fn a_star_makes_a_beginning() {
        let found = wanted("post_01* no-grant*x *");
        let expected = [("post_01", true), ("no-grant", true), ("x", false)];
        assert_eq!(found.iter().map(|it| (it.word.as_str(), it.prefix)).collect::<Vec<_>>(), expected);
        assert!(found[0].is("post_0199") && !found[2].is("xy"));
    }
}
