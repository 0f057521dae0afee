-- Search beside the writer. In conditions, p is a row of passages.

-- name: settings
SELECT value FROM meta WHERE name = 'search'

-- name: set_settings
UPDATE meta SET value = ? WHERE name = 'search'

-- name: model
SELECT value FROM meta WHERE name = 'search_model'

-- name: set_model
UPDATE meta SET value = ? WHERE name = 'search_model'

-- name: set_embedding
UPDATE passages SET embedding = ?, model = ? WHERE id = ?

-- name: forget_removed
DELETE FROM removed_passages WHERE number <= ?

-- name: merge_words
INSERT INTO passage_words (passage_words) VALUES ('optimize')

-- name: words
SELECT p.id, -bm25(passage_words, 4.0, 1.0) AS score
FROM passage_words CROSS JOIN passages AS p ON p.id = passage_words.rowid
WHERE passage_words MATCH ? {conditions}
ORDER BY score DESC, p.created_at DESC, p.event_id LIMIT ?

-- name: word_number
SELECT count(DISTINCT p.seq)
FROM passage_words CROSS JOIN passages AS p ON p.id = passage_words.rowid
WHERE passage_words MATCH ? {conditions}

-- name: frequency
SELECT coalesce((SELECT doc FROM passage_vocabulary WHERE term = ?), 0)

-- name: prefix_frequency
SELECT coalesce((SELECT sum(doc) FROM passage_vocabulary WHERE term >= ? AND term < ?), 0)

-- name: among
SELECT p.id FROM passages AS p WHERE p.id IN (SELECT value FROM json_each(?)) {conditions}

-- name: matching
SELECT p.id FROM passages AS p WHERE true {conditions} LIMIT ?

-- name: matching_entries
SELECT p.id FROM entries AS e CROSS JOIN passages AS p ON p.seq = e.seq WHERE e.key IN ({keys}) {conditions} LIMIT ?

-- name: shown
SELECT p.id, p.seq, p.event_id, p.kind_of, p.title, p.content, p.chunk, p.created_at
FROM passages AS p WHERE p.id IN (SELECT value FROM json_each(?))

-- name: wires
SELECT seq, wire FROM events WHERE seq IN (SELECT value FROM json_each(?))

-- name: chunks
SELECT
    p.id, p.event_id, p.chunk, p.title, p.content, p.model, p.tags, p.source,
    (SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = p.pubkey),
    p.organization_id, p.project_id, p.created_at
FROM passages AS p WHERE p.event_id = ? {conditions} ORDER BY p.chunk

-- name: pending
-- `model IS ?` finds those without any; `<` and `>` those of other models.
SELECT id, seq, chunk, pubkey, title, content FROM (
    SELECT id, seq, chunk, pubkey, title, content FROM passages WHERE model IS NULL
    UNION ALL SELECT id, seq, chunk, pubkey, title, content FROM passages WHERE model < ?1
    UNION ALL SELECT id, seq, chunk, pubkey, title, content FROM passages WHERE model > ?1
) LIMIT ?2

-- name: numbers
SELECT (SELECT count(*) FROM passages), (SELECT count(*) FROM passages WHERE model = ?)

-- name: embedded
SELECT id FROM passages WHERE model = ? ORDER BY id

-- name: embeddings
SELECT id, embedding FROM passages WHERE id IN (SELECT value FROM json_each(?)) AND model = ?

-- name: removed
SELECT number, passage_id FROM removed_passages WHERE number > ? ORDER BY number

-- Conditions: what a question leaves of the passages.

-- name: unexpired
AND (p.expires_at IS NULL OR p.expires_at > ?)

-- name: public
AND p.audience IS NULL

-- name: readable
AND (p.audience IS NULL OR EXISTS (
    SELECT 1 FROM entries AS x
    WHERE x.key IN ({keys}) AND x.kind = p.kind AND x.created_at = p.created_at AND x.rank = p.rank AND x.seq = p.seq
))

-- name: tagged
AND EXISTS (
    SELECT 1 FROM entries AS x
    WHERE x.key IN ({keys}) AND x.kind = p.kind AND x.created_at = p.created_at AND x.rank = p.rank AND x.seq = p.seq
)

-- name: upto
AND p.seq <= ?

-- name: since
AND p.created_at >= ?

-- name: until
AND p.created_at <= ?

-- name: ids
AND p.event_id IN (SELECT value FROM json_each(?))

-- name: authors
AND p.pubkey IN (SELECT value FROM json_each(?))

-- name: kinds
AND p.kind IN (SELECT value FROM json_each(?))

-- name: types
AND p.kind_of IN (SELECT value FROM json_each(?))

-- name: language
AND p.language = ?

-- name: user
AND p.kind_of = 'knowledge' AND p.pubkey IN (SELECT k.pubkey FROM user_keys AS k WHERE k.user_id = ?)

-- name: organization
AND p.kind_of = 'knowledge' AND p.organization_id = ?

-- name: project
AND p.kind_of = 'knowledge' AND p.project_id = ?
