-- Texts of guidelines that people acknowledged. A text that was changed is another one, by its digest.
CREATE TABLE acknowledgements (
    person          TEXT    NOT NULL,
    brand           TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    language        TEXT    NOT NULL,
    acknowledged_at INTEGER NOT NULL,
    PRIMARY KEY (person, brand, version, digest)
) STRICT, WITHOUT ROWID;
