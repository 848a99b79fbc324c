//! A text as a matcher sees it, with the way back: every offset of the view maps to an offset of the original.

/// A stretch of a view and where it came from.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Offset in the view where the stretch starts.
    at: usize,
    /// Offset in the original where it starts.
    from: usize,
    /// Offset in the original where it ends; unused while `linear`.
    to: usize,
    /// Byte for byte the same length as the original; otherwise the stretch stands for `from..to` as a whole.
    linear: bool,
}

/// A rewritten text. Offsets are UTF-8 bytes; mapped offsets always fall on character boundaries of the original.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// The rewritten text.
    pub(super) text: String,
    segments: Vec<Segment>,
    /// Ranges of the view within which every offset counts as a word boundary (`start == end` for one offset), sorted.
    pub(super) joints: Vec<(usize, usize)>,
    /// Where the view says something else than the view that it was made from, in order: only there it is worth a look.
    pub(super) changes: Vec<(usize, usize)>,
    /// The original has no invisible characters, marks of their own or compatibility forms. Only a fold sets it.
    pub(super) is_exact: bool,
}

impl View {
    /// An empty view with room for `bytes`.
    pub(super) fn with_capacity(bytes: usize) -> View {
        View { text: String::with_capacity(bytes), segments: Vec::with_capacity(8), ..View::default() }
    }

    /// Appends `piece`, which stands unchanged in length at `from` in the original.
    pub(super) fn copy(&mut self, piece: &str, from: usize) {
        if piece.is_empty() {
            return;
        }
        self.linear(from);
        self.text.push_str(piece);
    }

    /// Appends one character that stands for `from..to` of the original.
    pub(super) fn put(&mut self, c: char, from: usize, to: usize) {
        if c.len_utf8() == to.saturating_sub(from) {
            self.linear(from);
        } else {
            self.segments.push(Segment { at: self.text.len(), from, to, linear: false });
        }
        self.text.push(c);
    }

    /// Appends one space that stands for the run `from..to`. Never counts as unchanged, even where the run is one byte.
    pub(super) fn put_gap(&mut self, from: usize, to: usize) {
        self.replace(" ", from, to);
    }

    /// Appends `piece`, which as a whole stands for `from..to` of the original.
    pub(super) fn replace(&mut self, piece: &str, from: usize, to: usize) {
        if !piece.is_empty() {
            self.segments.push(Segment { at: self.text.len(), from, to, linear: false });
            self.text.push_str(piece);
        }
    }

    /// Appends the part `start..end` of another view of the same original.
    pub(super) fn append(&mut self, other: &View, start: usize, end: usize) {
        let Some(piece) = other.text.get(start..end) else { return };
        if piece.is_empty() {
            return;
        }
        let base = self.text.len();
        let first = other.segment(start);
        for (index, segment) in other.segments.iter().enumerate().skip(first) {
            if segment.at >= end {
                break;
            }
            let skipped = if index == first { start.saturating_sub(segment.at) } else { 0 };
            let at = base + (segment.at + skipped).saturating_sub(start);
            if segment.linear {
                self.segments.push(Segment { at, from: segment.from + skipped, ..*segment });
            } else {
                self.segments.push(Segment { at, ..*segment });
            }
        }
        self.text.push_str(piece);
    }

    fn linear(&mut self, from: usize) {
        let at = self.text.len();
        if let Some(last) = self.segments.last()
            && last.linear
            && last.from + at.saturating_sub(last.at) == from
        {
            return;
        }
        self.segments.push(Segment { at, from, to: from, linear: true });
    }

    /// Index of the segment that holds `offset`.
    fn segment(&self, offset: usize) -> usize {
        self.segments.partition_point(|s| s.at <= offset).saturating_sub(1)
    }

    /// The range of the original that `start..end` of the view stands for.
    pub(super) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.segments.get(self.segment(start));
        let last = self.segments.get(self.segment(end.saturating_sub(1)));
        let from = first.map_or(start, |s| if s.linear { s.from + start.saturating_sub(s.at) } else { s.from });
        let to = last.map_or(end, |s| if s.linear { s.from + end.saturating_sub(s.at) } else { s.to });
        (from, to.max(from))
    }

    /// An offset of the view at or before what stands for `origin` in the original. May lie within a character.
    pub(super) fn position(&self, origin: usize) -> usize {
        let index = self.segments.partition_point(|s| s.from <= origin).saturating_sub(1);
        let offset =
            self.segments.get(index).map_or(0, |s| s.at + if s.linear { origin.saturating_sub(s.from) } else { 0 });
        let next = self.segments.get(index + 1).map_or(self.text.len(), |s| s.at);
        offset.min(next)
    }

    /// True where `start..end` differs from the original in more than letter case.
    pub(super) fn rewritten(&self, start: usize, end: usize) -> bool {
        let first = self.segment(start);
        let inside = self.segments.iter().skip(first).take_while(|s| s.at < end);
        let mut count = 0;
        inside.fold(false, |found, s| {
            count += 1;
            found || !s.linear || count > 1
        })
    }

    /// True where the byte at `offset` starts a stretch that stands for another one of the original.
    pub(super) fn is_replaced(&self, offset: usize) -> bool {
        self.segments.get(self.segment(offset)).is_some_and(|s| s.at == offset && !s.linear)
    }

    /// Notes that `start..end` is new here; called in order, touching notes become one.
    pub(super) fn changed(&mut self, start: usize, end: usize) {
        match self.changes.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => self.changes.push((start, end)),
        }
    }

    /// True where `offset` lies at a place that was joined, so that a word may begin or end there.
    pub(super) fn is_joint(&self, offset: usize) -> bool {
        let next = self.joints.partition_point(|j| j.0 <= offset);
        next.checked_sub(1).and_then(|i| self.joints.get(i)).is_some_and(|j| offset <= j.1)
    }

    /// True where a joint lies strictly inside `start..end`.
    pub(super) fn has_joint(&self, start: usize, end: usize) -> bool {
        let first = self.joints.partition_point(|j| j.1 <= start);
        self.joints.get(first).is_some_and(|j| j.0 < end)
    }
}
