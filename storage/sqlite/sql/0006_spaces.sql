-- Vectors in a table of their own, so that those of a coming model are made beside those that serve.

-- A space is a model and the vectors it made. state: serving (questions are asked here), coming (being made) or going (being
-- forgotten). One serves at most; none does before the first vector is kept.
CREATE TABLE spaces (
    slot INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('serving', 'coming', 'going')),
    UNIQUE (name, dimension)
) STRICT;
CREATE UNIQUE INDEX spaces_serving ON spaces (state) WHERE state = 'serving';

-- key: slot * 2^40 + the passage's id. embedding: float32, little-endian, of length 1. In each space vectors are made in the
-- order of passages and forgotten from the last: what has none yet is what comes after its highest key.
CREATE TABLE vectors (key INTEGER PRIMARY KEY, embedding BLOB NOT NULL) STRICT;
-- Counts and lists of keys read this and not the vectors.
CREATE INDEX vectors_by_key ON vectors (key);

INSERT INTO spaces (name, dimension, state)
SELECT json_extract(value, '$.name'), json_extract(value, '$.dimension'), 'serving'
FROM meta WHERE name = 'search_model' AND value <> '';

INSERT INTO vectors (key, embedding)
SELECT s.slot * 1099511627776 + p.id, p.embedding
FROM spaces AS s CROSS JOIN passages AS p
WHERE p.model = s.name AND p.id < coalesce(
    (SELECT min(w.id) FROM passages AS w WHERE w.model IS NOT s.name), 9223372036854775807
)
ORDER BY p.id;

-- How much of it a key has.
CREATE INDEX passages_of_knowledge ON passages (pubkey) WHERE kind_of = 'knowledge';

DROP VIEW knowledge;
DROP TRIGGER passages_go;
DROP INDEX passages_by_model;
ALTER TABLE passages DROP COLUMN embedding;
ALTER TABLE passages DROP COLUMN model;
DELETE FROM meta WHERE name = 'search_model';

CREATE TRIGGER passages_go AFTER DELETE ON passages BEGIN
    INSERT INTO passage_words (passage_words, rowid, title, content) VALUES ('delete', old.id, old.title, old.content);
    INSERT INTO removed_passages (passage_id)
    SELECT old.id WHERE EXISTS (
        SELECT 1 FROM vectors WHERE key IN (SELECT slot * 1099511627776 + old.id FROM spaces)
    );
    DELETE FROM vectors WHERE key IN (SELECT slot * 1099511627776 + old.id FROM spaces);
END;

-- The plan's table: what is knowledge among the passages, with the vectors that serve. Its user is whoever the author's key
-- belongs to now.
CREATE VIEW knowledge AS
SELECT
    p.id, p.event_id, p.chunk, p.title, p.content, v.embedding, iif(v.key IS NULL, NULL, s.name) AS model, p.tags, p.source,
    (SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = p.pubkey) AS user_id,
    p.organization_id, p.project_id, p.created_at, p.seq, p.audience
FROM passages AS p
LEFT JOIN spaces AS s ON s.state = 'serving'
LEFT JOIN vectors AS v ON v.key = s.slot * 1099511627776 + p.id
WHERE p.kind_of = 'knowledge';
