-- What each owner has stored without a post that uses it.
CREATE INDEX media_unused_owner ON media (owner, size_bytes) WHERE used = 0;
