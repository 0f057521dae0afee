-- The log, its index and its tombstones.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('last_seq', 0);

-- audience: msgpack list of strings, NULL for everyone. wire: the event as JSON, as it is sent.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    pubkey BLOB NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    audience BLOB,
    door INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    wire BLOB NOT NULL
) STRICT;

CREATE INDEX events_by_expiry ON events (expires_at) WHERE expires_at IS NOT NULL;

-- One row for each thing an event can be found by; storage/sqlite/entries.py makes the keys. The index read
-- backwards is the order of NIP-01: newest first, and by `rank` the lowest id first.
CREATE TABLE entries (
    key BLOB NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (key, kind, created_at, rank, seq)
) STRICT, WITHOUT ROWID;

-- Tombstones: ids with who deleted them (a pubkey, or the operator), addresses (by their key in entries), authors.
CREATE TABLE deleted (
    id BLOB NOT NULL,
    deleter BLOB NOT NULL,
    PRIMARY KEY (id, deleter)
) STRICT, WITHOUT ROWID;

CREATE TABLE deleted_addresses (
    address BLOB PRIMARY KEY,
    until INTEGER NOT NULL,
    id BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE vanished (
    pubkey BLOB PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Projection: who a key says it is (kind 0).
CREATE TABLE profiles (
    pubkey TEXT PRIMARY KEY,
    name TEXT,
    display_name TEXT,
    about TEXT,
    picture TEXT,
    nip05 TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
