-- Links for outside approvers. What opens a link is in its address; here is its SHA-256 alone.
--   link   its public id, as the life of the post names it
--   party  the outside party, as approvals.toml names it; its addresses are kept nowhere here
CREATE TABLE links (
    secret     BLOB    NOT NULL PRIMARY KEY,
    link       TEXT    NOT NULL UNIQUE,
    post       TEXT    NOT NULL REFERENCES posts (id),
    party      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_end ON links (expires_at);
