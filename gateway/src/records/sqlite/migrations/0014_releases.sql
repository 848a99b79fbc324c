-- Releases of plugins, which of them serves where, and which one a started attempt goes on with.
--   releases.record   what it is and what its way here found, JSON
--   routing           one row: the whole routing, JSON, and how often it was changed
--   targets.release   the adapter's release that the last attempt used, by digest
CREATE TABLE releases (
    digest       TEXT    NOT NULL PRIMARY KEY,
    installed_at INTEGER NOT NULL,
    record       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE routing (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    routing TEXT    NOT NULL
) STRICT;
ALTER TABLE targets ADD COLUMN release TEXT;
CREATE INDEX targets_by_release ON targets (release, state) WHERE release IS NOT NULL
    AND state IN ('accepted', 'frozen', 'held', 'publishing', 'recalling', 'unknown');
