//! The folded views of texts already seen in one plugin call, so that several sets fold a text once.

use super::decode::{Decoded, decoded_runs};
use super::fold::{Depth, fold};
use super::split::joined_view;
use super::view::View;
use super::words::lookalike_views;

/// Texts remembered within one call; later ones are folded anew.
const TEXTS_MAX: usize = 64;

/// The views of the texts that one plugin call has scanned. Make one for each call and drop it with the call.
#[derive(Default)]
pub struct FoldCache {
    current: Folded,
    others: Vec<Folded>,
    steps: u64,
}

impl FoldCache {
    /// An empty cache.
    pub fn new() -> FoldCache {
        FoldCache::default()
    }

    /// Work done so far, in bytes looked at and candidates verified: grows linearly with the length of the texts.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The views of `text`, and the counter of work.
    pub(super) fn folded(&mut self, text: &str) -> (&mut Folded, &mut u64) {
        if self.current.text != text {
            let known = self.others.iter_mut().find(|f| f.text == text);
            match known {
                Some(folded) => std::mem::swap(folded, &mut self.current),
                None => {
                    let before = std::mem::replace(&mut self.current, Folded::new(text));
                    if self.others.len() < TEXTS_MAX {
                        self.others.push(before);
                    }
                }
            }
        }
        (&mut self.current, &mut self.steps)
    }
}

/// One text and those of its views that were asked for.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) text: String,
    case: Option<View>,
    exact: Option<Option<View>>,
    strict: Option<Vec<View>>,
    decoded: Option<Vec<(Decoded, Folded)>>,
}

impl Folded {
    pub(super) fn new(text: &str) -> Folded {
        Folded { text: text.to_owned(), case: None, exact: None, strict: None, decoded: None }
    }

    /// Lower case and single spaces.
    pub(super) fn case(&mut self, steps: &mut u64) -> &View {
        let text = &self.text;
        self.case.get_or_insert_with(|| {
            *steps += text.len() as u64;
            fold(text, Depth::Case)
        })
    }

    /// Without invisible characters and compatibility forms; none where that is the text itself.
    pub(super) fn exact(&mut self, steps: &mut u64) -> Option<&View> {
        let text = &self.text;
        let plain = self.strict.as_ref().and_then(|views| views.first()).is_some_and(|base| base.is_exact);
        let view = self.exact.get_or_insert_with(|| {
            *steps += text.len() as u64;
            if plain || text.is_ascii() {
                return None;
            }
            let view = fold(text, Depth::Exact);
            (view.text != *text).then_some(view)
        });
        view.as_ref()
    }

    /// The strict views: folded first, then (where they say something else) joined, then read across scripts.
    pub(super) fn strict(&mut self, steps: &mut u64) {
        let text = &self.text;
        self.strict.get_or_insert_with(|| {
            let base = fold(text, Depth::Strict);
            let joined = joined_view(text, &base);
            // A word may be masked and pulled apart, or masked beside a dash that belongs there.
            let alike = lookalike_views(text, &base, joined.as_ref());
            let views: Vec<View> = std::iter::once(base).chain(joined).chain(alike).collect();
            *steps += (views.len() as u64 + 2) * text.len() as u64;
            views
        });
    }

    /// The strict views as far as they were made.
    pub(super) fn views(&self) -> &[View] {
        self.strict.as_deref().unwrap_or_default()
    }

    /// What encoded runs of the text say, each with views of its own.
    pub(super) fn decoded(&mut self, steps: &mut u64) -> &mut [(Decoded, Folded)] {
        let text = &self.text;
        self.decoded.get_or_insert_with(|| {
            *steps += 2 * text.len() as u64;
            decoded_runs(text)
                .into_iter()
                .map(|d| {
                    let folded = Folded::new(&d.text);
                    (d, folded)
                })
                .collect()
        })
    }
}
