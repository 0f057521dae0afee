-- What the operator said while the relay ran (storage/access.py): of keys, kinds, addresses and events, and texts in place of settings. Not
-- in the log of events, so never rebuilt. management_log is only added to.
CREATE TABLE access_rules (
    subject TEXT NOT NULL,
    value TEXT NOT NULL,
    allowed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by_key TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (subject, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_texts (
    setting TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE management_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by_key TEXT NOT NULL,
    done TEXT NOT NULL,
    subject TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
