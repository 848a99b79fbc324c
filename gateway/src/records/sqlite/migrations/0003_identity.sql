-- Which node's log these records belong to: one row, from before the first leaf is written.
CREATE TABLE identity (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    node TEXT    NOT NULL
) STRICT;
