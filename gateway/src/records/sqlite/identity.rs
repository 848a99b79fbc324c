//! Whose records these are.

use rusqlite::{Connection, OptionalExtension};

use super::errors::exists;
use crate::records::RecordsError;

/// `Records::identity`.
pub(super) fn read(connection: &Connection) -> Result<Option<String>, RecordsError> {
    let node = connection.prepare_cached("SELECT node FROM identity")?.query_row([], |row| row.get(0)).optional()?;
    Ok(node)
}

/// `Records::put_identity`.
pub(super) fn put(connection: &Connection, node: &str) -> Result<(), RecordsError> {
    connection
        .prepare_cached("INSERT INTO identity (only, node) VALUES (1, ?1)")?
        .execute([node])
        .map_err(|error| exists(error, "the records' identity"))?;
    Ok(())
}
