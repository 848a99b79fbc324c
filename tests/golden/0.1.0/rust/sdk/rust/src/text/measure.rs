//! How long a text is, as a network counts it.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::{EntityKind, entities};

/// Weights of code points, for networks that count some scripts double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Weight of a code point that is in none of the ranges, and of an emoji sequence.
    pub default: usize,
    /// First and last code point (inclusive) and their weight.
    pub ranges: &'static [(char, char, usize)],
    /// What counts as one: weights are summed and divided by this, rounded up.
    pub scale: usize,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Graphemes,
    Characters,
    // The function beside its weights keeps the tables of normalisation out of plugins that never weigh.
    Weighted(Weights, fn(&Weights, &str) -> usize),
}

/// A way to count.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    unit: Unit,
    link: Option<usize>,
    without_servers: bool,
}

impl Measure {
    /// Counts what a reader sees as one character (extended grapheme clusters, UAX #29).
    pub const fn graphemes() -> Self {
        Self { unit: Unit::Graphemes, link: None, without_servers: false }
    }

    /// Counts code points.
    pub const fn characters() -> Self {
        Self { unit: Unit::Characters, link: None, without_servers: false }
    }

    /// Counts code points by weight, in normalisation form C; an emoji sequence counts as one code point.
    pub const fn weighted(weights: Weights) -> Self {
        Self { unit: Unit::Weighted(weights, Weights::of), link: None, without_servers: false }
    }

    /// Counts every link as this many, whatever its length.
    #[must_use]
    pub const fn links_as(mut self, count: usize) -> Self {
        self.link = Some(count);
        self
    }

    /// Counts `@name@server` as `@name`.
    #[must_use]
    pub const fn without_mention_servers(mut self) -> Self {
        self.without_servers = true;
        self
    }

    /// The length of this text.
    pub fn of(&self, text: &str) -> usize {
        if self.link.is_none() && !self.without_servers {
            return self.plain(text);
        }
        // What stays is counted in one piece: characters of two neighbours may form one grapheme.
        let mut counted = String::with_capacity(text.len());
        let (mut links, mut from) = (0, 0);
        for entity in entities(text) {
            let kept = match entity.kind {
                EntityKind::Link if self.link.is_some() => {
                    links += 1;
                    0
                }
                EntityKind::Mention if self.without_servers => '@'.len_utf8() + entity.name_and_server().0.len(),
                _ => continue,
            };
            counted.push_str(text.get(from..entity.range.start + kept).unwrap_or_default());
            from = entity.range.end;
        }
        counted.push_str(text.get(from..).unwrap_or_default());
        self.plain(&counted) + links * self.link.unwrap_or_default()
    }

    fn plain(&self, text: &str) -> usize {
        match self.unit {
            // An ASCII text without line ends has as many graphemes as bytes; most texts are short of the rest.
            Unit::Graphemes if text.is_ascii() && !text.contains('\r') => text.len(),
            Unit::Graphemes => text.graphemes(true).count(),
            Unit::Characters => text.chars().count(),
            Unit::Weighted(weights, weigh) => weigh(&weights, text),
        }
    }
}

impl Weights {
    fn of(&self, text: &str) -> usize {
        let normal: String = text.nfc().collect();
        let weigh = |letter: char| {
            let range = self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&letter));
            range.map_or(self.default, |(_, _, weight)| *weight)
        };
        let sum: usize = normal
            .graphemes(true)
            .map(|grapheme| if is_emoji(grapheme) { self.default } else { grapheme.chars().map(weigh).sum() })
            .sum();
        sum.div_ceil(self.scale.max(1))
    }
}

/// True for emoji sequences: pictographs, flags and keycaps.
fn is_emoji(grapheme: &str) -> bool {
    let pictograph = |letter: char| matches!(letter, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}');
    grapheme.starts_with(pictograph) || grapheme.contains(['\u{fe0f}', '\u{20e3}'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOUBLE_FOR_OTHERS: Weights = Weights {
        default: 200,
        ranges: &[('\0', '\u{10ff}', 100), ('\u{2000}', '\u{200d}', 100), ('\u{2010}', '\u{201f}', 100)],
        scale: 100,
    };

    #[test]
    fn graphemes_are_what_a_reader_sees() {
        for (text, length) in [("", 0), ("kůň", 3), ("ku\u{30a}n\u{30c}", 3), ("👩‍👩‍👧🇨🇿", 2), ("שָׁלוֹם", 4), ("a\r\nb", 3)]
        {
            assert_eq!(Measure::graphemes().of(text), length, "{text}");
        }
        assert_eq!(Measure::characters().of("ku\u{30a}n"), 4);
    }

    #[test]
    fn links_and_servers_count_as_told() {
        let measure = Measure::graphemes().links_as(23).without_mention_servers();
        assert_eq!(measure.of("https://acme.example/a/very/long/address/that/goes/on"), 23);
        assert_eq!(measure.of("http://a.b"), 23);
        assert_eq!(measure.of("ahoj @eva@social.example!"), "ahoj @eva!".len());
        assert_eq!(measure.of("https://a.example https://b.example"), 23 + 1 + 23);
        assert_eq!(Measure::graphemes().of("http://a.b"), 10);
    }

    #[test]
    fn weights_count_some_scripts_double() {
        let measure = Measure::weighted(DOUBLE_FOR_OTHERS).links_as(23);
        assert_eq!(measure.of("kůň"), 3);
        assert_eq!(measure.of("ku\u{30a}n"), 3);
        assert_eq!(measure.of("日本"), 4);
        assert_eq!(measure.of("👩‍👩‍👧"), 2);
        assert_eq!(measure.of("🇨🇿 1️⃣"), 2 + 1 + 2);
        assert_eq!(measure.of("日 https://acme.example"), 2 + 1 + 23);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https://|@a@b.c|\\PC|\u{200d}|\u{fe0f}|\r|\n){0,40}") {
            for measure in [Measure::graphemes(), Measure::characters(), Measure::weighted(DOUBLE_FOR_OTHERS)] {
                prop_assert!(measure.of(&text) <= text.len().max(text.chars().count() * 2));
                let _ = measure.links_as(23).without_mention_servers().of(&text);
            }
        }

        #[test]
        fn the_short_way_counts_as_the_long_way(text in "[ -~\n]{0,60}") {
            prop_assert_eq!(Measure::graphemes().of(&text), text.graphemes(true).count());
        }
    }
}
