-- Notices to people, one row for each channel. What has ended stays a while, so that the same is not told twice.
CREATE TABLE notices (
    id        INTEGER NOT NULL PRIMARY KEY,
    addressee TEXT    NOT NULL,
    about     TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    post      TEXT,
    account   TEXT,
    line      TEXT    NOT NULL,
    link_path TEXT    NOT NULL,
    address   TEXT,
    at        INTEGER NOT NULL,
    put_at    INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    ended_at  INTEGER,
    why       TEXT,
    UNIQUE (addressee, about, channel)
) STRICT;
CREATE INDEX notices_waiting ON notices (channel, addressee, id) WHERE state = 'waiting';
CREATE INDEX notices_old ON notices (channel, put_at) WHERE state = 'waiting';
CREATE INDEX notices_ended ON notices (channel, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX notices_given_up ON notices (channel, id) WHERE state = 'given-up';
-- Whoever has notices waiting: they go in order, so what is due is told of the addressee as a whole.
CREATE TABLE notice_lines (
    channel   TEXT    NOT NULL,
    addressee TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    PRIMARY KEY (channel, addressee)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_lines_due ON notice_lines (channel, due_at, addressee);
