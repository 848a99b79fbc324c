-- Addresses by which calendar programs read posts with a time. What opens a feed is in its address; here is its SHA-256 alone.
-- A feed that was revoked has no row; nobody can tell it from one that never was.
--   holder        whose rights it reads with, JSON
--   key           what its holder showed when it was made
--   account       only posts for this account; all where null
--   last_used_at  the hour of its last read
CREATE TABLE feeds (
    id           TEXT    NOT NULL PRIMARY KEY,
    secret       BLOB    NOT NULL UNIQUE,
    holder       TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    account      TEXT,
    name         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX feeds_by_holder ON feeds (holder);
CREATE INDEX feeds_by_end ON feeds (expires_at);
