-- What the usual questions with short answers are answered by, see storage/sqlite/reading/short.py. A row is a wire form; NULL stands for
-- what takes the long way. ?1 since, ?2 until, ?3 upto, ?4 now, ?5 limit, then keys and kinds.

-- name: one
SELECT CASE WHEN length(v.wire) <= 8192 THEN v.wire END
FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key = ?6 AND e.kind = ?7 AND e.created_at BETWEEN ?1 AND ?2 AND e.seq <= ?3
    AND (v.expires_at IS NULL OR v.expires_at > ?4)
ORDER BY e.created_at DESC, e.rank DESC, e.seq DESC LIMIT ?5

-- name: several
SELECT CASE WHEN length(v.wire) <= 8192 THEN v.wire END
FROM ({arms} ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT ?5) AS e CROSS JOIN events AS v ON v.seq = e.seq

-- name: arm
SELECT e.created_at, e.rank, e.seq FROM entries AS e
WHERE e.key = ?{key} AND e.kind = ?{kind} AND e.created_at BETWEEN ?1 AND ?2 AND e.seq <= ?3
    AND e.seq NOT IN (SELECT x.seq FROM events AS x WHERE x.expires_at <= ?4)

-- name: ids
-- In no order, with the time of each, negated: sorted as they are, the newest come first. A private event may be shown to some readers only, ?6 tells whether there is any: the long
-- way finds out whose it is.
SELECT -created_at, CASE WHEN audience IS NULL AND length(wire) <= 8192 THEN wire END
FROM events
WHERE id IN ({ids}) AND created_at BETWEEN ?1 AND ?2 AND seq <= ?3 AND (expires_at IS NULL OR expires_at > ?4)
    AND (audience IS NULL OR ?5)
