//! Sign-ins of browsers, and the courses that people passed.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    codec::{maybe_time, micros, time},
    errors::exists,
};
use crate::{
    model::PersonId,
    records::{RecordsError, SignInRecord, TrainingRecord},
};

/// `Records::put_sign_in`.
pub(super) fn put_sign_in(connection: &Connection, record: &SignInRecord, now: Timestamp) -> Result<(), RecordsError> {
    connection.prepare_cached("DELETE FROM sign_ins WHERE expires_at <= ?1")?.execute([micros(now)])?;
    connection
        .prepare_cached("INSERT INTO sign_ins (cookie, person, identity, expires_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![record.cookie, record.person.as_str(), record.identity, micros(record.expires_at)])
        .map_err(|error| exists(error, "sign-in"))?;
    Ok(())
}

/// `Records::sign_in`.
pub(super) fn sign_in(connection: &Connection, cookie: [u8; 32]) -> Result<Option<SignInRecord>, RecordsError> {
    let mut statement =
        connection.prepare_cached("SELECT person, identity, expires_at FROM sign_ins WHERE cookie = ?1")?;
    let found = statement
        .query_row([cookie], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?)))
        .optional()?;
    let record = |(person, identity, end)| {
        Ok(SignInRecord { cookie, person: PersonId::new(person), identity, expires_at: time(end)? })
    };
    found.map(record).transpose()
}

/// `Records::end_sign_in`.
pub(super) fn end_sign_in(connection: &Connection, cookie: [u8; 32]) -> Result<bool, RecordsError> {
    Ok(connection.prepare_cached("DELETE FROM sign_ins WHERE cookie = ?1")?.execute([cookie])? > 0)
}

/// `Records::put_training`.
pub(super) fn put_training(connection: &Connection, records: &[TrainingRecord]) -> Result<(), RecordsError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO training (person, course, passed_at, expires_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (person, course, passed_at) DO UPDATE SET expires_at = excluded.expires_at",
    )?;
    for record in records {
        let (person, course) = (record.person.as_str(), record.course.as_str());
        statement.execute(params![person, course, micros(record.passed_at), record.expires_at.map(micros)])?;
    }
    Ok(())
}

/// `Records::training`.
pub(super) fn training(connection: &Connection) -> Result<Vec<TrainingRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT person, course, passed_at, expires_at FROM training ORDER BY person, course, passed_at",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(TrainingRecord {
            person: PersonId::new(row.get::<_, String>(0)?),
            course: row.get(1)?,
            passed_at: time(row.get(2)?)?,
            expires_at: maybe_time(row.get(3)?)?,
        });
    }
    Ok(all)
}
