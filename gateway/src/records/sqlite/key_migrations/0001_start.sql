-- Wrapped keys, one for each subject whose values are kept. A row that is deleted is overwritten.
CREATE TABLE subject_keys (
    subject    TEXT    NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
