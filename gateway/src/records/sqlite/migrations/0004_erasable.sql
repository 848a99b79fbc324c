-- What can be erased. Everything of a subject is found by one index.

-- `subject`: who acted, `person:editor-7` or `app:newsroom`. `erased_at`: when the content was erased; the salt is empty then.
ALTER TABLE posts ADD COLUMN subject TEXT;
ALTER TABLE posts ADD COLUMN erased_at INTEGER;
UPDATE posts SET subject = CASE
    WHEN json_extract(author, '$.on_behalf_of') IS NOT NULL THEN 'person:' || json_extract(author, '$.on_behalf_of')
    WHEN json_extract(author, '$.principal.person') IS NOT NULL THEN 'person:' || json_extract(author, '$.principal.person')
    ELSE 'app:' || json_extract(author, '$.principal.app') END;
CREATE INDEX posts_unerased ON posts (subject, id) WHERE erased_at IS NULL;
CREATE INDEX idempotency_by_post ON idempotency (post);

-- What the leaves of a target commit to, JSON.
ALTER TABLE targets ADD COLUMN commitments TEXT NOT NULL DEFAULT '[]';

-- What commitments stand for, sealed. The keys lie in another file.
CREATE TABLE openings (
    commitment BLOB NOT NULL PRIMARY KEY,
    subject    TEXT NOT NULL,
    key        TEXT NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;
CREATE INDEX openings_by_subject ON openings (subject, key);

-- Erasures. `confirmed_by` is null until a second person agreed, `leaf` until it is done.
CREATE TABLE erasures (
    id           TEXT    NOT NULL PRIMARY KEY,
    subject      TEXT    NOT NULL,
    basis        TEXT    NOT NULL,
    asked_by     TEXT    NOT NULL,
    asked_at     INTEGER NOT NULL,
    confirmed_by TEXT,
    confirmed_at INTEGER,
    log_from     INTEGER NOT NULL,
    gone_values  INTEGER NOT NULL DEFAULT 0,
    gone_posts   INTEGER NOT NULL DEFAULT 0,
    gone_media   INTEGER NOT NULL DEFAULT 0,
    leaf         INTEGER
) STRICT;
CREATE INDEX erasures_under_way ON erasures (confirmed_at) WHERE confirmed_at IS NOT NULL AND leaf IS NULL;

-- Media that an erasure took out of `media` and whose bytes are still to be removed.
CREATE TABLE doomed_media (
    erasure TEXT NOT NULL REFERENCES erasures (id),
    media   TEXT NOT NULL,
    PRIMARY KEY (erasure, media)
) STRICT, WITHOUT ROWID;
