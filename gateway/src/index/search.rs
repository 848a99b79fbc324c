//! Searching: the rarest thing that is asked for gives candidates in the order of the log, the others are looked up for each.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Statement};

use super::{
    Facets, Filter, Reach, Shared,
    filter::alternatives,
    schema::{self, SPAN_LEAVES},
};
use crate::{
    audit::{AuditLog, Picker, Place, ReadError},
    model::BrandPath,
};

/// Candidates that one search looks at, at most: then it answers with what it has, and where to go on.
const CANDIDATES_MAX: usize = 100_000;

/// Which leaves come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The last of the log.
    #[default]
    NewestFirst,
    /// The first of the log.
    OldestFirst,
}

/// What somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which leaves.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Only what comes after this index in that order.
    pub after: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Index and logged bytes of each.
    pub leaves: Vec<(u64, Vec<u8>)>,
    /// Where the next page goes on; none where there is no more.
    pub next: Option<u64>,
    /// So many leaves, from the first on, were searched.
    pub mark: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// There is no usable index yet.
    #[error("the search index is being made")]
    NotReady,
    /// The index failed.
    #[error("the search index failed: {0}")]
    Index(#[from] rusqlite::Error),
    /// The log can't be read.
    #[error("the log can't be read: {0}")]
    Log(#[from] ReadError),
}

/// Searches with a connection of its own.
pub(super) fn search(shared: &Shared, query: &Query) -> Result<Found, SearchError> {
    with(shared, |connection| page(shared, connection, query))
}

/// The bytes of one leaf, where there is one. Without an index it is read all the same, only slower.
pub(super) fn leaf(shared: &Shared, index: u64) -> Result<Option<Vec<u8>>, SearchError> {
    let place = with(shared, |connection| {
        let mut candidates = Candidates::new(connection, &Query::default(), &[], 0, 0)?;
        Ok(candidates.check(index)?.map(|(_, place)| place))
    });
    let place = place.ok().flatten().flatten();
    Leaves::new(&shared.log, shared.log.next_index()).read(index, place)
}

/// See [`super::AuditIndex::first_at`].
pub(super) fn first_at(shared: &Shared, at_ms: i64) -> Result<u64, SearchError> {
    with(shared, |connection| {
        let transaction = connection.unchecked_transaction()?;
        let mark = mark(&transaction)?;
        Ok(bounds(&transaction, Some(at_ms), None, mark)?.0)
    })
}

fn with<T>(shared: &Shared, work: impl FnOnce(&Connection) -> Result<T, SearchError>) -> Result<T, SearchError> {
    let (generation, connection) = shared.reader()?;
    let found = work(&connection);
    match &found {
        Err(SearchError::Index(error)) => {
            let damaged = [Some(ErrorCode::DatabaseCorrupt), Some(ErrorCode::NotADatabase)];
            shared.failed(generation, damaged.contains(&error.sqlite_error_code()));
        }
        _ => shared.give_back(generation, connection),
    }
    found
}

fn mark(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(schema::meta::<i64>(connection, "mark")?.and_then(|mark| u64::try_from(mark).ok()).unwrap_or(0))
}

/// The indices between which leaves of that time can lie, the last one excluded. Times need not rise along the log: these are
/// bounds, each leaf is still looked at.
fn bounds(connection: &Connection, from: Option<i64>, to: Option<i64>, mark: u64) -> rusqlite::Result<(u64, u64)> {
    let block = |sql: &str, at: i64| -> rusqlite::Result<Option<u64>> {
        let found = connection.prepare_cached(sql)?.query_row([at], |row| row.get::<_, i64>(0)).optional()?;
        Ok(found.and_then(|block| u64::try_from(block).ok()))
    };
    let low = match from {
        Some(at) => block("SELECT block FROM span WHERE max_ms >= ?1 ORDER BY block LIMIT 1", at)?
            .map_or(mark, |block| block.saturating_mul(SPAN_LEAVES)),
        None => 0,
    };
    let high = match to {
        Some(at) => block("SELECT block FROM span WHERE min_ms < ?1 ORDER BY block DESC LIMIT 1", at)?
            .map_or(0, |block| (block + 1).saturating_mul(SPAN_LEAVES)),
        None => mark,
    };
    Ok((low, high.min(mark)))
}

/// Terms of which a leaf must have one.
struct Group {
    terms: Vec<i64>,
    count: i64,
}

/// What must hold exactly, as terms. None where something is asked for that no leaf has.
fn groups(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<Vec<Group>>> {
    let named = |kind: &str, value: &str| vec![format!("{kind}:{value}")];
    let brands = |brands: &[BrandPath]| brands.iter().map(|brand| format!("brand:{brand}")).collect::<Vec<_>>();
    let mut wanted: Vec<Vec<String>> = Vec::new();
    if let Some(actor) = &filter.actor {
        wanted.push(alternatives(actor).iter().map(|actor| format!("actor:{actor}")).collect());
    }
    wanted.extend(filter.account.iter().map(|account| named("account", account)));
    wanted.extend(filter.brand.iter().map(|brand| brands(std::slice::from_ref(brand))));
    wanted.extend(filter.action.iter().map(|action| named("action", action)));
    wanted.extend(filter.outcome.iter().map(|outcome| named("outcome", outcome)));
    wanted.extend(filter.kind.iter().map(|kind| named("kind", kind)));
    if let Reach::Brands(reach) = &filter.reach {
        wanted.push(brands(reach));
    }
    let mut groups = Vec::with_capacity(wanted.len());
    let mut known = connection.prepare_cached("SELECT id, count FROM term WHERE name = ?1")?;
    for names in wanted {
        let mut group = Group { terms: Vec::new(), count: 0 };
        for name in names {
            if let Some((id, count)) =
                known.query_row([name], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).optional()?
            {
                group.terms.push(id);
                group.count += count;
            }
        }
        if group.terms.is_empty() {
            return Ok(None);
        }
        groups.push(group);
    }
    groups.sort_by_key(|group| group.count);
    Ok(Some(groups))
}

/// One page, from one state of the index.
fn page(shared: &Shared, connection: &Connection, query: &Query) -> Result<Found, SearchError> {
    let transaction = connection.unchecked_transaction()?;
    let mark = mark(&transaction)?;
    let filter = &query.filter;
    let (mut low, mut high) = bounds(&transaction, filter.from_ms, filter.to_ms, mark)?;
    match (query.order, query.after) {
        (Order::NewestFirst, Some(after)) => high = high.min(after),
        (Order::OldestFirst, Some(after)) => low = low.max(after.saturating_add(1)),
        (_, None) => {}
    }
    let mut found = Found { mark, ..Found::default() };
    let Some(groups) = groups(&transaction, filter)? else { return Ok(found) };
    if low >= high || query.limit == 0 {
        return Ok(found);
    }
    let mut candidates = Candidates::new(&transaction, query, &groups, low, high)?;
    let mut log = Leaves::new(&shared.log, mark);
    let mut looked_at = None;
    for _ in 0..CANDIDATES_MAX {
        let Some(index) = candidates.next()? else { return Ok(found) };
        if let Some((at_ms, place)) = candidates.check(index)?
            && filter.from_ms.is_none_or(|from| at_ms >= from)
            && filter.to_ms.is_none_or(|to| at_ms < to)
            && let Some(bytes) = log.read(index, place)?
            && filter.matches(&Facets::of(&bytes))
        {
            found.leaves.push((index, bytes));
        }
        looked_at = Some(index);
        if found.leaves.len() >= query.limit {
            break;
        }
    }
    found.next = looked_at;
    Ok(found)
}

/// Leaves that the tree keeps together: whoever reads one has read them all.
const TOGETHER: u64 = 256;

/// Reads single leaves of the log.
struct Leaves<'l> {
    log: &'l AuditLog,
    end: u64,
    picker: Picker,
    /// The leaves around the one that was read last from the tree, and the index of the first.
    around: (u64, Vec<Vec<u8>>),
}

impl<'l> Leaves<'l> {
    fn new(log: &'l AuditLog, end: u64) -> Self {
        Self { log, end, picker: log.picker(), around: (0, Vec::new()) }
    }

    /// The bytes of a leaf: from its place where it is still there, else from wherever the log has it.
    fn read(&mut self, index: u64, place: Option<Place>) -> Result<Option<Vec<u8>>, SearchError> {
        if index >= self.end {
            return Ok(None);
        }
        if let Some(bytes) = place.and_then(|place| self.picker.pick(index, place)) {
            return Ok(Some(bytes));
        }
        let first = index / TOGETHER * TOGETHER;
        let known = |around: &(u64, Vec<Vec<u8>>)| {
            let at = usize::try_from(index.checked_sub(around.0)?).ok()?;
            around.1.get(at).cloned()
        };
        if let Some(bytes) = known(&self.around) {
            return Ok(Some(bytes));
        }
        let mut leaves = Vec::new();
        for leaf in self.log.reader(first).until(self.end.min(first.saturating_add(TOGETHER))) {
            leaves.push(leaf?.1);
        }
        self.around = (first, leaves);
        Ok(known(&self.around))
    }
}

/// Goes through the leaves that may fit.
struct Candidates<'c> {
    source: Source<'c>,
    /// The groups that the source does not cover.
    rest: Vec<Vec<i64>>,
    has: Statement<'c>,
    leaf: Statement<'c>,
    newest_first: bool,
    low: i64,
    high: i64,
}

/// Where candidates come from.
enum Source<'c> {
    /// Every leaf, by index.
    All,
    /// Leaves with all the words.
    Words { statement: Statement<'c>, wanted: String, ahead: Vec<i64> },
    /// Leaves with one of several terms; what each gives next.
    Terms { statement: Statement<'c>, heads: Vec<(i64, Vec<i64>)> },
}

/// Rows that are taken from a statement at once.
const AHEAD: i64 = 256;

impl<'c> Candidates<'c> {
    fn new(connection: &'c Connection, query: &Query, groups: &[Group], low: u64, high: u64) -> rusqlite::Result<Self> {
        let newest_first = query.order == Order::NewestFirst;
        let order = if newest_first { "DESC" } else { "ASC" };
        let signed = |index: u64| i64::try_from(index).unwrap_or(i64::MAX);
        let terms = |group: &Group| group.terms.clone();
        let mut rest: Vec<Vec<i64>> = groups.iter().map(terms).collect();
        let source = if !query.filter.text.is_empty() {
            let sql = format!(
                "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid {order} LIMIT {AHEAD}"
            );
            Source::Words { statement: connection.prepare(&sql)?, wanted: expression(&query.filter), ahead: Vec::new() }
        } else if rest.is_empty() {
            Source::All
        } else {
            let heads = rest.remove(0).into_iter().map(|term| (term, Vec::new())).collect();
            let sql = format!(
                "SELECT idx FROM posting WHERE term = ?1 AND idx BETWEEN ?2 AND ?3 ORDER BY idx {order} LIMIT {AHEAD}"
            );
            Source::Terms { statement: connection.prepare(&sql)?, heads }
        };
        Ok(Self {
            source,
            rest,
            has: connection.prepare("SELECT 1 FROM posting WHERE term = ?1 AND idx = ?2")?,
            leaf: connection.prepare("SELECT at_ms, segment, batch, offset FROM leaf WHERE idx = ?1")?,
            newest_first,
            low: signed(low),
            high: signed(high.saturating_sub(1)),
        })
    }

    /// The next index, in order.
    fn next(&mut self) -> rusqlite::Result<Option<u64>> {
        let newest_first = self.newest_first;
        let (low, high) = (self.low, self.high);
        if low > high {
            return Ok(None);
        }
        let found = match &mut self.source {
            Source::All => Some(if newest_first { high } else { low }),
            Source::Words { statement, wanted, ahead } => {
                if ahead.is_empty() {
                    let rows = statement.query_map(rusqlite::params![&*wanted, low, high], |row| row.get(0))?;
                    *ahead = rows.collect::<rusqlite::Result<_>>()?;
                    ahead.reverse();
                }
                ahead.pop()
            }
            Source::Terms { statement, heads } => {
                for (term, ahead) in heads.iter_mut().filter(|(_, ahead)| ahead.is_empty()) {
                    *ahead =
                        statement.query_map([*term, low, high], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
                    ahead.reverse();
                }
                heads.retain(|(_, ahead)| !ahead.is_empty());
                let firsts = heads.iter().filter_map(|(_, ahead)| ahead.last().copied());
                let first = if newest_first { firsts.max() } else { firsts.min() };
                for (_, ahead) in heads.iter_mut().filter(|(_, ahead)| ahead.last().copied() == first) {
                    ahead.pop();
                }
                first
            }
        };
        match found {
            Some(index) if newest_first => self.high = index - 1,
            Some(index) => self.low = index + 1,
            None => {}
        }
        Ok(found.and_then(|index| u64::try_from(index).ok()))
    }

    /// Time and place of a candidate, where it has all the terms.
    fn check(&mut self, index: u64) -> rusqlite::Result<Option<(i64, Option<Place>)>> {
        let idx = i64::try_from(index).unwrap_or(i64::MAX);
        for terms in &self.rest {
            let mut any = false;
            for term in terms {
                any = any || self.has.exists([*term, idx])?;
            }
            if !any {
                return Ok(None);
            }
        }
        let unsigned = |row: &rusqlite::Row<'_>, column: usize| -> rusqlite::Result<Option<u64>> {
            Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| u64::try_from(number).ok()))
        };
        let place = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(i64, Option<Place>)> {
            let place = (unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?);
            let (Some(segment), Some(batch), Some(offset)) = place else { return Ok((row.get(0)?, None)) };
            Ok((row.get(0)?, Some(Place { segment, batch, offset })))
        };
        self.leaf.query_row([idx], place).optional()
    }
}

/// The words as FTS5 wants them, each in quotation marks, which no word holds.
fn expression(filter: &Filter) -> String {
    let word = |wanted: &super::words::Wanted| {
        let star = if wanted.prefix { " *" } else { "" };
        format!("\"{}\"{star}", wanted.word)
    };
    filter.text.iter().map(word).collect::<Vec<_>>().join(" AND ")
}
