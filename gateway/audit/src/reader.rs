//! Reads a log in order, streaming, also while a writer is at work in this or another process.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{Corrupt, ReadError};
use crate::extents::{Extent, open_segment, segment_ids, survey};
use crate::format::{Bad, Entry, FRAME_HEAD_BYTES, segment_name};
use crate::leaf::Leaf;
use crate::place::Place;
use crate::scan::{Scan, Tail};
use crate::tile::TILE_WIDTH;
use crate::tree::files::stated_size;
use crate::tree::{TREE_DIR, TreeFiles, entries_from};

/// How often a reader starts anew when files change under it.
const CHANGES_MAX: u32 = 16;

/// Goes through the committed leaves of a log from an index on.
///
/// Leaves whose entries were dropped by retention are passed over: the indices then go on after them.
///
/// At the end of what is committed it gives `None`; asked again it looks again, so it can follow a writer. A reader outside the
/// writer's process may see the last batch a moment before it is durable; should that commit fail, the leaves at these indices are
/// replaced. [`LogReader::until`] keeps a reader to indices that are known to be durable.
pub struct LogReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    current: Option<(Extent, Scan)>,
    /// The next index to give.
    index: u64,
    until: Option<u64>,
    ready: VecDeque<(Option<Place>, Entry)>,
    last_place: Option<Place>,
    changes: u32,
    tail: Option<Tail>,
    last_batch: u64,
    last_offset: Option<u64>,
    /// Leaves that the tree has are read from there.
    tree: bool,
    /// What lies beside the leaves is read too.
    besides: bool,
    over: bool,
}

enum Next {
    Leaves,
    End,
    Again,
}

impl LogReader {
    /// A reader of the log in a folder, from an index on. Older leaves come from the tree in that folder, newer ones from the
    /// write-ahead log.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, from: u64) -> Self {
        Self { tree: true, ..Self::segments(disk, dir, from) }
    }

    /// A reader of the write-ahead log alone, with what lies beside the leaves.
    pub fn with_besides(disk: Arc<dyn Disk>, dir: &Path, from: u64) -> Self {
        Self { besides: true, ..Self::segments(disk, dir, from) }
    }

    /// A reader of the write-ahead log alone.
    pub(crate) fn segments(disk: Arc<dyn Disk>, dir: &Path, from: u64) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            current: None,
            index: from,
            until: None,
            ready: VecDeque::new(),
            last_place: None,
            changes: 0,
            tail: None,
            last_batch: from,
            last_offset: None,
            tree: false,
            besides: false,
            over: false,
        }
    }

    /// Gives only leaves below an index.
    #[must_use]
    pub fn until(mut self, index: u64) -> Self {
        self.until = Some(index);
        self
    }

    /// Goes on up to another index, so that one reader can follow a writer of its own process for long. All leaves below it must
    /// be durable. What was read beyond the index before may be of a batch whose commit failed, and is read again.
    pub fn follow(&mut self, until: u64) -> Result<(), ReadError> {
        self.until = Some(until);
        self.changes = 0;
        self.over = false;
        let Some((extent, scan)) = &mut self.current else { return Ok(()) };
        scan.refresh();
        if extent.end.is_none() && segment_ids(&*self.disk, &self.dir)?.last() != Some(&extent.id) {
            // A later segment overrides what stands here from some index on.
            self.current = None;
        }
        Ok(())
    }

    /// The index that it gives next.
    pub fn position(&self) -> u64 {
        self.index
    }

    /// The next leaf's index and bytes, or `None` at the end of what is committed.
    pub fn next_bytes(&mut self) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        Ok(self.next_entry()?.map(|(index, entry)| (index, entry.leaf)))
    }

    /// The next leaf's index and bytes, with what lies beside it where the reader was made for that.
    pub fn next_entry(&mut self) -> Result<Option<(u64, Entry)>, ReadError> {
        loop {
            if self.until.is_some_and(|until| self.index >= until) {
                return Ok(None);
            }
            if let Some((place, entry)) = self.ready.pop_front() {
                self.last_place = place;
                self.index += 1;
                self.changes = 0;
                return Ok(Some((self.index - 1, entry)));
            }
            match self.advance() {
                Ok(Next::Leaves) => {}
                Ok(Next::End) => return Ok(None),
                Ok(Next::Again) if self.changes < CHANGES_MAX => self.start_anew(),
                Ok(Next::Again) => return Err(self.missing("the segments change faster than they can be read")),
                // A start of the writer removes segments that hold nothing any more.
                Err(ReadError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && self.changes < CHANGES_MAX =>
                {
                    self.start_anew();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next leaf, or `None` at the end of what is committed.
    pub fn next_leaf(&mut self) -> Result<Option<(u64, Leaf)>, ReadError> {
        let Some((index, bytes)) = self.next_bytes()? else { return Ok(None) };
        Ok(Some((index, Leaf::from_bytes(&bytes).map_err(|source| ReadError::Leaf { index, source })?)))
    }

    /// Where the leaf lies that was given last; none where it came from the tree.
    pub fn place(&self) -> Option<Place> {
        self.last_place
    }

    /// The index of the first leaf of the batch that was read last.
    pub(crate) fn last_batch(&self) -> u64 {
        self.last_batch
    }

    /// Where that batch begins in its segment, in bytes.
    pub(crate) fn last_offset(&self) -> Option<u64> {
        self.last_offset
    }

    /// The segment that was read last, and what follows its last batch, once the end was reached.
    pub(crate) fn into_end(self) -> Option<(Extent, Scan, Tail)> {
        let (extent, scan) = self.current?;
        Some((extent, scan, self.tail?))
    }

    /// The index after the last committed leaf of the segments, once the end was reached; 0 where there is no segment.
    pub(crate) fn end(&self) -> u64 {
        self.current.as_ref().map_or(0, |(_, scan)| scan.expected.index)
    }

    fn start_anew(&mut self) {
        self.changes += 1;
        self.current = None;
        self.ready.clear();
    }

    fn advance(&mut self) -> Result<Next, ReadError> {
        let Some((extent, scan)) = &mut self.current else { return self.enter() };
        if extent.end.is_some_and(|end| scan.expected.index >= end) {
            return self.enter();
        }
        let end = extent.end.unwrap_or(u64::MAX);
        let (offset, number) = (scan.offset, scan.expected.batch);
        let bad = match scan.next()? {
            Ok((batch, bytes)) => {
                self.last_batch = batch.first_index;
                self.last_offset = Some(offset);
                let frames = batch.leaves.into_iter().zip(batch.besides);
                for (index, (leaf, beside)) in (batch.first_index..end).zip(frames) {
                    let offset = offset + leaf.start.saturating_sub(FRAME_HEAD_BYTES) as u64;
                    if index >= self.index
                        && let (Some(leaf), Some(beside)) = (bytes.get(leaf), bytes.get(beside))
                    {
                        let beside = if self.besides { beside.to_vec() } else { Vec::new() };
                        let place = Place { segment: extent.id, batch: number, offset };
                        self.ready.push_back((Some(place), Entry { leaf: leaf.to_vec(), beside }));
                    }
                }
                return Ok(Next::Leaves);
            }
            Err(bad) => bad,
        };
        if let Some(end) = extent.end {
            // It may have been read while it was written, before the later segment was known.
            scan.refresh();
            return match scan.next()? {
                Ok(_) => Ok(Next::Again),
                Err(bad) => Err(scan.corrupt(bad, format!("a later segment goes on only at leaf {end}"))),
            };
        }
        self.at_the_end(bad)
    }

    /// The last segment that was known has no further good batch.
    fn at_the_end(&mut self, bad: Bad) -> Result<Next, ReadError> {
        let Some((extent, scan)) = &mut self.current else { return Ok(Next::Again) };
        if segment_ids(&*self.disk, &self.dir)?.last() != Some(&extent.id) {
            return Ok(Next::Again);
        }
        scan.refresh();
        match scan.tail(bad) {
            Ok(tail) => {
                self.tail = Some(tail);
                scan.refresh();
                Ok(Next::End)
            }
            Err(error) => {
                // A writer may have gone on since the batch was read: damage is what stays bad.
                scan.refresh();
                if scan.next()?.is_ok() { Ok(Next::Again) } else { Err(error) }
            }
        }
    }

    /// Goes to the segment that holds the next index.
    fn enter(&mut self) -> Result<Next, ReadError> {
        if self.tree {
            let tree_dir = self.dir.join(TREE_DIR);
            let size = stated_size(&*self.disk, &tree_dir);
            if self.index < size {
                self.current = None;
                // What retention dropped is passed over.
                self.index = self.index.max(entries_from(&*self.disk, &tree_dir));
            }
            if self.index < size {
                let files = TreeFiles::new(Arc::clone(&self.disk), &tree_dir, size);
                let leaves = files.leaves(self.index / TILE_WIDTH)?;
                let known = usize::try_from(self.index % TILE_WIDTH).unwrap_or(usize::MAX);
                let entry = |leaf| (None, Entry { leaf, beside: Vec::new() });
                self.ready.extend(leaves.into_iter().skip(known).map(entry));
                return Ok(Next::Leaves);
            }
        }
        let (extents, _) = survey(&*self.disk, &self.dir)?;
        let Some(first) = extents.iter().find(|extent| !extent.is_empty()) else { return Ok(Next::End) };
        if first.first > self.index {
            if self.tree && self.changes < CHANGES_MAX {
                // The tree may have got them while the segments were looked at.
                return Ok(Next::Again);
            }
            let file = self.dir.join(segment_name(first.id));
            return Err(ReadError::Corrupt(Box::new(Corrupt {
                file,
                offset: 0,
                index: self.index,
                why: "the segments before this one are missing",
                evidence: format!("it starts at leaf {}", first.first),
            })));
        }
        let holder = extents.into_iter().rfind(|extent| !extent.is_empty() && extent.first <= self.index);
        let Some(extent) = holder else { return Ok(Next::End) };
        let scan = open_segment(&*self.disk, &self.dir, extent.id)?;
        if scan.header.first_index != extent.first {
            return Ok(Next::Again);
        }
        self.current = Some((extent, scan));
        Ok(Next::Leaves)
    }

    fn missing(&self, why: &'static str) -> ReadError {
        let source = std::io::Error::other(why);
        ReadError::Io { file: self.dir.clone(), source }
    }
}

impl Iterator for LogReader {
    type Item = Result<(u64, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.next_bytes();
        self.over = next.is_err();
        next.transpose()
    }
}
