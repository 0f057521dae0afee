-- Posts: live events of kind 11 (NIP-7D) that belong to no group, have a title and were signed by a key of an identity. The
-- newest live edit (kind 1010) by the same identity gives the text, and the title if it has one. 0x42, an event and an
-- author are the entries key of what the author says of the event; 0x54 and a tag's name are that of a tag.

-- name: keys
INSERT INTO touched (key, bytes)
SELECT lower(hex(v.id)), v.id FROM events AS v WHERE v.kind = 11 AND v.id > :after ORDER BY v.id LIMIT :most

-- name: spread
-- A post that has no row yet may be waited for by comments and votes; its text is searched.
WITH fresh AS MATERIALIZED (
    SELECT t.bytes FROM touched AS t CROSS JOIN events AS v ON v.id = t.bytes LEFT JOIN posts AS p ON p.seq = v.seq
    WHERE p.seq IS NULL
)
SELECT
    (
        SELECT group_concat(lower(hex(c.id)))
        FROM fresh AS f
        CROSS JOIN entries AS e ON e.key = CAST(x'544523' || f.bytes AS BLOB) AND e.kind = 1111
        CROSS JOIN events AS c ON c.seq = e.seq
    ) AS comments,
    (
        SELECT group_concat(lower(hex(substr(e.key, 2))))
        FROM fresh AS f
        CROSS JOIN entries AS e ON e.key > CAST(x'42' || f.bytes AS BLOB)
            AND e.key < CAST(x'42' || f.bytes || x'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF' AS BLOB)
        WHERE e.kind = 7
    ) AS votes,
    (SELECT group_concat(key) FROM touched WHERE is_searched(11)) AS passages

-- name: posts
-- instr spares parsing where a tag cannot be: what is stored is JSON without spaces.
-- LIMIT -1 keeps SQLite from computing a column wherever it is named.
WITH edited AS (
    SELECT
        v.seq, t.key, k.posting_identity_id, k.pubkey, v.created_at, v.received_at, v.expires_at,
        CAST(v.wire AS TEXT) AS wire, x.created_at AS updated_at, CAST(x.wire AS TEXT) AS newer
    FROM (SELECT x.seq, t.key, t.bytes FROM touched AS t CROSS JOIN events AS x ON x.id = t.bytes ORDER BY x.seq) AS t
    CROSS JOIN events AS v ON v.seq = t.seq
    CROSS JOIN identity_keys AS k ON k.pubkey = lower(hex(v.pubkey))
    LEFT JOIN events AS x ON x.seq = (
        SELECT y.seq
        FROM identity_keys AS ik
        CROSS JOIN entries AS e ON e.kind = 1010 AND e.key = CAST(
            x'42' || t.bytes || CASE ik.pubkey WHEN k.pubkey THEN v.pubkey ELSE id_bytes(ik.pubkey) END AS BLOB
        )
        CROSS JOIN events AS y ON y.seq = e.seq
        WHERE ik.posting_identity_id = k.posting_identity_id
        ORDER BY y.created_at DESC, y.id LIMIT 1
    )
    WHERE v.kind = 11 AND v.audience IS NULL LIMIT -1
),
titled AS (
    SELECT
        d.*,
        coalesce(
            CASE WHEN d.newer IS NOT NULL THEN (
                SELECT title FROM (
                    SELECT json_extract(j.value, '$[1]') AS title FROM json_each(d.newer, '$.tags') AS j
                    WHERE json_extract(j.value, '$[0]') = 'title' ORDER BY j.key LIMIT 1
                ) WHERE trim(title) <> '' AND length(title) <= 300
            ) END,
            (
                SELECT title FROM (
                    SELECT json_extract(j.value, '$[1]') AS title FROM json_each(d.wire, '$.tags') AS j
                    WHERE json_extract(j.value, '$[0]') = 'title' ORDER BY j.key LIMIT 1
                ) WHERE trim(title) <> '' AND length(title) <= 300
            )
        ) AS title
    FROM edited AS d LIMIT -1
)
SELECT
    seq, key AS id, posting_identity_id, pubkey, created_at, updated_at, received_at AS first_seen, expires_at, title,
    CASE WHEN instr(wire, '["r"') THEN (
        SELECT json_extract(j.value, '$[1]') FROM json_each(wire, '$.tags') AS j
        WHERE json_extract(j.value, '$[0]') = 'r' AND length(json_extract(j.value, '$[1]')) <= 2048
            AND (json_extract(j.value, '$[1]') LIKE 'http://_%' OR json_extract(j.value, '$[1]') LIKE 'https://_%')
        ORDER BY j.key LIMIT 1
    ) END AS url,
    json_extract(coalesce(newer, wire), '$.content') AS content
FROM titled
WHERE title IS NOT NULL AND NOT (
    instr(wire, '["h"')
    AND EXISTS (SELECT 1 FROM json_each(wire, '$.tags') AS j WHERE json_extract(j.value, '$[0]') = 'h')
)

-- name: forget_posts
DELETE FROM posts
WHERE seq IN (SELECT v.seq FROM touched AS t CROSS JOIN events AS v ON v.id = t.bytes) AND seq NOT IN (SELECT seq FROM ({rows}))

-- name: again_posts
ON CONFLICT DO UPDATE
SET title = excluded.title, url = excluded.url, content = excluded.content, updated_at = excluded.updated_at

-- name: recount
-- Posts whose counters are not what counting gives.
SELECT p.id FROM posts AS p
WHERE p.upvotes <> (SELECT coalesce(sum(counts), 0) FROM post_upvotes WHERE post_id = p.id)
    OR p.downvotes <> (SELECT coalesce(sum(counts), 0) FROM post_downvotes WHERE post_id = p.id)
    OR p.uncounted <> (SELECT count(*) FROM post_upvotes WHERE post_id = p.id AND NOT counts)
        + (SELECT count(*) FROM post_downvotes WHERE post_id = p.id AND NOT counts)
    OR p.comment_count <> (SELECT count(*) FROM comments WHERE post_id = p.id)
LIMIT 100
