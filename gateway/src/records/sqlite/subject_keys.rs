//! Keys of subjects in an SQLite file of their own.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::{
    codec::{micros, time},
    connect::Location,
    errors::exists,
    readers::Readers,
    schema,
    writer::Writer,
};
use crate::records::{Answer, RecordsError, SubjectKeyRecord, SubjectKeys};

const BY_SUBJECT: &str = "SELECT subject, id, wrapped, created_at FROM subject_keys WHERE subject = ?1";
const BY_ID: &str = "SELECT subject, id, wrapped, created_at FROM subject_keys WHERE id = ?1";

/// Keys of subjects in an SQLite file. They are asked for seldom, so that one thread does everything.
#[derive(Debug)]
pub struct SqliteSubjectKeys {
    writer: Writer,
}

impl SqliteSubjectKeys {
    /// Opens the file, or makes it where there is none. Blocks while it does. Fails as the records do.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let location = Location::of(path, &schema::KEYS);
        let connection = location.create()?;
        Ok(Self { writer: Writer::start(location, connection)? })
    }
}

impl SubjectKeys for SqliteSubjectKeys {
    fn subject_key(&self, subject: String) -> Answer<'_, Option<SubjectKeyRecord>> {
        Box::pin(self.writer.run(move |connection| one(connection, BY_SUBJECT, &subject)))
    }

    fn subject_key_named(&self, id: String) -> Answer<'_, Option<SubjectKeyRecord>> {
        Box::pin(self.writer.run(move |connection| one(connection, BY_ID, &id)))
    }

    fn put_subject_key(&self, key: SubjectKeyRecord) -> Answer<'_, ()> {
        Box::pin(self.writer.run(move |connection| {
            connection
                .prepare_cached("INSERT INTO subject_keys (subject, id, wrapped, created_at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![key.subject, key.id, key.wrapped, micros(key.created_at)])
                .map_err(|error| exists(error, &key.subject))?;
            Ok(())
        }))
    }

    fn destroy_subject_key(&self, subject: String) -> Answer<'_, bool> {
        Box::pin(async move {
            let delete = move |connection: &Connection| {
                let gone =
                    connection.prepare_cached("DELETE FROM subject_keys WHERE subject = ?1")?.execute([&subject])?;
                Ok(gone > 0)
            };
            let gone = self.writer.run(delete).await?;
            // The write-ahead file may still have the page with the key.
            self.writer.gather().await?;
            Ok(gone)
        })
    }

    fn gather_keys(&self) -> Answer<'_, ()> {
        Box::pin(self.writer.gather())
    }
}

/// Keys of subjects that are only looked at: nothing is made or changed.
#[derive(Debug)]
pub struct SeenSubjectKeys {
    readers: Readers,
}

impl SeenSubjectKeys {
    /// Opens an existing file. `written` says that another process may write it: a running gateway.
    pub fn open(path: &Path, written: bool) -> Result<Self, RecordsError> {
        let location = match written {
            true => Location::of(path, &schema::KEYS),
            false => Location::to_look_at(path, &schema::KEYS),
        };
        schema::KEYS.verify(&location.reader()?)?;
        Ok(Self { readers: Readers::start(&location)? })
    }
}

impl SubjectKeys for SeenSubjectKeys {
    fn subject_key(&self, subject: String) -> Answer<'_, Option<SubjectKeyRecord>> {
        Box::pin(self.readers.run(move |connection| one(connection, BY_SUBJECT, &subject)))
    }

    fn subject_key_named(&self, id: String) -> Answer<'_, Option<SubjectKeyRecord>> {
        Box::pin(self.readers.run(move |connection| one(connection, BY_ID, &id)))
    }

    fn put_subject_key(&self, _key: SubjectKeyRecord) -> Answer<'_, ()> {
        Box::pin(async { Err(only_seen()) })
    }

    fn destroy_subject_key(&self, _subject: String) -> Answer<'_, bool> {
        Box::pin(async { Err(only_seen()) })
    }

    fn gather_keys(&self) -> Answer<'_, ()> {
        Box::pin(async { Err(only_seen()) })
    }
}

fn only_seen() -> RecordsError {
    RecordsError::Unavailable("they were opened only to look".to_owned())
}

fn one(connection: &Connection, sql: &str, value: &str) -> Result<Option<SubjectKeyRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([value])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<SubjectKeyRecord, RecordsError> {
    Ok(SubjectKeyRecord { subject: row.get(0)?, id: row.get(1)?, wrapped: row.get(2)?, created_at: time(row.get(3)?)? })
}
