-- Freezes: those that are on, and those that were lifted. `freeze` is JSON: scope, reason, who began it, who wants it lifted.
CREATE TABLE freezes (
    id        TEXT    NOT NULL PRIMARY KEY,
    began_at  INTEGER NOT NULL,
    lifted_at INTEGER,
    freeze    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX freezes_by_end ON freezes (lifted_at);

-- What waits is found without looking at what is over.
CREATE INDEX targets_held ON targets (post, account) WHERE state = 'held';
