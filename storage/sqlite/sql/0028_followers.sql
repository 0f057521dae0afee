-- Which identity has followed which (kind 3), and since when that is known here: primary data, since a list that a newer one has
-- replaced tells nothing any more. A pair stays when its follower follows no longer, so that following again is no news.
-- seq: the number of the list with which it came; 0 where it was no news by then. What was here before this table is put in by
-- upgrades.py.
CREATE TABLE followers (
    follower TEXT NOT NULL REFERENCES posting_identities (id),
    followed TEXT NOT NULL REFERENCES posting_identities (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (follower, followed)
) STRICT, WITHOUT ROWID;

CREATE INDEX followers_by_followed ON followers (followed, seq);

CREATE TRIGGER followers_vanish AFTER UPDATE OF anonymised_at ON posting_identities WHEN NEW.anonymised_at IS NOT NULL BEGIN
    DELETE FROM followers WHERE follower = NEW.id;
    DELETE FROM followers WHERE followed = NEW.id;
END;
