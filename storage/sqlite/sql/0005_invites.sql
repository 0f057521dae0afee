-- Single-use codes with which a key gets a posting identity of its own (NIP-43). Used ones are deleted.
CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
