-- What the pages that posts link to said of themselves (relay/http/link_previews.py), by the post's number in the log. Not in the log,
-- so never rebuilt; it goes with the post's event.
CREATE TABLE link_previews (
    seq INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    picture TEXT NOT NULL
) STRICT;

CREATE TRIGGER link_previews_go AFTER DELETE ON events WHEN OLD.kind = 11 BEGIN
    DELETE FROM link_previews WHERE seq = OLD.seq;
END;
