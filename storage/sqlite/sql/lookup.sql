-- What reading needs beside the filters themselves.

-- name: expired
SELECT 1 FROM events WHERE expires_at <= ? LIMIT 1

-- name: expired_since
SELECT id FROM events WHERE expires_at > ? AND expires_at <= ? LIMIT ?

-- name: kinds
-- The distinct kinds of each key by skipping from one to the next; 201 rows of a key mean that there may be more.
WITH RECURSIVE found (key, kind, n) AS (
    SELECT k.column1, (SELECT min(e.kind) FROM entries AS e WHERE e.key = k.column1), 1
    FROM (VALUES {keys}) AS k
    UNION ALL
    SELECT f.key, (SELECT min(e.kind) FROM entries AS e WHERE e.key = f.key AND e.kind > f.kind), f.n + 1
    FROM found AS f WHERE f.kind IS NOT NULL AND f.n <= 200
)
SELECT group_concat(lower(hex(key))), group_concat(kind) FROM found WHERE kind IS NOT NULL

-- name: estimate
SELECT count(*) FROM (
    SELECT 1 FROM entries AS e WHERE e.key IN ({keys}) AND e.kind IN ({kinds}) AND e.created_at BETWEEN ? AND ?
    LIMIT ?
)

-- name: estimate_any_kind
SELECT count(*) FROM (SELECT 1 FROM entries AS e WHERE e.key IN ({keys}) LIMIT ?)

-- name: bodies
SELECT CAST('[' || group_concat(seq) || ']' AS BLOB), CAST(group_concat(wire, char(10)) AS BLOB)
FROM events WHERE seq IN ({seqs}) AND (expires_at IS NULL OR expires_at > ?)

-- name: audiences
-- Of those that are not simply everybody's.
SELECT seq, audience, group_number FROM events
WHERE seq IN ({seqs}) AND (audience IS NOT NULL OR group_number IS NOT NULL)

-- name: among
SELECT created_at, seq, CASE WHEN length(wire) <= 8192 THEN wire END, id, kind, pubkey, audience, group_number
FROM events
WHERE id IN ({ids}) AND created_at BETWEEN ? AND ? AND seq <= ? AND (expires_at IS NULL OR expires_at > ?)

-- name: ids
SELECT CAST('[' || group_concat(seq) || ']' AS BLOB), group_concat(hex(id), '') FROM events WHERE seq IN ({seqs})

-- name: by_id
SELECT seq, wire, door, received_at, audience, expires_at, group_number FROM events WHERE id = ?

-- name: records
SELECT seq, wire, door, received_at FROM events WHERE seq IN ({seqs}) ORDER BY seq

-- name: page_after
SELECT seq, wire, door, received_at FROM events WHERE seq > ? ORDER BY seq LIMIT ?

-- name: follow
SELECT seq, wire, audience, group_number FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
