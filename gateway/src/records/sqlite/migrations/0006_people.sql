-- Devices of people, their sign-ins, and the courses that they passed.

-- A key that a person enrolled a device with: the name of the device, and a digest of who they were at the issuer then.
ALTER TABLE keys ADD COLUMN device TEXT;
ALTER TABLE keys ADD COLUMN identity TEXT;

-- Sign-ins of browsers, by the SHA-256 of their cookie.
CREATE TABLE sign_ins (
    cookie     BLOB    NOT NULL PRIMARY KEY,
    person     TEXT    NOT NULL,
    identity   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

-- A person may pass a course again: each time is a row. `expires_at` is null where it holds for good.
CREATE TABLE training (
    person     TEXT    NOT NULL,
    course     TEXT    NOT NULL,
    passed_at  INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (person, course, passed_at)
) STRICT, WITHOUT ROWID;
