-- Where identities want to be told of what is new for them, and how far they are (relay/http/deliveries.py). Primary data, never
-- rebuilt; it goes with the identity.

-- secret: what deliveries are signed with, sealed under the master secret. told: up to which number of the log the receiver is told.
-- pending: up to which number a delivery goes that failed and is tried again. failures: tries in a row that failed, since when, and
-- not before which second comes the next. problem: what the last one met. ended_at: nothing is sent until its owner resumes it.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    url TEXT NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    told INTEGER NOT NULL,
    pending INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    next_at INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    ended_at INTEGER
) STRICT;

CREATE INDEX webhooks_by_identity ON webhooks (posting_identity_id, created_at);

CREATE TRIGGER webhooks_vanish AFTER UPDATE OF anonymised_at ON posting_identities WHEN NEW.anonymised_at IS NOT NULL BEGIN
    DELETE FROM webhooks WHERE posting_identity_id = NEW.id;
END;
