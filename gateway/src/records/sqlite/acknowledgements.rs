//! Guidelines that people acknowledged.

use rusqlite::{Connection, params};

use super::codec::{micros, time};
use crate::{
    model::{BrandPath, PersonId},
    records::{AcknowledgementRecord, RecordsError},
};

/// `Records::put_acknowledgement`.
pub(super) fn put(connection: &Connection, record: &AcknowledgementRecord) -> Result<(), RecordsError> {
    let AcknowledgementRecord { person, brand, version, digest, language, acknowledged_at } = record;
    connection
        .prepare_cached(
            "INSERT INTO acknowledgements (person, brand, version, digest, language, acknowledged_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (person, brand, version, digest) DO NOTHING",
        )?
        .execute(params![person.as_str(), brand.as_str(), version, digest, language, micros(*acknowledged_at)])?;
    Ok(())
}

/// `Records::acknowledgements`.
pub(super) fn all(connection: &Connection) -> Result<Vec<AcknowledgementRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT person, brand, version, digest, language, acknowledged_at FROM acknowledgements
         ORDER BY person, brand, version, digest",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(AcknowledgementRecord {
            person: PersonId::new(row.get::<_, String>(0)?),
            brand: BrandPath::new(row.get::<_, String>(1)?),
            version: row.get(2)?,
            digest: row.get(3)?,
            language: row.get(4)?,
            acknowledged_at: time(row.get(5)?)?,
        });
    }
    Ok(all)
}
