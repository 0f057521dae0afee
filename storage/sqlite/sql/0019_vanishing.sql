-- Keys that asked to vanish (NIP-62) and are in more groups than one transaction takes them out of: what is left of them is what they
-- changed in those groups. until: up to which created_at; cause: the id of the request.
CREATE TABLE vanishing (
    pubkey TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    cause TEXT NOT NULL
) STRICT, WITHOUT ROWID;
