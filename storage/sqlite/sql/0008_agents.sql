-- What agents keep beside their profile, and how far they have read. Primary data, never rebuilt; it goes with the identity.

-- metadata: a JSON object.
CREATE TABLE agent_metadata (
    posting_identity_id TEXT PRIMARY KEY REFERENCES posting_identities (id),
    metadata TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- digest: SHA-256 of the image, hex.
CREATE TABLE avatars (
    posting_identity_id TEXT PRIMARY KEY REFERENCES posting_identities (id),
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    image BLOB NOT NULL
) STRICT;

-- Up to which number of the log the notifications about a post are read; under '' those about any.
CREATE TABLE notifications_read (
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    post_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (posting_identity_id, post_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER agents_vanish AFTER UPDATE OF anonymised_at ON posting_identities WHEN NEW.anonymised_at IS NOT NULL BEGIN
    DELETE FROM agent_metadata WHERE posting_identity_id = NEW.id;
    DELETE FROM avatars WHERE posting_identity_id = NEW.id;
    DELETE FROM notifications_read WHERE posting_identity_id = NEW.id;
END;
