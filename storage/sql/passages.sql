-- Passages: the text of live events of the kinds that are searched, cut by `passages_of` (storage/search/chunks.py). A post's
-- text is that of its row, edits included.

-- name: ready
CREATE TEMP TABLE made_passages (
    seq INTEGER, chunk INTEGER, event_id TEXT, pubkey TEXT, kind INTEGER, kind_of TEXT, created_at INTEGER, rank INTEGER,
    expires_at INTEGER, audience BLOB, language TEXT, tags TEXT, source TEXT, title TEXT, content TEXT,
    PRIMARY KEY (seq, chunk)
) WITHOUT ROWID

-- name: keys
INSERT INTO touched (key, bytes)
SELECT lower(hex(v.id)), v.id FROM events AS v
WHERE v.id > :after AND v.kind IN (
    SELECT k.value FROM meta AS m, json_each(m.value, '$.kinds') AS k WHERE m.name = 'search'
    UNION
    SELECT k.value FROM meta AS m, json_each(m.value, '$.knowledge') AS k WHERE m.name = 'search'
)
ORDER BY v.id LIMIT :most

-- name: clear
DELETE FROM made_passages

-- name: make
INSERT INTO made_passages
SELECT
    v.seq, j.key, t.key, lower(hex(v.pubkey)), v.kind,
    CASE
        WHEN p.seq IS NOT NULL THEN 'posts'
        WHEN c.seq IS NOT NULL THEN 'comments'
        ELSE json_extract(j.value, '$[0]')
    END,
    v.created_at, json_extract(j.value, '$[1]'), v.expires_at, v.audience, json_extract(j.value, '$[2]'),
    json_extract(j.value, '$[3]'), json_extract(j.value, '$[4]'), json_extract(j.value, '$[5]'), json_extract(j.value, '$[6]')
FROM touched AS t
CROSS JOIN events AS v ON v.id = t.bytes
LEFT JOIN posts AS p ON p.seq = v.seq
LEFT JOIN comments AS c ON c.seq = v.seq
CROSS JOIN json_each(passages_of(v.kind, v.wire, p.title, p.content)) AS j

-- name: passages
SELECT * FROM made_passages

-- name: forget_passages
DELETE FROM passages
WHERE seq IN (SELECT v.seq FROM touched AS t CROSS JOIN events AS v ON v.id = t.bytes) AND NOT EXISTS (
    SELECT 1 FROM made_passages AS m
    WHERE m.seq = passages.seq AND m.chunk = passages.chunk
        AND m.kind_of = passages.kind_of AND m.title = passages.title AND m.content = passages.content
)

-- name: forget_unsearched
DELETE FROM passages WHERE NOT is_searched(kind)

-- name: again_passages
ON CONFLICT DO NOTHING
