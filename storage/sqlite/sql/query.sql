-- Fragments that storage/sqlite/reading/query.py composes. Shared parameters: ?1 since, ?2 until, ?3 upto, ?4 limit, ?5 now, ?6 and ?7 after.

-- name: arm
SELECT e.created_at, e.rank, e.seq FROM entries AS e
WHERE e.key = {key} AND e.kind = {kind} AND e.created_at BETWEEN ?1 AND ?2 AND e.seq <= ?3

-- name: scan
SELECT e.created_at, e.rank, e.seq FROM entries AS e
WHERE e.key = {key} AND e.created_at BETWEEN ?1 AND ?2 AND e.seq <= ?3

-- name: unexpired
AND e.seq NOT IN (SELECT x.seq FROM events AS x WHERE x.expires_at <= ?5)

-- name: after
AND (e.created_at < ?6 OR e.rank < ?7)

-- name: excluded
-- Each row a group, and up to which number its events are left out.
AND NOT EXISTS (
    SELECT 1 FROM (VALUES {rows}) AS m CROSS JOIN events AS g INDEXED BY events_by_group
    WHERE g.group_number = m.column1 AND g.seq = e.seq AND g.seq <= m.column2
)

-- name: also
AND EXISTS (
    SELECT 1 FROM entries AS x
    WHERE x.key IN ({keys}) AND x.kind = e.kind AND x.created_at = e.created_at
        AND x.rank = e.rank AND x.seq = e.seq
)

-- name: merged
{arms} ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT ?4

-- name: pages
-- Of each row the numbers (created_at, rank, seq), and the bodies, a line each: no wire form holds a line feed. A large body is
-- left out, its line empty, and fetched when its turn comes, so that a page cannot fill the memory.
SELECT
    CAST('[' || group_concat(e.created_at || ',' || e.rank || ',' || e.seq) || ']' AS BLOB),
    CAST(group_concat(CASE WHEN length(v.wire) <= 8192 THEN v.wire ELSE '' END, char(10)) AS BLOB)
FROM ({merged}) AS e CROSS JOIN events AS v ON v.seq = e.seq

-- name: heads
SELECT CAST('[' || group_concat(e.created_at || ',' || e.rank || ',' || e.seq) || ']' AS BLOB), NULL FROM ({merged}) AS e

-- name: seqs
SELECT CAST(group_concat(e.seq) AS BLOB) FROM ({merged}) AS e

-- name: items
-- The times and ids, each as one: it takes a tenth of what a row each would.
SELECT CAST('[' || group_concat(e.created_at) || ']' AS BLOB), group_concat(hex(v.id), '')
FROM ({merged}) AS e CROSS JOIN events AS v ON v.seq = e.seq

-- name: pubkeys
SELECT CAST(group_concat(lower(hex(p.pubkey))) AS BLOB) FROM (
    SELECT DISTINCT v.pubkey FROM ({merged}) AS e CROSS JOIN events AS v ON v.seq = e.seq
) AS p

-- name: total
SELECT sum(c.n) FROM ({merged}) AS c

-- name: number
SELECT count(*) AS n FROM ({arm} LIMIT ?4)
