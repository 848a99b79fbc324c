-- The life of a post: what people and time decided of it. A post that went straight out has none until somebody says something of it.
--   life     JSON; what its events make of it
--   plan     how its time was asked for, JSON: local time and zone, recurrence
--   due_at   when it is due, or was, for calendars
--   wake_at  when time alone may change something
CREATE TABLE lives (
    post    TEXT    NOT NULL PRIMARY KEY REFERENCES posts (id),
    seq     INTEGER NOT NULL,
    life    TEXT    NOT NULL,
    plan    TEXT,
    due_at  INTEGER,
    wake_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX lives_by_wake ON lives (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX lives_by_due ON lives (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE life_events (
    post  TEXT    NOT NULL REFERENCES lives (post),
    seq   INTEGER NOT NULL,
    event TEXT    NOT NULL,
    PRIMARY KEY (post, seq)
) STRICT, WITHOUT ROWID;

-- What people say of a version. `person` is null where an app or a link said it.
CREATE TABLE comments (
    post   TEXT    NOT NULL REFERENCES lives (post),
    number INTEGER NOT NULL,
    person TEXT,
    text   TEXT    NOT NULL,
    PRIMARY KEY (post, number)
) STRICT, WITHOUT ROWID;

-- What waits is found without looking at what is over.
CREATE INDEX targets_frozen ON targets (post, account) WHERE state = 'frozen';
