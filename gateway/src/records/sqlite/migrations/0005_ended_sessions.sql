-- Sessions of clients that were ended before their time, until their tokens end by themselves.
CREATE TABLE ended_sessions (
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
