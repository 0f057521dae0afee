-- Search: a projection. A passage is a piece of an event's text that is found on its own; short events are one passage,
-- long ones several. It is found by its event's place in the log, and goes with its event. An id is never given twice and its text
-- never changes, so that a vector made for an id stays true.

-- What is searched: set from the settings; a change makes the passages again.
INSERT INTO meta (name, value) VALUES ('search', '{"kinds":[],"knowledge":[],"size":1000,"overlap":150}');
-- The model whose vectors the rows hold and their dimension, as JSON; '' until the first one is used.
INSERT INTO meta (name, value) VALUES ('search_model', '');

-- kind_of: posts, comments (those with a row in the feed), knowledge or events. rank: of its row in entries. tags: its `t`
-- tags as JSON. embedding: float32, little-endian, of length 1; NULL until it is made.
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    pubkey TEXT NOT NULL,
    kind INTEGER NOT NULL,
    kind_of TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    expires_at INTEGER,
    audience BLOB,
    language TEXT,
    organization_id TEXT,
    project_id TEXT,
    model TEXT,
    tags TEXT NOT NULL,
    source TEXT,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    embedding BLOB,
    UNIQUE (seq, chunk)
) STRICT;

CREATE INDEX passages_by_kind ON passages (kind, created_at);
CREATE INDEX passages_by_created_at ON passages (created_at);
CREATE INDEX passages_by_model ON passages (model, id);
CREATE INDEX passages_by_organization ON passages (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX passages_by_project ON passages (project_id) WHERE project_id IS NOT NULL;

CREATE VIRTUAL TABLE passage_words USING fts5 (
    title, content, content = 'passages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE passage_vocabulary USING fts5vocab ('passage_words', 'row');

-- Passages that had a vector and are gone: what the index beside the database still has to forget.
CREATE TABLE removed_passages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    passage_id INTEGER NOT NULL
) STRICT;

CREATE TRIGGER passages_events_go AFTER DELETE ON events BEGIN
    DELETE FROM passages WHERE seq = old.seq;
END;

CREATE TRIGGER passages_come AFTER INSERT ON passages BEGIN
    INSERT INTO passage_words (rowid, title, content) VALUES (new.id, new.title, new.content);
END;

CREATE TRIGGER passages_go AFTER DELETE ON passages BEGIN
    INSERT INTO passage_words (passage_words, rowid, title, content) VALUES ('delete', old.id, old.title, old.content);
    INSERT INTO removed_passages (passage_id) SELECT old.id WHERE old.embedding IS NOT NULL;
END;

-- The plan's table: what is knowledge among the passages. Its user is whoever the author's key belongs to now.
CREATE VIEW knowledge AS
SELECT
    p.id, p.event_id, p.chunk, p.title, p.content, p.embedding, p.model, p.tags, p.source,
    (SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = p.pubkey) AS user_id,
    p.organization_id, p.project_id, p.created_at, p.seq, p.audience
FROM passages AS p
WHERE p.kind_of = 'knowledge';
