-- The first schema. Times are microseconds since 1970 (UTC); structured values that no query looks into are JSON.

-- What callers asked for. `state` sums up the targets.
CREATE TABLE posts (
    id         TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    salt       TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    verdicts   TEXT    NOT NULL,
    request    TEXT    NOT NULL
) STRICT;

-- One account's part of a post.
--   purpose     what the claim is for, or the last one was: `publish` or `recall`
--   attempt     number of the last attempt that was started, 0 before the first
--   lease_until set while an attempt holds the target
--   due_at      when work on it may start, null where none waits; follows from the columns before it
--   leaf        last audit leaf that is known to be reflected here
--   post_state, campaign: copies for the indexes of the list
CREATE TABLE targets (
    post         TEXT    NOT NULL REFERENCES posts (id),
    account      TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    purpose      TEXT    NOT NULL,
    attempt      INTEGER NOT NULL,
    lease_until  INTEGER,
    retry_at     INTEGER,
    due_at       INTEGER,
    leaf         INTEGER,
    post_state   TEXT    NOT NULL,
    campaign     TEXT,
    digest       TEXT    NOT NULL,
    call_key     TEXT    NOT NULL,
    grant_id     TEXT    NOT NULL,
    unknown_step TEXT,
    published    TEXT    NOT NULL,
    draft        TEXT    NOT NULL,
    PRIMARY KEY (post, account)
) STRICT;
CREATE INDEX targets_by_account ON targets (account, post);
CREATE INDEX targets_by_state ON targets (account, post_state, post);
CREATE INDEX targets_by_campaign ON targets (account, campaign, post) WHERE campaign IS NOT NULL;
CREATE INDEX targets_due ON targets (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX targets_leased ON targets (lease_until) WHERE lease_until IS NOT NULL;

-- Attempts that ended.
CREATE TABLE attempts (
    post    TEXT    NOT NULL,
    account TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    attempt TEXT    NOT NULL,
    PRIMARY KEY (post, account, number),
    FOREIGN KEY (post, account) REFERENCES targets (post, account)
) STRICT;

-- The journal: answered steps.
CREATE TABLE steps (
    post           TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    step           TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    attempt        INTEGER NOT NULL,
    request_digest TEXT    NOT NULL,
    status         INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    headers        TEXT    NOT NULL,
    body           BLOB    NOT NULL,
    PRIMARY KEY (post, account, step),
    FOREIGN KEY (post, account) REFERENCES targets (post, account)
) STRICT;

CREATE TABLE votes (
    post   TEXT    NOT NULL REFERENCES posts (id),
    number INTEGER NOT NULL,
    vote   TEXT    NOT NULL,
    PRIMARY KEY (post, number)
) STRICT;

-- What an adapter wants to remember of an account.
CREATE TABLE notes (
    account    TEXT    NOT NULL,
    plugin     TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    note       BLOB    NOT NULL,
    PRIMARY KEY (account, plugin)
) STRICT;

-- `status` and `body` are null until the request was answered.
CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    post        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    status      INTEGER,
    body        TEXT,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    holder     TEXT    NOT NULL,
    mac        BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    note       TEXT    NOT NULL,
    made_by    TEXT
) STRICT;

-- `used` is 1 from the first post that uses the medium.
CREATE TABLE media (
    id         TEXT    NOT NULL PRIMARY KEY,
    owner      TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    width      INTEGER,
    height     INTEGER,
    digest     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX media_unused ON media (created_at) WHERE used = 0;
CREATE TABLE post_media (
    media TEXT NOT NULL REFERENCES media (id),
    post  TEXT NOT NULL REFERENCES posts (id),
    PRIMARY KEY (media, post)
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed (
    name       TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    public     TEXT    NOT NULL,
    blob       BLOB    NOT NULL
) STRICT;

-- Every set of files that was applied; the last one counts.
CREATE TABLE governance (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    digest     TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    applied_by TEXT    NOT NULL,
    files      TEXT    NOT NULL
) STRICT;

-- `applied_leaf`: first audit leaf that was not applied yet. `health`: counts trial writes.
CREATE TABLE marks (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO marks (name, value) VALUES ('applied_leaf', 0), ('health', 0);
