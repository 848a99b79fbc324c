//! What a draft says beside the texts of its entries: descriptions of media and options.

use crate::{Draft, Finding, json};

/// Stands between two texts, so that what is next to each other makes no word or sentence together.
const BETWEEN: &str = "\n;\n";

/// Those texts as one, for a single scan, and where each came from.
#[derive(Debug, Default)]
pub struct BesideTexts {
    text: String,
    /// Where each text starts, ascending.
    starts: Vec<(usize, Origin)>,
}

#[derive(Debug)]
enum Origin {
    Alt { part: usize, medium: usize },
    Option(String),
}

impl BesideTexts {
    /// The draft's.
    pub fn of(draft: &Draft) -> Self {
        let mut all = Self::default();
        for (part, entry) in draft.parts.iter().enumerate() {
            for (medium, alt) in entry.media.iter().enumerate().filter_map(|(n, m)| Some((n, m.alt.as_deref()?))) {
                all.add(alt, || Origin::Alt { part, medium });
            }
        }
        for (name, value) in json::members(&draft.options) {
            json::each_string(value, &mut |text| all.add(text, || Origin::Option(unquoted(name))));
        }
        all
    }

    fn add(&mut self, text: &str, origin: impl FnOnce() -> Origin) {
        if !self.starts.is_empty() {
            self.text.push_str(BETWEEN);
        }
        self.starts.push((self.text.len(), origin()));
        self.text.push_str(text);
    }

    /// All of them; empty where there are none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The finding, at the member that has the byte `at` of [`Self::text`].
    pub fn place(&self, finding: Finding, at: u32) -> Finding {
        let number = self.starts.partition_point(|(start, _)| *start <= at as usize);
        match number.checked_sub(1).and_then(|number| self.starts.get(number)) {
            Some((_, Origin::Alt { part, medium })) => finding.in_part(*part).in_alt(*medium),
            Some((_, Origin::Option(name))) => finding.in_option(name),
            None => finding,
        }
    }
}

/// A member's name as it is meant.
fn unquoted(name: &str) -> String {
    if !name.contains('\\') {
        return name.to_owned();
    }
    let quoted = ["\"", name, "\""].concat();
    json::string(&quoted).map_or_else(|| name.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, picture};

    #[test]
    fn a_find_is_placed_where_its_text_came_from() {
        let mut draft = testing::draft("the entry");
        draft.parts.push(testing::part("another"));
        draft.parts[0].media = vec![picture("m1", None), picture("m2", Some("first"))];
        draft.parts[1].media = vec![picture("m3", Some("second"))];
        draft.options = r#"{"a/b":["third"],"c\u0061":{"d":"fourth"}}"#.into();
        let beside = BesideTexts::of(&draft);
        let placed = |word: &str| {
            let at = u32::try_from(beside.text().find(word).unwrap()).unwrap();
            let finding = beside.place(Finding::error("x", "y"), at);
            (finding.part, finding.place)
        };
        let place = |text: &str| Some(text.to_owned());
        assert_eq!(placed("first"), (Some(0), place("media/1/alt")));
        assert_eq!(placed("econd"), (Some(1), place("media/0/alt")));
        assert_eq!(placed("third"), (None, place("options/a~1b")));
        assert_eq!(placed("fourth"), (None, place("options/ca")));
        assert_eq!(BesideTexts::of(&testing::draft("x")).text(), "");
    }
}
