-- What articles (kind 30818) said before: versions that a newer one took the place of. Primary data: the log has them no more.
-- address: the key of the address, see storage/sqlite/entries.py.
CREATE TABLE earlier_versions (
    address BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE,
    pubkey BLOB NOT NULL,
    wire BLOB NOT NULL,
    PRIMARY KEY (address, created_at, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX earlier_versions_by_pubkey ON earlier_versions (pubkey, created_at);
