-- Search beside the writer. In conditions, p is a row of passages.

-- name: settings
SELECT value FROM meta WHERE name = 'search'

-- name: set_settings
UPDATE meta SET value = ? WHERE name = 'search'

-- name: model
SELECT name, dimension FROM spaces WHERE state = 'serving'

-- name: coming
SELECT name, dimension FROM spaces WHERE state = 'coming'

-- name: enter
-- A model that was on its way out comes again.
INSERT INTO spaces (name, dimension, state) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET state = excluded.state WHERE state = 'going'

-- name: leave
UPDATE spaces SET state = 'going' WHERE NOT (name = ? AND dimension = ?)

-- name: serve
UPDATE spaces SET state = 'serving' WHERE name = ? AND dimension = ?

-- name: slot
SELECT slot, state FROM spaces WHERE name = ? AND dimension = ?

-- name: keep_vector
INSERT OR REPLACE INTO vectors (key, embedding)
SELECT ? * 1099511627776 + id, ? FROM passages WHERE id = ?

-- name: going
SELECT slot FROM spaces WHERE state = 'going'

-- name: forget_vectors
-- From the last, so that what is left of a space has no gap.
DELETE FROM vectors WHERE key IN (
    SELECT key FROM vectors WHERE key > ?1 * 1099511627776 AND key < (?1 + 1) * 1099511627776 ORDER BY key DESC LIMIT ?2
)

-- name: forget_space
DELETE FROM spaces WHERE slot = ?

-- name: forget_removed
DELETE FROM removed_passages WHERE number <= ?

-- name: merge_words
INSERT INTO passage_words (passage_words) VALUES ('optimize')

-- name: words_version
SELECT value FROM meta WHERE name = 'words'

-- name: words_done
SELECT value FROM meta WHERE name = 'words_done'

-- name: note_words
UPDATE meta SET value = ? WHERE name = ?

-- name: forget_words
INSERT INTO passage_words (passage_words) VALUES ('delete-all')

-- name: words_missing
SELECT count(*), total(length(title) + length(content)) FROM passages WHERE id > ?

-- name: words_upto
SELECT max(id) FROM (SELECT id FROM passages WHERE id > ? ORDER BY id LIMIT ?)

-- name: index_words
INSERT INTO passage_words (rowid, title, content)
SELECT id, folded(title), folded(content) FROM passages WHERE id > ? AND id <= ? ORDER BY id

-- name: words
SELECT p.id, -bm25(passage_words, 4.0, 1.0) AS score
FROM passage_words CROSS JOIN passages AS p ON p.id = passage_words.rowid
WHERE passage_words MATCH ? {conditions}
ORDER BY score DESC, p.created_at DESC, p.event_id LIMIT ?

-- name: best_words
SELECT rowid, -rank AS score FROM passage_words
WHERE passage_words MATCH ? AND rank MATCH 'bm25(4.0, 1.0)' ORDER BY rank LIMIT ?

-- name: all_words
SELECT rowid, -bm25(passage_words, 4.0, 1.0) FROM passage_words WHERE passage_words MATCH ?

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
SELECT p.id FROM entries AS e CROSS JOIN passages AS p ON p.seq = e.seq
WHERE e.key IN ({keys}) AND e.kind IN (SELECT value FROM json_each(?)) {conditions} LIMIT ?

-- name: ranked
SELECT p.id, p.seq, p.event_id, p.created_at, p.chunk FROM passages AS p WHERE p.id IN (SELECT value FROM json_each(?))

-- name: shown
SELECT p.id, p.event_id, p.kind_of, p.title, p.content, p.chunk, p.created_at
FROM passages AS p WHERE p.id IN (SELECT value FROM json_each(?))

-- name: wires
SELECT seq, wire FROM events WHERE seq IN (SELECT value FROM json_each(?))

-- name: chunks_of
SELECT count(*) FROM passages WHERE pubkey = ? AND kind_of = 'knowledge'

-- name: chunks
SELECT
    p.id, p.event_id, p.chunk, p.title, p.content, iif(v.key IS NULL, NULL, s.name), p.tags, p.source,
    (SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = p.pubkey),
    p.organization_id, p.project_id, p.created_at
FROM passages AS p
LEFT JOIN spaces AS s ON s.state = 'serving'
LEFT JOIN vectors AS v ON v.key = s.slot * 1099511627776 + p.id
WHERE p.seq = (SELECT seq FROM events WHERE id = ?) {conditions} ORDER BY p.chunk

-- name: pending
SELECT p.id, p.seq, p.chunk, p.pubkey, p.title, p.content FROM passages AS p
WHERE p.id > coalesce((
    SELECT max(v.key) - s.slot * 1099511627776 FROM spaces AS s CROSS JOIN vectors AS v
    WHERE s.name = ? AND s.dimension = ? AND v.key > s.slot * 1099511627776 AND v.key < (s.slot + 1) * 1099511627776
), 0)
ORDER BY p.id LIMIT ?

-- name: numbers
-- How many passages there are, and how many are without a vector: those after the last that has one (`pending`). Counting the
-- vectors themselves goes through all of them, each time that anything is stored.
SELECT (SELECT count(*) FROM passages), (
    SELECT count(*) FROM passages AS p
    WHERE p.id > coalesce((
        SELECT max(v.key) - s.slot * 1099511627776 FROM spaces AS s CROSS JOIN vectors AS v
        WHERE s.name = ? AND s.dimension = ? AND v.key > s.slot * 1099511627776 AND v.key < (s.slot + 1) * 1099511627776
    ), 0)
)

-- name: embedded
SELECT v.key - s.slot * 1099511627776 FROM spaces AS s CROSS JOIN vectors AS v INDEXED BY vectors_by_key
WHERE s.name = ? AND s.dimension = ? AND v.key > s.slot * 1099511627776 AND v.key < (s.slot + 1) * 1099511627776
ORDER BY v.key

-- name: embeddings
SELECT j.value, v.embedding FROM spaces AS s CROSS JOIN json_each(?) AS j CROSS JOIN vectors AS v
WHERE v.key = s.slot * 1099511627776 + j.value AND s.name = ? AND s.dimension = ?

-- name: removed
SELECT number, passage_id FROM removed_passages WHERE number > ? ORDER BY number

-- Conditions: what a question leaves of the passages.

-- name: unexpired
AND (p.expires_at IS NULL OR p.expires_at > ?)

-- name: public
AND p.audience IS NULL

-- name: not_kept
-- Of groups whose settings have changed who may read them: what is not entered anew yet is for members alone, and for nobody
-- where the group has ended.
AND NOT EXISTS (
    SELECT 1 FROM groups AS g INDEXED BY groups_moving CROSS JOIN events AS v INDEXED BY events_by_group
    WHERE g.moving IS NOT NULL AND v.group_number = g.number AND v.seq = p.seq AND v.seq <= g.moving
        AND (g.ended OR ((g.private OR g.hidden) AND g.id NOT IN (SELECT value FROM json_each(?))))
)

-- name: readable
-- Whom all of a group's events are for is told by what is stored, of others the index tells.
AND (p.audience IS NULL OR hex(p.audience) IN (SELECT value FROM json_each(?)) OR EXISTS (
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
AND p.seq IN (SELECT seq FROM events WHERE id IN ({keys}))

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
