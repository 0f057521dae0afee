-- Comments: live events of kind 1111 (NIP-22) that belong to no group, were signed by a key of an
-- identity and whose root is a post with a row. What a comment answers must be one under the same root.

-- name: keys
INSERT INTO touched (key, bytes)
SELECT lower(hex(v.id)), v.id FROM events AS v WHERE v.kind = 1111 AND v.id > :after ORDER BY v.id LIMIT :most

-- name: widen
-- What answers a comment stands elsewhere when the comment comes or goes.
INSERT OR IGNORE INTO touched (key, bytes)
SELECT lower(hex(v.id)), v.id
FROM touched AS t
CROSS JOIN entries AS e ON e.key = CAST(x'546523' || t.bytes AS BLOB) AND e.kind = 1111
CROSS JOIN events AS v ON v.seq = e.seq

-- name: spread
-- A comment that has no row yet may be waited for by votes; its text is searched.
SELECT
    group_concat(lower(hex(substr(e.key, 2)))) AS votes,
    (SELECT group_concat(key) FROM touched WHERE is_searched(1111)) AS passages
FROM touched AS t
CROSS JOIN events AS v ON v.id = t.bytes
LEFT JOIN comments AS c ON c.seq = v.seq
CROSS JOIN entries AS e ON e.key > CAST(x'42' || t.bytes AS BLOB)
    AND e.key < CAST(x'42' || t.bytes || x'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF' AS BLOB)
WHERE c.seq IS NULL AND e.kind = 7

-- name: comments
WITH comment_events AS NOT MATERIALIZED (
    SELECT
        v.seq, v.id AS bytes, k.posting_identity_id, k.pubkey, v.created_at, v.received_at, v.expires_at, v.wire,
        (
            SELECT json_extract(j.value, '$[1]') FROM json_each(CAST(v.wire AS TEXT), '$.tags') AS j
            WHERE json_extract(j.value, '$[0]') = 'E' ORDER BY j.key LIMIT 1
        ) AS root
    FROM events AS v CROSS JOIN identity_keys AS k ON k.pubkey = lower(hex(v.pubkey))
    WHERE v.kind = 1111 AND v.audience IS NULL AND NOT (
        instr(v.wire, CAST('["h"' AS BLOB))
        AND EXISTS (
            SELECT 1 FROM json_each(CAST(v.wire AS TEXT), '$.tags') AS j WHERE json_extract(j.value, '$[0]') = 'h'
        )
    )
),
wanted AS MATERIALIZED (
    SELECT
        t.key, c.*,
        (
            SELECT json_extract(j.value, '$[1]') FROM json_each(CAST(c.wire AS TEXT), '$.tags') AS j
            WHERE json_extract(j.value, '$[0]') = 'e' ORDER BY j.key LIMIT 1
        ) AS reply_to
    FROM touched AS t CROSS JOIN comment_events AS c ON c.bytes = t.bytes
)
SELECT
    c.seq, c.key AS id, p.id AS post_id,
    CASE WHEN c.reply_to <> c.root THEN
        (SELECT lower(hex(a.bytes)) FROM comment_events AS a WHERE a.bytes = id_bytes(c.reply_to) AND a.root = p.id)
    END AS parent_id,
    c.posting_identity_id, c.pubkey, c.created_at, c.received_at AS first_seen, c.expires_at,
    json_extract(CAST(c.wire AS TEXT), '$.content') AS content
FROM wanted AS c
CROSS JOIN events AS r ON r.id = id_bytes(c.root)
CROSS JOIN posts AS p ON p.seq = r.seq

-- name: forget_comments
DELETE FROM comments
WHERE seq IN (SELECT v.seq FROM touched AS t CROSS JOIN events AS v ON v.id = t.bytes) AND seq NOT IN (SELECT seq FROM ({rows}))

-- name: again_comments
ON CONFLICT DO UPDATE SET parent_id = excluded.parent_id WHERE parent_id IS NOT excluded.parent_id

-- name: recount
-- Comments whose counters are not what counting gives.
SELECT c.id FROM comments AS c
WHERE c.upvotes <> (SELECT coalesce(sum(counts), 0) FROM comment_upvotes WHERE comment_id = c.id)
    OR c.downvotes <> (SELECT coalesce(sum(counts), 0) FROM comment_downvotes WHERE comment_id = c.id)
    OR c.uncounted <> (SELECT count(*) FROM comment_upvotes WHERE comment_id = c.id AND NOT counts)
        + (SELECT count(*) FROM comment_downvotes WHERE comment_id = c.id AND NOT counts)
    OR c.comment_count <> (SELECT count(*) FROM comments AS r WHERE r.post_id = c.post_id AND r.parent_id = c.id)
LIMIT 100
