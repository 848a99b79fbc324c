//! Notices to people.
//!
//! A row of `notice_lines` is there for as long as anything waits for that addressee on that channel.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec::{corrupt, maybe_time, micros, signed, time, unsigned};
use crate::{
    model::{AccountId, PostId},
    records::{
        DueNotices, NewNotice, NoticeChannel, NoticeCounts, NoticeRecord, NoticeState, NoticeText, NoticesTried,
        RecordsError,
    },
};

pub(super) const KNOWN: &str = "SELECT 1 FROM notices WHERE addressee = ?1 AND about = ?2 LIMIT 1";
pub(super) const DUE: &str = "SELECT addressee, attempts FROM notice_lines WHERE channel = ?1 AND due_at <= ?2
    ORDER BY due_at, addressee LIMIT 1";
pub(super) const WAITING: &str =
    "SELECT id, channel, addressee, about, kind, post, account, line, link_path, address, at,
    put_at, state, ended_at, why FROM notices
    WHERE state = 'waiting' AND channel = ?1 AND addressee = ?2 ORDER BY id LIMIT ?3";
pub(super) const OLD: &str = "UPDATE notices SET state = 'given-up', ended_at = ?3, why = ?4,
    link_path = CASE WHEN address IS NULL THEN link_path ELSE '' END, address = NULL
    WHERE state = 'waiting' AND channel = ?1 AND put_at < ?2";
pub(super) const LAST: &str =
    "SELECT state FROM notices WHERE ended_at IS NOT NULL AND channel = ?1 ORDER BY ended_at DESC LIMIT 1";
pub(super) const FORGET: &str = "DELETE FROM notices WHERE id IN
    (SELECT id FROM notices WHERE ended_at IS NOT NULL AND channel = ?1 AND ended_at < ?2 ORDER BY ended_at LIMIT ?3)";

pub(super) const UNSENT: &str = "DELETE FROM notices WHERE addressee = ?1 AND state = 'waiting'";
pub(super) const BLANK: &str =
    "UPDATE notices SET post = NULL, account = NULL, line = '', link_path = '', why = NULL WHERE addressee = ?1";
pub(super) const NO_LINE: &str = "DELETE FROM notice_lines WHERE channel = ?1 AND addressee = ?2";

/// What an addressee was told, for `Records::erase_part`. That something was stays, so that it is not told again; what waits is not sent.
pub(super) fn erase(connection: &Connection, addressee: &str) -> Result<(), RecordsError> {
    connection.prepare_cached(UNSENT)?.execute([addressee])?;
    connection.prepare_cached(BLANK)?.execute([addressee])?;
    for channel in NoticeChannel::ALL {
        connection.prepare_cached(NO_LINE)?.execute([channel.as_str(), addressee])?;
    }
    Ok(())
}

/// `Records::put_notices`.
pub(super) fn put(connection: &Connection, notices: &[NewNotice]) -> Result<u64, RecordsError> {
    let mut fresh = 0;
    for NewNotice { text, channels, put_at } in notices {
        let known = connection.prepare_cached(KNOWN)?.exists(params![text.addressee, text.about])?;
        if known || channels.is_empty() {
            continue;
        }
        fresh += 1;
        for (channel, due_at) in channels {
            connection
                .prepare_cached(
                    "INSERT INTO notices (addressee, about, channel, kind, post, account, line, link_path, address, at,
                     put_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'waiting')",
                )?
                .execute(params![
                    text.addressee,
                    text.about,
                    channel.as_str(),
                    text.kind,
                    text.post.as_ref().map(PostId::as_str),
                    text.account.as_ref().map(AccountId::as_str),
                    text.line,
                    text.link_path,
                    text.address,
                    micros(text.at),
                    micros(*put_at),
                ])?;
            connection
                .prepare_cached(
                    "INSERT INTO notice_lines (channel, addressee, attempts, due_at) VALUES (?1, ?2, 0, ?3)
                     ON CONFLICT (channel, addressee) DO NOTHING",
                )?
                .execute(params![channel.as_str(), text.addressee, micros(*due_at)])?;
        }
    }
    Ok(fresh)
}

/// `Records::due_notices`.
pub(super) fn due(
    connection: &Connection,
    channel: NoticeChannel,
    now: Timestamp,
    limit: u32,
) -> Result<Option<DueNotices>, RecordsError> {
    let line = connection
        .prepare_cached(DUE)?
        .query_row(params![channel.as_str(), micros(now)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))
        .optional()?;
    let Some((addressee, attempts)) = line else { return Ok(None) };
    let mut statement = connection.prepare_cached(WAITING)?;
    let mut rows = statement.query(params![channel.as_str(), addressee, limit])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        notices.push(read(row)?);
    }
    let first: &NoticeRecord = notices.first().ok_or_else(|| corrupt("notice_lines"))?;
    let address = first.text.address.clone();
    // What opens something by itself never goes to another address than its own.
    notices.retain(|notice| notice.text.address == address);
    Ok(Some(DueNotices { addressee, attempts, notices }))
}

/// `Records::notices_tried`.
pub(super) fn tried(connection: &Connection, tried: &NoticesTried) -> Result<(), RecordsError> {
    let NoticesTried { channel, addressee, sent, given_up, why, attempts, next_at, at } = tried;
    for (ids, state, why) in [(sent, NoticeState::Sent, &None), (given_up, NoticeState::GivenUp, why)] {
        for id in ids {
            connection
                .prepare_cached(
                    "UPDATE notices SET state = ?2, ended_at = ?3, why = ?4,
                     link_path = CASE WHEN address IS NULL THEN link_path ELSE '' END, address = NULL
                     WHERE id = ?1 AND state = 'waiting'",
                )?
                .execute(params![signed(*id, "notices.id")?, state.as_str(), micros(*at), why])?;
        }
    }
    connection
        .prepare_cached("UPDATE notice_lines SET attempts = ?3, due_at = ?4 WHERE channel = ?1 AND addressee = ?2")?
        .execute(params![channel.as_str(), addressee, attempts, micros(*next_at)])?;
    connection
        .prepare_cached(
            "DELETE FROM notice_lines WHERE channel = ?1 AND addressee = ?2 AND NOT EXISTS
                 (SELECT 1 FROM notices n WHERE n.state = 'waiting' AND n.channel = ?1 AND n.addressee = ?2)",
        )?
        .execute(params![channel.as_str(), addressee])?;
    Ok(())
}

/// `Records::give_up_notices`.
pub(super) fn give_up(
    connection: &Connection,
    channel: NoticeChannel,
    before: Timestamp,
    why: &str,
    at: Timestamp,
) -> Result<u64, RecordsError> {
    let gone = connection.prepare_cached(OLD)?.execute(params![channel.as_str(), micros(before), micros(at), why])?;
    if gone > 0 {
        connection
            .prepare_cached(
                "DELETE FROM notice_lines WHERE channel = ?1 AND NOT EXISTS (SELECT 1 FROM notices n
                     WHERE n.state = 'waiting' AND n.channel = ?1 AND n.addressee = notice_lines.addressee)",
            )?
            .execute([channel.as_str()])?;
    }
    Ok(gone as u64)
}

/// `Records::notices`.
pub(super) fn list(connection: &Connection, state: NoticeState, limit: u32) -> Result<Vec<NoticeRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, channel, addressee, about, kind, post, account, line, link_path, address, at,
         put_at, state, ended_at, why FROM notices WHERE state = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![state.as_str(), limit])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// `Records::notice_counts`.
pub(super) fn counts(connection: &Connection, channel: NoticeChannel) -> Result<NoticeCounts, RecordsError> {
    let count = |sql: &str| -> Result<u64, RecordsError> {
        let count = connection.prepare_cached(sql)?.query_row([channel.as_str()], |row| row.get::<_, i64>(0))?;
        unsigned(count, "a count of notices")
    };
    let last =
        connection.prepare_cached(LAST)?.query_row([channel.as_str()], |row| row.get::<_, String>(0)).optional()?;
    Ok(NoticeCounts {
        waiting: count("SELECT count(*) FROM notices WHERE state = 'waiting' AND channel = ?1")?,
        given_up: count("SELECT count(*) FROM notices WHERE state = 'given-up' AND channel = ?1")?,
        failing: last.as_deref() == Some(NoticeState::GivenUp.as_str()),
    })
}

/// `Records::forget_notices`.
pub(super) fn forget(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64, RecordsError> {
    let mut gone = 0;
    for channel in NoticeChannel::ALL {
        gone += connection.prepare_cached(FORGET)?.execute(params![channel.as_str(), micros(before), limit])? as u64;
    }
    Ok(gone)
}

fn read(row: &Row<'_>) -> Result<NoticeRecord, RecordsError> {
    let channel: String = row.get(1)?;
    let state: String = row.get(12)?;
    Ok(NoticeRecord {
        id: unsigned(row.get(0)?, "notices.id")?,
        channel: NoticeChannel::parse(&channel).ok_or_else(|| corrupt("notices.channel"))?,
        text: NoticeText {
            addressee: row.get(2)?,
            about: row.get(3)?,
            kind: row.get(4)?,
            post: row.get::<_, Option<String>>(5)?.map(PostId::new),
            account: row.get::<_, Option<String>>(6)?.map(AccountId::new),
            line: row.get(7)?,
            link_path: row.get(8)?,
            address: row.get(9)?,
            at: time(row.get(10)?)?,
        },
        state: NoticeState::parse(&state).ok_or_else(|| corrupt("notices.state"))?,
        put_at: time(row.get(11)?)?,
        ended_at: maybe_time(row.get(13)?)?,
        why: row.get(14)?,
    })
}
