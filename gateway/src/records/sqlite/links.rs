//! Links for outside approvers, found by the SHA-256 of their secret.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{micros, time};
use crate::{
    model::PostId,
    records::{LinkRecord, RecordsError},
};

/// So long after its end it is still known that a link was one.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Links that one commit forgets.
const FORGET_MAX: u32 = 1_000;

pub(super) const ONE: &str = "SELECT link, post, party, expires_at FROM links WHERE secret = ?1";
pub(super) const FORGET: &str = "DELETE FROM links WHERE secret IN
    (SELECT secret FROM links WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

/// Keeps new links, with the decision that made them; those that ended long ago are forgotten.
pub(super) fn put(connection: &Connection, links: &[LinkRecord], now: Timestamp) -> Result<(), RecordsError> {
    if links.is_empty() {
        return Ok(());
    }
    if let Ok(before) = now.checked_sub(KEPT) {
        connection.prepare_cached(FORGET)?.execute(params![micros(before), FORGET_MAX])?;
    }
    let mut statement = connection
        .prepare_cached("INSERT INTO links (secret, link, post, party, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for LinkRecord { secret, id, post, party, expires_at } in links {
        statement.execute(params![secret.as_slice(), id, post.as_str(), party, micros(*expires_at)])?;
    }
    Ok(())
}

/// `Records::link`.
pub(super) fn find(connection: &Connection, secret: [u8; 32]) -> Result<Option<LinkRecord>, RecordsError> {
    let row = connection
        .prepare_cached(ONE)?
        .query_row([secret.as_slice()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
        })
        .optional()?;
    let Some((id, post, party, expires_at)) = row else { return Ok(None) };
    Ok(Some(LinkRecord { secret, id, post: PostId::new(post), party, expires_at: time(expires_at)? }))
}
